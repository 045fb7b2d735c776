// How many requests each client may send: a bucket of permits for each, refilled with time.
//
// Pure: it is told the time. Bounded: of many clients, those whose buckets are full are forgotten,
// which changes nothing for them.

internal import Platform

/// Permits of many clients.
struct RateLimiter {
    /// What a client is told.
    enum Verdict: Equatable {
        case allowed
        case refused(retryAfterSeconds: Int)
    }

    /// Buckets that are kept; a client beyond them begins with a full one.
    static let clientCountMax = 4096

    /// How many permits a client gets in a second.
    let perSecond: Double
    /// How many it may have saved.
    let burst: Double

    private struct Bucket {
        var permits: Double
        var time: MonotonicInstant
    }

    private var buckets: [String: Bucket] = [:]

    init(perSecond: Double) {
        self.perSecond = perSecond
        burst = max(1, perSecond * 2)
    }

    /// Counts a request of a client.
    mutating func count(_ client: String, at now: MonotonicInstant) -> Verdict {
        if buckets[client] == nil && buckets.count >= RateLimiter.clientCountMax { forget(now) }
        let permits = permits(buckets[client], at: now)
        if permits < 1 {
            buckets[client] = Bucket(permits: permits, time: now)
            let seconds = (1 - permits) / perSecond
            return .refused(retryAfterSeconds: max(1, Int(seconds.rounded(.up))))
        }
        buckets[client] = Bucket(permits: permits - 1, time: now)
        return .allowed
    }

    /// How many clients are remembered.
    var clientCount: Int { buckets.count }

    private func permits(_ bucket: Bucket?, at now: MonotonicInstant) -> Double {
        guard let bucket else { return burst }
        let earned = max(0, now.seconds(since: bucket.time)) * perSecond
        return min(burst, bucket.permits + earned)
    }

    private mutating func forget(_ now: MonotonicInstant) {
        buckets = buckets.filter { permits($0.value, at: now) < burst }
        if buckets.count < RateLimiter.clientCountMax { return }
        let oldest = buckets.min { $0.value.time < $1.value.time }?.key
        if let oldest { buckets[oldest] = nil }
    }
}
