// How much of a content is worth having on its way at once, for several readers of it. Pure.
//
// What is on its way for one reader is ahead of what another one comes to want, and what is not
// on its way leaves the line idle. The least that keeps it full is what comes in the time from
// asking until the first bytes. Both are measured as it goes: the shortest such time, since the
// others waited behind bytes of ours, and the highest rate, since the others may have been the
// readers' own. Both are of the last seconds: a line may change.

internal import Platform

/// The measure of one content's way here.
struct LinePace {
    /// The best of the last seconds, kept as the best of two spans of time, of which the newer one
    /// is still open.
    private struct Recent {
        private static let spanSeconds = 5.0

        private let isBetter: @Sendable (Double, Double) -> Bool
        private var current: (began: MonotonicInstant, best: Double)?
        private var previous: Double?

        init(isBetter: @escaping @Sendable (Double, Double) -> Bool) {
            self.isBetter = isBetter
        }

        var best: Double? {
            guard let current else { return nil }
            guard let previous else { return current.best }
            return isBetter(previous, current.best) ? previous : current.best
        }

        mutating func add(_ value: Double, at now: MonotonicInstant) {
            guard let (began, best) = current else {
                current = (now, value)
                return
            }
            if now.seconds(since: began) < Recent.spanSeconds {
                current = (began, isBetter(value, best) ? value : best)
            } else {
                previous = best
                current = (now, value)
            }
        }
    }

    /// A rate is counted over that time: long beside the blocks that bytes come in.
    private static let bucketSeconds = 0.1
    /// More than the bare time, so that the rate can grow, and is found out.
    private static let growth = 1.15
    /// Over a near line so much time's worth is on its way: less means requests without number.
    private static let secondsMin = 0.04
    /// Until something is known, of a line whose requests cost nothing at their ends.
    static let startByteCount: Int64 = 8 << 20
    /// However slow the line is: some transfers of the shortest length.
    static let byteCountMin: Int64 = 4 << 20

    private let byteCountMax: Int64
    private var seconds = Recent { $0 < $1 }
    private var rate = Recent { $0 > $1 }
    private var bucket: (began: MonotonicInstant, byteCount: Int64)?

    /// What is worth having on its way, in bytes.
    private(set) var byteCount: Int64

    /// - Parameters:
    ///   - startByteCount: until something is known.
    ///   - byteCountMax: whatever the line holds.
    init(startByteCount: Int64 = LinePace.startByteCount, byteCountMax: Int64) {
        self.byteCountMax = byteCountMax
        byteCount = min(startByteCount, byteCountMax)
    }

    /// The first bytes of a transfer have come over the network.
    mutating func began(afterSeconds: Double, at now: MonotonicInstant) {
        seconds.add(afterSeconds, at: now)
        update()
    }

    /// Bytes have come.
    mutating func came(_ count: Int64, at now: MonotonicInstant) {
        guard let (began, soFar) = bucket else {
            bucket = (now, count)
            return
        }
        let elapsed = now.seconds(since: began)
        if elapsed < LinePace.bucketSeconds {
            bucket = (began, soFar + count)
            return
        }
        rate.add(Double(soFar) / elapsed, at: now)
        bucket = (now, count)
        update()
    }

    private mutating func update() {
        guard let rate = rate.best else { return }
        let wanted = max((seconds.best ?? 0) * LinePace.growth, LinePace.secondsMin)
        // Compared before it is an integer, which has bounds.
        let bytes = min(rate * wanted, Double(byteCountMax))
        byteCount = min(max(Int64(bytes), LinePace.byteCountMin), byteCountMax)
    }
}
