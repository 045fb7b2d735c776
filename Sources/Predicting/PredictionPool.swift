// The threads that predict: few, whatever the number of requests.
//
// A request's own thread waits for them. Rows are predicted in small groups, so that a request with
// many rows lets others in between. What waits is bounded; beyond that a request is told to come
// again.

internal import Inference
internal import Platform

/// Predicts on threads of its own.
final class PredictionPool: Sendable {
    /// Rows that are predicted together, between which others get their turn.
    static let groupRowCount = 32
    /// Groups that wait; at some 10 ms each they are some seconds of work.
    static let queueCountMax = 512

    private struct Work: Sendable {
        let model: any Model
        let rows: [[InputValue]]
        let answer: Mailbox<Result<[Prediction], InferenceError>>
    }

    private let queue = Mailbox<Work>()
    private let threads: [ThreadBox]

    init(threadCount: Int) throws(Errno) {
        var threads: [ThreadBox] = []
        let queue = queue
        for _ in 0..<threadCount {
            threads.append(
                try ThreadBox(named: "predict") {
                    while let work = queue.receive() { PredictionPool.run(work) }
                })
        }
        self.threads = threads
    }

    /// Ends the threads when what waits is done.
    func stop() {
        queue.close()
        for thread in threads { thread.join() }
    }

    /// How many groups wait.
    var queueCount: Int { queue.count }

    /// Predicts rows.
    ///
    /// - Parameter path: what the rows are called in messages; the index follows in brackets,
    ///   unless there is one row alone.
    func predict(
        _ model: any Model, _ rows: [[InputValue]], path: String = "inputs", isOne: Bool = false
    ) throws(RequestProblem) -> [Prediction] {
        var predictions: [Prediction] = []
        predictions.reserveCapacity(rows.count)
        var start = 0
        while start < rows.count {
            let end = min(rows.count, start + PredictionPool.groupRowCount)
            switch try group(model, Array(rows[start..<end])) {
            case .success(let some): predictions += some
            case .failure(let error):
                throw PredictionPool.problem(error, path, from: start, isOne: isOne)
            }
            start = end
        }
        return predictions
    }

    private func group(
        _ model: any Model, _ rows: [[InputValue]]
    ) throws(RequestProblem) -> Result<[Prediction], InferenceError> {
        let answer = Mailbox<Result<[Prediction], InferenceError>>()
        let isFull = queue.count >= PredictionPool.queueCountMax
        guard !isFull, queue.send(Work(model: model, rows: rows, answer: answer)),
            let result = answer.receive()
        else {
            throw RequestProblem(
                503, "too many predictions wait already; come again", retryAfterSeconds: 1)
        }
        return result
    }

    private static func run(_ work: Work) {
        do throws(InferenceError) {
            let predictions = try work.model.predict(work.rows)
            if let index = predictions.firstIndex(where: { !$0.isFinite }) {
                throw .notANumber(rowIndex: index)
            }
            work.answer.send(.success(predictions))
        } catch {
            work.answer.send(.failure(error))
        }
    }

    private static func problem(
        _ error: InferenceError, _ path: String, from start: Int, isOne: Bool
    ) -> RequestProblem {
        func place(_ index: Int) -> String { isOne ? path : "\(path)[\(start + index)]" }
        switch error {
        case .row(let index, let field, let reason):
            let row = place(index)
            return .value(row.isEmpty ? field : "\(row).\(field)", reason)
        case .notANumber(let index):
            return RequestProblem(
                422, "the model gives no finite number for it",
                field: place(index).isEmpty ? nil : place(index))
        default: return RequestProblem(500, error.description)
        }
    }
}
