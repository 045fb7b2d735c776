// Making room: whole contents go, the one not used for the longest time first.
//
// The committing thread keeps the cache a little below its limit, so a writer seldom has to wait
// for an eviction. A content that is being written is not evicted: it is the newest.

internal import Database
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// The background keeps `1/lowWaterShare` of the limit free.
    private static let lowWaterShare: Int64 = 64
    private static let candidateCount = 64

    /// Called by the committing thread, and often.
    func keepWithinLimit() {
        let low = sizeLimitBytes - sizeLimitBytes / ChunkStore.lowWaterShare
        if usedByteCount > low { evict(to: low, sparing: nil) }
    }

    /// Throws `full` when so many bytes more would break the limit even after eviction.
    func makeRoom(_ byteCount: Int64, for key: ContentKey) throws(StoreError) {
        if usedByteCount + byteCount <= sizeLimitBytes { return }
        evict(to: sizeLimitBytes - byteCount, sparing: key)
        if usedByteCount + byteCount > sizeLimitBytes { throw .full }
    }

    /// Drops contents until no more than `target` bytes are used, or none is left to drop.
    private func evict(to target: Int64, sparing spared: ContentKey?) {
        // One thread at a time: two would drop twice as much as needed.
        guard evictionTurn.receive() != nil else { return }
        defer { evictionTurn.send(()) }
        var kept = 0
        while usedByteCount > target {
            guard
                let keys = try? index.leastRecentlyUsed(
                    limit: ChunkStore.candidateCount, after: kept), !keys.isEmpty
            else { return }
            for key in keys {
                if usedByteCount <= target { return }
                guard key != spared, let entry = try? loaded(key, blocks: 0..<0),
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
    func drop(_ entry: FlatContent, verification: Verification) {
        let nextID = table.freshID()
        let dropped = entry.state.withLock { state in
            state.drop(nextID: nextID, verification: verification)
        }
        for mailbox in dropped.waiting { mailbox.send(()) }
        subtractUsed(dropped.byteCount)
        table.countDropped(segments: dropped.segmentCount, hadFile: dropped.hadFile)
        do throws(DatabaseError) {
            try index.writer.perform { (connection) throws(DatabaseError) in
                try StoreIndex.delete(dropped.id, connection)
            }
        } catch {
            noteFailure(error)
        }
        do throws(Errno) { try files.remove(path(of: entry.key, dropped.id)) } catch {
            if error != .noEntry {
                counters.diskFailures.add()
                log.error("a file of the cache cannot be removed", ["error": "\(error)"])
            }
        }
        entry.state.withLock { $0.endDrop() }
    }
}
