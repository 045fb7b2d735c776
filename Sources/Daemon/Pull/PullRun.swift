// The copies of one pull: some at a time, on threads of their own, until all are made or one of
// them has shown that the destination takes no more.

internal import Catalog
internal import Hashing
internal import Platform

/// Makes the files that a plan names.
struct PullRun {
    /// Files at a time: as many as connections that fetch them, and small ones follow without a
    /// pause.
    private static let threadCount = 8
    /// Between two reports of progress, in seconds.
    private static let reportSeconds = 0.1

    /// A file that is wanted.
    struct Wanted: Sendable {
        /// For people.
        let name: String
        /// From the root of the repository.
        let path: String
        let content: Content
    }

    /// What became of the plan's writes.
    struct Ending: Sendable {
        var written: [Int] = []
        var failures: [(index: Int, error: PullError)] = []
        /// Why nothing more can be written there.
        var destinationError: Errno?
    }

    fileprivate struct State {
        /// The next one is last.
        var waiting: [Int]
        var ending = Ending()
        var runningCount = 0
    }

    private let wanted: [Wanted]
    private let plan: PullPlan
    private let place: PullPlace
    private let copy: PullCopy

    init(_ wanted: [Wanted], _ plan: PullPlan, _ place: PullPlace, copy: PullCopy) {
        self.wanted = wanted
        self.plan = plan
        self.place = place
        self.copy = copy
    }

    /// Copies, and reports how far it is, until all is done or nobody waits any more.
    mutating func run(_ progress: (CacheProgress) -> Bool) -> Ending {
        // The largest first, so that none of them is left for the end alone.
        let order = plan.writes.sorted {
            wanted[$0].content.sizeBytes < wanted[$1].content.sizeBytes
        }
        let threadCount = min(PullRun.threadCount, order.count)
        let totalBytes = order.reduce(Int64(0)) { $0 + wanted[$1].content.sizeBytes }
        let state = SharedState(State(waiting: order, runningCount: threadCount))
        let ended = Mailbox<Void>()
        var threads: [ThreadBox] = []
        for _ in 0..<threadCount {
            let body = worker(state, ended)
            if let thread = try? ThreadBox(named: "pull", .system, body) {
                threads.append(thread)
            } else {
                // Without room for a thread this one does it.
                body()
            }
        }
        var leftCount = threadCount
        while leftCount > 0 {
            if ended.receive(until: .now + PullRun.reportSeconds) != nil { leftCount -= 1 }
            let done = min(copy.writtenByteCount, totalBytes)
            if !progress(CacheProgress(doneBytes: done, totalBytes: totalBytes)) { copy.cancel() }
        }
        for thread in threads { thread.join() }
        return state.lock.withLock { $0.ending }
    }

    private final class SharedState: Sendable {
        let lock: Lock<State>

        init(_ state: sending State) { lock = Lock(state) }
    }

    private func worker(
        _ state: SharedState, _ ended: Mailbox<Void>
    ) -> @Sendable () -> Void {
        let (wanted, place, copy) = (wanted, place, copy)
        return {
            while let index = state.lock.withLock({ $0.waiting.popLast() }) {
                let item = wanted[index]
                let name = place.name(of: item.path, hash: item.content.hash.hex)
                do throws(PullError) {
                    do throws(Errno) { try place.makeFolder(of: name) } catch {
                        throw PullError.destination(error)
                    }
                    try copy.copy(
                        item.content, to: "\(place.files)/\(name)",
                        through: "\(place.half)/\(item.content.hash.hex).\(index).half")
                    state.lock.withLock { $0.ending.written.append(index) }
                } catch {
                    state.lock.withLock { $0.note(index, error) }
                }
            }
            ended.send(())
        }
    }
}

extension PullRun.State {
    /// A destination that takes no more takes nothing of the others either.
    fileprivate mutating func note(_ index: Int, _ error: PullError) {
        if case .destination(let error) = error {
            ending.destinationError = ending.destinationError ?? error
            waiting = []
        } else if error == .cancelled {
            waiting = []
        }
        ending.failures.append((index, error))
    }
}
