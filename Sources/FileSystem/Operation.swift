// An operation on its way: attempts, and what lies between them.
//
// The first attempt runs on the thread that brought the question. When it lacks something, the
// operation waits outside of every thread; whoever brings what was lacking runs the next attempt.
// It is answered exactly once: by an attempt, by its deadline, or by a reader that gave up.

package import Fetching
internal import Platform

/// A question that could not be answered at once.
package final class Operation<Value: Sendable>: Sendable {
    private struct State {
        var context = AttemptContext()
        var ticket: Fetcher.Ticket?
        var isAnswered = false
    }

    private let fileSystem: FileSystem
    private let attempt: @Sendable (AttemptContext) -> Outcome<Value>
    private let answer: @Sendable (Result<Value, FileSystemError>) -> Void
    private let state = Lock(State())

    /// More rounds than any name needs: owner, repository, revision, access, tree, bytes, twice.
    private static var attemptCountMax: Int { 16 }

    /// - Parameters:
    ///   - attempt: run once or more, on several threads, one at a time.
    ///   - answer: called exactly once.
    package init(
        _ fileSystem: FileSystem,
        attempt: @escaping @Sendable (AttemptContext) -> Outcome<Value>,
        answer: @escaping @Sendable (Result<Value, FileSystemError>) -> Void
    ) {
        self.fileSystem = fileSystem
        self.attempt = attempt
        self.answer = answer
    }

    /// Makes the first attempt, on this thread.
    package func start() {
        run(AttemptContext())
    }

    /// Goes on after a first attempt that lacked something.
    package func wait(for need: Need, withinSeconds seconds: Double?) {
        // The fetcher may answer before `request` returns, and then the next need has its own
        // ticket already: the order of tickets is kept by their numbers.
        let ticket = fileSystem.fetcher.request(need, withinSeconds: seconds) { result in
            self.resume(need, result)
        }
        let isLate = state.withLock { state in
            if let newer = state.ticket, newer.number > ticket.number { return false }
            state.ticket = ticket
            return state.isAnswered
        }
        if isLate { fileSystem.fetcher.cancel(ticket) }
    }

    /// The reader gave up.
    ///
    /// The answer, if none was given yet, is `interrupted`.
    package func interrupt() {
        let ticket = state.withLock { $0.ticket }
        finish(.failure(.interrupted))
        if let ticket { fileSystem.fetcher.cancel(ticket) }
    }

    private func resume(_ need: Need, _ result: Result<Void, FetchError>) {
        let context = state.withLock { state -> AttemptContext? in
            if state.isAnswered { return nil }
            state.context.record(need, result)
            return state.context
        }
        guard let context else { return }
        if context.attemptCount > Operation.attemptCountMax {
            finish(.failure(.unavailable))
            return
        }
        run(context)
    }

    private func run(_ context: AttemptContext) {
        switch attempt(context) {
        case .done(let value): finish(.success(value))
        case .failed(let error): finish(.failure(error))
        case .lacks(let next, let seconds): wait(for: next, withinSeconds: seconds)
        }
    }

    private func finish(_ result: Result<Value, FileSystemError>) {
        let isFirst = state.withLock { state in
            defer { state.isAnswered = true }
            return !state.isAnswered
        }
        if isFirst { answer(result) }
    }
}
