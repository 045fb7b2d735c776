// Connections whose clients take too long: to send a header, or a body.
//
// Silence alone is the library's to notice; this is for clients that send a byte now and then. A
// thread looks twice a second and shuts such connections down, which their own threads notice.
// `Patience` is the arithmetic, without clock and sockets.

internal import Glibc
internal import Platform

/// How long a connection is waited for.
struct Patience: Equatable {
    /// What is waited for.
    enum Stage: Equatable {
        case header
        case body(byteCount: Int)
        /// The answer, which is ours to send.
        case nothing
    }

    var stage = Stage.header
    /// When the stage began, moved on by the time that we took ourselves.
    var since: MonotonicInstant

    /// Whether the client has used up its time.
    func isOver(
        at now: MonotonicInstant, headerSeconds: Double, bodyByteCountPerSecondMin: Int
    ) -> Bool {
        switch stage {
        case .header: return now.seconds(since: since) > headerSeconds
        case .body(let byteCount):
            let earned = Double(byteCount) / Double(bodyByteCountPerSecondMin)
            return now.seconds(since: since) > headerSeconds + earned
        case .nothing: return false
        }
    }
}

/// Watches the connections of one server.
final class ConnectionWatch: Sendable {
    private static let lookSeconds = 0.5

    private let headerSeconds: Double
    private let bodyByteCountPerSecondMin: Int
    private let connections = Lock<[CInt: Patience]>([:])
    private let bell = Mailbox<Bool>()
    private let thread = Lock<Thread?>(nil)

    init(headerSeconds: Double, bodyByteCountPerSecondMin: Int) {
        self.headerSeconds = headerSeconds
        self.bodyByteCountPerSecondMin = bodyByteCountPerSecondMin
    }

    /// Begins to look; where there is no room for a thread, only silence ends a connection.
    func start() {
        var started = try? Thread(named: "http watch") { [self] in
            while !bell.isClosed {
                _ = bell.receive(until: .now + ConnectionWatch.lookSeconds)
                look(at: .now)
            }
        }
        thread.withLock { $0 = started.take() }
    }

    func stop() {
        bell.close()
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }

    func begins(_ socket: CInt) {
        connections.withLock { $0[socket] = Patience(since: .now) }
    }

    func ends(_ socket: CInt) {
        connections.withLock { connections in _ = connections.removeValue(forKey: socket) }
    }

    func hasHeader(_ socket: CInt) {
        connections.withLock { $0[socket] = Patience(stage: .body(byteCount: 0), since: .now) }
    }

    /// A piece came, and took so long to be used.
    func hasPiece(_ socket: CInt, byteCount: Int, seconds: Double) {
        connections.withLock { connections in
            guard case .body(let before) = connections[socket]?.stage else { return }
            connections[socket]?.stage = .body(byteCount: before + byteCount)
            if let since = connections[socket]?.since {
                connections[socket]?.since = since + seconds
            }
        }
    }

    func hasRequest(_ socket: CInt) {
        connections.withLock { $0[socket]?.stage = .nothing }
    }

    func hasAnswer(_ socket: CInt) {
        // A connection that has ended meanwhile is not entered again.
        connections.withLock { connections in
            if connections[socket] != nil { connections[socket] = Patience(since: .now) }
        }
    }

    private func look(at now: MonotonicInstant) {
        connections.withLock { connections in
            for (socket, patience) in connections
            where patience.isOver(
                at: now, headerSeconds: headerSeconds,
                bodyByteCountPerSecondMin: bodyByteCountPerSecondMin)
            {
                // Under the lock, which `ends` takes before the number is free for another
                // connection; the call never waits.
                _ = shutdown(socket, CInt(SHUT_RDWR))
            }
        }
    }
}
