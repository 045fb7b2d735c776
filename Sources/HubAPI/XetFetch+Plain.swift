// When Xet does not work: the rest of the range over plain HTTP, unnoticed by the sink.

internal import Platform
internal import Telemetry
internal import Transport
internal import Xet

extension XetFetch {
    /// Changes the way for what is missing; whoever comes next does not try Xet for a while.
    func fallBack(_ reason: XetFallback) {
        if isFinished || plain != nil { return }
        dropSegment()
        note(reason)
        let rest = ContentRequest(
            id: request.id, commit: request.commit, path: request.path,
            expectedSize: request.expectedSize, range: position..<request.bytes.upperBound,
            priority: priority, deadline: request.deadline)
        plain = client.fetch(rest, sink: PlainRest(id: id, sink: sink, worker: worker))
    }

    private func note(_ reason: XetFallback) {
        client.counters.xetFallbacks.add()
        let key: XetBoard.Refused
        switch reason {
        // The Hub itself does not answer: plain ranges will not either.
        case .noToken(status: nil): return
        case .noToken, .tokenRefused, .serverFailed, .locationsRefused:
            key = .repository(request.id)
        case .unknownFile, .invalid: key = .file(hash)
        }
        let isNews = !client.xet.isRefused([key], at: .now)
        client.xet.refuse(key, at: .now)
        if isNews {
            client.log.warning(
                "Xet does not work here for now; files come over plain HTTP",
                ["file": "\(request.id)/\(request.path)", "reason": "\(reason)"])
        }
    }
}

/// Passes the rest of a range on, in the name of the fetch that it completes.
private final class PlainRest: ContentSink {
    private let id: FetchID
    private let sink: any XetSink
    private let worker: XetWorker

    init(id: FetchID, sink: any XetSink, worker: XetWorker) {
        self.id = id
        self.sink = sink
        self.worker = worker
    }

    func contentDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        unsafe sink.contentDidReceive(bytes)
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        sink.contentDidFinish(result)
        let id = self.id
        worker.run { $0.active[id] = nil }
    }
}
