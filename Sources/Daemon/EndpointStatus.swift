// What `modelfs status` shows of each of several endpoints.

internal import HubAPI

/// One place that answers like the Hub.
package struct EndpointStatus: Equatable, Sendable, Codable {
    /// Whether it is asked.
    package enum State: String, Equatable, Sendable, Codable {
        /// It answered last time, or was not asked yet.
        case present
        /// It answers, but with nothing of use; others are asked before it for a while.
        case resting
        /// It is known not to answer.
        case away
        /// None may be asked.
        case offline
    }

    /// Such as `https://huggingface.co`.
    package var endpoint: String
    /// Whether it is asked.
    package var state: State
    /// What went wrong, when it is away.
    package var detail: String?
    /// Whether there is a token for it.
    package var hasToken: Bool

    /// As a status page may be made of.
    package init(endpoint: String, state: State, detail: String? = nil, hasToken: Bool = false) {
        self.endpoint = endpoint
        self.state = state
        self.detail = detail
        self.hasToken = hasToken
    }

    init(_ known: HubAPI.HubStatus.Endpoint) {
        endpoint = known.text
        hasToken = known.hasToken
        switch known.reachability {
        case .present: state = known.rests ? .resting : .present
        case .away(let reason, _):
            state = .away
            detail = "\(reason)"
        case .offline: state = .offline
        }
    }
}
