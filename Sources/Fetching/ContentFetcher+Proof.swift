// Proof: what has become complete is proven once, and dropped as far as it is wrong.
//
// A content that came in named chunks is proven by them first, which reads nothing, on the "proof"
// thread; then, like all others, by its own hash, in one pass over the disk: on the "hash" thread,
// or below all else, on "late hash", what is proven by its chunks and nobody waits for.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry
internal import Xet

extension ContentFetcher {
    /// After a proof that failed for another reason than wrong bytes.
    private static let proveAgainSeconds = 5.0

    /// How fast a content is hashed at the least, in bytes a second: what a busy machine does.
    private static let hashBytesPerSecond = 200e6

    /// Has the content proven, if all of it is here and it was not proven yet.
    func proveIfComplete(_ content: Content) {
        let found = store.state(of: content.hash, size: content.sizeBytes)
        if !found.isComplete { return fetchAgainIfAwaited(content) }
        if !found.verification.isProven { enqueueProof(content) }
    }

    /// What has come of a content can be evicted before the rest is here, since nobody can use it
    /// yet; who waits for all of it must not wait in vain.
    private func fetchAgainIfAwaited(_ content: Content) {
        guard isServedProven(content),
            state.withLock({ $0.active[content.id]?.plan.awaitsNothing ?? false })
        else { return }
        let missing = store.missingRanges(
            content.hash, size: content.sizeBytes, in: 0..<content.sizeBytes)
        let lost = notHeld(missing, of: content.id)
        // What is held is stored first; what the store does not take is not fetched in vain.
        if lost != missing { return }
        let actions = state.withLock { $0.active[content.id]?.foundMissing(lost) ?? [] }
        carryOut(actions, content.id)
    }

    /// Has a content proven that is known by its hash.
    func enqueueProof(_ hash: ContentHash, _ sizeBytes: Int64) {
        for id in (try? catalog.contentIDs(of: hash)) ?? [] {
            guard let content = try? catalog.content(id), content.sizeBytes == sizeBytes
            else { continue }
            enqueueProof(content)
        }
    }

    /// On the proof thread, first of all: proves what was complete when the last daemon ended, and
    /// was not proven any more.
    func proveLeftOver() {
        do throws(StoreError) {
            for content in try store.unprovenContents() {
                enqueueProof(content.hash, content.size)
            }
        } catch {
            log.warning("contents could not be proven", ["error": "\(error)"])
        }
    }

    /// On the proof thread.
    func proveByChunks(_ content: Content) {
        if state.withLock({ $0.isClosed }) { return }
        let found = store.state(of: content.hash, size: content.sizeBytes)
        if !found.isComplete { return fetchAgainIfAwaited(content) }
        if found.verification.isProven { return }
        guard found.verification == .none, let hash = ContentFetcher.xetHash(of: content) else {
            let isKnown = if case .provenByChunks = found.verification { true } else { false }
            return enqueueHash(content, isLate: isKnown && !isServedProven(content))
        }
        do throws(StoreError) {
            switch try store.proveByChunks(content.hash, size: content.sizeBytes, hash) {
            case .unknown: enqueueHash(content)
            case .right:
                settleDoubts(content)
                enqueueHash(content, isLate: !isServedProven(content))
            case .wrong:
                if try fetchDoubtful(content) { return }
                try store.dropWrong(content.hash, size: content.sizeBytes)
                noteDamaged(content)
            }
        } catch {
            proveAgainLater(content, error)
        }
    }

    /// What kept a content from being proven may pass, and nothing else would come to ask again of
    /// one that is complete.
    private func proveAgainLater(_ content: Content, _ error: StoreError) {
        log.warning("a content could not be proven", ["error": "\(error)"])
        fetchAgainIfAwaited(content)
        if error == .closed { return }
        alarms.at(scheduling.now + ContentFetcher.proveAgainSeconds) { [weak self] in
            self?.enqueueProof(content)
        }
    }

    /// On one of the hash threads.
    func prove(_ content: Content) {
        if state.withLock({ $0.isClosed }) { return }
        let found = store.state(of: content.hash, size: content.sizeBytes)
        if !found.isComplete { return fetchAgainIfAwaited(content) }
        if found.verification.isProven { return noteProven(content.id) }
        // Once: what is lost again and again while it is hashed is no reason to wait for longer.
        let isFirst = state.withLock { $0.active[content.id]?.beginsHash() ?? false }
        if isFirst {
            extendDeadlines(
                content.id, by: Double(content.sizeBytes) / ContentFetcher.hashBytesPerSecond)
        }
        do throws(StoreError) {
            let isRight = try store.prove(content.hash, size: content.sizeBytes)
            if !isRight { return noteDamaged(content) }
            settleDoubts(content)
            noteProven(content.id)
            if options.servesPages { pages.send(.renew(content)) }
        } catch {
            proveAgainLater(content, error)
        }
    }

    func noteProven(_ id: ContentID) {
        let actions = state.withLock { $0.active[id]?.foundRight() ?? [] }
        carryOut(actions, id)
    }

    private func noteDamaged(_ content: Content) {
        reportDamage(content)
        let observer = damageObserver.withLock { $0 }
        observer?(content.id, [0..<content.sizeBytes])
        // Some of its blocks may be there and not in the store.
        memory.withLock { $0.removeAll() }
        let now = scheduling.now
        let next = state.withLock { $0.active[content.id]?.foundWrong(now: now) }
        guard let next else { return }
        answer(next.refused, .failure(.notProven))
        carryOut(next.actions, content.id)
    }

    /// Counts and logs that bytes were not what their hash says.
    func reportDamage(_ content: Content) {
        damaged.add()
        hub.counters.count(.wrongBytes)
        distrustXet(content)
        distrustLocally(content.id)
        let (name, sources) = state.withLock { state in
            (state.active[content.id]?.name, state.active[content.id]?.sources ?? [])
        }
        for source in sources { hub.distrust(source.repository, source.commit, source.path) }
        log.error(
            "a file is not what its hash says; it was dropped and is fetched again when read",
            ["file": name ?? content.hash.hex])
    }

    /// Whether bytes in memory are what a hash says.
    func isProven(_ bytes: [UInt8], _ hash: ContentHash) -> Bool {
        var hasher = ContentHasher(like: hash, size: Int64(bytes.count))
        hasher.update(bytes)
        return hasher.finish() == hash
    }
}
