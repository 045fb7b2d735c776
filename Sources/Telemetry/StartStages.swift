// How long the stages of a start took: one line in the log when a start was slow.
//
// While a successor starts, every reader of its mounts waits in the kernel. Instants are taken all
// the same, which costs nothing; they are told only where there is something to look for.

internal import Glibc
package import Platform
internal import Synchronization

/// The stages of this process's start, each ended by a mark.
package final class StartStages: Sendable {
    /// Those of this process, which starts once.
    package static let current = StartStages()
    /// A start that took longer is told of.
    package static let slowSeconds = 0.1

    private struct State {
        var begin: MonotonicInstant?
        var marks: [(stage: String, end: MonotonicInstant)] = []
        /// When the first request was answered, which happens beside the stages.
        var firstAnswer: MonotonicInstant?
        /// Faults of this process that waited for a disk until the first stage had ended.
        var pageReads = 0
        var isTold = false
    }

    private let state = Lock(State())
    private let hasAnswered = Atomic<Bool>(false)

    package init() {}

    /// The first stage has begun.
    package func begin(at instant: MonotonicInstant) {
        var usage = rusage()
        let status = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let pageReads = status == 0 ? Int(usage.ru_majflt) : 0
        state.withLock { state in
            state.begin = instant
            state.pageReads = pageReads
        }
    }

    /// A stage has ended, and the next begins.
    package func mark(_ stage: String, at instant: MonotonicInstant = .now) {
        state.withLock { state in
            if state.isTold { return }
            state.marks.append((stage, instant))
        }
    }

    /// A request was answered.
    package func noteAnswer() {
        if hasAnswered.load(ordering: .relaxed) { return }
        if hasAnswered.exchange(true, ordering: .relaxed) { return }
        let now = MonotonicInstant.now
        state.withLock { $0.firstAnswer = now }
    }

    /// What took how long, in the order of the stages; nil where the start was not slow.
    ///
    /// To be asked once, when requests are answered.
    package func slowStart(now: MonotonicInstant = .now) -> String? {
        state.withLock { state in
            guard !state.isTold, let begin = state.begin else { return nil }
            state.isTold = true
            if now.seconds(since: begin) < StartStages.slowSeconds { return nil }
            var words: [String] = []
            var last = begin
            for mark in state.marks {
                words.append("\(mark.stage) \(StartStages.milliseconds(last, mark.end))")
                last = mark.end
            }
            words.append("pages read from the disk for the program \(state.pageReads)")
            words.append("in all \(StartStages.milliseconds(begin, now))")
            if let answer = state.firstAnswer {
                words.append("first answer after \(StartStages.milliseconds(begin, answer))")
            }
            return words.joined(separator: ", ")
        }
    }

    private static func milliseconds(_ from: MonotonicInstant, _ to: MonotonicInstant) -> Int {
        Int((to.seconds(since: from) * 1_000).rounded())
    }
}
