// Proof: what has become complete is hashed once, from the disk, and dropped if it is wrong.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import Platform
internal import Telemetry

extension ContentFetcher {
    /// Has the content proven, if all of it is here and it was not proven yet.
    func proveIfComplete(_ content: Content) {
        let found = store.state(of: content.hash, size: content.sizeBytes)
        if found.isComplete && found.verification == .none { enqueueProof(content) }
    }

    /// On the proof thread.
    func prove(_ content: Content) {
        if state.withLock({ $0.isClosed }) { return }
        let found = store.state(of: content.hash, size: content.sizeBytes)
        guard found.isComplete, found.verification == .none else { return }
        do throws(StoreError) {
            let isRight = try store.prove(content.hash, size: content.sizeBytes)
            isRight ? noteProven(content.id) : noteDamaged(content)
            if isRight { compareWithXet(content) }
        } catch {
            log.warning("a content could not be proven", ["error": "\(error)"])
        }
    }

    func noteProven(_ id: ContentID) {
        state.withLock { $0.active[id]?.foundRight() }
    }

    private func noteDamaged(_ content: Content) {
        reportDamage(content)
        let observer = damageObserver.withLock { $0 }
        observer?(content.id)
        // Some of its blocks may be there and not in the store.
        memory.withLock { $0.removeAll() }
        let now = MonotonicInstant.now
        let actions = state.withLock { $0.active[content.id]?.foundWrong(now: now) ?? [] }
        carryOut(actions, content.id)
    }

    /// Counts and logs that bytes were not what their hash says.
    func reportDamage(_ content: Content) {
        damaged.add()
        distrustXet(content)
        let name = state.withLock { $0.active[content.id]?.name }
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
