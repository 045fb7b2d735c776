// Measuring: cases whose ways run in turn, round by round, and what comes of them.
//
// A way is one manner of doing the same work. Every round runs each way once, in the other order
// every second time unless the ways build on one another, so that a slow moment of the machine
// meets all of them; round 0 warms up and does not count. Two clocks are read: the wall, and the
// processor time of the whole process (all threads), which other programs on the machine disturb
// less. A ratio compares the two samples of one round; the median of those is reported.

import Glibc
import Platform

/// What one run took, in seconds.
struct Sample: Codable {
    var wall: Double
    var processor: Double
}

/// One manner of doing a case's work.
struct Way {
    let name: String
    /// Puts things where the work finds them; not measured.
    var prepare: () throws -> Void = {}
    let work: () throws -> Void
}

/// One piece of work in several ways, the first being the yardstick.
struct Case {
    let name: String
    /// Bytes of content that each way handles.
    let byteCount: Int
    /// Whether a way needs what the one before it has left.
    var isSequence = false
    let ways: [Way]
}

/// What came of one way.
struct WayResult: Codable {
    let way: String
    /// Medians over the rounds, in seconds.
    let wall: Double
    let processor: Double
    let leastWall: Double
    let mostWall: Double
    /// Bytes of content per second of the wall, and per second of one core.
    let bytesPerSecond: Double
    let bytesPerCoreSecond: Double
    /// Speed beside the first way's: medians of the rounds' ratios.
    let wallRatio: Double
    let processorRatio: Double
    let samples: [Sample]
}

/// What came of one case.
struct CaseResult: Codable {
    let name: String
    let byteCount: Int
    let ways: [WayResult]
}

/// The middle value, or the mean of the two in the middle; 0 of none.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    if sorted.isEmpty { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// Processor time of this process so far, in seconds.
func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Runs a piece of work and says what it took.
func measure(_ work: () throws -> Void) rethrows -> Sample {
    let processor = processorSeconds()
    let start = MonotonicInstant.now
    try work()
    let wall = MonotonicInstant.now.seconds(since: start)
    return Sample(wall: wall, processor: processorSeconds() - processor)
}

/// Runs cases in interleaved rounds.
func run(_ cases: [Case], rounds: Int) throws -> [CaseResult] {
    var samples = cases.map { $0.ways.map { _ in [Sample]() } }
    for round in 0...rounds {
        note("round \(round) of \(rounds)\(round == 0 ? " (warming up)" : "")")
        for (number, one) in cases.enumerated() {
            let order = Array(one.ways.indices)
            for way in round % 2 == 1 && !one.isSequence ? order.reversed() : order {
                try one.ways[way].prepare()
                let sample = try measure(one.ways[way].work)
                if round > 0 { samples[number][way].append(sample) }
            }
        }
    }
    return zip(cases, samples).map { result(of: $0, $1) }
}

private func result(of one: Case, _ samples: [[Sample]]) -> CaseResult {
    let base = samples[0]
    let ways = zip(one.ways, samples).map { way, own in
        let wall = median(own.map(\.wall))
        let processor = median(own.map(\.processor))
        return WayResult(
            way: way.name, wall: wall, processor: processor,
            leastWall: own.map(\.wall).min() ?? 0, mostWall: own.map(\.wall).max() ?? 0,
            bytesPerSecond: Double(one.byteCount) / max(wall, 1e-9),
            bytesPerCoreSecond: Double(one.byteCount) / max(processor, 1e-9),
            wallRatio: median(zip(base, own).map { $0.wall / max($1.wall, 1e-9) }),
            processorRatio: median(zip(base, own).map { $0.processor / max($1.processor, 1e-9) }),
            samples: own)
    }
    return CaseResult(name: one.name, byteCount: one.byteCount, ways: ways)
}

/// Tells how far the run is, on standard error.
func note(_ text: String) {
    let line = "store-bench: \(text)\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
}
