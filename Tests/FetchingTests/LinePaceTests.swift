// How much is on its way for several readers: by what a line of known rate and latency shows.

import Platform
import Testing

@testable import Fetching

struct LinePaceTests {
    private static let start = MonotonicInstant(nanoseconds: 1_000_000_000)

    /// A line that brings what is on its way, at most at its rate, each byte a latency after it was
    /// asked for.
    private func pace(
        bytesPerSecond: Double, latencySeconds: Double, forSeconds: Double = 3,
        byteCountMax: Int64 = 48 << 20
    ) -> LinePace {
        var pace = LinePace(byteCountMax: byteCountMax)
        let step = 0.01
        var elapsed = 0.0
        while elapsed < forSeconds {
            elapsed += step
            let now = LinePaceTests.start + elapsed
            // What waits in line comes later than the latency says.
            let queued = max(latencySeconds, Double(pace.byteCount) / bytesPerSecond)
            pace.began(afterSeconds: queued, at: now)
            pace.began(afterSeconds: latencySeconds, at: now)
            let rate = min(bytesPerSecond, Double(pace.byteCount) / latencySeconds)
            pace.came(Int64(rate * step), at: now)
        }
        return pace
    }

    @Test func aLineIsFilledAndLittleMore() {
        let far = pace(bytesPerSecond: 200e6, latencySeconds: 0.1)
        #expect((20_000_000...26_000_000).contains(far.byteCount))
        // Through two round trips.
        let twice = pace(bytesPerSecond: 200e6, latencySeconds: 0.2, byteCountMax: 96 << 20)
        #expect((40_000_000...52_000_000).contains(twice.byteCount))
    }

    @Test func aNearLineIsGivenSomeTimesWorth() {
        let near = pace(bytesPerSecond: 200e6, latencySeconds: 0.001)
        #expect((7_500_000...9_000_000).contains(near.byteCount))
    }

    @Test func slowAndFastLinesAreWithinBounds() {
        #expect(pace(bytesPerSecond: 1e6, latencySeconds: 0.03).byteCount == 4 << 20)
        #expect(pace(bytesPerSecond: 10e9, latencySeconds: 0.03).byteCount == 48 << 20)
    }

    @Test func nothingIsKnownAtFirst() {
        #expect(LinePace(byteCountMax: 48 << 20).byteCount == 8 << 20)
        #expect(LinePace(byteCountMax: 1 << 20).byteCount == 1 << 20)
        let all = LinePace(startByteCount: 96 << 20, byteCountMax: 96 << 20)
        #expect(all.byteCount == 96 << 20)
    }

    @Test func aLineThatHasBecomeSlowIsFoundOut() {
        var pace = pace(bytesPerSecond: 200e6, latencySeconds: 0.1)
        for number in 1...200 {
            let now = LinePaceTests.start + 3 + Double(number) * 0.1
            pace.began(afterSeconds: 0.1, at: now)
            pace.came(2_000_000, at: now)
        }
        #expect(pace.byteCount == 4 << 20)
    }
}
