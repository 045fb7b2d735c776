// Changes of layout: the next incarnation is built beside the one in use, and exchanged with it.

internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

/// A layout to change to.
enum Layout {
    case packed
    case flat
}

/// A content at the start of a change of layout.
private struct Relayout {
    let entry: CachedContent
    let key: ContentKey
    let incarnation: Int64
    let changeCount: UInt64
    let isComplete: Bool
    let flatByteCount: Int64
    let verification: Verification
    let nextID: Int64
}

/// What the next incarnation is.
private struct BuiltLayout {
    var validByteCount: Int64 = 0
    var verification: Verification
    /// Rows of segments; none for a content that is all in packs.
    var segments: [LoadedSegment] = []
    var isWrong = false
}

extension ChunkStore {
    /// Changes a content's layout.
    ///
    /// - Returns: whether it has that layout now; false also when it was changed meanwhile.
    func relayout(_ key: ContentKey, _ layout: Layout) throws(StoreError) -> Bool {
        let entry = try loaded(key, blocks: 0..<0)
        let nextID = table.freshID()
        let (work, isDone) = entry.state.withLock { state in
            (
                Relayout(
                    entry: entry, key: key, incarnation: state.id,
                    changeCount: state.changeCount, isComplete: state.isComplete,
                    flatByteCount: state.flatByteCount, verification: state.verification,
                    nextID: nextID),
                layout == .packed
                    ? state.flatByteCount == 0 : state.flatByteCount == state.validByteCount
            )
        }
        if isDone { return true }
        try change { (connection) throws(DatabaseError) in
            try StoreIndex.condemn(nextID, connection)
        }
        let flatFile = path(of: key, nextID)
        do throws(StoreError) {
            let built = try layout == .packed ? buildPacked(work) : buildFlat(work, flatFile)
            if let built, built.isWrong {
                reap(nextID, flatFile: nil)
                tellWrong(entry)
                return false
            }
            if let built, try exchange(work, built, layout) { return true }
        } catch {
            reap(nextID, flatFile: flatFile)
            // A record that was to be shared was removed with its last content in the meantime.
            if error == .incomplete { return false }
            throw error
        }
        reap(nextID, flatFile: flatFile)
        return false
    }

    func change(
        _ job: @escaping @Sendable (Connection) throws(DatabaseError) -> Void
    ) throws(StoreError) {
        do throws(DatabaseError) { try index.writer.perform(job) } catch {
            if error == .sharedRecordIsGone { throw .incomplete }
            noteFailure(error)
            throw StoreError(error)
        }
    }

    /// Exchanges the incarnations, unless the content has changed.
    private func exchange(
        _ work: Relayout, _ built: BuiltLayout, _ layout: Layout
    ) throws(StoreError) -> Bool {
        let entry = work.entry
        let isFrozen = entry.state.withLock { state in
            state.freeze(work.incarnation, changeCount: work.changeCount)
        }
        if !isFrozen { return false }
        let lastUse = entry.state.withLock { $0.recordedUse }
        let row = ContentRow(
            id: work.nextID, validByteCount: built.validByteCount,
            flatByteCount: layout == .flat ? built.validByteCount : 0,
            isPacked: layout == .packed && work.isComplete, verification: built.verification,
            lastUse: lastUse)
        do throws(StoreError) {
            try change { (connection) throws(DatabaseError) in
                try StoreIndex.acquit(work.nextID, connection)
                try StoreIndex.write(row, work.key, connection)
                try StoreIndex.write(built.segments, of: work.nextID, connection)
            }
        } catch {
            let (_, waiting) = entry.state.withLock { $0.thaw(nil) }
            for mailbox in waiting { mailbox.send(()) }
            enlist(entry)
            throw error
        }
        let (left, waiting) = entry.state.withLock { $0.thaw(row) }
        for mailbox in waiting { mailbox.send(()) }
        addFlat(row.flatByteCount)
        (layout == .packed ? counters.cooled : counters.warmed).add()
        if let left {
            settle(left)
            reap(left.id, flatFile: path(of: work.key, left.id))
        }
        return true
    }

    /// Calls `body` with the content's valid bytes in order, block by block.
    ///
    /// - Returns: false when the content has changed, or the store is closing.
    private func forEachBlock(
        _ work: Relayout,
        _ body: (Int, UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) -> Bool {
        let buffer = buffers.take()
        defer { buffers.give(buffer) }
        for block in 0..<work.key.blockCount {
            let (entry, (isSame, isValid)) = try withLoaded(work.key, block..<block + 1) { state in
                (
                    state.id == work.incarnation && state.changeCount == work.changeCount,
                    state.isValid(block)
                )
            }
            if !isSame || entry !== work.entry || cooler.isClosing { return false }
            if !isValid { continue }
            let bytes = work.key.bytes(of: block..<block + 1)
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer.bytes[..<bytes.count])
            let outcome = try unsafe readQuietly(work.key, at: bytes.lowerBound, into: target)
            if outcome != .bytes(bytes.count) { return false }
            try unsafe body(block, UnsafeRawBufferPointer(target))
        }
        return true
    }

    private func buildPacked(_ work: Relayout) throws(StoreError) -> BuiltLayout? {
        // Not at the cost of what the kernel knows: the content is here already.
        let known =
            isListed(work.key, id: work.incarnation)
            ? ListedChunks(index, id: work.incarnation) : nil
        let packer = Packer(
            self, work.key, incarnation: work.nextID, known: known,
            widths: NumberWidths(self, work.key), reach: .recent
        ) { [self] (change) throws(StoreError) in
            try commit(change, of: work.nextID)
        }
        defer { packer.abandon() }
        // Once is enough: since it was proven, the checksums of its blocks stand for it.
        let isToBeProven = work.isComplete && !work.verification.isProven
        var hasher = ContentHasher(like: work.key.hash, size: work.key.size)
        var built = BuiltLayout(verification: work.verification)
        var segments: [Int: BlockSegment] = [:]
        let isWhole = try unsafe forEachBlock(work) { (block, bytes) throws(StoreError) in
            if isToBeProven { unsafe hasher.update(bytes) }
            if !work.isComplete {
                let index = block / BlockSegment.blockCountMax
                let empty = BlockSegment(
                    blockCount: work.key.blockCount(ofSegment: index), isPacked: false)
                segments[index, default: empty].setPacked(block % BlockSegment.blockCountMax)
                try packer.skip(to: work.key.bytes(of: block..<block + 1).lowerBound)
            }
            try unsafe packer.feed(bytes)
            built.validByteCount += Int64(bytes.count)
        }
        if !isWhole { return nil }
        if isToBeProven {
            if hasher.finish() != work.key.hash {
                built.isWrong = true
                return built
            }
            counters.proofs.add()
            built.verification = .proven(scheduling.wallTime)
        }
        try packer.finish(built.verification)
        built.segments = segments.keys.sorted().map {
            LoadedSegment(index: $0, segment: segments[$0])
        }
        return built
    }

    /// Makes one segment of a recipe durable, under an incarnation that is still condemned.
    private func commit(_ change: RecipeChange, of id: Int64) throws(StoreError) {
        defer { packs.commit(change.locations) }
        try packs.synchronize()
        if packs.areLost(change.locations) { throw .disk(.inputOutput) }
        try self.change { (connection) throws(DatabaseError) in
            try StoreIndex.add(change, of: id, connection)
        }
        addPacked(change.newByteCount)
    }

    /// Lists the chunks of a complete content while it is made flat.
    ///
    /// One that comes out of packs keeps the chunks that it has there.
    private func lister(_ work: Relayout) -> ChunkLister? {
        if !work.isComplete { return nil }
        var known: (any KnownChunks)?
        if isListed(work.key, id: work.incarnation) {
            known = ListedChunks(index, id: work.incarnation)
        } else if work.flatByteCount == 0 {
            known = PackedChunks(self, id: work.incarnation)
        }
        return ChunkLister(index, work.key, id: work.nextID, known: known)
    }

    private func buildFlat(_ work: Relayout, _ path: String) throws(StoreError) -> BuiltLayout? {
        var built = BuiltLayout(verification: work.verification)
        var segments: [Int: BlockSegment] = [:]
        var reservedByteCount: Int64 = 0
        defer { release(reservedByteCount) }
        let lister = lister(work)
        do throws(Errno) {
            try files.makeDirectory(folder(of: work.key))
            let file = try files.open(path, create: true)
            try file.truncate(to: work.key.size)
            let isWhole: Bool
            do throws(StoreError) {
                isWhole = try unsafe forEachBlock(work) { (block, bytes) throws(StoreError) in
                    try makeRoom(Int64(bytes.count), for: work.key, .idle)
                    reservedByteCount += Int64(bytes.count)
                    let index = block / BlockSegment.blockCountMax
                    let empty = BlockSegment(
                        blockCount: work.key.blockCount(ofSegment: index), isPacked: false)
                    segments[index, default: empty].setFlat(
                        block % BlockSegment.blockCountMax, checksum: unsafe xxh3(bytes))
                    let offset = work.key.bytes(of: block..<block + 1).lowerBound
                    do throws(Errno) { try unsafe file.write(bytes, at: offset) } catch {
                        throw StoreError(error)
                    }
                    built.validByteCount += Int64(bytes.count)
                    try list { () throws(DatabaseError) in try unsafe lister?.feed(bytes) }
                }
                try list { () throws(DatabaseError) in
                    if isWhole { try lister?.finish() }
                }
            } catch {
                if case .disk(let number) = error { throw number }
                throw .noSpace
            }
            if !isWhole { return nil }
            try file.synchronizeData()
            try files.synchronizeDirectory(folder(of: work.key))
            try files.synchronizeDirectory("\(directory)/flat")
        } catch {
            throw StoreError(error)
        }
        built.segments = segments.keys.sorted().map {
            LoadedSegment(index: $0, segment: segments[$0])
        }
        return built
    }
}
