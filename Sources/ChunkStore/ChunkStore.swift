// The disk cache: contents by their hash, block by block, checked on every read.
//
// Owns one directory: `store.lock` (held for life, so that a cache has one owner), `store.db` (the
// index) and `flat/xx/<hash>.<id>`, a sparse file for each content with its bytes at their own
// offsets. Any thread may call it; no lock is held across I/O.
//
// The order on disk is payload, then index. A written block is valid in memory at once and for
// this process; a background thread then synchronizes the files and records validity in the index,
// `Committer.intervalSeconds` later at most. A crash loses that much, and a block that the index
// calls valid was on the disk before. Each read checks the XXH3 of the blocks it touches; a block
// that fails is dropped, counted and logged, and is missing from then on.
//
// What it never does: serve a byte that was not checked, overwrite a valid block, wait for the
// network.

package import Hashing
internal import Platform
internal import Synchronization
package import Telemetry

/// The store of contents on disk.
package final class ChunkStore: Sendable {
    /// The unit of validity and of the checksum.
    package static let blockByteCount = 131_072

    /// Counts of what went wrong and right, for `status`.
    package struct Counters: Sendable {
        /// Blocks whose checksum failed on a read from disk.
        package let checksumFailures = Counter()
        /// Contents whose hash was proven, and contents whose hash was wrong.
        package let proofs = Counter()
        package let proofFailures = Counter()
        /// Reads answered and not answered from the disk, and the bytes of those answered.
        package let hits = Counter()
        package let misses = Counter()
        package let hitBytes = Counter()
        /// Bytes written, and contents evicted to make room.
        package let writtenBytes = Counter()
        package let evictions = Counter()
        /// Failures of the disk or the index.
        package let diskFailures = Counter()
    }

    package let counters = Counters()
    /// The limit of `usedByteCount`.
    package let sizeLimitBytes: Int64
    let directory: String
    let files: any StoreFiles
    let index: StoreIndex
    let table: ContentTable
    let committer: Committer
    let buffers = BlockBufferPool()
    let log: Log
    let used: Atomic<Int64>
    /// One element, taken by the thread that evicts.
    let evictionTurn = Mailbox<Void>()
    private let lockFile: Lock<(any StoreFile)?>

    /// Opens the cache in a directory, which is made if its parent exists.
    ///
    /// - Throws: `inUse` when another process has it; `database(.newerVersion)` when a newer
    ///   program wrote it; `readOnly`, `full` or `disk` when the directory cannot be used.
    package convenience init(
        directory: String, sizeLimitBytes: Int64, log: Log
    ) throws(StoreError) {
        try self.init(
            directory: directory, sizeLimitBytes: sizeLimitBytes, log: log, files: DiskFiles())
    }

    /// As above, with file operations of the caller's choice.
    package init(
        directory: String, sizeLimitBytes: Int64, log: Log, files: any StoreFiles
    ) throws(StoreError) {
        do throws(Errno) {
            try files.makeDirectory(directory)
            lockFile = Lock(try files.lock("\(directory)/store.lock"))
            try files.makeDirectory("\(directory)/flat")
        } catch {
            throw error == .wouldBlock ? .inUse : StoreError(error)
        }
        let totals: (validByteCount: Int64, newestID: Int64)
        (index, totals) = try ChunkStore.openSoundIndex(directory, files, log)
        used = Atomic(totals.validByteCount)
        table = ContentTable(newestID: totals.newestID)
        committer = Committer(index: index, files: files, directory: directory, log: log)
        self.directory = directory
        self.sizeLimitBytes = sizeLimitBytes
        self.files = files
        self.log = log
        evictionTurn.send(())
        try committer.start(
            afterRound: { [self] in keepWithinLimit() },
            onLost: { [self] content in drop(content, verification: .none) },
            onFailure: { [self] error in noteFailure(error) })
    }

    /// Bytes of all valid blocks.
    package var usedByteCount: Int64 { max(0, used.load(ordering: .relaxed)) }

    /// Waits until all that was written is recorded in the index, on the disk.
    package func flush() {
        committer.flush()
    }

    /// Records what was written and gives the cache free. Calls from now on fail or find nothing.
    package func close() {
        committer.close()
        index.close()
        lockFile.withLock { $0 = nil }
    }

    /// How much of a content is here. Asks the index the first time.
    package func state(of content: ContentHash, size: Int64) -> ContentState {
        let key = ContentKey(hash: content, size: size)
        if size == 0 { return ChunkStore.emptyState(key) }
        guard let entry = try? loaded(key, blocks: 0..<0) else {
            return ContentState(cachedByteCount: 0, isComplete: false, verification: .none)
        }
        return entry.state.withLock { state in
            ContentState(
                cachedByteCount: state.validByteCount, isComplete: state.isComplete,
                verification: state.verification)
        }
    }

    /// The ranges of `range` that are not here: each starts at a block, and ends at one or at the
    /// content's end.
    package func missingRanges(
        _ content: ContentHash, size: Int64, in range: Range<Int64>
    ) -> [Range<Int64>] {
        let key = ContentKey(hash: content, size: size)
        let wanted = range.clamped(to: 0..<max(0, size))
        if wanted.isEmpty { return [] }
        let blocks = key.blocks(covering: wanted)
        guard let entry = try? loaded(key, blocks: blocks) else { return [key.bytes(of: blocks)] }
        return entry.state.withLock { state in
            var missing: [Range<Int>] = []
            for block in blocks where !state.isValid(block) {
                if let last = missing.last, last.upperBound == block {
                    missing[missing.count - 1] = last.lowerBound..<block + 1
                } else {
                    missing.append(block..<block + 1)
                }
            }
            return missing.map { key.bytes(of: $0) }
        }
    }

    /// Records that a content is in use, though nobody reads it through the store.
    package func touch(_ content: ContentHash, size: Int64) {
        if size > 0, let entry = try? loaded(ContentKey(hash: content, size: size), blocks: 0..<0) {
            recordUse(entry)
        }
    }

    /// Forgets a content; its space is free when this returns.
    package func drop(_ content: ContentHash, size: Int64) {
        let key = ContentKey(hash: content, size: size)
        if size > 0, let entry = try? loaded(key, blocks: 0..<0) {
            drop(entry, verification: .none)
        }
    }

    private static func emptyState(_ key: ContentKey) -> ContentState {
        let isRight = ContentHasher(like: key.hash, size: 0).finish() == key.hash
        return ContentState(
            cachedByteCount: 0, isComplete: true, verification: isRight ? .proven(.now) : .failed)
    }
}
