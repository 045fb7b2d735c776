// What can go wrong between us and the Hub, as facts that an upper layer can act on.
//
// Texts from the Hub are cut and cleaned before they are kept here, because they end in logs. No
// case can hold a token or a signed URL.

package import Transport

/// Why the Hub gave no usable answer.
package enum HubError: Error, Equatable, Hashable, Sendable {
    /// There is no such repository, or it is private and hidden from this token: the Hub does not
    /// tell the two apart.
    case repositoryNotFound
    /// The repository has no such branch, tag or commit.
    case revisionNotFound
    /// The revision has no such file.
    case entryNotFound
    /// The repository is gated and its conditions are not accepted; the text is the Hub's.
    case gated(message: String)
    /// The token is not, or no longer, valid.
    case tokenRefused
    /// The Hub has disabled the repository.
    case disabled
    /// The token does not open this; the text is the Hub's.
    case forbidden(message: String)
    /// Too many requests; the Hub wants that long a pause, if it said so.
    case rateLimited(retryAfterSeconds: Double?)
    /// No answer came, and this was the last reason.
    case unreachable(TransportError)
    /// The same of a host that the Hub sent us to for a file's bytes; the Hub itself may be there.
    case dataUnreachable(TransportError)
    /// An answer with this HTTP status that means nothing more precise; the Hub wants that long a
    /// pause, if it said so.
    case server(status: Int, retryAfterSeconds: Double? = nil)
    /// The answer contradicts the request, the protocol or a limit.
    case malformed(reason: String)
    /// The deadline passed before an answer was complete.
    case deadline
    case cancelled
    /// `HF_HUB_OFFLINE` forbids requests.
    case offline

    /// The longest text kept from the Hub, in characters.
    static let messageCountMax = 300
}

extension HubError: CustomStringConvertible {
    /// A phrase for logs and `status`.
    package var description: String {
        switch self {
        case .repositoryNotFound: "no such repository, or it is private and hidden"
        case .revisionNotFound: "no such revision"
        case .entryNotFound: "no such file"
        case .gated(let message): "the repository is gated: \(message)"
        case .tokenRefused: "the Hub refused the token"
        case .disabled: "the Hub has disabled the repository"
        case .forbidden(let message): "forbidden: \(message)"
        case .rateLimited(let seconds):
            seconds.map { "rate limit reached, again in \(Int($0)) s" }
                ?? "rate limit reached"
        case .unreachable(let error): "the Hub is not reachable: \(error)"
        case .dataUnreachable(let error): "the host of the data is not reachable: \(error)"
        case .server(let status, _): "the Hub answered with HTTP status \(status)"
        case .malformed(let reason): "the Hub's answer cannot be used: \(reason)"
        case .deadline: "no complete answer before the deadline"
        case .cancelled: "cancelled"
        case .offline: "offline by HF_HUB_OFFLINE"
        }
    }
}

/// What a request was for; decides what a status without further explanation means.
package enum HubRequestKind: String, CaseIterable, Hashable, Sendable {
    case revision, refs, tree, repositories, authCheck, whoami, resolve, data, probe
    case xetToken, reconstruction
}

extension HubError {
    /// The error that an answer other than success means; nil for 2xx and 3xx.
    ///
    /// Source: `hf_raise_for_status` of the official client, whose order this keeps. The official
    /// client takes a 401 for a hidden repository only on `https` URLs; we do on both.
    package init?(status: Int, headers: HTTPHeaders, kind: HubRequestKind) {
        if (200..<400).contains(status) { return nil }
        let code = headers["X-Error-Code"]
        let message = HubError.clean(headers["X-Error-Message"] ?? "")
        switch code {
        case "RevisionNotFound": self = .revisionNotFound
        case "EntryNotFound": self = .entryNotFound
        case "GatedRepo": self = .gated(message: message)
        case _ where message == "Access to this resource is disabled.": self = .disabled
        case "RepoNotFound": self = .repositoryNotFound
        default:
            self = HubError.withoutCode(status, message, headers: headers, kind: kind)
        }
    }

    private static func withoutCode(
        _ status: Int, _ message: String, headers: HTTPHeaders, kind: HubRequestKind
    ) -> HubError {
        switch status {
        case 401:
            if message == "Invalid credentials in Authorization header" { return .tokenRefused }
            switch kind {
            case .whoami, .repositories, .probe, .reconstruction: return .tokenRefused
            case .data: return .server(status: status)
            case .revision, .refs, .tree, .authCheck, .resolve, .xetToken:
                return .repositoryNotFound
            }
        // Whether the user may read the file, the Hub has said before it told where its data is.
        case 403: return kind == .data ? .server(status: status) : .forbidden(message: message)
        case 404:
            switch kind {
            case .resolve, .reconstruction: return .entryNotFound
            // A host for data that has lost what the Hub sent us there for.
            case .data: return .server(status: status)
            case .tree: return .revisionNotFound
            case .revision, .refs, .repositories, .authCheck, .whoami, .probe, .xetToken:
                return .repositoryNotFound
            }
        case 429: return .rateLimited(retryAfterSeconds: requestedPause(headers, status: status))
        default:
            return .server(
                status: status, retryAfterSeconds: requestedPause(headers, status: status))
        }
    }

    /// A text from outside as it may stand in a log.
    static func clean(_ text: String) -> String {
        let plain = text.unicodeScalars.map { scalar in
            scalar.value < 0x20 || scalar.value == 0x7f ? " " : Character(scalar)
        }
        return String(String(plain).prefix(messageCountMax))
    }
}

/// The longest pause believed, in seconds: a week, which is the same as for ever here.
private let pauseSecondsMax = 604_800.0

/// How long the Hub wants us to wait, in seconds: what is left of the quota's window where the
/// quota is the reason, else `Retry-After` in seconds.
///
/// One second more than it says, because both are rounded; never more than `pauseSecondsMax`.
///
/// Source: IETF draft-ietf-httpapi-ratelimit-headers-09, as the Hub uses it.
package func requestedPause(_ headers: HTTPHeaders, status: Int) -> Double? {
    if status == 429, let field = headers["RateLimit"] {
        var remaining: Int?
        var reset: Int?
        for part in field.split(separator: ";") {
            let pair = part.split(separator: "=", maxSplits: 1).map { $0.trimmingBlanks() }
            guard pair.count == 2, let number = Int(pair[1]), number >= 0 else { continue }
            if pair[0] == "r" { remaining = number }
            if pair[0] == "t" { reset = number }
        }
        if remaining == 0, let reset { return min(Double(reset) + 1, pauseSecondsMax) }
    }
    guard let text = headers["Retry-After"], let seconds = Int(text.trimmingBlanks()), seconds >= 0
    else { return nil }
    return min(Double(seconds) + 1, pauseSecondsMax)
}

extension StringProtocol {
    /// Without spaces and tabs at either end.
    func trimmingBlanks() -> String {
        let start = drop(while: { $0 == " " || $0 == "\t" })
        guard let end = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
        return String(start[...end])
    }
}
