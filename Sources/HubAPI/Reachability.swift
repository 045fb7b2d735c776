// Whether the Hub is known to be away. Pure: told what happened and when, answers what to do.
//
// A request that got no answer until its deadline makes the Hub known to be away. From then on
// requests fail at once, so that nobody waits in vain, while a probe goes out now and then. Any
// answer from the Hub, to whatever request, makes it present again. A lookup that gave up before
// its time spares the next lookups the wait; readers of bytes are more patient, and go on.

package import Platform
package import Transport

/// What is known of the way to the Hub.
package struct Reachability: Equatable, Sendable {
    /// The first wait before a probe.
    package static let probeSecondsMin = 5.0
    /// The longest wait between probes.
    package static let probeSecondsMax = 30.0

    /// What is known now.
    package enum State: Equatable, Sendable {
        case present
        /// Known to be away, and when the next probe is due; nil while one is under way.
        case away(reason: TransportError, probeAt: MonotonicInstant?)
        /// By configuration, for ever.
        case offline
    }

    package private(set) var state: State
    private var probeSeconds = Reachability.probeSecondsMin
    /// Whether somebody waited in vain as long as a reader would.
    private var isSureForReaders = false

    /// - Parameter offline: whether requests are forbidden.
    package init(offline: Bool) {
        state = offline ? .offline : .present
    }

    /// Why no names and attributes are asked for now; nil if they are.
    package var refusal: HubError? {
        switch state {
        case .present: nil
        case .away(let reason, _): .unreachable(reason)
        case .offline: .offline
        }
    }

    /// Why no bytes are asked for now; nil if they are.
    package var readerRefusal: HubError? {
        if case .away = state, !isSureForReaders { return nil }
        return refusal
    }

    /// When `takeProbe` has to be asked next; nil if nothing is due.
    package var nextProbe: MonotonicInstant? {
        if case .away(_, let probeAt) = state { return probeAt }
        return nil
    }

    /// A request was given up without any answer.
    ///
    /// True when this is news.
    ///
    /// - Parameter isEarly: before the time was over that readers wait.
    package mutating func requestExhausted(
        _ reason: TransportError, isEarly: Bool = false, at now: MonotonicInstant
    ) -> Bool {
        if !isEarly { isSureForReaders = true }
        guard state == .present else { return false }
        isSureForReaders = !isEarly
        probeSeconds = Reachability.probeSecondsMin
        state = .away(reason: reason, probeAt: now + probeSeconds)
        return true
    }

    /// The Hub answered something.
    ///
    /// True when this is news.
    package mutating func hostAnswered() -> Bool {
        guard case .away = state else { return false }
        state = .present
        return true
    }

    /// True when a probe has to be sent now.
    ///
    /// Its outcome is told by `hostAnswered` or `probeFailed`.
    package mutating func takeProbe(at now: MonotonicInstant) -> Bool {
        guard case .away(let reason, let probeAt?) = state, now >= probeAt else { return false }
        state = .away(reason: reason, probeAt: nil)
        return true
    }

    /// The probe got no answer: the next one is due later than the last.
    package mutating func probeFailed(at now: MonotonicInstant) {
        guard case .away(let reason, nil) = state else { return }
        probeSeconds = min(Reachability.probeSecondsMax, probeSeconds * 1.5)
        state = .away(reason: reason, probeAt: now + probeSeconds)
    }
}
