// A metadata request on its way: its attempts, redirects and its one completion.

internal import Platform
internal import Transport

/// One request for names or attributes.
///
/// Sendable because it is made complete before it is handed to the hub thread, and from then on
/// touched on that thread only.
final class HubCall: @unchecked Sendable {
    /// Redirects to other URLs before we give up: the official client's limit.
    static let redirectCountMax = 5

    let kind: HubRequestKind
    /// For `status`: the repository.
    let subject: String
    let deadline: MonotonicInstant
    let priority: TransferPriority
    /// The bytes wanted of the answer; all if nil.
    let range: Range<Int64>?
    /// A secret for another server than the Hub; then the Hub's own token is not sent.
    let foreign: ForeignToken?
    var url: HTTPURL
    var redirectCount = 0
    /// Whether a redirect led to another origin: from there on no URL gets the token.
    var hasLeftHub = false
    var attemptCount = 0
    var policy: RetryPolicy
    /// The token that the last attempt carried.
    var sentToken: AccessToken?
    /// Whether a token that was refused has been replaced already.
    var hasChangedToken = false
    /// Why the last attempt without an answer failed.
    var lastTransportError: TransportError?
    private var completion: ((Result<HTTPAnswer, HubError>) -> Void)?

    init(
        kind: HubRequestKind, subject: String, url: HTTPURL, deadline: MonotonicInstant,
        priority: TransferPriority, seed: UInt64, range: Range<Int64>? = nil,
        foreign: ForeignToken? = nil,
        completion: @escaping @Sendable (Result<HTTPAnswer, HubError>) -> Void
    ) {
        self.kind = kind
        self.subject = subject
        self.url = url
        self.deadline = deadline
        self.priority = priority
        self.range = range
        self.foreign = foreign
        policy = RetryPolicy(seed: seed, absentHostSeconds: RetryPolicy.absentHostSeconds)
        self.completion = completion
    }

    /// Tells the outcome; only the first time.
    func complete(_ result: Result<HTTPAnswer, HubError>) {
        guard let completion else { return }
        self.completion = nil
        completion(result)
    }
}

/// A secret that the Hub gave for another server, which alone is sent it.
struct ForeignToken: Sendable {
    let token: AccessToken
    let origin: HTTPOrigin
}
