// How bytes came: kept by chunk, so that a file that came through Xet is proven the moment its last
// chunk is here, and what came wrong is found and dropped without the rest.

internal import Database
package import Hashing
internal import Platform
internal import Telemetry
package import Xet

extension ChunkStore {
    /// How many chunks of a wrong file are looked at one by one: 23 MB for a file of 16 GiB.
    package static let doubtCountMax = 262_144

    /// A transfer of bytes of a content is about to begin.
    ///
    /// Called before its first byte is written, for every transfer of a content that may ever be
    /// proven by its chunks, however the bytes come.
    package func beginDelivery(
        of content: ContentHash, size: Int64, _ range: Range<Int64>
    ) -> DeliveryID {
        deliveries.begin(ContentKey(hash: content, size: size), range)
    }

    /// A transfer has ended.
    ///
    /// - Parameters:
    ///   - chunks: those of which bytes came, in the order in which they came.
    ///   - unnamed: what came without names.
    package func endDelivery(
        _ id: DeliveryID, _ chunks: [IdentifiedChunk], unnamed: [Range<Int64>]
    ) {
        let sorted = chunks.sorted { $0.fileOffset < $1.fileOffset }
        deliveries.end(id, ChunkRun.runs(of: sorted), unnamed: unnamed)
    }

    /// Chunks of a xorb that came with contents of the store, each with its content.
    ///
    /// What a transfer brought counts when that has ended and was committed. A chunk's content may
    /// have lost its bytes since.
    package func chunks(
        ofXorb xorb: XetHash
    ) -> [(content: ContentHash, size: Int64, chunk: IdentifiedChunk)] {
        let found = (try? index.deliveredRuns(ofXorb: xorb)) ?? []
        return found.flatMap { key, run in run.chunks.map { (key.hash, key.size, $0) } }
    }

    /// Proves a complete content by the chunks that came, without reading it.
    ///
    /// - Parameter hash: the file's, as the tree names it.
    /// - Returns: `unknown` also when the content is not complete, or changes meanwhile.
    package func proveByChunks(
        _ content: ContentHash, size: Int64, _ hash: XetHash
    ) throws(StoreError) -> FileVerdict {
        let key = ContentKey(hash: content, size: size)
        let entry = try loaded(key, blocks: 0..<0)
        let before = entry.state.withLock { ($0.isComplete, $0.id, $0.changeCount) }
        if !before.0 { return .unknown }
        try recordDeliveries()
        var proof = FileProof(fileByteCount: size, keepsChunks: false)
        try forEachDelivery(of: key) { row in proof.add(row) }
        let verdict = proof.verdict(hash)
        if verdict != .right { return verdict }
        let isSame = entry.state.withLock { state in
            guard state.isComplete, state.id == before.1, state.changeCount == before.2,
                !state.isRetired
            else { return false }
            if state.verification == .none {
                state.verification = .provenByChunks(scheduling.wallTime)
                state.markRowDirty()
            }
            return true
        }
        if !isSame { return .unknown }
        enlist(entry)
        return .right
    }

    /// The chunks of a wrong content that may be wrong themselves; nil if there are too many.
    package func doubtfulChunks(
        of content: ContentHash, size: Int64
    ) throws(StoreError) -> [IdentifiedChunk]? {
        let key = ContentKey(hash: content, size: size)
        var proof = FileProof(fileByteCount: size, keepsChunks: true)
        var count = 0
        try forEachDelivery(of: key) { row in
            count += row.run?.chunks.count ?? 0
            if count <= ChunkStore.doubtCountMax { proof.add(row) }
        }
        return count <= ChunkStore.doubtCountMax ? proof.doubtful : nil
    }

    /// Forgets chunks of a content, and the blocks that have bytes of them.
    ///
    /// - Returns: the bytes that are gone, block by block.
    package func dropChunks(
        _ chunks: [IdentifiedChunk], of content: ContentHash, size: Int64
    ) throws(StoreError) -> [Range<Int64>] {
        let key = ContentKey(hash: content, size: size)
        var blocks: [Range<Int>] = []
        for chunk in chunks.sorted(by: { $0.fileOffset < $1.fileOffset }) {
            let next = key.blocks(covering: chunk.fileRange.clamped(to: 0..<size))
            if let last = blocks.last, next.lowerBound <= last.upperBound {
                blocks[blocks.count - 1] =
                    last.lowerBound..<max(last.upperBound, next.upperBound)
            } else {
                blocks.append(next)
            }
        }
        for range in blocks {
            // A segment at a time, since not all of a huge content fits into memory.
            let most = BlockSegment.blockCountMax
            var start = range.lowerBound
            while start < range.upperBound {
                let end = min(range.upperBound, (start / most + 1) * most)
                try dropBlocks(key, start..<end)
                start = end
            }
        }
        try recordDeliveries()
        try removeDeliveries(of: Set(chunks.map(\.fileOffset)), key)
        flush()
        return blocks.map { key.bytes(of: $0) }
    }

    private func dropBlocks(_ key: ContentKey, _ blocks: Range<Int>) throws(StoreError) {
        let (entry, incarnation) = try withLoaded(key, blocks) { $0.id }
        let flatByteCount = entry.state.withLock { state in
            var byteCount: Int64 = 0
            for block in blocks {
                // It may be both flat and packed.
                while let source = state.sources(of: block..<block + 1)?.first,
                    let count = state.invalidate(block, source, of: incarnation)
                {
                    byteCount += count
                }
            }
            return byteCount
        }
        subtractFlat(flatByteCount)
        enlist(entry)
    }

    /// Takes chunks that begin at some offsets out of the entries, and leaves their neighbours.
    private func removeDeliveries(
        of offsets: Set<Int64>, _ key: ContentKey
    ) throws(StoreError) {
        var changes = DeliveryChanges()
        try forEachDelivery(of: key) { row in
            guard let run = row.run, run.chunks.contains(where: { offsets.contains($0.fileOffset) })
            else { return }
            changes.removed.append(row.number)
            let kept = ChunkRun.runs(of: run.chunks.filter { !offsets.contains($0.fileOffset) })
            let first = deliveries.numbers(kept.count)
            for (place, part) in kept.enumerated() {
                changes.added.append(
                    DeliveryRow(
                        number: first + Int64(place), key: key, range: part.fileRange, run: part))
            }
        }
        let made = changes
        try change { (connection) throws(DatabaseError) in
            try StoreIndex.write(made, connection)
        }
    }

    /// Brings into the index what is known by now.
    private func recordDeliveries() throws(StoreError) {
        let taken = Lock(DeliveryChanges())
        do throws(StoreError) {
            try change { [deliveries] (connection) throws(DatabaseError) in
                // On the writer's thread, so that whoever waits for a later job sees all of it.
                let changes = deliveries.take()
                taken.withLock { $0 = changes }
                try StoreIndex.write(changes, connection)
            }
        } catch {
            deliveries.putBack(taken.withLock { $0 })
            throw error
        }
    }

    private func forEachDelivery(
        of key: ContentKey, _ body: (DeliveryRow) -> Void
    ) throws(StoreError) {
        do throws(DatabaseError) {
            try index.readers.withReader { (connection) throws(DatabaseError) in
                try StoreIndex.forEachDelivery(of: key, connection, body)
            }
        } catch {
            noteFailure(error)
            throw StoreError(error)
        }
    }
}

extension FileProof {
    fileprivate mutating func add(_ row: DeliveryRow) {
        if let run = row.run { add(run) } else { addUnnamed() }
    }
}
