// Reading from packs: the recipe's chunks that cover a range, their records, their checks.
//
// Records that lie one after another are read in one piece. A chunk that is wanted whole is
// decoded straight into the caller's buffer. What is damaged is dropped, and its record is shared
// with no other content from then on.

internal import Compression
internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// Records are read together up to so many bytes.
    static let recordReadByteCount = 256 << 10

    /// Reads a range that the recipe covers.
    func readPacked(
        _ plan: ReadPlan, _ range: Range<Int64>, into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ReadStep {
        let each = RecipeSegment.contentByteCount
        let indices = Int(range.lowerBound / each)...Int((range.upperBound - 1) / each)
        guard let segments = try recipe(plan.entry, plan.incarnation, Array(indices)) else {
            return .stale
        }
        var result = ReadStep.done
        for (index, segment) in zip(indices, segments) {
            let part = (Int64(index) * each..<Int64(index + 1) * each).clamped(to: range)
            guard let entries = segment?.entries(covering: part) else {
                // The index lost it: the blocks of this part are nowhere.
                let step = dropPacked(plan, part)
                if step == .stale { return step }
                result = step
                continue
            }
            let first = Int(part.lowerBound - range.lowerBound)
            let slice = unsafe UnsafeMutableRawBufferPointer(
                rebasing: target[first..<first + part.count])
            let step = try unsafe read(plan, entries, part, into: slice)
            if step == .stale { return step }
            if step == .missing { result = step }
        }
        countPackedRead(plan.entry, Int64(range.count))
        return result
    }

    private func dropPacked(_ plan: ReadPlan, _ range: Range<Int64>) -> ReadStep {
        let end = min(range.upperBound, plan.key.size)
        return dropBlocks(
            plan.entry, plan.key.blocks(covering: range.lowerBound..<end), plan.incarnation
        ) { $0 == .packed }
    }

    /// Recipe segments of a content, from memory or from the index; nil if the layout changed.
    func recipe(
        _ entry: CachedContent, _ incarnation: Int64, _ indices: [Int]
    ) throws(StoreError) -> [RecipeSegment?]? {
        let known: [RecipeSegment?]? = entry.state.withLock { state in
            state.id == incarnation ? indices.map { state.recipe[$0] } : nil
        }
        guard var segments = known else { return nil }
        let missing = indices.indices.filter { segments[$0] == nil }
        if missing.isEmpty { return segments }
        let found: [RecipeSegment?]
        do throws(DatabaseError) {
            found = try index.recipe(missing.map { indices[$0] }, id: incarnation)
        } catch {
            noteFailure(error)
            throw StoreError(error)
        }
        for (place, segment) in zip(missing, found) { segments[place] = segment }
        let loaded = found.compactMap { $0 }
        let count = entry.state.withLock { $0.load(loaded, of: incarnation) }
        table.countLoadedParts(count)
        return segments
    }

    private func read(
        _ plan: ReadPlan, _ entries: ArraySlice<RecipeEntry>, _ range: Range<Int64>,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ReadStep {
        var result = ReadStep.done
        var rest = entries
        if let first = rest.first, unsafe isRestCopied(first, range, into: target) {
            rest = rest.dropFirst()
        }
        while let first = rest.first {
            let run = ChunkStore.run(rest, range)
            rest = rest.dropFirst(run.count)
            let isRight = try unsafe read(run, at: first.location, range, into: target)
            if isRight { continue }
            // One by one, to find the damaged ones.
            for entry in run
            where try unsafe !read([entry], at: entry.location, range, into: target) {
                // Neighbours in the block may have taken it with them already.
                let step = dropPacked(plan, entry.start..<entry.end)
                if step == .stale && result == .done { return step }
                markDamaged(entry.location)
                result = .missing
            }
        }
        return result
    }

    /// The first entries whose records lie one after another and are read in one way.
    private static func run(
        _ entries: ArraySlice<RecipeEntry>, _ range: Range<Int64>
    ) -> ArraySlice<RecipeEntry> {
        guard let first = entries.first else { return entries }
        let isStoredWhole = first.isStoredWhole(in: range)
        var byteCount = first.recordByteCount
        var count = 1
        for entry in entries.dropFirst() {
            let isNext = entry.location.rawValue == first.location.rawValue + Int64(byteCount)
            let sum = byteCount + entry.recordByteCount
            let isAlike = entry.isStoredWhole(in: range) == isStoredWhole
            if !isNext || !isAlike || sum > ChunkStore.recordReadByteCount
                || count == ChunkStore.storedRunCountMax
            {
                break
            }
            byteCount = sum
            count += 1
        }
        return entries.prefix(count)
    }

    /// Reads neighbouring records and decodes what of them is in the range; false if one is
    /// damaged.
    func read(
        _ run: ArraySlice<RecipeEntry>, at location: RecordLocation, _ range: Range<Int64>,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        if run.first?.isStoredWhole(in: range) == true {
            return try unsafe readStored(run, at: location, range, into: target)
        }
        let byteCount = run.reduce(0) { $0 + $1.recordByteCount }
        let buffer = recordBuffers.take()
        defer { recordBuffers.give(buffer) }
        let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<byteCount])
        guard let salt = try unsafe readRecords(at: location, into: bytes) else { return false }
        var place = 0
        for entry in run {
            let record = unsafe UnsafeRawBufferPointer(
                rebasing: bytes[place..<place + entry.recordByteCount])
            guard
                let payload = unsafe ChunkStore.payload(
                    record, of: entry, salt: salt, offset: location.offset + place),
                unsafe decode(payload, entry, range, into: target)
            else { return false }
            place += entry.recordByteCount
        }
        return true
    }

    /// Reads bytes of a pack; nil if they cannot be read, else what its headers are salted with.
    ///
    /// - Throws: what is passing (no descriptor, no memory): nothing is damaged then.
    func readRecords(
        at location: RecordLocation, into bytes: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> UInt64? {
        try unsafe readRecords(at: location, into: [bytes])
    }

    /// The same into one buffer after another.
    func readRecords(
        at location: RecordLocation, into parts: [UnsafeMutableRawBufferPointer]
    ) throws(StoreError) -> UInt64? {
        let pack: PackFile
        do throws(StoreError) {
            pack = try packs.pack(location.pack)
        } catch {
            if error.isPassing { throw error }
            return nil
        }
        do throws(Errno) {
            let count = try unsafe pack.file.read(into: parts, at: Int64(location.offset))
            return unsafe count == parts.reduce(0) { $0 + $1.count } ? pack.salt : nil
        } catch {
            if StoreError(error).isPassing { throw StoreError(error) }
            counters.diskFailures.add()
            log.error(
                "the cache disk failed to read",
                ["pack": "\(location.pack)", "error": "\(error)"])
            return nil
        }
    }

    /// A record's payload after all checks, with its codec.
    private static func payload(
        _ record: UnsafeRawBufferPointer, of entry: RecipeEntry, salt: UInt64, offset: Int
    ) -> (codec: ChunkCodec, bytes: UnsafeRawBufferPointer)? {
        guard let header = unsafe RecordHeader(record, salt: salt, offset: offset),
            header.isChunk(of: entry)
        else { return nil }
        let start = RecordHeader.byteCount
        let bytes = unsafe UnsafeRawBufferPointer(
            rebasing: record[start..<start + header.storedByteCount])
        return unsafe xxh3(bytes) == header.payloadChecksum ? (header.codec, bytes) : nil
    }

    /// Decodes a chunk into its place in the target, as far as it is in the range.
    private func decode(
        _ payload: (codec: ChunkCodec, bytes: UnsafeRawBufferPointer), _ entry: RecipeEntry,
        _ range: Range<Int64>, into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let part = (entry.start..<entry.end).clamped(to: range)
        if part.isEmpty { return true }
        let first = Int(part.lowerBound - range.lowerBound)
        let slice = unsafe UnsafeMutableRawBufferPointer(
            rebasing: target[first..<first + part.count])
        let skipped = Int(part.lowerBound - entry.start)
        let scratch = buffers.take()
        defer { buffers.give(scratch) }
        if part.count == entry.rawByteCount {
            return unsafe isDecoded(payload, into: slice, scratch)
        }
        let whole = buffers.take()
        let raw = unsafe UnsafeMutableRawBufferPointer(rebasing: whole.bytes[..<entry.rawByteCount])
        guard unsafe isDecoded(payload, into: raw, scratch) else {
            buffers.give(whole)
            return false
        }
        let wanted = unsafe UnsafeRawBufferPointer(rebasing: raw[skipped..<skipped + part.count])
        unsafe slice.copyMemory(from: wanted)
        keep(whole, of: entry, readTo: part.upperBound)
        return true
    }

    /// Copies the rest of a chunk, the first part of which was read just before; false if it is not
    /// in memory.
    private func isRestCopied(
        _ entry: RecipeEntry, _ range: Range<Int64>, into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard entry.start < range.lowerBound, let whole = recentChunks.take(entry.location)
        else { return false }
        let part = (entry.start..<entry.end).clamped(to: range)
        let first = Int(part.lowerBound - entry.start)
        unsafe target.copyMemory(
            from: UnsafeRawBufferPointer(rebasing: whole.bytes[first..<first + part.count]))
        keep(whole, of: entry, readTo: part.upperBound)
        return true
    }

    /// Keeps a decoded chunk while there is more of it to come.
    private func keep(_ whole: BlockBuffer, of entry: RecipeEntry, readTo end: Int64) {
        let spare = end < entry.end ? recentChunks.give(whole, entry.location) : whole
        if let spare { buffers.give(spare) }
    }

    /// Decodes a payload that fills `target` exactly; false if it does not.
    private func isDecoded(
        _ payload: (codec: ChunkCodec, bytes: UnsafeRawBufferPointer),
        into target: UnsafeMutableRawBufferPointer, _ scratch: BlockBuffer
    ) -> Bool {
        do throws(CompressionError) {
            try unsafe payload.codec.decode(payload.bytes, into: target, scratch: scratch.bytes)
            return true
        } catch {
            return false
        }
    }

    /// Keeps a damaged record from being used for further contents.
    func markDamaged(_ location: RecordLocation) {
        index.writer.submit { (connection) throws(DatabaseError) in
            try StoreIndex.markDamaged(location, connection)
        }
    }
}
