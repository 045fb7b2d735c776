// The daemon's ear: accepts connections on the socket `control` in the cache folder.
//
// One thread accepts, one for each connection serves it, and there are few connections. The folder
// is its owner's alone (0700), the socket too (0600), and the peer is asked for all the same.

internal import Glibc
internal import Platform
internal import Settings
package import Telemetry

/// Serves requests until it is stopped.
package final class ControlServer: Sendable {
    /// Answers one request; progress lines may be sent on the way, and tell whether the peer is
    /// still there to hear them.
    package typealias Answer =
        @Sendable (ControlRequest, _ progress: (String) -> Bool) -> ControlReply

    /// More wait in the backlog, and more than that are told to try again.
    static let connectionCountMax = 8
    static let backlogMax: CInt = 32
    /// How long a peer may take to say what it wants, or to take its answer, in seconds.
    static let messageSecondsMax = 10.0
    /// How long `stop` waits for answers that are under way, in seconds.
    static let stopSecondsMax = 5.0

    private let cache: CacheDirectory
    private let log: Log
    private let answer: Answer
    private let listener: FileDescriptor
    private let wake: FileDescriptor
    private let awakened: FileDescriptor
    private let connectionCount = Lock(0)
    private let finished = Mailbox<Void>()

    /// Starts to listen.
    ///
    /// Only the holder of the cache's lock may: what is left of a dead daemon's socket is removed.
    package init(
        cache: CacheDirectory, holding lock: borrowing CacheLock, log: Log,
        answer: @escaping Answer
    ) throws(MountFailure) {
        self.cache = cache
        self.log = log
        self.answer = answer
        do {
            _ = unsafe unlinkat(cache.descriptor.rawValue, "control", 0)
            listener = try UnixSocket.bind(to: cache.shortPath("control"))
            try UnixSocket.listen(on: listener, backlog: ControlServer.backlogMax)
            let pair = try SocketPair()
            wake = try pair.first.duplicate()
            awakened = try pair.second.duplicate()
        } catch {
            throw .cacheNotWritable(path: cache.path, error)
        }
    }

    /// Starts the accepting thread; to be called once.
    package func start() throws(MountFailure) {
        do {
            let thread = try Thread(named: "control") { [self] in
                acceptUntilStopped()
                finished.close()
            }
            thread.detach()
        } catch {
            throw .failed(detail: "there is no room for a thread: \(error)")
        }
    }

    /// Takes no more requests, and waits a bounded time for the answers under way.
    package func stop() {
        _ = unsafe unlinkat(cache.descriptor.rawValue, "control", 0)
        _ = shutdown(wake.rawValue, CInt(SHUT_RDWR))
        finished.receive()
        let deadline = MonotonicInstant.now + ControlServer.stopSecondsMax
        while connectionCount.withLock({ $0 }) > 0 && MonotonicInstant.now < deadline {
            sleep(seconds: 0.01)
        }
    }

    private func acceptUntilStopped() {
        let awaited = [
            AwaitedEvents(listener.rawValue, POLLIN), AwaitedEvents(awakened.rawValue, POLLIN),
        ]
        while true {
            guard let events = try? waitForEvents(awaited, until: .distantFuture),
                events[1] == 0
            else { return }
            do {
                try accept()
            } catch {
                if error == .wouldBlock { continue }
                log.error("control connection not accepted", ["reason": error.description])
                // Out of descriptors or memory: trying again at once would only burn time.
                sleep(seconds: 0.1)
            }
        }
    }

    private func accept() throws(Errno) {
        let channel = ControlChannel(socket: try UnixSocket.accept(from: listener))
        let user = try channel.peer().userID
        guard user == geteuid() || user == 0 else {
            log.warning("control connection refused", ["user": "\(user)"])
            return
        }
        let isAdmitted = connectionCount.withLock { count in
            if count >= ControlServer.connectionCountMax { return false }
            count += 1
            return true
        }
        let held = HeldChannel(channel)
        if !isAdmitted {
            held.greet()
            held.say(.failed(.daemonBusy(cache: cache.path)))
            return
        }
        do {
            let thread = try Thread(named: "control-serve") { [self] in
                serve(held)
                connectionCount.withLock { $0 -= 1 }
            }
            thread.detach()
        } catch {
            connectionCount.withLock { $0 -= 1 }
            throw error
        }
    }

    private func serve(_ held: HeldChannel) {
        guard held.greet() else { return }
        switch held.request() {
        case .success(let request):
            held.say(answer(request) { held.say(.progress($0)) })
        case .failure(.closed):
            // Who only looked whether somebody is there.
            return
        case .failure(let error):
            log.warning("control request not understood", ["reason": "\(error)"])
            held.say(.failed(error.failure(cache: cache)))
        }
    }
}

/// A channel that a thread's closure can hold.
private final class HeldChannel: Sendable {
    private let channel: ControlChannel

    init(_ channel: consuming ControlChannel) {
        self.channel = channel
    }

    private var deadline: MonotonicInstant { .now + ControlServer.messageSecondsMax }

    @discardableResult
    func greet() -> Bool {
        let greeting = ControlGreeting(processID: getpid(), programVersion: programVersion)
        return (try? channel.send(greeting, until: deadline)) != nil
    }

    func request() -> Result<ControlRequest, ControlError> {
        do throws(ControlError) {
            return .success(try channel.receive(ControlRequest.self, until: deadline))
        } catch {
            return .failure(error)
        }
    }

    /// A peer that has gone away does not need its answer.
    @discardableResult
    func say(_ reply: ControlReply) -> Bool {
        (try? channel.send(reply, until: deadline)) != nil
    }
}
