// Transfers: started, stored block by block, tried again, given up.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Telemetry
internal import Transport

extension ContentFetcher {
    /// Does what a plan decided.
    ///
    /// REQUIRES: no lock is held.
    func carryOut(_ actions: [ContentPlan.Action], _ id: ContentID) {
        for action in actions {
            switch action {
            case .start(let number, _, let isUrgent):
                let now = scheduling.now
                let seed = UInt64(bitPattern: now.nanoseconds) &+ UInt64(number)
                let attempt = state.withLock { state in
                    state.isClosed
                        ? nil
                        : state.active[id]?.begin(
                            number, isUrgent: isUrgent, seed: seed, now: now)
                }
                if let attempt { send(attempt, number) }
            case .promote(let number):
                let fetch = state.withLock { $0.active[id]?.promote(number) }
                if let fetch { hub.promote(fetch, to: .reader) }
            case .wake(let waiters): answer(waiters, .success(()))
            }
        }
    }

    func answer(_ waiters: [UInt64], _ result: Result<Void, FetchError>) {
        let told = state.withLock { state in
            waiters.compactMap { number in
                state.deadlines.remove(number)
                return state.waiters.removeValue(forKey: number)
            }
        }
        for waiter in told { waiter.completion(result) }
    }

    private func sendAgain(_ id: ContentID, _ number: ContentPlan.TransferNumber) {
        let now = scheduling.now
        let attempt = state.withLock { state in
            state.isClosed ? nil : state.active[id]?.attempt(number, now: now)
        }
        if let attempt { send(attempt, number) }
    }

    private func send(_ attempt: ActiveContent.Attempt, _ number: ContentPlan.TransferNumber) {
        if !takeLocally(attempt, number) { ask(attempt, number) }
    }

    func receiver(
        _ attempt: ActiveContent.Attempt, _ number: ContentPlan.TransferNumber
    ) -> TransferReceiver {
        TransferReceiver(
            fetcher: self, content: attempt.content.id, number: number, range: attempt.range,
            isWhole: ContentFetcher.isFetchedWhole(attempt.content))
    }

    /// Asks the Hub.
    func ask(_ attempt: ActiveContent.Attempt, _ number: ContentPlan.TransferNumber) {
        let content = attempt.content
        let (range, source) = (attempt.range, attempt.source)
        let sink = receiver(attempt, number)
        let request = ContentRequest(
            id: source.repository, commit: source.commit, path: source.path,
            expectedSize: content.sizeBytes, range: range == 0..<content.sizeBytes ? nil : range,
            priority: attempt.isUrgent ? .reader : .prefetch,
            // Who waits for a whole content waits as long as something comes.
            deadline: isServedProven(content)
                ? .distantFuture : scheduling.now + options.readDeadlineSeconds,
            earlierAttemptCount: attempt.earlierCount, isExpected: attempt.isExpected)
        let fetch = fetch(request, of: content, sink)
        sink.begin(fetch)
        let isUrgent = state.withLock { state in
            state.isClosed ? nil : state.active[content.id]?.sent(number, as: fetch)
        }
        // A reader may have come, or all may have ended, before the fetch had a name.
        switch isUrgent {
        case nil: hub.cancel(fetch)
        case true? where !attempt.isUrgent: hub.promote(fetch, to: .reader)
        case .some: break
        }
    }

    /// The first bytes of a transfer have come over the network.
    func noteBeginning(_ id: ContentID, _ number: ContentPlan.TransferNumber) {
        let now = scheduling.now
        state.withLock { $0.active[id]?.began(number, at: now) }
    }

    // MARK: On the fill threads

    func carryOut(_ item: Work) {
        switch item {
        case .block(let id, let number, let range, let buffer):
            keep(id, range, buffer)
            blocks.give(buffer)
            pending.remove(range.count, hub)
            arrived(id, number, range)
        case .whole(let id, let number, let bytes):
            let isRight = keepWhole(id, bytes)
            pending.remove(bytes.count, hub)
            if isRight {
                arrived(id, number, 0..<Int64(bytes.count))
                noteProven(id)
                ended(id, number)
            } else {
                broughtWrong(id, number)
            }
        case .end(let id, let number, .success): ended(id, number)
        case .end(let id, let number, .failure(let error)): failed(id, number, error)
        case .heldBlocks: storeHeldBlocks()
        }
    }

    private func keep(_ id: ContentID, _ range: Range<Int64>, _ buffer: BlockBuffer) {
        guard let content = state.withLock({ $0.active[id]?.content }) else { return }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer.bytes[..<range.count])
        do throws(StoreError) {
            try unsafe store.write(
                content.hash, size: content.sizeBytes, at: range.lowerBound, bytes)
            noteProgress(content)
        } catch {
            if isServedProven(content), error == .full, !mayFit(content) {
                return refuseTooLarge(content)
            }
            keepInMemory(content, range, unsafe [UInt8](bytes), error)
        }
    }

    /// False when the bytes are not what the content's hash says.
    private func keepWhole(_ id: ContentID, _ bytes: [UInt8]) -> Bool {
        guard let content = state.withLock({ $0.active[id]?.content }) else { return true }
        do throws(StoreError) {
            return try store.writeProven(content.hash, bytes)
        } catch {
            if !isProven(bytes, content.hash) { return false }
            keepInMemory(content, 0..<Int64(bytes.count), bytes, error)
            return true
        }
    }

    private func arrived(
        _ id: ContentID, _ number: ContentPlan.TransferNumber, _ range: Range<Int64>
    ) {
        noteArrival(id, range)
        let now = scheduling.now
        let actions = state.withLock { $0.active[id]?.arrived(number, range, at: now) ?? [] }
        carryOut(actions, id)
    }

    private func ended(_ id: ContentID, _ number: ContentPlan.TransferNumber) {
        let now = scheduling.now
        let (actions, content, asked) = state.withLock { state in
            let asked = state.active[id]?.asked(number)
            let actions = state.active[id]?.finished(number) ?? []
            let content = state.active[id]?.content
            ContentFetcher.noteEnd(id, number, &state)
            forgetIdle(&state, now)
            return (actions, content, asked)
        }
        if let asked {
            refusals.clear(asked.repository, isAboutContents: true, askedAt: asked.at)
        }
        carryOut(actions, id)
        if let content { proveIfComplete(content) }
        go()
    }

    private func broughtWrong(_ id: ContentID, _ number: ContentPlan.TransferNumber) {
        let now = scheduling.now
        let (content, next) = state.withLock { state in
            let next = state.active[id]?.broughtWrong(number, now: now)
            return (state.active[id]?.content, next ?? .nothing)
        }
        if let content { reportDamage(content) }
        if case .giveUp(_, let error, _) = next {
            state.withLock { ContentFetcher.noteEnd(id, number, failure: error, &$0) }
        }
        follow(next, id, number, now)
    }

    /// REQUIRES: the lock on `state`.
    private func forgetIdle(_ state: inout State, _ now: MonotonicInstant) {
        if state.active.count <= ContentFetcher.activeCountMax { return }
        state.active = state.active.filter { !$0.value.isForgettable(at: now) }
    }

    // MARK: Failures

    private func failed(
        _ id: ContentID, _ number: ContentPlan.TransferNumber, _ error: HubError
    ) {
        let now = scheduling.now
        let isAway = hub.readerRefusal != nil
        let (next, name, repository) = state.withLock {
            state -> (ActiveContent.AfterFailure, String, RepositoryID?) in
            if state.isClosed { return (.nothing, "", nil) }
            let repository = state.active[id]?.asked(number)?.repository
            let deadline = latestDeadline(of: id, state)
            let next = state.active[id]?.failed(
                number, error, isAway: isAway, deadline: deadline, now: now)
            let name = state.active[id]?.name
            if case .giveUp(_, let error, _)? = next {
                ContentFetcher.noteEnd(id, number, failure: error, &state)
            }
            forgetIdle(&state, now)
            return (next ?? .nothing, name ?? "", repository)
        }
        if let repository {
            refusals.note(error, repository, isAboutContents: true, at: scheduling.now)
        }
        if case .giveUp(let waiters, _, _) = next, error != .cancelled {
            log.warning(
                "bytes could not be fetched",
                ["file": name, "reason": "\(error)", "readers": "\(waiters.count)"])
        }
        follow(next, id, number, now)
        go()
    }

    private func follow(
        _ next: ActiveContent.AfterFailure, _ id: ContentID, _ number: ContentPlan.TransferNumber,
        _ now: MonotonicInstant
    ) {
        switch next {
        case .nothing: break
        case .retry(let seconds):
            alarms.at(now + seconds) { [self] in sendAgain(id, number) }
        case .giveUp(let waiters, let error, let absence):
            if let absence { hub.noteUnreachable(absence) }
            answer(waiters, .failure(error))
        }
    }

    /// REQUIRES: the lock on `state`.
    private func latestDeadline(of id: ContentID, _ state: State) -> MonotonicInstant? {
        state.waiters.filter { $0.value.content == id }.compactMap { state.deadlines[$0.key] }.max()
    }
}
