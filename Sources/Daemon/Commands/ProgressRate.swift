// How fast something goes, and how long it will take. Pure.

internal import Platform
internal import Settings

/// The rate over the last seconds.
struct ProgressRate {
    /// Long enough to be steady, short enough to follow a change.
    private static let windowSeconds = 5.0
    /// Before that, nothing can be said.
    private static let secondsMin = 0.5

    private var samples: [(instant: MonotonicInstant, bytes: Int64)] = []

    mutating func note(_ doneBytes: Int64, at now: MonotonicInstant) {
        samples.append((now, doneBytes))
        while samples.count > 2,
            samples[1].instant.nanoseconds < (now + -ProgressRate.windowSeconds).nanoseconds
        {
            samples.removeFirst()
        }
    }

    /// Bytes in a second; nil while it is not known or nothing comes.
    var bytesPerSecond: Double? {
        guard let first = samples.first, let last = samples.last else { return nil }
        let seconds = last.instant.seconds(since: first.instant)
        let bytes = last.bytes - first.bytes
        return seconds < ProgressRate.secondsMin || bytes <= 0 ? nil : Double(bytes) / seconds
    }

    /// Such as `, 85.2 MB/s, 2m left`; empty while it is not known.
    func text(leftBytes: Int64) -> String {
        guard let rate = bytesPerSecond else { return "" }
        let seconds = (Double(max(0, leftBytes)) / rate).rounded(.up)
        let left = TimeSpan(seconds: Int64(min(seconds, 1e9)))
        return ", \(ByteSize(Int64(rate)))/s, \(left) left"
    }
}
