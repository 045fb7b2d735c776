// How many bytes of pages may be pushed. Pure.
//
// Pushed pages are page cache, charged to the daemon's control group, and pushing more than fits
// would drop what was pushed just before. So what was pushed in one go is counted against the room
// that there is, by the machine and by each group with a limit; after a pause it is anybody's page
// cache, and the count begins anew.

internal import Platform

/// What is left for pushing.
struct PushBudget {
    /// The room is looked up again after so many bytes.
    static let measureByteCount: Int64 = 32 << 20
    /// Pages that were pushed longer ago are old.
    static let pauseSeconds = 30.0
    /// A part of all memory stays free: one in so many.
    static let reserveShare: Int64 = 8
    /// What stays free is no more than this.
    static let reserveByteCountMax: Int64 = 1 << 30

    private var pushedByteCount: Int64 = 0
    private var allowedByteCount: Int64 = 0
    private var measuredAt: Int64?
    private var lastPush: MonotonicInstant?

    /// Whether the room has to be told before the next push.
    func needsMeasure(at now: MonotonicInstant) -> Bool {
        guard let measuredAt, let lastPush else { return true }
        return pushedByteCount - measuredAt >= PushBudget.measureByteCount
            || now.seconds(since: lastPush) > 1
    }

    /// Tells what room there is.
    mutating func measure(_ rooms: [MemoryRoom], at now: MonotonicInstant) {
        if let lastPush, now.seconds(since: lastPush) > PushBudget.pauseSeconds {
            pushedByteCount = 0
        }
        measuredAt = pushedByteCount
        lastPush = now
        allowedByteCount =
            rooms.map { room in
                let reserve = min(
                    room.totalByteCount / PushBudget.reserveShare, PushBudget.reserveByteCountMax)
                return room.availableByteCount - reserve
            }.min() ?? 0
    }

    /// Takes some bytes; false when memory is short.
    mutating func take(_ byteCount: Int64, at now: MonotonicInstant) -> Bool {
        if pushedByteCount + byteCount > allowedByteCount { return false }
        pushedByteCount += byteCount
        lastPush = now
        return true
    }
}
