// Whether the parts of the daemon still work, as its keeper is told.
//
// A process that runs may be stuck all the same: every thread that answers the kernel held by the
// disk, a lock that nobody lets go. So a part is asked for a sign, and the daemon counts as alive
// only as long as each part has given one lately.

internal import Platform

/// For how long a part of the daemon has given no sign.
package struct VitalSign: Equatable, Sendable {
    /// Such as `transfers`.
    package let part: String
    /// 0 for one that is idle, or has just worked.
    package let secondsSilent: Double
}

/// A thread that answers when it is asked, and is asked again only then.
final class Echo: Sendable {
    private let askedAt = Lock(MonotonicInstant.now)
    private let isAsked = Lock(false)

    /// - Parameters:
    ///   - ask: has the thread call what it is given; false when it takes nothing more.
    /// - Returns: for how long it has not answered.
    func secondsSilent(
        now: MonotonicInstant, _ ask: (@escaping @Sendable () -> Void) -> Bool
    ) -> Double {
        let asks = isAsked.withLock { isAsked in
            defer { isAsked = true }
            return !isAsked
        }
        // Who was not asked had no chance to answer.
        if asks {
            askedAt.withLock { $0 = now }
            _ = ask { [self] in isAsked.withLock { $0 = false } }
            return 0
        }
        return max(0, now.seconds(since: askedAt.withLock { $0 }))
    }
}
