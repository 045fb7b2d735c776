// Transfers: started, stored block by block, tried again, given up.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Synchronization
internal import Telemetry
internal import Transport

extension ContentFetcher {
    /// Does what a plan decided. REQUIRES: no lock is held.
    func carryOut(_ actions: [ContentPlan.Action], _ id: ContentID) {
        for action in actions {
            switch action {
            case .start(let number, let range, let isUrgent):
                start(id, number, range, isUrgent: isUrgent, isRetry: false)
            case .promote(let number):
                let fetch = state.withLock { state in
                    state.active[id]?.transfers[number]?.isUrgent = true
                    return state.active[id]?.transfers[number]?.fetch
                }
                if let fetch { hub.promote(fetch, to: .reader) }
            case .wake(let waiters): answer(waiters, .success(()))
            case .fail(let waiters): answer(waiters, .failure(.hub(.deadline)))
            }
        }
    }

    private func answer(_ waiters: [UInt64], _ result: Result<Void, FetchError>) {
        let told = state.withLock { state in
            waiters.compactMap { state.waiters.removeValue(forKey: $0) }
        }
        for waiter in told { waiter.completion(result) }
    }

    private func start(
        _ id: ContentID, _ number: ContentPlan.TransferNumber, _ range: Range<Int64>,
        isUrgent: Bool, isRetry: Bool
    ) {
        let now = MonotonicInstant.now
        let chosen = state.withLock { state -> (Content, Catalog.Source)? in
            guard !state.isClosed, var active = state.active[id] else { return nil }
            if !isRetry {
                let seed = UInt64(bitPattern: now.nanoseconds) &+ UInt64(number)
                active.transfers[number] = RunningTransfer(
                    policy: RetryPolicy(seed: seed), fetch: nil, isUrgent: isUrgent)
            }
            state.active[id] = active
            return (active.content, active.sources[active.sourceIndex % active.sources.count])
        }
        guard let (content, source) = chosen else { return }
        if let refusal = hub.refusal {
            hand(.end(id, number, .failure(refusal)), number)
            return
        }
        let sink = TransferReceiver(
            fetcher: self, content: id, number: number, range: range,
            isWhole: ContentFetcher.isFetchedWhole(content))
        let request = ContentRequest(
            id: source.repository, commit: source.commit, path: source.path,
            expectedSize: content.sizeBytes, range: range == 0..<content.sizeBytes ? nil : range,
            priority: isUrgent ? .reader : .prefetch,
            deadline: now + options.readDeadlineSeconds)
        let fetch = hub.fetch(request, sink: sink)
        sink.begin(fetch)
        let isWanted = state.withLock { state -> Bool in
            guard state.active[id]?.transfers[number] != nil else { return false }
            state.active[id]?.transfers[number]?.fetch = fetch
            return !state.isClosed
        }
        if !isWanted { hub.cancel(fetch) }
    }

    // MARK: On the fill threads

    func carryOut(_ item: Work) {
        switch item {
        case .block(let id, let number, let range, let bytes):
            keep(id, range, bytes)
            pending.remove(bytes.count, hub)
            arrived(id, number, range)
        case .whole(let id, let number, let bytes):
            let isRight = keepWhole(id, bytes)
            pending.remove(bytes.count, hub)
            if isRight {
                arrived(id, number, 0..<Int64(bytes.count))
            } else {
                damaged.add()
                let error = HubError.malformed(reason: "the bytes are not what their hash says")
                ended(id, number, .failure(error))
            }
        case .end(let id, let number, let result): ended(id, number, result)
        }
    }

    private func keep(_ id: ContentID, _ range: Range<Int64>, _ bytes: [UInt8]) {
        guard let content = state.withLock({ $0.active[id]?.content }) else { return }
        do throws(StoreError) {
            try unsafe bytes.span.bytes.withUnsafeBytes { (buffer) throws(StoreError) in
                try unsafe store.write(
                    content.hash, size: content.sizeBytes, at: range.lowerBound, buffer)
            }
        } catch {
            keepInMemory(id, range, bytes, error)
        }
    }

    /// False when the bytes are not what the content's hash says.
    private func keepWhole(_ id: ContentID, _ bytes: [UInt8]) -> Bool {
        guard let content = state.withLock({ $0.active[id]?.content }) else { return true }
        do throws(StoreError) {
            return try store.writeProven(content.hash, bytes)
        } catch {
            if !isProven(bytes, content.hash) { return false }
            keepInMemory(id, 0..<Int64(bytes.count), bytes, error)
            return true
        }
    }

    private func keepInMemory(
        _ id: ContentID, _ range: Range<Int64>, _ bytes: [UInt8], _ error: StoreError
    ) {
        log.error(
            "the cache cannot be written; reading goes on from the network",
            ["error": "\(error)"])
        let block = Int64(ChunkStore.blockByteCount)
        memory.withLock { memory in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let end = min(offset + block, range.upperBound)
                let part = bytes[Int(offset - range.lowerBound)..<Int(end - range.lowerBound)]
                memory.insert(Array(part), for: BlockKey(content: id, offset: offset))
                offset = end
            }
        }
        holdsMemory.store(true, ordering: .relaxed)
    }

    private func arrived(
        _ id: ContentID, _ number: ContentPlan.TransferNumber, _ range: Range<Int64>
    ) {
        noteArrival(id, range)
        let actions = state.withLock { state in
            state.active[id]?.plan.arrived(number, range) ?? []
        }
        carryOut(actions, id)
    }

    private func ended(
        _ id: ContentID, _ number: ContentPlan.TransferNumber, _ result: Result<Void, HubError>
    ) {
        switch result {
        case .success:
            let content = state.withLock { state -> Content? in
                state.active[id]?.plan.finished(number)
                state.active[id]?.transfers[number] = nil
                forgetIdle(&state)
                return state.active[id]?.content
            }
            if let content { proveIfComplete(content) }
        case .failure(let error): failed(id, number, error)
        }
    }

    /// REQUIRES: the lock on `state`.
    private func forgetIdle(_ state: inout State) {
        if state.active.count <= ContentFetcher.activeCountMax { return }
        state.active = state.active.filter { !$0.value.plan.isIdle || $0.value.refusal != nil }
    }

    private enum AfterFailure {
        case nothing
        case retry(Range<Int64>, isUrgent: Bool, afterSeconds: Double)
        case giveUp([UInt64], FetchError)
    }

    private func failed(
        _ id: ContentID, _ number: ContentPlan.TransferNumber, _ error: HubError
    ) {
        let now = MonotonicInstant.now
        let next = state.withLock { state -> AfterFailure in
            guard !state.isClosed, var active = state.active[id],
                var transfer = active.transfers[number],
                let left = active.plan.failed(number)
            else { return .nothing }
            defer { state.active[id] = active }
            transfer.fetch = nil
            let deadline = latestDeadline(of: id, state) ?? now
            let patience = left.hasWaiters ? deadline : now + ContentFetcher.prefetchSeconds
            switch ContentFetcher.decide(error, &transfer.policy, now: now, deadline: patience) {
            case .anotherSource where active.sourceIndex + 1 < active.sources.count:
                active.sourceIndex += 1
                active.transfers[number] = transfer
                return .retry(left.remaining, isUrgent: transfer.isUrgent, afterSeconds: 0)
            case .retry(let seconds)
            where left.hasWaiters || left.attempts < ContentFetcher.prefetchAttemptCountMax:
                active.transfers[number] = transfer
                return .retry(
                    left.remaining, isUrgent: transfer.isUrgent, afterSeconds: seconds)
            case .anotherSource, .retry, .giveUp:
                active.transfers[number] = nil
                active.sourceIndex = 0
                var waiters: [UInt64] = []
                for case .fail(let failed) in active.plan.abandoned(number) { waiters += failed }
                if error.isAnswer {
                    active.refusal = (.hub(error), now + ContentFetcher.refusalSeconds)
                }
                return .giveUp(waiters, .hub(error))
            }
        }
        switch next {
        case .nothing: break
        case .retry(let range, let isUrgent, let seconds):
            alarms.at(now + seconds) { [self] in
                start(id, number, range, isUrgent: isUrgent, isRetry: true)
            }
        case .giveUp(let waiters, let reason):
            report(id, error, waiterCount: waiters.count)
            if case .unreachable(let cause) = error, !waiters.isEmpty {
                hub.noteUnreachable(cause)
            }
            answer(waiters, .failure(reason))
        }
    }

    private enum Decision {
        case retry(afterSeconds: Double)
        case anotherSource
        case giveUp
    }

    private static let prefetchSeconds = 30.0
    private static let prefetchAttemptCountMax = 3
    /// A refused content is asked for again after that, so that a new token is noticed.
    private static let refusalSeconds = 2.0

    private static func decide(
        _ error: HubError, _ policy: inout RetryPolicy, now: MonotonicInstant,
        deadline: MonotonicInstant
    ) -> Decision {
        let failure: AttemptFailure
        switch error {
        case .repositoryNotFound, .revisionNotFound, .entryNotFound, .gated, .tokenRefused,
            .disabled, .forbidden:
            return .anotherSource
        case .cancelled, .offline, .deadline: return .giveUp
        case .rateLimited(let seconds): failure = .status(429, pauseSeconds: seconds)
        case .server(let status): failure = .status(status, pauseSeconds: nil)
        case .unreachable(let cause): failure = .transport(cause)
        case .malformed: failure = .transport(.closedEarly)
        }
        switch policy.next(after: failure, now: now, deadline: deadline) {
        case .retry(let seconds): return .retry(afterSeconds: seconds)
        case .giveUp: return .giveUp
        }
    }

    /// REQUIRES: the lock on `state`.
    private func latestDeadline(of id: ContentID, _ state: State) -> MonotonicInstant? {
        state.waiters.values.filter { $0.content == id }.map(\.deadline).max()
    }

    private func report(_ id: ContentID, _ error: HubError, waiterCount: Int) {
        let name = state.withLock { state in
            state.active[id]?.sources.first.map { "\($0.repository)/\($0.path)" } ?? "?"
        }
        if error == .cancelled { return }
        log.warning(
            "bytes could not be fetched",
            ["file": name, "reason": "\(error)", "readers": "\(waiterCount)"])
    }
}
