// The conversation between commands and daemon, with good and with hostile peers.

import Glibc
import Platform
import Settings
import Telemetry
import Testing

@testable import Daemon

/// A server in this process on a cache of its own.
private final class Served: Sendable {
    let temporary: TemporaryFolder
    let cache: CacheDirectory
    let server: ControlServer
    private let lock: HeldLock

    init(name: String = "cache", _ answer: @escaping ControlServer.Answer) throws {
        temporary = try TemporaryFolder()
        cache = try CacheDirectory.open(creating: "\(temporary.path)/\(name)")
        guard let lock = try cache.tryLock() else { throw MountFailure.fusermountMissing }
        let log = Log(minimum: .error)
        server = try ControlServer(cache: cache, holding: lock, log: log, answer: answer)
        self.lock = HeldLock(lock)
        try server.start()
    }

    func raw() throws -> FileDescriptor {
        try UnixSocket.connect(to: cache.shortPath("control"))
    }
}

private final class HeldLock: Sendable {
    private let lock: CacheLock
    init(_ lock: consuming CacheLock) { self.lock = lock }
}

private func ask(_ cache: CacheDirectory, _ request: ControlRequest) throws -> ControlReply {
    let client = try ControlClient(cache)
    return try client.ask(request)
}

private func frame(_ json: String) -> [UInt8] {
    let length = UInt32(json.utf8.count)
    return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> UInt32($0)) }
        + Array(json.utf8)
}

private func write(_ bytes: [UInt8], to socket: borrowing FileDescriptor) {
    _ = bytes.withUnsafeBytes { send(socket.rawValue, $0.baseAddress, $0.count, 0x4000) }
}

@Suite struct ControlTests {
    @Test func oneRequestOneAnswerAndProgressBefore() throws {
        let served = try Served { request, progress in
            _ = progress("first")
            _ = progress("second")
            guard case .unmount(let mountpoint, true) = request else { return .unmounted }
            return .failed(.notMounted(path: mountpoint))
        }
        let client = try ControlClient(served.cache)
        #expect(client.greeting.processID == getpid())
        #expect(client.greeting.programVersion == programVersion)
        var lines: [String] = []
        let reply = try client.ask(.unmount(mountpoint: "/ü \"x\"", isLazy: true)) {
            lines.append($0)
        }
        #expect(reply == .failed(.notMounted(path: "/ü \"x\"")))
        #expect(lines == ["first", "second"])
        served.server.stop()
    }

    @Test func theSocketIsItsOwnersAlone() throws {
        let served = try Served { _, _ in .unmounted }
        #expect(mode(of: "\(served.cache.path)/control") == 0o600)
        served.server.stop()
        #expect(access("\(served.cache.path)/control", F_OK) != 0)
        #expect(throws: ControlError.absent) { _ = try ask(served.cache, .status) }
    }

    @Test func longPathsAndLeftSocketsDoNotMatter() throws {
        let name = String(repeating: "long/", count: 40) + "cache"
        let served = try Served(name: name) { _, _ in .unmounted }
        #expect(try ask(served.cache, .stop) == .unmounted)
        served.server.stop()
        // A dead daemon's socket is still there; the next one takes its place.
        _ = try UnixSocket.bind(to: served.cache.shortPath("control"))
        #expect(throws: ControlError.absent) { _ = try ask(served.cache, .status) }
        let other = try CacheDirectory.open(creating: "\(served.temporary.path)/other")
        guard let lock = try other.tryLock() else { return }
        let again = try ControlServer(
            cache: served.cache, holding: lock, log: Log(minimum: .error)
        ) { _, _ in .stopping }
        try again.start()
        #expect(try ask(served.cache, .status) == .stopping)
        again.stop()
    }

    @Test func badMessagesGetAnAnswerAndHarmNobody() throws {
        let served = try Served { _, _ in .unmounted }
        let bad: [[UInt8]] = [
            [0xff, 0xff, 0xff, 0xff], frame("not json"), frame("[]"),
            frame("{\"version\":1,\"body\":{\"dance\":{}}}"), frame(""),
            frame(String(repeating: "[", count: 100_000)),
        ]
        for bytes in bad {
            let socket = try served.raw()
            write(bytes, to: socket)
            let channel = ControlChannel(socket: socket)
            _ = try channel.receive(ControlGreeting.self, until: .now + 5)
            guard case .failed = try channel.receive(ControlReply.self, until: .now + 5) else {
                Issue.record("accepted \(bytes.prefix(20))")
                continue
            }
        }
        #expect(try ask(served.cache, .stop) == .unmounted)
        served.server.stop()
    }

    @Test func otherVersionsAreNamed() throws {
        let served = try Served { _, _ in .unmounted }
        let socket = try served.raw()
        write(frame("{\"version\":2,\"body\":\"unheard of\"}"), to: socket)
        let channel = ControlChannel(socket: socket)
        _ = try channel.receive(ControlGreeting.self, until: .now + 5)
        guard
            case .failed(.daemonOfOtherVersion) =
                try channel.receive(ControlReply.self, until: .now + 5)
        else {
            Issue.record("another version was accepted")
            return
        }
        served.server.stop()
    }

    @Test func theSilentDoNotKeepOthersWaiting() throws {
        let served = try Served { _, _ in .unmounted }
        let first = try served.raw()
        let second = try served.raw()
        write([0, 0], to: second)
        let start = MonotonicInstant.now
        #expect(try ask(served.cache, .stop) == .unmounted)
        #expect(MonotonicInstant.now.seconds(since: start) < 2)
        try first.close()
        try second.close()
        served.server.stop()
    }

    @Test func tooManyAreTurnedAway() throws {
        let served = try Served { _, _ in .unmounted }
        var sockets: [CInt] = []
        defer { for socket in sockets { close(socket) } }
        for _ in 0..<ControlServer.connectionCountMax {
            sockets.append(try served.raw().release())
        }
        #expect(
            try ask(served.cache, .status)
                == .failed(.daemonBusy(cache: served.cache.path)))
        for socket in sockets { close(socket) }
        sockets = []
        let deadline = MonotonicInstant.now + 5
        var reply = try ask(served.cache, .status)
        while reply != .unmounted && MonotonicInstant.now < deadline {
            sleep(seconds: 0.01)
            reply = try ask(served.cache, .status)
        }
        #expect(reply == .unmounted)
        served.server.stop()
    }

    @Test func answersUnderWayAreFinishedBeforeTheEnd() throws {
        let entered = Mailbox<Void>()
        let served = try Served { _, _ in
            entered.send(())
            sleep(seconds: 0.2)
            return .stopping
        }
        let replies = Mailbox<Bool>()
        let cache = served.cache
        let thread = try Thread(named: "asker") {
            let reply = try? ask(cache, .stop)
            replies.send(reply == .stopping)
        }
        entered.receive()
        served.server.stop()
        thread.join()
        #expect(replies.receive() == true)
    }

    @Test func aDaemonThatDoesNotGreetIsSilent() throws {
        let temporary = try TemporaryFolder()
        let cache = try CacheDirectory.open(creating: temporary.path)
        let socket = try UnixSocket.bind(to: cache.shortPath("control"))
        try UnixSocket.listen(on: socket, backlog: 1)
        #expect(throws: ControlError.timedOut) {
            _ = try ControlClient(cache, greetingSeconds: 0.1)
        }
        let failure = ControlError.timedOut.failure(cache: cache)
        #expect(failure == .daemonSilent(cache: cache.path, processID: nil))
    }
}
