// Proof: what has become complete is hashed once, from the disk, and dropped if it is wrong.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import Platform
internal import Telemetry

extension ContentFetcher {
    /// After that many wrong arrivals in a row the readers of a content get an error for a while.
    private static let proofFailureCountMax = 3
    private static let damagedSeconds = 60.0

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
        } catch {
            log.warning("a content could not be proven", ["error": "\(error)"])
        }
    }

    private func noteProven(_ id: ContentID) {
        state.withLock { $0.active[id]?.proofFailureCount = 0 }
    }

    private func noteDamaged(_ content: Content) {
        damaged.add()
        let observer = damageObserver.withLock { $0 }
        observer?(content.id)
        let name = state.withLock { state in
            state.active[content.id]?.sources.first.map { "\($0.repository)/\($0.path)" }
        }
        log.error(
            "a file is not what its hash says; it was dropped and is fetched again when read",
            ["file": name ?? content.hash.hex])
        let now = MonotonicInstant.now
        let actions = state.withLock { state -> [ContentPlan.Action] in
            guard var active = state.active[content.id] else { return [] }
            defer { state.active[content.id] = active }
            active.proofFailureCount += 1
            // Another repository with the same content may have it right.
            active.sourceIndex = (active.sourceIndex + 1) % active.sources.count
            if active.proofFailureCount >= ContentFetcher.proofFailureCountMax {
                active.proofFailureCount = 0
                active.refusal = (.notProven, now + ContentFetcher.damagedSeconds)
            }
            return active.plan.lost(0..<content.sizeBytes)
        }
        carryOut(actions, content.id)
    }

    /// Whether bytes in memory are what a hash says.
    func isProven(_ bytes: [UInt8], _ hash: ContentHash) -> Bool {
        var hasher = ContentHasher(like: hash, size: Int64(bytes.count))
        hasher.update(bytes)
        return hasher.finish() == hash
    }

    /// Serves what the store could not take.
    func readMemory(
        _ content: Content, _ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let block = Int64(ChunkStore.blockByteCount)
        let end = offset + Int64(buffer.count)
        var position = offset
        while position < end {
            let start = position / block * block
            let key = BlockKey(content: content.id, offset: start)
            guard let bytes = memory.withLock({ $0.value(for: key) }) else { return false }
            let skip = Int(position - start)
            let count = min(bytes.count - skip, Int(end - position))
            if count <= 0 { return false }
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer[Int(position - offset)..<Int(position - offset) + count])
            unsafe target.copyBytes(from: bytes[skip..<skip + count])
            position += Int64(count)
        }
        return true
    }

    // MARK: Healing

    /// Contents whose damage is remembered until it is healed.
    private static let woundCountMax = 1_000

    /// A read met damage, and the store has dropped it.
    func noteWound(_ content: Content, _ range: Range<Int64>) {
        let missing = store.missingRanges(content.hash, size: content.sizeBytes, in: range)
        wounds.withLock { wounds in
            if wounds.count >= ContentFetcher.woundCountMax { return }
            for gap in missing { wounds[content.id, default: RangeSet()].insert(gap) }
        }
    }

    /// Bytes are in the store; counts those that were damaged before.
    func noteArrival(_ id: ContentID, _ range: Range<Int64>) {
        let block = Int64(ChunkStore.blockByteCount)
        let count = wounds.withLock { wounds -> Int64 in
            guard var wound = wounds[id] else { return 0 }
            let before = wound.byteCount
            wound.remove(range)
            wounds[id] = wound.byteCount == 0 ? nil : wound
            return (before - wound.byteCount + block - 1) / block
        }
        if count > 0 { healedBlocks.add(count) }
    }
}
