// The revisions of a service, held for its requests: who asks gets the one that serves now.
//
// Loading happens on one thread at a time, that of the start or that of the follower; an exchange
// is one assignment under the lock. Requests that began with the old revision end with it, since
// they hold it.

internal import Inference
internal import Platform
internal import Telemetry

/// The revisions of a service.
final class ModelHolder: Sendable {
    private struct State {
        var book = RevisionBook<LoadedRevision> { $0.key }
        var progress: LoadProgress?
        var isDraining = false
    }

    let loader: RevisionLoader
    let metrics: PredictorMetrics
    private let path: String
    private let log: Log
    private let state = Lock(State())
    /// Closed when the first revision serves.
    private let ready = Mailbox<Bool>()

    init(path: String, loader: RevisionLoader, metrics: PredictorMetrics, log: Log) {
        self.path = path
        self.loader = loader
        self.metrics = metrics
        self.log = log
    }

    var current: LoadedRevision? { state.withLock { $0.book.current } }
    var previous: LoadedRevision? { state.withLock { $0.book.previous } }
    var refusal: RevisionBook<LoadedRevision>.Refusal? { state.withLock { $0.book.refusal } }
    var heldBack: String? { state.withLock { $0.book.heldBack } }
    var isDraining: Bool { state.withLock { $0.isDraining } }
    /// What is being loaded; nil for nothing.
    var progress: LoadProgress.State? { state.withLock { $0.progress }?.now }

    /// The revision that serves; waits for the first one, but not for long.
    func serving() throws(RequestProblem) -> LoadedRevision {
        if let current { return current }
        _ = ready.receive(until: .now + PredictorSettings.readyWaitSeconds)
        if let current { return current }
        throw RequestProblem(503, "the model is not ready yet", retryAfterSeconds: 5)
    }

    /// Says that no more requests should come.
    func drain() {
        state.withLock { $0.isDraining = true }
        ready.close()
    }

    /// Loads the first revision.
    func begin() throws(PredictorError) {
        let path = path
        try load { () throws(PredictorError) in
            do throws(InferenceError) {
                return try RevisionFolder(path)
            } catch {
                throw .inference(error)
            }
        }
    }

    private func load(
        _ find: () throws(PredictorError) -> RevisionFolder
    ) throws(PredictorError) {
        let progress = LoadProgress()
        progress.turn(to: path)
        state.withLock { $0.progress = progress }
        let watch = LoadWatch(progress, log)
        let revision: LoadedRevision
        do throws(PredictorError) {
            defer { state.withLock { $0.progress = nil } }
            revision = try loader.load(try find(), progress)
        } catch {
            watch.end()
            throw error
        }
        watch.end()
        state.withLock { $0.book.promote(revision) }
        ready.close()
        metrics.count(.promoted)
    }

    /// Looks where the path leads now, and lets what is there take over if it is another commit and
    /// passes its check.
    func follow() {
        guard let folder = try? RevisionFolder(path), let commit = folder.identity.commit
        else { return }
        let isWanted = state.withLock { state in
            state.book.settle(commit)
            return state.book.wants(commit, at: .now)
        }
        guard isWanted else { return }
        log.info("another revision", ["commit": commit, "model": folder.name])
        do throws(PredictorError) {
            try load { () throws(PredictorError) in folder }
        } catch {
            let next =
                error.mayPass
                ? MonotonicInstant.now + PredictorSettings.attemptPauseSeconds : nil
            let reason = error.message
            state.withLock {
                $0.book.refuse(commit, reason: reason, time: .now, nextAttempt: next)
            }
            metrics.count(.refused)
            log.error("a revision does not take over", ["commit": commit, "reason": reason])
        }
    }

    /// Goes back to the revision before.
    func rollBack() throws(RequestProblem) -> LoadedRevision {
        let current = state.withLock { state in
            state.book.rollBack() ? state.book.current : nil
        }
        guard let current else {
            throw RequestProblem(409, "there is no earlier revision to go back to")
        }
        metrics.count(.rolledBack)
        log.warning("rolled back", ["to": current.key])
        return current
    }
}
