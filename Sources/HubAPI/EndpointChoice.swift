// Which endpoint is asked. Pure: told what happened and when, answers with a number.
//
// Endpoints stand in order of preference; the first one that is not away and does not rest is
// asked. One that gives no answer is away at once as long as another can be asked instead, and is
// probed until it answers; the last one that is left is treated like an only Hub: it is asked until
// deadlines pass. One that answers but is of no use (too many requests, an error of its own, data
// that nobody brings) rests for some seconds, and is asked before that only if all others are away.

package import Platform
package import Transport

/// What is known of the endpoints of a client.
package struct EndpointChoice: Equatable, Sendable {
    /// How long an endpoint rests that does not say itself how long, in seconds.
    package static let restSeconds = 15.0
    /// The longest rest, whatever an endpoint says, in seconds.
    package static let restSecondsMax = 300.0

    private struct Known: Equatable, Sendable {
        var reachability: Reachability
        var restsUntil: MonotonicInstant?
        var restReason: HubError?
    }

    private var all: [Known]

    /// REQUIRES: `count` is not 0.
    package init(count: Int, offline: Bool) {
        precondition(count > 0)
        all = Array(repeating: Known(reachability: Reachability(offline: offline)), count: count)
    }

    /// What is known of one.
    package func state(_ index: Int) -> Reachability.State { all[index].reachability.state }

    /// Whether it rests.
    package func rests(_ index: Int, at now: MonotonicInstant) -> Bool {
        all[index].restsUntil.map { now < $0 } ?? false
    }

    /// Of all together: present if one is, else what the first one is.
    package var state: Reachability.State {
        all.contains { $0.reachability.state == .present }
            ? .present : all[0].reachability.state
    }

    /// Why no names and attributes are asked for now; nil if they are.
    package var refusal: HubError? {
        state == .present ? nil : all[0].reachability.refusal
    }

    /// Why no bytes are asked for now; nil if they are.
    package var readerRefusal: HubError? {
        if state == .present { return nil }
        return all.lazy.compactMap(\.reachability.readerRefusal).first.map { _ in
            all[0].reachability.refusal ?? .offline
        }
    }

    /// The endpoint to ask, in order: present and not resting, present, any.
    ///
    /// - Parameter avoided: those that are asked only if there is no other.
    package func pick(avoiding avoided: Set<Int> = [], at now: MonotonicInstant) -> Int {
        next(except: avoided, at: now) ?? next(except: [], at: now)
            ?? all.indices.first { !avoided.contains($0) } ?? 0
    }

    /// Another endpoint that may be asked instead of those that were tried; nil if there is none.
    package func next(except tried: Set<Int>, at now: MonotonicInstant) -> Int? {
        let usable = all.indices.filter {
            !tried.contains($0) && all[$0].reachability.state == .present
        }
        return usable.first { !rests($0, at: now) } ?? usable.first
    }

    /// Why an endpoint that is preferred to this one cannot be asked; nil if this one is the first
    /// of those that can.
    package func absence(before index: Int, at now: MonotonicInstant) -> HubError? {
        for preferred in all.indices.prefix(index) {
            if let refusal = all[preferred].reachability.refusal { return refusal }
            if rests(preferred, at: now) { return all[preferred].restReason }
        }
        return nil
    }

    /// An attempt got no answer.
    ///
    /// True if it is away from now on: another one can be asked, so nobody waits for this one.
    package mutating func failed(
        _ index: Int, _ reason: TransportError, at now: MonotonicInstant
    ) -> Bool {
        guard next(except: [index], at: now) != nil else { return false }
        return all[index].reachability.requestExhausted(reason, isEarly: true, at: now)
    }

    /// A request was given up without an answer from any: all are away.
    ///
    /// True when this is news.
    package mutating func exhausted(
        _ reason: TransportError, isEarly: Bool, at now: MonotonicInstant
    ) -> Bool {
        let wasPresent = state == .present
        for index in all.indices {
            _ = all[index].reachability.requestExhausted(reason, isEarly: isEarly, at: now)
        }
        return wasPresent && state != .present
    }

    /// An endpoint is of no use for a while, though it answers.
    ///
    /// - Parameters:
    ///   - reason: what is wrong with it.
    ///   - seconds: for how long, if it says so.
    package mutating func rest(
        _ index: Int, _ reason: HubError, seconds: Double?, at now: MonotonicInstant
    ) {
        all[index].restReason = reason
        let chosen = min(
            EndpointChoice.restSecondsMax, max(1, seconds ?? EndpointChoice.restSeconds))
        all[index].restsUntil = now + chosen
    }

    /// An endpoint answered something.
    ///
    /// True when this is news.
    package mutating func answered(_ index: Int) -> Bool {
        all[index].reachability.hostAnswered()
    }

    /// When `takeProbe` has to be asked next; nil if nothing is due.
    package var nextProbe: MonotonicInstant? { all.compactMap(\.reachability.nextProbe).min() }

    /// An endpoint that has to be probed now.
    ///
    /// Its outcome is told by `answered` or `probeFailed`.
    package mutating func takeProbe(at now: MonotonicInstant) -> Int? {
        for index in all.indices {
            let isDue = all[index].reachability.takeProbe(at: now)
            if isDue { return index }
        }
        return nil
    }

    /// The probe of an endpoint got no answer: the next one is due later than the last.
    package mutating func probeFailed(_ index: Int, at now: MonotonicInstant) {
        all[index].reachability.probeFailed(at: now)
    }
}
