// The rest of a content: of a weight file that a reader has touched, or of what is wanted whole.
//
// The "planner" thread reads the directory of a file that was touched for the first time, and has
// the rest of it fetched when that shows a weight file: names only choose whom to look at. It also
// begins the transfers, one at a time as others end (`RestQueue`): fewer while somebody waits for
// other bytes, and none for which something in use would have to be evicted.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Synchronization
internal import Telemetry
internal import Weights

extension ContentFetcher {
    enum PlannerTask: Sendable {
        /// A content was touched; how often its directory was looked for already.
        case look(ContentID, attempt: Int)
        /// Something has changed that the line may have waited for.
        case go
        /// The touches of an earlier run.
        case replay(TouchTrace)
    }

    /// A directory that is longer is not read here; 16 MiB are a hundred thousand tensors.
    private static let directoryByteCountMax: Int64 = 16 << 20
    /// A directory comes in two parts or three; bytes may be evicted in between.
    private static let lookAttemptCountMax = 8
    /// How long nothing is begun after the cache was found full of what is in use.
    private static let pauseSeconds = 5.0
    private static let weightFileEndings = [
        ".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".hdf5", ".keras", ".npz",
        ".npy",
    ]

    // MARK: Who is in line

    /// A reader has touched a content of which nothing was known; called without a lock.
    func noteFirstTouch(_ id: ContentID) {
        planner.send(.look(id, attempt: 0))
    }

    /// A reader misses bytes of a content: its rest is wanted, if it is a weight file.
    ///
    /// REQUIRES: the lock on `state`.
    static func noteMiss(
        _ id: ContentID, at now: MonotonicInstant, _ state: inout State
    ) -> Bool {
        guard state.active[id]?.isWeightFile == true, !state.rest.contains(id),
            state.restPause.map({ $0 <= now }) ?? true
        else { return false }
        state.restPause = nil
        return state.rest.add(id)
    }

    /// Has all of a content fetched, below every reader.
    ///
    /// - Returns: false when it has to be asked for again, since too many are in line.
    /// - Throws: why it cannot be fetched.
    func bring(_ id: ContentID) throws(FetchError) -> Bool {
        let prepared = try prepare(id, 0..<0, insists: false)
        let isInLine = state.withLock { state -> Bool? in
            if state.isClosed { return nil }
            if state.active[id] == nil {
                // It was forgotten in the meantime.
                guard let fresh = prepared.active else { return false }
                state.active[id] = fresh
            }
            if let sources = prepared.sources { state.active[id]?.replace(sources: sources) }
            if !state.rest.add(id) { return false }
            state.active[id]?.isWantedWhole = true
            state.brought.updateValue(nil, forKey: id)
            return true
        }
        guard let isInLine else { throw .stopped }
        let content = state.withLock { $0.active[id]?.content }
        if let content {
            fetchAgainWhatWasEvicted(content)
            proveIfComplete(content)
        }
        go()
        return isInLine
    }

    /// A plan believes what once came to be here; what was evicted since is still to come.
    private func fetchAgainWhatWasEvicted(_ content: Content) {
        let missing = store.missingRanges(
            content.hash, size: content.sizeBytes, in: 0..<content.sizeBytes)
        if missing.isEmpty { return }
        let actions = state.withLock { $0.active[content.id]?.foundMissing(missing) ?? [] }
        carryOut(actions, content.id)
    }

    /// Whether the rest of a content is still to come; why it is not, if it was given up.
    func restStatus(of id: ContentID) -> (isComing: Bool, failure: FetchError?) {
        state.withLock { state in
            (
                state.rest.contains(id) || state.rest.isRunning(id)
                    || state.active[id].map { !$0.plan.isIdle } ?? false,
                state.brought[id] ?? nil
            )
        }
    }

    /// Nobody wants the rest of a content any more.
    func leave(_ id: ContentID) {
        state.withLock { state in
            state.rest.remove(id)
            state.brought[id] = nil
            state.active[id]?.isWantedWhole = false
        }
    }

    /// Has the planner see whether a transfer may begin; every end of a transfer comes here.
    ///
    /// REQUIRES: no lock is held.
    func go() {
        if planner.count == 0, state.withLock({ !$0.rest.isEmpty }) { planner.send(.go) }
    }

    // MARK: On the planner thread

    func perform(_ task: PlannerTask) {
        switch task {
        case .look(let id, let attempt): look(id, attempt: attempt)
        case .replay(let trace): fetchMissing(of: trace)
        case .go: break
        }
        while startRest() {}
    }

    private func look(_ id: ContentID, attempt: Int) {
        let found = state.withLock { state in
            state.active[id].map { ($0.content, $0.paths) }
        }
        guard let (content, paths) = found, !ContentFetcher.isFetchedWhole(content),
            paths.contains(where: ContentFetcher.isNamedLikeWeights),
            attempt < ContentFetcher.lookAttemptCountMax
        else { return }
        do throws(WeightError) {
            switch try WeightFile.parse(
                StoredBytes(fetcher: self, content: content),
                limit: ContentFetcher.directoryByteCountMax)
            {
            case .needs(let range): fetchDirectory(id, range, attempt: attempt)
            case .done(nil): break
            case .done(let layout?): follow(id, layout, paths)
            }
        } catch {
            log.debug(
                "a file named like weights is none", ["file": paths[0], "reason": "\(error)"])
        }
    }

    static func isNamedLikeWeights(_ path: String) -> Bool {
        weightFileEndings.contains { path.hasSuffix($0) }
    }

    private func fetchDirectory(_ id: ContentID, _ range: Range<Int64>, attempt: Int) {
        request(
            id, range, insists: attempt > 1, ownTicket(), readsAhead: false,
            deadline: scheduling.now + options.readDeadlineSeconds
        ) { [self] result in
            if case .success = result { planner.send(.look(id, attempt: attempt + 1)) }
        }
    }

    private func follow(_ id: ContentID, _ layout: WeightLayout, _ paths: [String]) {
        let isInLine = state.withLock { state in
            state.active[id]?.isWeightFile = true
            return state.rest.add(id)
        }
        log.debug(
            isInLine ? "the rest of a weight file follows" : "too many weight files are fetched",
            ["file": paths[0], "format": layout.format.rawValue])
    }

    /// Begins one transfer; false when none is wanted or none may begin.
    private func startRest() -> Bool {
        let claimedByteCount = state.withLock { state -> Int64? in
            if state.isClosed || state.rest.isEmpty { return nil }
            return ContentFetcher.hasRestSlot(state) ? state.rest.claimedByteCount : nil
        }
        guard let claimedByteCount else { return false }
        if let refusal = hub.refusal {
            state.withLock { ContentFetcher.giveUp(.hub(refusal), &$0) }
            return false
        }
        if holdsMemory.load(ordering: .relaxed) || !store.hasIdleRoom(for: claimedByteCount) {
            state.withLock { state in
                ContentFetcher.giveUp(.noRoom, &state)
                state.restPause = scheduling.now + ContentFetcher.pauseSeconds
            }
            log.info("nothing more is fetched ahead: the cache is full of what is in use")
            return false
        }
        guard let (id, action) = state.withLock({ ContentFetcher.nextRest(&$0) }) else {
            return false
        }
        carryOut([action], id)
        return true
    }

    /// What readers wait for goes first, also before the rest of other files.
    private static func hasRestSlot(_ state: State) -> Bool {
        state.rest.hasSlot(
            isBesideReaders: state.waiters.values.contains { !state.rest.contains($0.content) })
    }

    private static func nextRest(_ state: inout State) -> (ContentID, ContentPlan.Action)? {
        if !hasRestSlot(state) { return nil }
        var turns = state.rest.groupCount
        while turns > 0, let id = state.rest.next() {
            if state.active[id]?.plan.hasEnoughUnderWay == true {
                // It keeps its place: what is under way ends, and then somebody looks again.
                turns -= 1
                continue
            }
            if let action = state.active[id]?.startRest(), case .start(let number, _, _) = action {
                state.rest.began(id, number)
                return (id, action)
            }
            state.rest.remove(id)
        }
        return nil
    }

    private static func giveUp(_ failure: FetchError, _ state: inout State) {
        for id in state.rest.removeAll() { note(failure, id, &state) }
    }

    private static func note(_ failure: FetchError, _ id: ContentID, _ state: inout State) {
        if state.brought[id] != nil { state.brought.updateValue(failure, forKey: id) }
    }

    // MARK: Transfers that end

    /// A transfer has ended; `failure` when it was given up.
    ///
    /// REQUIRES: the lock on `state`.
    static func noteEnd(
        _ id: ContentID, _ number: ContentPlan.TransferNumber, failure: FetchError? = nil,
        _ state: inout State
    ) {
        state.rest.ended(id, number)
        guard let failure else { return }
        // A reader who still wants it puts it in line again.
        state.rest.remove(id)
        note(failure, id, &state)
    }
}

/// A content's bytes as far as the store has them.
private struct StoredBytes: ByteSource {
    let fetcher: ContentFetcher
    let content: Content

    var sizeBytes: Int64 { content.sizeBytes }

    func bytes(in range: Range<Int64>) -> [UInt8]? {
        fetcher.stored(content, at: range.lowerBound, range.count)
    }
}
