// Time: a monotonic instant for waiting and measuring, and the wall clock for dates.
//
// State machines never ask for the time; they are told it. Only shells call `now`.

package import Glibc

/// A point on the monotonic clock, in nanoseconds since an arbitrary start.
package struct MonotonicInstant: Comparable, Hashable, Sendable {
    /// Since the clock's arbitrary start.
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The current time of `CLOCK_MONOTONIC`.
    package static var now: MonotonicInstant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicInstant(
            nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// Later than every other instant.
    package static let distantFuture = MonotonicInstant(nanoseconds: .max)

    /// Seconds from `earlier` to this instant; negative if it is later.
    package func seconds(since earlier: MonotonicInstant) -> Double {
        Double(nanoseconds - earlier.nanoseconds) / 1e9
    }

    package static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The instant that many seconds later; saturates at `distantFuture`.
    package static func + (instant: MonotonicInstant, seconds: Double) -> MonotonicInstant {
        let added = seconds * 1e9
        if added >= Double(Int64.max - instant.nanoseconds) { return .distantFuture }
        return MonotonicInstant(nanoseconds: instant.nanoseconds + Int64(added))
    }
}

extension timespec {
    /// The absolute form that timed waits take.
    package init(_ instant: MonotonicInstant) {
        self.init(
            tv_sec: Int(instant.nanoseconds / 1_000_000_000),
            tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
    }
}

/// A date: seconds since 1970, as the wall clock has it.
package struct WallTime: Comparable, Hashable, Sendable {
    /// Whole seconds since the beginning of 1970, UTC, without leap seconds.
    package var secondsSince1970: Int64

    package init(secondsSince1970: Int64) {
        self.secondsSince1970 = secondsSince1970
    }

    /// The same in nanoseconds, in which dates after the year 2262 and before 1677 are the last and
    /// the first whole second that fit.
    package var nanosecondsSince1970: Int64 {
        let limit = Int64.max / 1_000_000_000
        return min(max(secondsSince1970, -limit), limit) * 1_000_000_000
    }

    /// The current time of `CLOCK_REALTIME`.
    package static var now: WallTime {
        WallTime(secondsSince1970: Int64(Glibc.time(nil)))
    }

    /// The current time of `CLOCK_REALTIME` in nanoseconds since 1970.
    package static var nowNanoseconds: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    package static func < (left: WallTime, right: WallTime) -> Bool {
        left.secondsSince1970 < right.secondsSince1970
    }
}
