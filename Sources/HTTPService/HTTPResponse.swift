// What a handler answers with. It owns what its body needs, and is sent once.

package import Platform

/// How a step of a generated body ended.
package enum HTTPBodyStep: Equatable, Sendable {
    /// So many bytes were put at the buffer's start; never 0.
    case wrote(Int)
    /// The body is complete.
    case finished
    /// The connection is to be closed here, although more was promised.
    case cut
    /// The connection is to be torn down here, and the peer is to see it as an error.
    case reset
}

/// Makes a body piece by piece: fills the buffer with what stands at that position of the body.
///
/// Called on the connection's own thread, so it may wait.
package typealias HTTPBodyGenerator =
    @Sendable (_ buffer: UnsafeMutableRawBufferPointer, _ position: Int64) -> HTTPBodyStep

/// An open file on its way into an answer; closed with it, or when it is let go.
package final class HTTPFile: Sendable {
    private let descriptor: Lock<FileDescriptor?>

    /// Takes the file over.
    package init(_ descriptor: consuming sending FileDescriptor) {
        self.descriptor = Lock(consume descriptor)
    }

    /// Gives the file away; nil if it was given away before.
    package func take() -> FileDescriptor? {
        descriptor.withLock { $0.take() }
    }
}

/// One answer.
package struct HTTPResponse: Sendable {
    /// Where the bytes come from.
    ///
    /// Safe: a generator's buffer is lent for the one call.
    @safe
    package enum Body: Sendable {
        case bytes([UInt8])
        /// A range of an open file; the kernel copies it to the socket (sendfile).
        case file(HTTPFile, offset: Int64, length: Int64)
        /// Bytes made when they are needed. Without a length they are sent in chunks.
        case generated(length: Int64?, HTTPBodyGenerator)
        /// No answer at all: the connection is closed, or torn down as by a crash.
        case hangUp(isReset: Bool)
    }

    package var status: Int
    package var headers: HTTPHeaders
    package var body: Body

    /// - Parameters:
    ///   - status: 200 to 599.
    ///   - headers: without Content-Length, Date and Connection, which the server adds.
    ///   - body: is not sent in answer to HEAD, but its length is.
    package init(
        status: Int, headers: HTTPHeaders = HTTPHeaders(), body: Body = .bytes([])
    ) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The number of body bytes that are promised; nil if that is not known.
    package var bodyLength: Int64? {
        switch body {
        case .bytes(let bytes): Int64(bytes.count)
        case .file(_, _, let length): length
        case .generated(let length, _): length
        case .hangUp: 0
        }
    }

    /// A text, as errors and simple pages are.
    package static func text(
        _ status: Int, _ text: String, type: String = "text/plain; charset=utf-8"
    ) -> HTTPResponse {
        var response = HTTPResponse(status: status, body: .bytes(Array(text.utf8)))
        response.headers.add("Content-Type", type)
        return response
    }
}
