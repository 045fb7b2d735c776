// The kernel's mount table: its format, and noticing its changes.

import Glibc
import Platform
import Testing

@testable import Daemon

@Suite struct MountTableTests {
    static let text = """
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
        36 22 0:45 / /models rw,nosuid,nodev,relatime - fuse.modelfs hf://models rw,user_id=0
        37 22 0:45 /a\\040b /mnt/with\\040blank\\134\\011end ro shared:5 - fuse.modelfs x rw
        38 36 0:50 / /models rw - tmpfs none rw
        this line makes no sense
        39 22 0:51 / /cut rw
        40 22 0:52 / /nothing rw - tmpfs  rw,size=4k
        """

    @Test func readsEntries() throws {
        let table = MountTable(parsing: MountTableTests.text)
        #expect(table.entries.map(\.mountID) == [22, 36, 37, 38, 40])
        #expect(table.modelFSEntries.map(\.mountpoint) == ["/models", "/mnt/with blank\\\tend"])
        let bind = try #require(table.topmost(at: "/mnt/with blank\\\tend"))
        #expect(bind.root == "/a b")
        #expect(bind.deviceID == "0:45")
        #expect(bind.source == "x")
        #expect(table.topmost(at: "/nothing")?.source == "")
    }

    @Test func theLastOneAtAPathCoversTheOthers() {
        let table = MountTable(parsing: MountTableTests.text)
        #expect(table.topmost(at: "/models")?.fileSystemType == "tmpfs")
        #expect(table.topmost(at: "/model") == nil)
    }

    @Test func theKernelHasOne() throws {
        #expect(try MountTable.current().topmost(at: "/") != nil)
    }

    @Test(.enabled(if: canMount, "needs root and /dev/fuse"))
    func changesAreNoticedUntilItIsStopped() throws {
        let temporary = try TemporaryFolder()
        let mountpoint = try temporary.folder("m")
        let changes = Mailbox<Int>()
        let watcher = try MountWatcher { changes.send(1) }
        #expect(mount("none", mountpoint, "tmpfs", 0, "size=4k") == 0)
        #expect(changes.receive(until: .now + 5) == 1)
        #expect(try MountTable.current().topmost(at: mountpoint)?.fileSystemType == "tmpfs")
        _ = changes.drain()
        try Mounting.unmount(mountpoint, isLazy: false)
        #expect(changes.receive(until: .now + 5) == 1)
        watcher.stop()
        _ = changes.drain()
    }

    @Test(.enabled(if: canMount, "needs root and /dev/fuse"))
    func bindsAreReadOnly() throws {
        let temporary = try TemporaryFolder()
        let source = try temporary.folder("source")
        let target = try temporary.folder("target")
        try Mounting.bind(source, at: target, isReadOnly: true)
        defer { try? Mounting.unmount(target, isLazy: true) }
        #expect(mkdir("\(target)/x", 0o755) != 0)
        #expect(Errno.current == .readOnly)
        #expect(mkdir("\(source)/x", 0o755) == 0)
        #expect(access("\(target)/x", F_OK) == 0)
    }
}
