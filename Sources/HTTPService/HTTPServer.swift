// An HTTP/1.1 server: a socket, a thread for each connection, a handler.
//
// Owns the listening socket and libmicrohttpd's daemon. A handler runs on the thread of its
// connection, and so does a generated body, so both may wait: that is what latency and bandwidth
// are made with. What it never does: TLS, HTTP/2, compression. The connections are bounded in
// number, in memory and in silence; a request's body is bounded too, and read before the handler
// is called.

internal import CMicroHTTPD
internal import Glibc
package import Platform

/// What a server allows its clients.
package struct HTTPServerLimits: Sendable {
    /// Connections at one time; more wait in the socket's backlog.
    package var connectionCountMax = 256
    /// How long a connection may be silent before it is closed.
    package var idleSeconds = 75
    /// Longer request bodies are refused with 413.
    package var bodyByteCountMax = 4 << 20
    /// How long `stop` waits for answers under way.
    package var drainSeconds = 5.0
    /// How long `stop` goes on with connections that were accepted and whose request is not known
    /// yet.
    package var lingerSeconds = 0.0
    /// How long a whole header may take to arrive; nil for as long as it is not silent.
    ///
    /// Counted from the connection's start, or from the end of the request before. A body has as
    /// long again, and a second for each `bodyByteCountPerSecondMin` that have come.
    package var headerSeconds: Double?
    /// Slower bodies are cut off, where `headerSeconds` is set.
    package var bodyByteCountPerSecondMin = 1024

    package init() {}
}

/// One request that is over, for accounting and the access log.
package struct HTTPRecord: Sendable {
    package let method: String
    package let target: String
    package let peer: String
    /// 0 when the connection ended without an answer.
    package let status: Int
    /// Body bytes handed to the socket; of an aborted file, what the peer acknowledged.
    package let bodyByteCount: Int64
    package let seconds: Double
    /// Whether the whole answer was sent.
    package let isComplete: Bool
}

/// A running server.
///
/// `stop` must be called before it is let go.
@safe
package final class HTTPServer: @unchecked Sendable {
    // Sendable because `daemon` is set once by `init` and taken once under `state`'s lock; all
    // else is immutable or locked.

    /// Answers a request; runs on many threads at once.
    package typealias Handler = @Sendable (HTTPRequest) -> HTTPResponse
    /// Decides what is done with a request's body, by its header alone; on many threads at once.
    package typealias Intake = @Sendable (HTTPRequest) -> HTTPIntake

    private struct State {
        var activeCount = 0
        var isStopping = false
        var isStopped = false
    }

    /// Where it listens, with the port that the system gave.
    package let address: SocketAddress
    /// Ends every wait of a handler when the server stops.
    package let pause = HTTPPause()

    let limits: HTTPServerLimits
    let handler: Handler
    let intake: Intake?
    let onRecord: (@Sendable (HTTPRecord) -> Void)?
    let watch: ConnectionWatch?
    private let state = Lock(State())
    private let idle = Mailbox<Bool>()
    private var daemon: OpaquePointer?

    /// Room for a request's header and for the response's header, in bytes.
    private static let memoryByteCount = 64 << 10
    /// A connection's stack: a handler that encodes JSON needs some tens of KiB.
    private static let stackByteCount = 1 << 20

    /// Listens and serves.
    ///
    /// - Parameters:
    ///   - listen: port 0 takes a free one; `address` tells it.
    ///   - limits: what clients are allowed.
    ///   - onRecord: called after each request, on the connection's thread.
    ///   - handler: answers; called on many threads at once.
    package convenience init(
        listen: SocketAddress, limits: HTTPServerLimits = HTTPServerLimits(),
        onRecord: (@Sendable (HTTPRecord) -> Void)? = nil, handler: @escaping Handler
    ) throws(HTTPServiceError) {
        let socket = try listen.listen()
        try self.init(
            listening: socket, host: listen.host, limits: limits, onRecord: onRecord, intake: nil,
            handler: handler)
    }

    /// Serves on a socket that listens already, such as one that a service manager hands over.
    ///
    /// - Parameters:
    ///   - socket: closed by `stop`; its other holders go on listening.
    ///   - host: what the address is told as.
    ///   - limits: what clients are allowed.
    ///   - onRecord: called after each request, on the connection's thread.
    ///   - intake: decides what is done with bodies; nil to read all of them whole.
    ///   - handler: answers; called on many threads at once.
    package init(
        listening socket: consuming FileDescriptor, host: String,
        limits: HTTPServerLimits = HTTPServerLimits(),
        onRecord: (@Sendable (HTTPRecord) -> Void)? = nil, intake: Intake?,
        handler: @escaping Handler
    ) throws(HTTPServiceError) {
        address = SocketAddress(host: host, port: boundPort(of: socket.rawValue))
        self.limits = limits
        self.handler = handler
        self.intake = intake
        self.onRecord = onRecord
        watch = limits.headerSeconds.map {
            ConnectionWatch(
                headerSeconds: $0, bodyByteCountPerSecondMin: limits.bodyByteCountPerSecondMin)
        }
        unsafe daemon = nil
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let number = socket.release()
        unsafe daemon = modelfs_mhd_start(
            number, UInt32(limits.connectionCountMax), UInt32(limits.idleSeconds),
            HTTPServer.memoryByteCount, HTTPServer.stackByteCount, context, handleRequest,
            beginRequest, endRequest, watchConnection)
        if unsafe daemon == nil {
            _ = Glibc.close(number)
            throw .noService
        }
        watch?.start()
    }

    deinit {
        stop()
    }

    /// Such as `http://127.0.0.1:8080`.
    package var url: String { "http://\(address)" }

    /// Accepts nothing more, ends all waits, lets answers under way finish for a while, closes.
    package func stop() {
        let isFirst = state.withLock { state in
            defer { state.isStopping = true }
            return !state.isStopping
        }
        guard isFirst, let daemon = unsafe daemon else { return }
        let socket = unsafe MHD_quiesce_daemon(daemon)
        pause.end()
        if limits.lingerSeconds > 0 { Platform.sleep(seconds: limits.lingerSeconds) }
        let deadline = MonotonicInstant.now + limits.drainSeconds
        while state.withLock({ $0.activeCount > 0 }), MonotonicInstant.now < deadline {
            _ = idle.receive(until: deadline)
        }
        unsafe MHD_stop_daemon(daemon)
        watch?.stop()
        if socket >= 0 { _ = Glibc.close(socket) }
        state.withLock { $0.isStopped = true }
    }

    /// Counts a request that begins.
    func enter() {
        state.withLock { $0.activeCount += 1 }
    }

    /// Counts a request that is over, and tells `stop` when it was the last.
    func leave() {
        let isLast = state.withLock { state in
            state.activeCount -= 1
            return state.isStopping && state.activeCount == 0
        }
        if isLast { idle.send(true) }
    }
}
