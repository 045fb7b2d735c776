// Making room: whole contents go, the one not used for the longest time first.
//
// The committing thread keeps the cache a little below its limit, so a writer seldom has to wait
// for an eviction. Pinned contents stay; those that the kernel knows go last. A content that is
// being written is not evicted: it is the newest.

internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// The background keeps `1/lowWaterShare` of the limit free.
    private static let lowWaterShare: Int64 = 64
    private static let candidateCount = 64

    /// Called by the committing thread, and often.
    func keepWithinLimit() {
        let low = sizeLimitBytes - sizeLimitBytes / ChunkStore.lowWaterShare
        if usedByteCount > low {
            evict(to: low, sparing: nil, inUseToo: false)
            if usedByteCount > sizeLimitBytes {
                evict(to: sizeLimitBytes, sparing: nil, inUseToo: true)
            }
        }
        if flatByteCount > 0 { cooler.wake() }
    }

    /// Throws `full` when so many bytes more would break the limit even after eviction.
    func makeRoom(_ byteCount: Int64, for key: ContentKey) throws(StoreError) {
        let target = sizeLimitBytes - byteCount
        if usedByteCount <= target { return }
        evict(to: target, sparing: key, inUseToo: false)
        if usedByteCount > target {
            // What is not in the index yet cannot be evicted; now it can.
            flush()
            evict(to: target, sparing: key, inUseToo: false)
        }
        if usedByteCount > target { evict(to: target, sparing: key, inUseToo: true) }
        if usedByteCount > target { throw .full }
    }

    /// Drops contents until no more than `target` bytes are used, or none is left to drop.
    private func evict(to target: Int64, sparing spared: ContentKey?, inUseToo: Bool) {
        // One thread at a time: two would drop twice as much as needed.
        guard evictionTurn.receive() != nil else { return }
        defer { evictionTurn.send(()) }
        let isInUse = isInUse.withLock { $0 }
        var kept = 0
        while usedByteCount > target {
            guard
                let keys = try? index.leastRecentlyUsed(
                    isFlatOnly: false, limit: ChunkStore.candidateCount, after: kept),
                !keys.isEmpty
            else { return }
            for key in keys {
                if usedByteCount <= target { return }
                guard key != spared, inUseToo || !isInUse(key.hash),
                    (try? index.isPinned(key)) == false,
                    let entry = try? loaded(key, blocks: 0..<0),
                    entry.state.withLock({ $0.canRetire })
                else {
                    kept += 1
                    continue
                }
                counters.evictions.add()
                drop(entry, verification: .none)
            }
        }
    }

    /// Forgets all of a content, on disk too.
    func drop(_ entry: CachedContent, verification: Verification) {
        let nextID = table.freshID()
        let left = entry.state.withLock { state in
            state.drop(nextID: nextID, verification: verification)
        }
        settle(left)
        do throws(DatabaseError) {
            try index.writer.perform { (connection) throws(DatabaseError) in
                try StoreIndex.condemn(left.id, connection)
            }
            reap(left.id, flatFile: path(of: entry.key, left.id))
        } catch {
            noteFailure(error)
        }
        entry.state.withLock { $0.endDrop() }
    }

    /// Accounts for what an incarnation had in memory when it was left.
    func settle(_ left: LeftIncarnation) {
        for mailbox in left.waiting { mailbox.send(()) }
        subtractFlat(left.flatByteCount)
        table.countDropped(parts: left.partCount, hadFile: left.hadFile)
        if let change = left.uncommitted { packs.commit(change.locations) }
    }
}
