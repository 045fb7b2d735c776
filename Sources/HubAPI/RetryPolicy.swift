// When a failed request is sent again. Pure: told the time and the failure, answers with a wait.
//
// No answer at all is retried until the deadline, for a network may come back at any time; but a
// lookup is soon told where the host is not there at all. An answer that says "not now" is retried
// as often as the official client does, because a server that goes on failing is not cured by more
// requests.

package import Platform
package import Transport

/// What came of an attempt that may be worth another.
package enum AttemptFailure: Equatable, Sendable {
    case transport(TransportError)
    /// - Parameter pauseSeconds: what the answer asks for; see `requestedPause`.
    case status(Int, pauseSeconds: Double?)
}

/// What to do next.
package enum RetryDecision: Equatable, Sendable {
    case retry(afterSeconds: Double)
    case giveUp
}

/// The waits between the attempts of one request.
package struct RetryPolicy: Sendable {
    /// The first wait.
    ///
    /// The official client's is 1 s; a reader is waiting here.
    package static let firstSeconds = 0.25
    /// The longest wait that we choose ourselves.
    package static let longestSeconds = 8.0
    /// Attempts that were answered with a status of `retriedStatuses`: waits of
    /// 0.25 + 0.5 + 1 + 2 + 4 + 8 s, about the official client's 1 + 2 + 4 + 8 + 8 s.
    package static let statusAttemptsMax = 7
    /// Attempts that failed in a way that mostly stays: a certificate that is not trusted, a proxy
    /// that wants a password, a port that speaks something else.
    ///
    /// Waits of 0.25 + 0.5 + 1 s, so that the reason is soon told.
    package static let brokenAttemptsMax = 4
    /// How long a lookup goes on where the host is not there at all: its port is closed, or its
    /// name has no address.
    ///
    /// That is known at once, and a person waits: waits of 0.25 + 0.5 s and halves of what is left,
    /// long enough for a server that is started anew.
    package static let absentHostSeconds = 3.0
    /// Request timeout, too many requests, and what servers and proxies say in trouble.
    package static let retriedStatuses: Set<Int> = [408, 429, 500, 502, 503, 504]

    private var waitSeconds = RetryPolicy.firstSeconds
    private var statusAttempts = 0
    private var brokenAttempts = 0
    private var seed: UInt64
    private let absentHostSeconds: Double
    /// Until when a host that is not there is waited for, since it was seen to be missing.
    private var absentHostDeadline: MonotonicInstant?

    /// - Parameters:
    ///   - seed: of the jitter; equal seeds give equal waits.
    ///   - absentHostSeconds: how long a host is waited for that is not there at all; without end
    ///     by default, which leaves it to the deadline.
    package init(seed: UInt64, absentHostSeconds: Double = .infinity) {
        self.seed = seed
        self.absentHostSeconds = absentHostSeconds
    }

    /// What follows a failure at `now`: never a wait that would pass `deadline`.
    package mutating func next(
        after failure: AttemptFailure, now: MonotonicInstant, deadline: MonotonicInstant
    ) -> RetryDecision {
        var pause: Double?
        var deadline = deadline
        switch failure {
        case .transport(let error):
            if RetryPolicy.showsNoHost(error) {
                let limit = absentHostDeadline ?? now + absentHostSeconds
                absentHostDeadline = limit
                deadline = min(deadline, limit)
            } else {
                absentHostDeadline = nil
            }
            if RetryPolicy.mostlyStays(error) { brokenAttempts += 1 }
            if !RetryPolicy.isRetried(error) || brokenAttempts >= RetryPolicy.brokenAttemptsMax {
                return .giveUp
            }
        case .status(let status, let pauseSeconds):
            absentHostDeadline = nil
            statusAttempts += 1
            if !RetryPolicy.retriedStatuses.contains(status)
                || statusAttempts >= RetryPolicy.statusAttemptsMax
            {
                return .giveUp
            }
            pause = pauseSeconds
        }
        let left = deadline.seconds(since: now)
        if let pause { return pause < left ? .retry(afterSeconds: pause) : .giveUp }
        // Near the deadline the waits become shorter, so that its last seconds are used too.
        if left < RetryPolicy.firstSeconds * 2 { return .giveUp }
        return .retry(afterSeconds: min(ownWait(), left / 2))
    }

    /// Whether another attempt may end otherwise.
    package static func isRetried(_ error: TransportError) -> Bool {
        switch error {
        case .nameResolution, .connectionRefused, .connectTimeout, .stalled, .closedEarly, .tls,
            .proxyRefused, .protocolError, .queueFull:
            true
        case .deadline, .tooLarge, .cancelled, .shutDown: false
        }
    }

    /// Whether an error says at once that there is nobody to talk to.
    package static func showsNoHost(_ error: TransportError) -> Bool {
        switch error {
        case .nameResolution, .connectionRefused: true
        case .connectTimeout, .stalled, .closedEarly, .tls, .proxyRefused, .protocolError,
            .queueFull, .deadline, .tooLarge, .cancelled, .shutDown:
            false
        }
    }

    private static func mostlyStays(_ error: TransportError) -> Bool {
        switch error {
        case .tls, .proxyRefused, .protocolError: true
        case .nameResolution, .connectionRefused, .connectTimeout, .stalled, .closedEarly,
            .queueFull, .deadline, .tooLarge, .cancelled, .shutDown:
            false
        }
    }

    /// Doubles from time to time, and differs between requests that failed together.
    private mutating func ownWait() -> Double {
        let wait = waitSeconds
        waitSeconds = min(RetryPolicy.longestSeconds, wait * 2)
        // SplitMix64 (Steele, Lea, Flood 2014): one step, mixed.
        seed &+= 0x9e37_79b9_7f4a_7c15
        var mixed = seed
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        let fraction = Double(mixed >> 11) / Double(1 << 53 as UInt64)
        return wait * (0.75 + 0.25 * fraction)
    }
}
