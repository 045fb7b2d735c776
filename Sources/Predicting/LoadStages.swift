// How far the loading of a revision is, and how long each part took.

internal import Platform

/// A part of loading, in the order in which they come.
enum LoadStage: String, CaseIterable, Sendable {
    /// The folder is listed, and its kind recognised.
    case recognise
    /// Its files are mapped.
    case map
    /// Their pages are brought into memory.
    case populate
    /// Their proofs are waited for.
    case prove
    /// The model is opened on them.
    case open
    /// A row is predicted, and compared with what it should be.
    case check
}

/// A part that is over.
struct LoadTime: Equatable, Sendable {
    let stage: LoadStage
    let seconds: Double
}

/// What is known while a revision is loaded; written by one thread, read by many.
final class LoadProgress: Sendable {
    struct State: Sendable {
        var stage: LoadStage?
        /// The file that was turned to last.
        var file: String?
        /// When something went on last.
        var changedAt = MonotonicInstant.now
        var byteCount: Int64 = 0
        var byteCountDone: Int64 = 0
        var times: [LoadTime] = []
    }

    private let state = Lock(State())

    var now: State { state.withLock { $0 } }

    /// Runs a part, and notes how long it took.
    func run<Result, Failure: Error>(
        _ stage: LoadStage, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let began = MonotonicInstant.now
        change { $0.stage = stage }
        let result = try body()
        let time = LoadTime(stage: stage, seconds: MonotonicInstant.now.seconds(since: began))
        state.withLock { $0.times.append(time) }
        return result
    }

    func expect(_ byteCount: Int64) {
        state.withLock { $0.byteCount = byteCount }
    }

    func add(_ byteCount: Int) {
        change { $0.byteCountDone += Int64(byteCount) }
    }

    /// A file is turned to, which may have to be waited for.
    func turn(to file: String) {
        change { $0.file = file }
    }

    private func change(_ body: (inout State) -> Void) {
        let now = MonotonicInstant.now
        state.withLock { state in
            body(&state)
            state.changedAt = now
        }
    }
}
