// The command line of the simulator, and its watchdog.
//
// It runs itself again with fixed hash seeds, without which dictionaries are in another order in
// every process, and a seed would not be the same run twice.

import Glibc
import Platform

/// One call of the simulator.
package struct SimulatorCommand {
    private static let hashVariable = "SWIFT_DETERMINISTIC_HASHING"
    /// How long a seed may take in real time; it takes well under a second.
    private static let seedSecondsMax: UInt32 = 120

    private let arguments: [String]

    package init(_ arguments: [String]) {
        self.arguments = arguments
    }

    private func number(_ name: String, _ fallback: UInt64) -> UInt64 {
        guard let place = arguments.firstIndex(of: name), place + 1 < arguments.count else {
            return fallback
        }
        return UInt64(arguments[place + 1]) ?? fallback
    }

    /// The exit code: 0 if every seed went well.
    package func run() -> Int32 {
        if getenv(SimulatorCommand.hashVariable) == nil { runAgain() }
        var first = number("--first", 1)
        var count = number("--count", 100)
        if arguments.contains("--seed") {
            first = number("--seed", 1)
            count = 1
        }
        let steps = Int(number("--steps", 120))
        let isLoud = arguments.contains("--log")
        var totals = Totals()
        let began = MonotonicInstant.now
        for seed in first..<first + count {
            SimulatorCommand.watch(seed)
            let report = SimulatorCommand.report(seed, steps, isLoud)
            totals.add(report)
            if arguments.contains("--twice") {
                let again = SimulatorCommand.report(seed, steps, false)
                if again.trace != report.trace {
                    print("seed \(seed): two runs differ")
                    totals.failedSeeds.append(seed)
                }
            }
            if isLoud { print("seed \(seed): \(report)") }
        }
        alarm(0)
        totals.show(seconds: MonotonicInstant.now.seconds(since: began))
        return totals.failedSeeds.isEmpty ? 0 : 1
    }

    private static func report(_ seed: UInt64, _ steps: Int, _ isLoud: Bool) -> SimulationReport {
        let world = SimulatedWorld(seed: seed)
        world.print(log: isLoud)
        let report = world.run(steps: steps)
        for problem in report.problems {
            print("seed \(seed): \(problem)\n    again: simulator --seed \(seed) --log")
        }
        return report
    }

    private func runAgain() -> Never {
        setenv(SimulatorCommand.hashVariable, "1", 1)
        var copies: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        copies.append(nil)
        execv("/proc/self/exe", copies)
        fatalError("the simulator cannot run itself again")
    }

    private struct Totals {
        var failedSeeds: [UInt64] = []
        var seeds = 0
        var answers = 0
        var excused = 0
        var turns = 0
        var requests = 0
        var simulatedSeconds = 0.0
        var faults: [NetworkFault: Int] = [:]

        mutating func add(_ report: SimulationReport) {
            seeds += 1
            if !report.problems.isEmpty { failedSeeds.append(report.seed) }
            answers += report.answerCount
            excused += report.excusedCount
            turns += report.turnCount
            requests += report.requestCount
            simulatedSeconds += report.simulatedSeconds
            faults.merge(report.faultCounts) { $0 + $1 }
        }

        func show(seconds: Double) {
            let told = faults.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ")
            print(
                """
                simulator: \(seeds) seeds in \(Int(seconds)) s, \(failedSeeds.count) failed \
                \(failedSeeds)
                answers \(answers), excused errors \(excused), requests \(requests), \
                turns \(turns), simulated hours \(Int(simulatedSeconds / 3600))
                faults: \(told)
                """)
        }
    }
}

extension SimulatorCommand {
    /// A process that stands still is ended, and its seed is known.
    private static func watch(_ seed: UInt64) {
        currentSeed.withLock { $0 = seed }
        signal(SIGALRM) { _ in
            // The lock is free: whoever took it held it for an assignment.
            let seed = currentSeed.withLock { $0 }
            print("seed \(seed): stands still\n    again: simulator --seed \(seed) --log")
            fflush(nil)
            abort()
        }
        alarm(seedSecondsMax)
    }
}

private let currentSeed = Lock<UInt64>(0)
