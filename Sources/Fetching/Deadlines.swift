// Until when each of many waits, with one alarm for all of them. Pure.
//
// An alarm for each waiter would stay behind when the waiter has long been answered: at thousands
// of reads a second and a deadline of two minutes, a great heap. So only the earliest deadline has
// an alarm, and when it rings the next one is set.

internal import Platform

/// The deadlines of those who wait.
struct Deadlines {
    private var instants: [UInt64: MonotonicInstant] = [:]
    /// The alarm that counts; others that were set before a later one was superseded are ignored.
    private var alarm: MonotonicInstant?

    /// Until when a waiter waits; nil when it does not.
    subscript(waiter: UInt64) -> MonotonicInstant? { instants[waiter] }

    /// Adds a waiter.
    ///
    /// - Returns: the instant at which an alarm has to be set; nil when none is needed.
    mutating func add(_ waiter: UInt64, until instant: MonotonicInstant) -> MonotonicInstant? {
        instants[waiter] = instant
        if instant == .distantFuture { return nil }
        if let alarm, alarm <= instant { return nil }
        alarm = instant
        return instant
    }

    /// Takes out a waiter that was answered or gave up.
    mutating func remove(_ waiter: UInt64) {
        instants[waiter] = nil
    }

    /// An alarm rings.
    ///
    /// - Returns: those whose deadline has passed, who are taken out; and when the next alarm has
    ///   to ring, nil for never.
    mutating func ring(
        _ rung: MonotonicInstant, at now: MonotonicInstant
    ) -> (expired: [UInt64], next: MonotonicInstant?) {
        guard rung == alarm else { return ([], nil) }
        let expired = instants.filter { $0.value <= now }.keys.sorted()
        for waiter in expired { instants[waiter] = nil }
        let earliest = instants.values.min()
        alarm = earliest == .distantFuture ? nil : earliest
        return (expired, alarm)
    }
}
