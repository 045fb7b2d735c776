// Why a transfer brought no complete answer. HTTP statuses are answers, not errors.

/// How a transfer failed.
package enum TransportError: Error, Equatable, Hashable, Sendable {
    /// The host's or the proxy's name has no address, or the name service did not answer.
    case nameResolution
    /// Nobody accepts connections there, or the network has no way to it.
    case connectionRefused
    /// Connecting, TLS included, took longer than the request allows.
    case connectTimeout
    /// TLS failed; the text is libcurl's and names no secret.
    case tls(String)
    /// Connected, but no byte came for as long as the request allows.
    case stalled
    /// The request's deadline passed.
    case deadline
    /// The connection ended before the answer did.
    case closedEarly
    /// The body or the head is longer than allowed.
    case tooLarge
    /// By `Transport.cancel` or by the sink.
    case cancelled
    /// The proxy has answered the wish for a connection with this HTTP status.
    case proxyRefused(status: Int)
    /// What came is not the protocol; the number is libcurl's `CURLcode`.
    case protocolError(curlCode: Int)
    /// As many requests as are allowed wait already.
    case queueFull
    /// The transport was shut down.
    case shutDown
}

extension TransportError: CustomStringConvertible {
    /// A phrase for logs and `status`.
    package var description: String {
        switch self {
        case .nameResolution: "the host's name could not be resolved"
        case .connectionRefused: "no connection to the host"
        case .connectTimeout: "connecting took too long"
        case .tls(let text): "TLS failed: \(text)"
        case .stalled: "the host stopped sending"
        case .deadline: "no answer before the deadline"
        case .closedEarly: "the connection was closed early"
        case .tooLarge: "the answer is larger than allowed"
        case .cancelled: "cancelled"
        case .proxyRefused(407): "the proxy wants a name and a password (HTTP status 407)"
        case .proxyRefused(let status): "the proxy refused the connection (HTTP status \(status))"
        case .protocolError(let code): "the answer is not HTTP (curl \(code))"
        case .queueFull: "too many requests are waiting"
        case .shutDown: "shutting down"
        }
    }
}
