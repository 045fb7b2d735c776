// What goes wrong with requests, by kind, as `status` counts it: each attempt that failed, also
// those that nobody noticed since another one followed.

internal import Transport
internal import Xet

/// A kind of failure of one attempt.
package enum HubFault: String, CaseIterable, Hashable, Sendable {
    case tooManyRequests = "429"
    case serverError = "5xx"
    /// The connection was reset, or the body was cut.
    case closedEarly = "closed early"
    /// Nothing came for too long, or too little.
    case stalled = "stalled"
    case noConnection = "no connection"
    case tls = "TLS"
    /// A URL for data that was not accepted, or not any more.
    case expiredURL = "expired URL"
    /// A wrong length, a wrong range, or what cannot be decoded.
    case wrongAnswer = "wrong answer"
    /// Bytes that are not what their hash says.
    case wrongBytes = "wrong bytes"
    case deadline = "deadline"

    /// Nil for an attempt that was ended from our side.
    init?(_ error: TransportError) {
        switch error {
        case .nameResolution, .connectionRefused, .connectTimeout, .proxyRefused:
            self = .noConnection
        case .tls: self = .tls
        case .stalled: self = .stalled
        case .deadline: self = .deadline
        case .closedEarly: self = .closedEarly
        case .tooLarge, .protocolError: self = .wrongAnswer
        case .cancelled, .queueFull, .shutDown: return nil
        }
    }

    /// Nil for a status that is an answer.
    init?(status: Int) {
        switch status {
        case 429: self = .tooManyRequests
        case 408: self = .stalled
        case 500...599: self = .serverError
        default: return nil
        }
    }

    /// Nil for what is an answer.
    init?(_ error: HubError) {
        switch error {
        case .rateLimited: self = .tooManyRequests
        case .server(let status, _): self.init(status: status)
        case .malformed: self = .wrongAnswer
        case .deadline: self = .deadline
        case .unreachable(let cause), .dataUnreachable(let cause): self.init(cause)
        case .repositoryNotFound, .revisionNotFound, .entryNotFound, .gated, .tokenRefused,
            .disabled, .forbidden, .cancelled, .offline:
            return nil
        }
    }

    /// Nil for an attempt that brought everything, or was ended from our side.
    init?(_ end: XetDownload.End) {
        switch end {
        case .complete, .invalid: return nil
        case .refused(403, _): self = .expiredURL
        case .refused(let status, _): self.init(status: status)
        case .failed(let error): self.init(error)
        }
    }
}
