// The disk cache: contents by their hash, block by block, checked on every read.
//
// Owns one directory: `store.lock` (held for life, so that a cache has one owner), `store.db` (the
// index), `flat/xx/<hash>.<incarnation>` (a sparse file for a content with its bytes at their own
// offsets) and `packs/` (deduplicated, compressed chunks). Any thread may call it; no lock is held
// across I/O. docs/FORMATS.md has the bytes.
//
// What is fetched goes into the flat file. A background thread cools what has not been used for
// long: it cuts the content into chunks, writes those that are not in a pack yet, and exchanges
// the layout when all of it is there. Small contents go into packs at once.
//
// The order on disk is payload, then index. A written block is valid in memory at once and for
// this process; a background thread then synchronizes the files and records validity in the index,
// `Committer.intervalSeconds` later at most. A crash loses that much, and a block that the index
// calls valid was on the disk before. Each read checks the XXH3 of the blocks or records that it
// touches; what fails is dropped, counted and logged, and is missing from then on.
//
// What it never does: serve a byte that was not checked, overwrite a valid block, wait for the
// network.

package import Hashing
package import Platform
internal import Synchronization
package import Telemetry

/// The store of contents on disk.
package final class ChunkStore: Sendable {
    /// The unit of validity and of the checksum in the flat tier.
    package static let blockByteCount = 131_072
    /// Contents up to this size go into packs at once, when they are written whole and proven.
    package static let smallByteCount = 1 << 20

    package let counters = StoreCounters()
    /// The limit of `usedByteCount`.
    package let sizeLimitBytes: Int64
    /// What may lie flat before the background cools; 0: all that is complete is cooled.
    package let hotLimitBytes: Int64
    let directory: String
    let files: any StoreFiles
    let index: StoreIndex
    let table: ContentTable
    let packs: PackSet
    let committer: Committer
    let deliveries: DeliveryBook
    let cooler: Cooler
    let scrubber: Scrubber
    /// More ids than were ever given between two commits.
    private static let uncommittedMax: Int64 = 1 << 20
    /// 16 of 128 KiB are 2 MiB.
    let buffers = BlockBufferPool(byteCount: ChunkStore.blockByteCount, idleCountMax: 16)
    let recentChunks = RecentChunks()
    /// 8 of 1 MiB.
    let recordBuffers = BlockBufferPool(
        byteCount: ChunkStore.recordReadByteCount, idleCountMax: 8)
    let idlePackingBuffers = Lock<[PackingBuffers]>([])
    let log: Log
    /// Whose threads and clocks the store works with.
    package let scheduling: Scheduling
    let flatUsed: Atomic<Int64>
    let packedUsed: Atomic<Int64>
    /// Bytes that writes under way have room for.
    let reserved = Atomic<Int64>(0)
    /// One element, taken by the thread that evicts.
    let evictionTurn: Mailbox<Void>
    /// One element, taken by the thread that gives space back.
    let holeTurn: Mailbox<Void>
    let useClock: UseClock
    let isInUse: Lock<@Sendable (ContentHash) -> Bool>
    let wrongObserver = Lock<(@Sendable (ContentHash, Int64) -> Void)?>(nil)
    /// What an earlier run has left, until somebody takes it away.
    let leftovers = Lock<Leftovers?>(nil)
    private let lockFile: Lock<(any StoreFile)?>

    /// Opens the cache in a directory, which is made if its parent exists.
    ///
    /// - Parameter hotLimitBytes: half of the limit if nil.
    /// - Throws: `inUse` when another process has it; `database(.newerVersion)` when a newer
    ///   program wrote it; `readOnly`, `full` or `disk` when the directory cannot be used.
    package convenience init(
        directory: String, sizeLimitBytes: Int64, hotLimitBytes: Int64? = nil, log: Log
    ) throws(StoreError) {
        try self.init(
            directory: directory, sizeLimitBytes: sizeLimitBytes, hotLimitBytes: hotLimitBytes,
            log: log, files: DiskFiles())
    }

    /// As above, with file operations, threads and clocks of the caller's choice.
    package init(
        directory: String, sizeLimitBytes: Int64, hotLimitBytes: Int64? = nil, log: Log,
        files: any StoreFiles, scheduling: Scheduling = .system
    ) throws(StoreError) {
        do throws(Errno) {
            try files.makeDirectory(directory)
            lockFile = Lock(try files.lock("\(directory)/store.lock"))
            try files.makeDirectory("\(directory)/flat")
            try files.makeDirectory("\(directory)/packs")
        } catch {
            throw error == .wouldBlock ? .inUse : StoreError(error)
        }
        let opening: StoreIndex.Opening
        (index, opening) = try ChunkStore.openSoundIndex(directory, files, scheduling, log)
        flatUsed = Atomic(opening.flatByteCount)
        packedUsed = Atomic(opening.packedByteCount)
        let flat = ChunkStore.flatFiles(directory, files)
        // What a crash kept from being committed is not to be the file of something new; numbers
        // far beyond are no ids.
        let ids = flat.compactMap(\.id).filter {
            $0 > 0 && $0 - opening.newestID < ChunkStore.uncommittedMax
        }
        let newestID = max(opening.newestID, ids.max() ?? 0)
        table = ContentTable(newestID: newestID, scheduling: scheduling)
        packs = try ChunkStore.openPacks(directory, opening, index, files, scheduling, log)
        deliveries = DeliveryBook(newestNumber: opening.newestDelivery)
        committer = Committer(
            index: index, packs: packs, deliveries: deliveries, files: files,
            directory: directory, scheduling: scheduling, log: log)
        useClock = UseClock(newest: opening.newestUse, scheduling)
        cooler = Cooler(scheduling)
        scrubber = Scrubber(scheduling)
        evictionTurn = Mailbox(scheduling)
        holeTurn = Mailbox(scheduling)
        isInUse = Lock({ _ in false })
        self.directory = directory
        self.sizeLimitBytes = sizeLimitBytes
        self.hotLimitBytes = hotLimitBytes ?? sizeLimitBytes / 2
        self.files = files
        self.scheduling = scheduling
        self.log = log
        evictionTurn.send(())
        holeTurn.send(())
        leftovers.withLock { [found = findLeftovers(flat)] in $0 = found }
        try start()
    }

    private func start() throws(StoreError) {
        try committer.start(
            Committer.Callbacks(
                afterRound: { [self] in keepWithinLimit() },
                onLost: { [self] content in drop(content, verification: .none) },
                onFailure: { [self] error in noteFailure(error) },
                onPacked: { [self] byteCount in addPacked(byteCount) }))
        try cooler.start { [self] request in serve(request) }
        cooler.clean()
    }

    /// Bytes that the cache takes on the disk: valid flat blocks, and living records in packs.
    package var usedByteCount: Int64 { flatByteCount + packFileByteCount }
    /// Bytes of valid blocks in flat files.
    package var flatByteCount: Int64 { max(0, flatUsed.load(ordering: .relaxed)) }
    /// Bytes of living records in packs.
    package var packedByteCount: Int64 { max(0, packedUsed.load(ordering: .relaxed)) }
    /// Bytes that packs take on the disk, dead records included where no holes can be punched.
    var packFileByteCount: Int64 { packs.canPunch ? packedByteCount : packs.fileByteCount }

    /// The version of the index's schema that this program makes; older ones become it.
    package static var schemaVersion: Int { StoreIndex.schema.count }

    /// Has somebody told of a complete content that turned out wrong where nobody asked for its
    /// proof, who then proves it and has it dropped; without that it is dropped at once.
    ///
    /// It is called on the store's threads, and must not wait.
    package func observeWrong(_ observer: @escaping @Sendable (ContentHash, Int64) -> Void) {
        wrongObserver.withLock { $0 = observer }
    }

    /// Tells the store which contents the kernel knows, so that they are evicted last.
    package func setInUse(_ isInUse: @escaping @Sendable (ContentHash) -> Bool) {
        self.isInUse.withLock { $0 = isInUse }
    }

    /// When the thread that writes the index last showed that it is alive.
    package var writerHeartbeat: MonotonicInstant { index.writerHeartbeat }

    /// Waits until all that was written is recorded in the index, on the disk.
    package func flush() {
        committer.flush()
    }

    /// Records what was written and gives the cache free.
    ///
    /// Calls from now on fail or find nothing.
    package func close() {
        scrubber.close()
        cooler.close()
        removeLeftovers()
        committer.close()
        rememberTail()
        index.close()
        lockFile.withLock { $0 = nil }
    }

    /// How much of a content is here.
    ///
    /// Asks the index the first time.
    package func state(of content: ContentHash, size: Int64) -> ContentState {
        let key = ContentKey(hash: content, size: size)
        if size == 0 { return emptyState(key) }
        guard let entry = try? loaded(key, blocks: 0..<0) else { return .nothing }
        return entry.state.withLock { state in
            ContentState(
                cachedByteCount: state.validByteCount, flatByteCount: state.flatByteCount,
                isComplete: state.isComplete, verification: state.verification)
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
        var missing: [Range<Int>] = []
        // A segment at a time, since not all of a huge content fits into memory.
        let most = BlockSegment.blockCountMax
        var block = blocks.lowerBound
        while block < blocks.upperBound {
            let part = block..<min(blocks.upperBound, (block / most + 1) * most)
            let found = try? withLoaded(key, part) { state in part.filter { !state.isValid($0) } }
            for block in found?.1 ?? Array(part) {
                if let last = missing.last, last.upperBound == block {
                    missing[missing.count - 1] = last.lowerBound..<block + 1
                } else {
                    missing.append(block..<block + 1)
                }
            }
            block = part.upperBound
        }
        if missing.isEmpty && blocks.count == key.blockCount,
            let entry = try? loaded(key, blocks: 0..<0),
            entry.state.withLock({ !$0.isComplete })
        {
            try? mendCount(entry)
        }
        return missing.map { key.bytes(of: $0) }
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

    private func emptyState(_ key: ContentKey) -> ContentState {
        let isRight = ContentHasher(like: key.hash, size: 0).finish() == key.hash
        return ContentState(
            cachedByteCount: 0, flatByteCount: 0, isComplete: true,
            verification: isRight ? .proven(scheduling.wallTime) : .failed)
    }
}
