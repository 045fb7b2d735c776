// Reading: where each block of a range is, its bytes, and the check of each.
//
// A block that is wanted whole is read straight into the caller's buffer and checked there; one
// that is wanted in part is read whole into a buffer of our own. The layout may be exchanged while
// a read is under way; a read that fails for that reason begins again.

package import Hashing
internal import Platform
internal import Telemetry

/// A content at the moment of a read.
struct ReadPlan {
    let entry: CachedContent
    let incarnation: Int64
    let sources: [BlockSource]
    let blocks: Range<Int>
    let file: (any StoreFile)?

    var key: ContentKey { entry.key }
}

/// How a part of a read ended.
enum ReadStep {
    case done
    /// Something was damaged and was dropped, or is not here.
    case missing
    /// The layout has changed meanwhile.
    case stale
}

extension ChunkStore {
    /// A read begins again so often when layouts change under it.
    private static let attemptCountMax = 4

    /// Reads a range of a content, as far as the content goes.
    ///
    /// - Returns: `missing` when a part of it is not here; the buffer's bytes mean nothing then.
    /// - Throws: `invalidRange` for a negative offset or size; failures of the disk or the index.
    package func read(
        _ content: ContentHash, size: Int64, at offset: Int64,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ReadOutcome {
        guard offset >= 0, size >= 0 else { throw .invalidRange }
        let key = ContentKey(hash: content, size: size)
        let outcome = try unsafe readQuietly(key, at: offset, into: buffer)
        guard case .bytes(let count) = outcome else {
            counters.misses.add()
            return .missing
        }
        if count == 0 { return outcome }
        counters.hits.add()
        counters.hitBytes.add(Int64(count))
        recordUse(table.content(key))
        return outcome
    }

    /// As `read`, without counting it as a use.
    func readQuietly(
        _ key: ContentKey, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ReadOutcome {
        let count = Int(max(0, min(Int64(buffer.count), key.size - offset)))
        if count == 0 { return .bytes(0) }
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        let range = offset..<offset + Int64(count)
        for _ in 0..<ChunkStore.attemptCountMax {
            guard let plan = try plan(key, blocks: key.blocks(covering: range)) else { break }
            switch try unsafe read(plan, range, into: target) {
            case .done: return .bytes(count)
            case .missing: return .missing
            case .stale: continue
            }
        }
        return .missing
    }

    /// Nil when a block is not here.
    private func plan(_ key: ContentKey, blocks: Range<Int>) throws(StoreError) -> ReadPlan? {
        let (entry, (sources, file, incarnation)) = try withLoaded(key, blocks) { state in
            (state.sources(of: blocks), state.file, state.id)
        }
        guard let sources else { return nil }
        var opened = file
        if opened == nil && sources.contains(where: { $0 != .packed }) {
            opened = try open(entry, incarnation, create: false)
            if opened == nil { return nil }
        }
        return ReadPlan(
            entry: entry, incarnation: incarnation, sources: sources, blocks: blocks,
            file: opened)
    }

    private func read(
        _ plan: ReadPlan, _ range: Range<Int64>, into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ReadStep {
        var result = ReadStep.done
        var block = plan.blocks.lowerBound
        while block < plan.blocks.upperBound {
            let source = plan.sources[block - plan.blocks.lowerBound]
            var end = block + 1
            if source == .packed {
                // Chunks reach over blocks, so packed neighbours are read together.
                while end < plan.blocks.upperBound
                    && plan.sources[end - plan.blocks.lowerBound] == .packed
                {
                    end += 1
                }
            }
            let part = plan.key.bytes(of: block..<end).clamped(to: range)
            let first = Int(part.lowerBound - range.lowerBound)
            let slice = unsafe UnsafeMutableRawBufferPointer(
                rebasing: target[first..<first + part.count])
            let step =
                switch source {
                case .packed: try unsafe readPacked(plan, part, into: slice)
                case .flat(let checksum):
                    try unsafe readFlat(plan, block, checksum, from: part.lowerBound, into: slice)
                }
            if step == .stale { return .stale }
            // All that is damaged in the range is found in one go, so it is fetched in one go.
            if step == .missing { result = .missing }
            block = end
        }
        return result
    }

    /// Reads a part of a block from the flat file, checking all of it.
    private func readFlat(
        _ plan: ReadPlan, _ block: Int, _ checksum: UInt64, from start: Int64,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ReadStep {
        guard let file = plan.file else { return .stale }
        let whole = plan.key.bytes(of: block..<block + 1)
        if target.count == whole.count {
            if unsafe check(file, plan.key, at: whole.lowerBound, target, checksum) {
                return .done
            }
        } else {
            let buffer = buffers.take()
            defer { buffers.give(buffer) }
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<whole.count])
            if unsafe check(file, plan.key, at: whole.lowerBound, bytes, checksum) {
                let first = Int(start - whole.lowerBound)
                let part = unsafe UnsafeRawBufferPointer(
                    rebasing: bytes[first..<first + target.count])
                unsafe target.copyMemory(from: part)
                return .done
            }
        }
        return dropBlocks(plan.entry, block..<block + 1, plan.incarnation) {
            $0 == .flat(checksum: checksum)
        }
    }

    private func check(
        _ file: any StoreFile, _ key: ContentKey, at offset: Int64,
        _ bytes: UnsafeMutableRawBufferPointer, _ checksum: UInt64
    ) -> Bool {
        do throws(Errno) {
            let count = try unsafe file.read(into: bytes, at: offset)
            return unsafe count == bytes.count && xxh3(UnsafeRawBufferPointer(bytes)) == checksum
        } catch {
            // A sector that cannot be read is a damaged block: the network still has it.
            counters.diskFailures.add()
            log.error(
                "the cache disk failed to read",
                ["content": key.hash.hex, "error": "\(error)"])
            return false
        }
    }

    /// Drops damaged blocks that are still where they were read from.
    func dropBlocks(
        _ entry: CachedContent, _ blocks: Range<Int>, _ incarnation: Int64,
        where isDamaged: (BlockSource) -> Bool
    ) -> ReadStep {
        var droppedCount = 0
        for block in blocks {
            let flatByteCount: Int64? = entry.state.withLock { state in
                guard let source = state.sources(of: block..<block + 1)?.first, isDamaged(source)
                else { return nil }
                return state.invalidate(block, source, of: incarnation)
            }
            guard let flatByteCount else { continue }
            subtractFlat(flatByteCount)
            droppedCount += 1
        }
        if droppedCount == 0 { return .stale }
        counters.checksumFailures.add()
        log.error(
            "a part of the cache is damaged and was dropped; it is fetched again when read",
            [
                "content": entry.key.hash.hex, "block": "\(blocks.lowerBound)",
                "count": "\(droppedCount)",
            ])
        enlist(entry)
        return .missing
    }

    /// The content's flat file; nil when it is gone, which drops the content.
    func open(
        _ entry: CachedContent, _ incarnation: Int64, create: Bool
    ) throws(StoreError) -> (any StoreFile)? {
        let path = path(of: entry.key, incarnation)
        do throws(Errno) {
            let file = try files.open(path, create: create)
            if create { try file.truncate(to: entry.key.size) }
            let isAdopted = entry.state.withLock { state in
                state.adopt(file, isNew: create, of: incarnation)
            }
            if isAdopted { table.countOpenedFile() }
            return file
        } catch {
            if error == .noEntry && !create {
                // After a change of layout it is gone as it should be.
                if entry.state.withLock({ $0.id == incarnation }) {
                    log.error(
                        "a file of the cache is gone; its content is fetched again when read",
                        ["path": path])
                    counters.checksumFailures.add()
                    drop(entry, verification: .none)
                }
                return nil
            }
            counters.diskFailures.add()
            log.error("a file of the cache cannot be opened", ["path": path, "error": "\(error)"])
            throw StoreError(error)
        }
    }

    /// Where an incarnation's flat file is.
    func path(of key: ContentKey, _ incarnation: Int64) -> String {
        "\(folder(of: key))/\(key.hash.hex).\(incarnation)"
    }

    func folder(of key: ContentKey) -> String { "\(directory)/flat/\(key.folderName)" }
}
