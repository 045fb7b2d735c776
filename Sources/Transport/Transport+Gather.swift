// A whole answer at once, for bodies that are known to be small.

/// Collects one answer in memory.
///
/// Sendable because its state is touched only by the calls of a sink, which all come on the
/// transfer thread.
private final class GatheringSink: TransferSink, @unchecked Sendable {
    private let completion: @Sendable (Result<HTTPAnswer, TransportError>) -> Void
    private var head: HTTPHead?
    private var body: [UInt8] = []

    init(_ completion: @escaping @Sendable (Result<HTTPAnswer, TransportError>) -> Void) {
        self.completion = completion
    }

    func transferDidRespond(_ head: HTTPHead) -> TransferDirective {
        self.head = head
        return .proceed
    }

    func transferDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        unsafe body.append(contentsOf: bytes)
        return .proceed
    }

    func transferDidFinish(_ result: Result<TransferSummary, TransportError>) {
        switch result {
        case .failure(let error): completion(.failure(error))
        case .success:
            guard let head else { return completion(.failure(.closedEarly)) }
            completion(
                .success(HTTPAnswer(status: head.status, headers: head.headers, body: body)))
        }
    }
}

extension Transport {
    /// Fetches an answer of at most `bodyLimitBytes`, which has to be set, into memory.
    ///
    /// - Parameter completion: called once, on the transfer thread; it may not wait.
    @discardableResult
    package func gather(
        _ request: TransferRequest,
        completion: @escaping @Sendable (Result<HTTPAnswer, TransportError>) -> Void
    ) -> TransferID {
        precondition(request.bodyLimitBytes < 1 << 30)
        return start(request, GatheringSink(completion))
    }
}
