// When flat contents are looked through, and how fast. Pure.
//
// The kernel reads them by itself, so no read of theirs is checked. Each is looked through soon
// after it came into use, once in the life of a process, and all of them once a week.

internal import Platform

/// What the scrubbing thread does next.
struct ScrubSchedule {
    enum Step: Equatable {
        /// Look through this content, at so many bytes a second.
        case check(ContentKey, bytesPerSecond: Double)
        /// Take the next content of the pass.
        case goOn(bytesPerSecond: Double)
        case wait(until: MonotonicInstant)
    }

    /// A pass takes a week at least.
    static let passSeconds = 7.0 * 86_400
    /// A content that came into use is let alone first: whoever opened it is reading it.
    static let settleSeconds = 60.0
    /// A tenth of what a plain disk gives, and a hundredth of a core.
    static let bytesPerSecondMax = 32e6
    /// So that a small cache is not spread over a week in crumbs.
    static let bytesPerSecondMin = 1e6
    /// Contents that are remembered; at some 100 bytes each, under half a megabyte.
    static let contentCountMax = 4_096

    private var due: [(key: ContentKey, instant: MonotonicInstant)] = []
    private var known: RecentCache<ContentKey, Void>
    private var passBegan: MonotonicInstant
    private var isPassUnderWay = true

    init(at now: MonotonicInstant) {
        known = RecentCache(costMax: ScrubSchedule.contentCountMax)
        passBegan = now
    }

    /// A content came into use.
    mutating func use(_ key: ContentKey, at now: MonotonicInstant) {
        if known.value(for: key) != nil || due.count >= ScrubSchedule.contentCountMax { return }
        known.insert((), for: key)
        due.append((key, now + ScrubSchedule.settleSeconds))
    }

    /// What is to be done.
    ///
    /// - Parameter flatByteCount: what a pass has to look through.
    mutating func next(at now: MonotonicInstant, flatByteCount: Int64) -> Step {
        if let first = due.first, first.instant <= now {
            due.removeFirst()
            return .check(first.key, bytesPerSecond: ScrubSchedule.bytesPerSecondMax)
        }
        if isPassUnderWay {
            let rate = Double(flatByteCount) / ScrubSchedule.passSeconds
            return .goOn(
                bytesPerSecond: min(
                    max(rate, ScrubSchedule.bytesPerSecondMin), ScrubSchedule.bytesPerSecondMax))
        }
        let nextPass = passBegan + ScrubSchedule.passSeconds
        if nextPass <= now {
            passBegan = now
            isPassUnderWay = true
            return next(at: now, flatByteCount: flatByteCount)
        }
        return .wait(until: min(nextPass, due.first?.instant ?? nextPass))
    }

    /// There is no further content in this pass.
    mutating func endPass() { isPassUnderWay = false }

    /// How long to rest after so many bytes took so long.
    static func rest(
        after byteCount: Int, bytesPerSecond: Double, tookSeconds: Double
    ) -> Double {
        max(0, Double(byteCount) / bytesPerSecond - tookSeconds)
    }
}
