// When Xet does not work: the rest of the range over plain HTTP, unnoticed by the sink.

internal import Platform
internal import Telemetry
internal import Transport
internal import Xet

extension XetFetch {
    /// Changes the way for what is missing; whoever comes next does not try Xet for a while.
    func fallBack(_ reason: XetFallback) {
        if isOver { return }
        dropPlan()
        if goToMirror(reason) { return }
        leaveSeams()
        note(reason)
        let gaps = delivered.gaps(in: request.bytes)
        guard let first = gaps.first, let last = gaps.last else { return finish(.success(())) }
        let missing = first.lowerBound..<last.upperBound
        let rest = ContentRequest(
            id: request.id, commit: request.commit, path: request.path,
            expectedSize: request.expectedSize, range: missing, priority: priority,
            deadline: request.deadline)
        let (id, worker) = (id, worker)
        plain = client.fetch(
            rest,
            sink: PlainRest(sink, from: missing.lowerBound, delivered: delivered) {
                worker.run { $0.active[id] = nil }
            })
    }

    /// Goes on with the tokens of another endpoint, if there is one that was not tried.
    private func goToMirror(_ reason: XetFallback) -> Bool {
        tried.insert(endpoint)
        guard let next = client.otherEndpoint(than: tried, for: SignedLocations.File(request))
        else { return false }
        client.xet.refuse(.endpoint(request.id, endpoint), at: client.scheduling.now)
        switch reason {
        case .serverFailed(status: nil), .locationsRefused:
            client.noteUseless(
                endpoint, pauseSeconds: nil, .malformed(reason: "its data does not come"))
        case .noToken, .tokenRefused, .unknownFile, .serverFailed, .invalid: break
        }
        client.log.info(
            "Xet does not work at an endpoint for now; another one is asked",
            [
                "endpoint": client.configuration.endpoints[endpoint].text,
                "next": client.configuration.endpoints[next].text, "reason": "\(reason)",
            ])
        endpoint = next
        isPlanRead = false
        onNextTurn { fetch, loop in fetch.begin(loop) }
        return true
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
        let isNews = !client.xet.isRefused([key], at: client.scheduling.now)
        client.xet.refuse(key, at: client.scheduling.now)
        if isNews {
            client.log.warning(
                "Xet does not work here for now; files come over plain HTTP",
                ["file": "\(request.id)/\(request.path)", "reason": "\(reason)"])
        }
    }
}

/// Passes plain bytes on to a sink of chunks: what it does not have, at its places.
final class PlainRest: ContentSink {
    private struct State {
        var position: Int64
        var delivered: RangeSet
    }

    private let sink: any XetSink
    private let onEnd: @Sendable () -> Void
    // One thread calls at a time; the lock tells the compiler.
    private let state: Lock<State>

    init(
        _ sink: any XetSink, from position: Int64, delivered: RangeSet,
        onEnd: @escaping @Sendable () -> Void
    ) {
        self.sink = sink
        self.onEnd = onEnd
        state = Lock(State(position: position, delivered: delivered))
    }

    func contentDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        sink.contentDidBegin()
        let (start, gaps) = state.withLock { state in
            let range = state.position..<state.position + Int64(bytes.count)
            return (range.lowerBound, state.delivered.gaps(in: range))
        }
        for gap in gaps {
            let part = Int(gap.lowerBound - start)..<Int(gap.upperBound - start)
            let directive = unsafe sink.contentDidReceive(
                UnsafeRawBufferPointer(rebasing: bytes[part]), at: gap.lowerBound, of: nil)
            if directive != .proceed { return directive }
            state.withLock { $0.delivered.insert(gap) }
        }
        state.withLock { $0.position += Int64(bytes.count) }
        return .proceed
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        sink.contentDidFinish(result)
        onEnd()
    }
}
