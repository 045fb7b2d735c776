// What can be mounted on, what FUSE needs, and cleaning up after the dead.

import Glibc
import Platform
import Testing

@testable import Daemon

private func failure(_ path: String, cache: String = "/nowhere") -> MountFailure? {
    do throws(MountFailure) {
        let path = try MountpointCheck.canonical(path)
        _ = try MountpointCheck(cachePath: cache).prepare(path)
        return nil
    } catch {
        return error
    }
}

/// A FUSE mount whose daemon is gone: its only descriptor is closed.
private func mountDead(at path: String) -> Bool {
    let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
    defer { close(device) }
    let options = "fd=\(device),rootmode=40000,user_id=0,group_id=0"
    return mount("modelfs", path, MountTable.fileSystemType, 0, options) == 0
}

@Suite struct MountpointCheckTests {
    @Test func goodAndBadFolders() throws {
        let temporary = try TemporaryFolder()
        let empty = try temporary.folder("empty")
        #expect(failure(empty) == nil)
        let file = try temporary.file("file", "x")
        #expect(failure(file) == .mountpointNotDirectory(path: file))
        #expect(failure("\(file)/x") == .mountpointNotDirectory(path: "\(file)/x"))
        #expect(failure("\(empty)/no") == .mountpointMissing(path: "\(empty)/no"))
        #expect(failure("\(empty)/no/more") == .mountpointMissing(path: "\(empty)/no/more"))
        #expect(failure(empty, cache: empty) == .mountpointInsideCache(path: empty, cache: empty))
        let full = try temporary.folder("full")
        _ = try temporary.file("full/leaf", "x")
        #expect(failure(full) == .mountpointNotEmpty(path: full, entry: "leaf"))
        guard case .mountpointTaken("/proc", let type, _) = failure("/proc") else {
            Issue.record("/proc could be mounted on")
            return
        }
        #expect(type == "proc")
    }

    @Test func linksAreFollowed() throws {
        let temporary = try TemporaryFolder()
        let target = try temporary.folder("target")
        #expect(symlink(target, "\(temporary.path)/link") == 0)
        #expect(symlink("nowhere", "\(temporary.path)/broken") == 0)
        #expect(try MountpointCheck.canonical("\(temporary.path)/link") == target)
        #expect(try MountpointCheck.canonical("\(temporary.path)/target/") == target)
        #expect(try MountpointCheck.canonical("\(target)/..") == temporary.path)
        #expect(try MountpointCheck.canonical("/") == "/")
        let broken = "\(temporary.path)/broken"
        #expect(failure(broken) == .mountpointMissing(path: broken))
    }

    @Test(.enabled(if: canMount, "needs root and /dev/fuse"))
    func deadMountsOfOursAreTakenAway() throws {
        let temporary = try TemporaryFolder()
        let path = try temporary.folder("m")
        try #require(mountDead(at: path))
        // The folder below is dead now, so the second is put on it through the kernel's eyes.
        #expect(Liveness.of(path) == .dead)
        var status = stat()
        #expect(stat(path, &status) != 0)
        #expect(Errno.current == .notConnected)
        let canonical = try MountpointCheck.canonical(path)
        #expect(try MountpointCheck(cachePath: "/nowhere").prepare(canonical) == 1)
        #expect(try MountTable.current().topmost(at: path) == nil)
    }

    @Test(.enabled(if: canMount, "needs root and /dev/fuse"))
    func stuckMountsAreLeftAlone() throws {
        let temporary = try TemporaryFolder()
        let path = try temporary.folder("m")
        let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        let options = "fd=\(device),rootmode=40000,user_id=0,group_id=0"
        try #require(mount("modelfs", path, MountTable.fileSystemType, 0, options) == 0)
        #expect(Liveness.of(path, secondsMax: 0.2) == .silent)
        close(device)
        try StaleMount.remove(path)
    }

    @Test func fuseIsLookedFor() throws {
        let temporary = try TemporaryFolder()
        let device = try temporary.file("fuse", "")
        let bin = try temporary.folder("bin")
        func check(_ device: String, user: UInt32, configuration: String = "") -> MountFailure? {
            let configuration = "\(temporary.path)/\(configuration)"
            let prerequisites = FusePrerequisites(
                device: device, configuration: configuration, searchPath: bin, userID: user,
                hasName: { $0 != 2 })
            do {
                try prerequisites.check(allowOther: true)
                return nil
            } catch {
                return error
            }
        }
        #expect(check("/none/fuse", user: 0) == .fuseDeviceMissing(path: "/none/fuse"))
        #expect(check(bin, user: 0) == .fuseDeviceRefused(path: bin, .isDirectory))
        #expect(check(device, user: 0) == nil)
        #expect(check(device, user: 1) == .fusermountMissing)
        chmod(try temporary.file("bin/fusermount3", ""), 0o755)
        #expect(check(device, user: 2) == .userNameless(userID: 2))
        #expect(FusePrerequisites.isKnown(0))
        #expect(!FusePrerequisites.isKnown(4_000_000_000))
        let none = "\(temporary.path)/none"
        #expect(
            check(device, user: 1, configuration: "none")
                == .allowOtherNotEnabled(configuration: none))
        let off = try temporary.file("off", "#user_allow_other\nmount_max = 5\n")
        #expect(
            check(device, user: 1, configuration: "off")
                == .allowOtherNotEnabled(configuration: off))
        _ = try temporary.file("on", "mount_max = 5\n  user_allow_other # yes\n")
        #expect(check(device, user: 1, configuration: "on") == nil)
    }
}
