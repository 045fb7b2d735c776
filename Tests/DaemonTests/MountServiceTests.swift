// Who holds which mountpoint, when requests and the kernel's table change at the same time.

import Platform
import Telemetry
import Testing

@testable import Daemon

/// Mounts nothing, and notes what it is told.
private final class NotingBackend: MountBackend {
    let notes = Lock<[String]>([])

    func checkPrerequisites(_ options: MountOptions) throws(MountFailure) {}

    func begin(_ keeping: MountKeeping) {}

    func adopt(mountpoint: String) -> Bool { !mountpoint.contains("dead") }

    func mount(_ request: MountRequest) throws(MountFailure) -> MountInfo {
        notes.withLock { $0.append("mount") }
        return MountInfo(source: request.source, mountpoint: request.mountpoint)
    }

    func unmount(mountpoint: String, isLazy: Bool) throws(MountFailure) {
        notes.withLock { $0.append("unmount") }
    }

    func forget(mountpoint: String) { notes.withLock { $0.append("forget") } }
    func answer(
        _ request: CacheRequest, progress: (CacheProgress) -> Bool
    ) throws(MountFailure) -> CacheAnswer {
        .verified(CacheCheck())
    }

    var notices: [String] { [] }

    func status() -> BackendStatus { BackendStatus() }
    func vitalSigns() -> [VitalSign] { [] }
    func flush() {}
    func stop() -> [String] { [] }
}

/// The kernel's table, as a test has it, and what happens while it is read.
private final class Table: Sendable {
    let text = Lock("")
    let interruption = Lock<(@Sendable () -> Void)?>(nil)

    func read() -> MountTable {
        let table = MountTable(parsing: text.withLock { $0 })
        let interruption = interruption.withLock { $0.take() }
        interruption?()
        return table
    }
}

private struct Site {
    let temporary: TemporaryFolder
    let backend = NotingBackend()
    let table = Table()
    let service: MountService
    let mountpoint: String

    init() throws {
        temporary = try TemporaryFolder()
        mountpoint = try temporary.folder("m")
        let table = table
        service = MountService(
            backend: backend, keeping: MountKeeping(nil), cachePath: "/nowhere",
            log: Log(minimum: .error),
            readTable: { () throws(Errno) in table.read() })
    }

    var entry: String { "36 22 0:45 / \(mountpoint) rw - fuse.modelfs hf://models rw" }

    var request: MountRequest {
        MountRequest(
            source: "hf://models", mountpoint: mountpoint,
            options: MountOptions(allowOther: false, userID: 0, groupID: 0))
    }

    func mount() {
        table.text.withLock { $0 = entry }
        let reply = service.mount(request)
        guard case .mounted(let info, notices: [], wasThere: false) = reply,
            info.deviceID == "0:45"
        else {
            Issue.record("not mounted: \(reply)")
            return
        }
    }
}

@Suite struct MountServiceTests {
    @Test func whatTheTableLostIsForgotten() throws {
        let site = try Site()
        site.mount()
        site.service.reconcile()
        #expect(site.service.status().mounts.count == 1)
        site.table.text.withLock { $0 = "" }
        site.service.reconcile()
        #expect(site.service.status().mounts.isEmpty)
        #expect(site.backend.notes.withLock { $0 } == ["mount", "forget"])
        #expect(site.service.closeIfIdle())
        #expect(site.service.mount(site.request) == .stopping)
    }

    @Test func aMountThatComesWhileTheTableIsReadIsNotGone() throws {
        let site = try Site()
        // The table is read empty, and before anybody looks at it the mount is there.
        site.table.interruption.withLock { $0 = { site.mount() } }
        site.service.reconcile()
        #expect(site.service.status().mounts.count == 1)
        #expect(site.backend.notes.withLock { $0 } == ["mount"])
        #expect(!site.service.closeIfIdle())
    }

    @Test func aMountThatWasReplacedMeanwhileIsNotGone() throws {
        let site = try Site()
        site.mount()
        site.table.text.withLock { $0 = "" }
        site.table.interruption.withLock {
            $0 = {
                #expect(site.service.unmount(site.mountpoint, isLazy: false) == .unmounted)
                site.mount()
            }
        }
        site.service.reconcile()
        #expect(site.service.status().mounts.count == 1)
        #expect(site.backend.notes.withLock { $0 } == ["mount", "unmount", "mount"])
    }

    @Test func theSameAgainIsNoFailureAndOtherOptionsAre() throws {
        let site = try Site()
        site.mount()
        guard
            case .mounted(_, notices: ["It was mounted already."], wasThere: true) =
                site.service.mount(site.request)
        else {
            Issue.record("the same again failed")
            return
        }
        var request = site.request
        request.options.userID = 7
        #expect(
            site.service.mount(request)
                == .failed(.optionConflict(option: "--uid", held: "0")))
        request = site.request
        request.options.allowOther = true
        #expect(
            site.service.mount(request)
                == .failed(.optionConflict(option: "--allow-other", held: "off")))
        #expect(site.backend.notes.withLock { $0 } == ["mount"])
    }

    @Test func oneRequestAtATimeForOnePlace() throws {
        let site = try Site()
        site.table.text.withLock { $0 = site.entry }
        let service = site.service
        let request = site.request
        let replies = Mailbox<ControlReply>()
        let threads = 4
        for _ in 0..<threads {
            try Thread(named: "mount") { replies.send(service.mount(request)) }.detach()
        }
        for _ in 0..<threads {
            guard case .mounted = replies.receive(until: .now + 10) else {
                Issue.record("not mounted")
                continue
            }
        }
        #expect(site.backend.notes.withLock { $0 } == ["mount"])
    }
}
