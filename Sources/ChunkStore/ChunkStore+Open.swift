// Opening the index and the packs, and loading from the index what is asked about a content.

internal import Database
internal import Hashing
internal import Platform
internal import Synchronization
internal import Telemetry

extension ChunkStore {
    /// Opens the index.
    ///
    /// One that is damaged is set aside; that one, and one that is missing while there are packs,
    /// is made anew from what the packs tell.
    static func openIndex(
        _ directory: String, _ files: any StoreFiles, _ scheduling: Scheduling, _ log: Log
    ) throws(StoreError) -> StoreIndex {
        let path = "\(directory)/store.db"
        let hasMark = (try? files.open(damageMark(directory), create: false)) != nil
        let hasIndex = (try? files.open(path, create: false)) != nil
        let hasPacks = (try? PackSet.numbers(in: "\(directory)/packs", files))?.isEmpty == false
        if !hasMark && (hasIndex || !hasPacks) {
            do throws(DatabaseError) {
                return try StoreIndex(path: path, files: files, scheduling: scheduling)
            } catch  where error.meansDamaged {
                // Set aside below.
            } catch {
                throw StoreError(error)
            }
        }
        log.error(
            "the cache index is damaged, missing or of another version, and rebuilt from the packs",
            ["index": path, "kept": "\(path).damaged"])
        do throws(Errno) {
            // Until it is rebuilt it is as bad as damaged.
            _ = try files.open(damageMark(directory), create: true)
            for suffix in ["-wal", "-shm"] { try removeIfThere(path + suffix, files) }
            do throws(Errno) { try files.rename(path, to: "\(path).damaged") } catch
                where error == .noEntry
            {}
        } catch {
            throw StoreError(error)
        }
        let index: StoreIndex
        do throws(DatabaseError) {
            index = try StoreIndex(path: path, files: files, scheduling: scheduling)
        } catch {
            throw StoreError(error)
        }
        do throws(StoreError) {
            try Rebuilder(
                directory: directory, index: index, files: files, log: log,
                scheduling: scheduling
            ).run()
        } catch {
            index.close()
            throw error
        }
        try? removeIfThere(damageMark(directory), files)
        return index
    }

    /// Opens the index and asks it the first questions, which show whether it is sound.
    static func openSoundIndex(
        _ directory: String, _ files: any StoreFiles, _ scheduling: Scheduling, _ log: Log
    ) throws(StoreError) -> (StoreIndex, StoreIndex.Opening) {
        var index = try openIndex(directory, files, scheduling, log)
        do throws(DatabaseError) { return (index, try index.opening()) } catch {
            index.close()
            guard error.meansDamaged else { throw StoreError(error) }
        }
        do throws(Errno) { _ = try files.open(damageMark(directory), create: true) } catch {
            throw StoreError(error)
        }
        index = try openIndex(directory, files, scheduling, log)
        do throws(DatabaseError) { return (index, try index.opening()) } catch {
            index.close()
            throw StoreError(error)
        }
    }

    /// Opens the packs; a new cache gets its identity.
    static func openPacks(
        _ directory: String, _ opening: StoreIndex.Opening, _ index: StoreIndex,
        _ files: any StoreFiles, _ scheduling: Scheduling, _ log: Log
    ) throws(StoreError) -> PackSet {
        let cacheID = opening.cacheID ?? CacheID.random()
        if opening.cacheID == nil {
            do throws(DatabaseError) {
                try index.writer.perform { (connection) throws(DatabaseError) in
                    try StoreIndex.set("cache", cacheID.bytes, connection)
                }
            } catch {
                throw StoreError(error)
            }
        }
        let folder = "\(directory)/packs"
        let newest: Int
        do throws(Errno) { newest = try PackSet.numbers(in: folder, files).last ?? 0 } catch {
            throw StoreError(error)
        }
        let packs = PackSet(
            directory: folder, cacheID: cacheID, files: files,
            nextNumber: max(opening.nextPack, newest + 1), scheduling: scheduling, log: log)
        if let tail = opening.tail {
            packs.resume(tail.pack, tail: tail.offset)
            index.forgetTail()
        }
        return packs
    }

    /// A file that tells the next start that the index was found damaged.
    static func damageMark(_ directory: String) -> String {
        "\(directory)/store.db.is-damaged"
    }

    private static func removeIfThere(_ path: String, _ files: any StoreFiles) throws(Errno) {
        do throws(Errno) { try files.remove(path) } catch  where error == .noEntry {}
    }

    /// Notes a failure of the index, and what the next start has to do about it.
    func noteFailure(_ error: DatabaseError) {
        counters.diskFailures.add()
        log.error("the cache index failed", ["error": "\(error)"])
        if error.meansDamaged {
            _ = try? files.open(ChunkStore.damageMark(directory), create: true)
        }
    }

    /// Lets the next start go on with the pack being written.
    func rememberTail() {
        guard let active = packs.active else { return }
        var bytes: [UInt8] = []
        appendNumber(UInt64(active.number), to: &bytes)
        appendNumber(UInt64(active.tail), to: &bytes)
        let value = bytes
        try? index.writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.set("tail", value, connection)
        }
    }

    /// The content with its row, and with the segments of the blocks, in memory.
    func loaded(_ key: ContentKey, blocks: Range<Int>) throws(StoreError) -> CachedContent {
        while true {
            let entry = table.content(key)
            do throws(DatabaseError) {
                if try load(entry, blocks: blocks) { return entry }
            } catch {
                noteFailure(error)
                throw StoreError(error)
            }
        }
    }

    /// Calls `body` under the lock of a content whose segments of the blocks are in memory.
    func withLoaded<Result: Sendable>(
        _ key: ContentKey, _ blocks: Range<Int>, _ body: (CachedState) -> Result
    ) throws(StoreError) -> (CachedContent, Result) {
        while true {
            let entry = try loaded(key, blocks: blocks)
            // Between the two, other threads may have needed the memory.
            let result = entry.state.withLock { state in
                state.knows(blocks) ? body(state) : nil
            }
            if let result { return (entry, result) }
        }
    }

    /// False when the content was replaced meanwhile, or its layout exchanged.
    private func load(_ entry: CachedContent, blocks: Range<Int>) throws(DatabaseError) -> Bool {
        if entry.state.withLock({ !$0.isLoaded }) {
            let row = try index.row(of: entry.key)
            entry.state.withLock { $0.load(row) }
        }
        let (incarnation, isPacked, wanted, isRetired) = entry.state.withLock { state in
            (state.id, state.isPacked, state.segmentsToLoad(blocks), state.isRetired)
        }
        if isRetired { return false }
        if wanted.isEmpty { return true }
        let segments = try index.segments(
            wanted, of: entry.key, id: incarnation, isPacked: isPacked)
        let (count, isCurrent) = entry.state.withLock { state in
            (state.load(segments, of: incarnation), state.id == incarnation && !state.isRetired)
        }
        table.countLoadedParts(count)
        if isCurrent && segments.contains(where: { $0.segment == nil }) {
            counters.checksumFailures.add()
            log.error(
                "a row of the cache index is damaged; its part of the content is dropped",
                ["content": entry.key.hash.hex])
            try recount(entry, incarnation)
        }
        return isCurrent
    }

    /// Counts a content's bytes anew if they cannot be what the index says of them.
    ///
    /// The row of a segment may be lost without a trace; then the sum in the content's row is
    /// wrong.
    func mendCount(_ entry: CachedContent) throws(StoreError) {
        let incarnation = entry.state.withLock { $0.id }
        do throws(DatabaseError) { try recount(entry, incarnation) } catch {
            noteFailure(error)
            throw StoreError(error)
        }
    }

    /// Counts a content's bytes anew, after a segment of it was lost.
    private func recount(_ entry: CachedContent, _ incarnation: Int64) throws(DatabaseError) {
        let changeCount = entry.state.withLock { $0.changeCount }
        var (valid, flat): (Int64, Int64) = (0, 0)
        let most = BlockSegment.blockCountMax
        for first in stride(from: 0, to: entry.key.blockCount, by: most) {
            let blocks = first..<min(first + most, entry.key.blockCount)
            if try !load(entry, blocks: blocks) { return }
            let counted: (valid: Int64, flat: Int64)? = entry.state.withLock { state in
                state.knows(blocks) ? state.count(ofSegment: first / most) : nil
            }
            guard let counted else { return }
            valid += counted.valid
            flat += counted.flat
        }
        let sums = (valid, flat)
        let lost: Int64? = entry.state.withLock { state in
            // Who changed it meanwhile counts again, at the latest when it is to be proven.
            if state.id != incarnation || state.changeCount != changeCount { return nil }
            return state.recount(valid: sums.0, flat: sums.1)
        }
        if let lost { subtractFlat(lost) }
        enlist(entry)
    }

    /// Has the content's changes committed.
    func enlist(_ entry: CachedContent) {
        if entry.state.withLock({ $0.enlist() }) { committer.add(entry) }
    }

    func addFlat(_ byteCount: Int64) { flatUsed.add(byteCount, ordering: .relaxed) }
    func subtractFlat(_ byteCount: Int64) { flatUsed.subtract(byteCount, ordering: .relaxed) }
    func addPacked(_ byteCount: Int64) { packedUsed.add(byteCount, ordering: .relaxed) }

    /// Records in the index that a content was used, at most once in `useSeconds`.
    func recordUse(_ entry: CachedContent) {
        entry.touch()
        let now = useClock.now
        let isDue = entry.state.withLock { state in
            let since = now.secondsSince1970 - state.recordedUse.secondsSince1970
            // A damaged row may tell of a use in years to come: that counts as due.
            if state.validByteCount == 0 || (0..<ChunkStore.useSeconds).contains(since) {
                return false
            }
            state.recordedUse = now
            state.markRowDirty()
            return state.enlist()
        }
        if isDue { committer.add(entry) }
    }

    /// How exact the order of eviction is.
    static let useSeconds: Int64 = 30
}

extension ContentKey {
    /// The blocks that a range of bytes touches.
    func blocks(covering range: Range<Int64>) -> Range<Int> {
        let size = Int64(ChunkStore.blockByteCount)
        return Int(range.lowerBound / size)..<Int((range.upperBound + size - 1) / size)
    }

    /// The bytes of some blocks.
    func bytes(of blocks: Range<Int>) -> Range<Int64> {
        let each = Int64(ChunkStore.blockByteCount)
        return Int64(blocks.lowerBound) * each..<min(size, Int64(blocks.upperBound) * each)
    }
}
