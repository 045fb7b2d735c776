// The clock by which uses of contents are ordered: seconds that never go back.
//
// It shows the wall clock's time as long as that moves forward. Where that was set back, since the
// last use that the index knows or while this process runs, it goes on from where it was, by the
// monotonic clock, until the wall clock has come that far: so what was used later always has a
// later time, and what a wrong clock has stamped with a day to come is no newer than what is used
// now.

internal import Platform

/// Tells when a content is used, for the order of eviction and of cooling.
final class UseClock: Sendable {
    private struct State {
        /// What the clock showed at an instant; from there it goes on by itself.
        var seconds: Int64
        var since: MonotonicInstant
    }

    /// A damaged row may say anything; from here on a process can still count for ever.
    private static let secondsMax = Int64.max / 2

    private let scheduling: Scheduling
    private let state: Lock<State>

    /// - Parameter newest: the latest use that is known.
    init(newest: Int64, _ scheduling: Scheduling) {
        self.scheduling = scheduling
        state = Lock(
            State(seconds: min(newest, UseClock.secondsMax) + 1, since: scheduling.now))
    }

    /// Now, later than every use that is known.
    var now: WallTime {
        let (wall, instant) = (scheduling.wallTime.secondsSince1970, scheduling.now)
        let seconds = state.withLock { state in
            let continued = state.seconds + Int64(max(0, instant.seconds(since: state.since)))
            if wall <= continued { return continued }
            state = State(seconds: wall, since: instant)
            return wall
        }
        return WallTime(secondsSince1970: seconds)
    }
}
