// A metadata request on its way: its attempts, redirects and its one completion.

internal import Platform
internal import Transport

/// What came of a request, and from where.
struct HubAnswer: Sendable {
    let body: [UInt8]
    let headers: HTTPHeaders
    /// The number of the endpoint that gave it.
    let endpoint: Int
}

/// Whom a request is for.
enum HubTarget: Sendable {
    /// Any endpoint: the path and the query on it.
    case any(path: String, query: String?)
    /// One endpoint and no other, as the next page of its listing.
    case one(HTTPURL, endpoint: Int)
    /// Another server, which is sent a secret of its own.
    case foreign(HTTPURL, ForeignToken)
}

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
    /// What to ask of another endpoint instead; nil when no other can be asked.
    let home: (path: String, query: String?)?
    var url: HTTPURL
    /// The endpoint that is asked; means nothing for a foreign server.
    var endpoint = 0
    /// The endpoints that gave no usable answer.
    var tried: Set<Int> = []
    /// What the first of them said that there is no such thing.
    var firstRefusal: HubError?
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
    private var completion: ((Result<HubAnswer, HubError>) -> Void)?

    init(
        kind: HubRequestKind, subject: String, target: HubTarget, url: HTTPURL,
        deadline: MonotonicInstant, priority: TransferPriority, seed: UInt64,
        range: Range<Int64>? = nil,
        completion: @escaping @Sendable (Result<HubAnswer, HubError>) -> Void
    ) {
        self.kind = kind
        self.subject = subject
        self.url = url
        self.deadline = deadline
        self.priority = priority
        self.range = range
        switch target {
        case .any(let path, let query):
            home = (path, query)
            foreign = nil
        case .one(_, let endpoint):
            home = nil
            foreign = nil
            self.endpoint = endpoint
        case .foreign(_, let token):
            home = nil
            foreign = token
        }
        policy = RetryPolicy(seed: seed, absentHostSeconds: RetryPolicy.absentHostSeconds)
        self.completion = completion
    }

    /// Tells the outcome; only the first time.
    func complete(_ result: Result<HubAnswer, HubError>) {
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
