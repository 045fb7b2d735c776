// A request as a handler sees it: whole, with its body, which is bounded by the server's limits.

package import Platform

/// One request.
package struct HTTPRequest: Sendable {
    /// In capitals, as it came: `GET`, `HEAD`, `POST`.
    package let method: String
    /// Path and query exactly as the client wrote them.
    package let target: String
    /// The part of the target before `?`, still percent-encoded.
    package let path: String
    /// The part after `?`, decoded.
    package let query: HTTPQuery
    package let headers: HTTPHeaders
    package let body: [UInt8]
    /// The caller's address, without its port.
    package let peer: String
    /// Lets a handler or a body wait, and ends the wait when the server stops.
    package let pause: HTTPPause

    /// The query exactly as the client wrote it, with its `?`; empty if there is none.
    package var rawQuery: Substring { Substring(target.utf8.dropFirst(path.utf8.count)) }
}

/// The way for handlers and bodies to wait: they sit on a thread of their connection, so they may.
package final class HTTPPause: Sendable {
    private let bell = Mailbox<Bool>()

    package init() {}

    /// Waits so long; less when the server stops.
    ///
    /// - Returns: whether the server goes on.
    @discardableResult
    package func wait(seconds: Double) -> Bool {
        guard seconds > 0 else { return !isOver }
        _ = bell.receive(until: .now + seconds)
        return !isOver
    }

    /// Waits until the instant; less when the server stops.
    ///
    /// - Returns: whether the server goes on.
    @discardableResult
    package func wait(until instant: MonotonicInstant) -> Bool {
        if MonotonicInstant.now < instant { _ = bell.receive(until: instant) }
        return !isOver
    }

    /// Whether the server stops, and nobody should wait any more.
    package var isOver: Bool { bell.isClosed }

    /// Wakes everyone who waits, now and later.
    package func end() {
        bell.close()
    }
}
