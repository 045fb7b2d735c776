// Making room: whole contents go, the one not used for the longest time first.
//
// The committing thread keeps the cache a little below its limit, so a writer seldom has to wait
// for an eviction. Pinned contents stay; those that the kernel knows go last. A content that is
// being written is not evicted: it is the newest.

internal import Database
package import Hashing
internal import Platform
internal import Synchronization
internal import Telemetry

extension ChunkStore {
    /// The background keeps `1/lowWaterShare` of the limit free.
    private static let lowWaterShare: Int64 = 64
    private static let candidateCount = 64
    /// So many of the least used are looked at before the cache counts as full of what is in use.
    private static let idleCandidateCountMax = 512

    /// A content that was used so recently is about to be used again.
    private static let recentSeconds = 10.0

    /// How far an eviction goes, each further than the one before.
    ///
    /// Pins are never touched.
    enum EvictionReach: Int, Comparable {
        /// What nobody has used for a while.
        case idle
        /// What was used just now, too.
        case recent
        /// What the kernel knows, too.
        case inUse

        static func < (left: EvictionReach, right: EvictionReach) -> Bool {
            left.rawValue < right.rawValue
        }
    }

    /// Called by the committing thread, and often.
    func keepWithinLimit() {
        let low = sizeLimitBytes - sizeLimitBytes / ChunkStore.lowWaterShare
        if usedByteCount > low { evict(to: low, sparing: nil, .idle) }
        for reach in [EvictionReach.recent, .inUse] where usedByteCount > sizeLimitBytes {
            evict(to: sizeLimitBytes, sparing: nil, reach)
        }
        if flatByteCount > 0 { cooler.wake() }
    }

    /// Makes room for more bytes of a content, and reserves it: the caller owes `release` when the
    /// bytes are counted, or will not come.
    ///
    /// - Throws: `full` when so many bytes more would break the limit even after eviction.
    func makeRoom(
        _ byteCount: Int64, for key: ContentKey, _ reach: EvictionReach = .inUse
    ) throws(StoreError) {
        reserved.add(byteCount, ordering: .relaxed)
        // The reservation counts as used from here on.
        let target = sizeLimitBytes
        if claimedByteCount <= target { return }
        evict(to: target, sparing: key, .idle)
        // What is not in the index yet cannot be evicted; after a flush it can.
        if claimedByteCount > target { flush() }
        if reach >= .recent { evict(to: target, sparing: key, .recent) }
        if reach == .inUse { evict(to: target, sparing: key, .inUse) }
        if claimedByteCount > target {
            release(byteCount)
            throw .full
        }
    }

    /// Whether so many bytes more find room without dropping what is in use or was just used.
    ///
    /// An estimate, for what can also be left undone: what is packed may give back less.
    package func hasIdleRoom(for byteCount: Int64) -> Bool {
        let low = sizeLimitBytes - sizeLimitBytes / ChunkStore.lowWaterShare
        var lacking = claimedByteCount + byteCount - low
        if lacking <= 0 { return true }
        let isInUse = isInUse.withLock { $0 }
        let recent = scheduling.now + -ChunkStore.recentSeconds
        var seen = 0
        while seen < ChunkStore.idleCandidateCountMax,
            let keys = try? index.leastRecentlyUsed(
                isFlatOnly: false, limit: ChunkStore.candidateCount, after: seen), !keys.isEmpty
        {
            for key in keys {
                guard (try? index.isPinned(key)) == false, !isInUse(key.hash),
                    let entry = try? loaded(key, blocks: 0..<0),
                    entry.lastUseNanoseconds < recent.nanoseconds
                else { continue }
                lacking -= state(of: key.hash, size: key.size).cachedByteCount
                if lacking <= 0 { return true }
            }
            seen += keys.count
        }
        return false
    }

    /// Whether all of a content can find room at all: beside the pinned contents that lie flat.
    ///
    /// What is packed may be shared, and is left out. True when the index cannot tell.
    package func canHold(_ content: ContentHash, size: Int64) -> Bool {
        var left = sizeLimitBytes - size
        guard left >= 0, let pins = try? index.metadata(ChunkStore.pinKind) else {
            return left >= 0
        }
        for key in pins.compactMap({ ContentKey(pinName: $0.key) }) {
            if key != ContentKey(hash: content, size: size) {
                left -= (try? index.row(of: key))?.flatByteCount ?? 0
            }
            if left < 0 { return false }
        }
        return true
    }

    /// Ends a reservation.
    func release(_ byteCount: Int64) { reserved.subtract(byteCount, ordering: .relaxed) }

    /// What is used, and what is about to be.
    private var claimedByteCount: Int64 { usedByteCount + reserved.load(ordering: .relaxed) }

    /// Drops contents until no more than `target` bytes are used, or none is left to drop.
    private func evict(to target: Int64, sparing spared: ContentKey?, _ reach: EvictionReach) {
        if claimedByteCount <= target { return }
        // One thread at a time: two would drop twice as much as needed.
        guard evictionTurn.receive() != nil else { return }
        defer { evictionTurn.send(()) }
        reapLeftovers()
        let isInUse = isInUse.withLock { $0 }
        let recent = scheduling.now + -ChunkStore.recentSeconds
        var kept = 0
        while claimedByteCount > target {
            guard
                let keys = try? index.leastRecentlyUsed(
                    isFlatOnly: false, limit: ChunkStore.candidateCount, after: kept),
                !keys.isEmpty
            else { return }
            for key in keys {
                if claimedByteCount <= target { return }
                guard key != spared, reach == .inUse || !isInUse(key.hash),
                    (try? index.isPinned(key)) == false,
                    let entry = try? loaded(key, blocks: 0..<0),
                    reach > .idle || entry.lastUseNanoseconds < recent.nanoseconds,
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
        var entry = entry
        let nextID = table.freshID()
        var dropped = entry.state.withLock { state in
            state.drop(nextID: nextID, verification: verification)
        }
        while dropped == nil {
            // The object was replaced: it is the other one that has to know.
            guard let other = try? loaded(entry.key, blocks: 0..<0) else { return }
            entry = other
            dropped = entry.state.withLock { state in
                state.drop(nextID: nextID, verification: verification)
            }
        }
        guard let left = dropped else { return }
        settle(left)
        deliveries.forget(entry.key)
        let key = entry.key
        do throws(DatabaseError) {
            try index.writer.perform { (connection) throws(DatabaseError) in
                try StoreIndex.condemn(left.id, connection)
                try StoreIndex.removeDeliveries(of: key, connection)
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
