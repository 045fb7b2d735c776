// When bytes may be sent so that a rate is kept. Pure; told the time.

package import Platform

/// A rate, and how much of it is used up.
package struct Pacer: Sendable {
    private let bytesPerSecond: Double
    private var free = MonotonicInstant(nanoseconds: 0)

    /// - Parameter bytesPerSecond: more than 0.
    package init(bytesPerSecond: Int64) {
        self.bytesPerSecond = Double(max(1, bytesPerSecond))
    }

    /// Takes room for so many bytes.
    ///
    /// - Returns: when the last of them is through; they may be sent then. Time in which nothing
    ///   was sent is lost, not saved up.
    package mutating func reserve(
        byteCount: Int, at now: MonotonicInstant
    ) -> MonotonicInstant {
        free = max(free, now) + Double(byteCount) / bytesPerSecond
        return free
    }

    /// How much to send at once: what goes through in 10 ms, so that several connections share a
    /// rate smoothly, but at least 4 KiB and at most 256 KiB.
    package static func stepByteCount(bytesPerSecond: Int64) -> Int {
        min(256 << 10, max(4 << 10, Int(bytesPerSecond / 100)))
    }
}
