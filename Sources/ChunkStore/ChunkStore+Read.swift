// Reading: which blocks cover a range, their bytes from the file, and the check of each.
//
// A block that is wanted whole is read straight into the caller's buffer and checked there; one
// that is wanted in part is read whole into a buffer of our own.

package import Hashing
internal import Platform
internal import Telemetry

/// What one read needs, taken under the content's lock.
private struct ReadPlan {
    let entry: FlatContent
    let blocks: Range<Int>
    let checksums: [UInt64]
    let file: any StoreFile
    let incarnation: Int64
}

extension ChunkStore {
    /// Reads a range of a content, as far as the content goes.
    ///
    /// - Returns: `missing` when a part of it is not here; the buffer's bytes mean nothing then.
    /// - Throws: `invalidRange` for a negative offset or size; failures of the disk or the index.
    package func read(
        _ content: ContentHash, size: Int64, at offset: Int64,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ReadOutcome {
        guard offset >= 0, size >= 0 else { throw .invalidRange }
        let count = Int(max(0, min(Int64(buffer.count), size - offset)))
        if count == 0 { return .bytes(0) }
        let key = ContentKey(hash: content, size: size)
        let range = offset..<offset + Int64(count)
        guard let plan = try plan(key, blocks: key.blocks(covering: range)) else {
            counters.misses.add()
            return .missing
        }
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        for (index, block) in plan.blocks.enumerated() {
            let bytes = key.bytes(of: block..<block + 1)
            let part = bytes.clamped(to: range)
            let slice = unsafe UnsafeMutableRawBufferPointer(
                rebasing: target[
                    Int(part.lowerBound - offset)..<Int(part.upperBound - offset)])
            let isRight = try unsafe read(
                plan, block, checksum: plan.checksums[index], from: part.lowerBound, into: slice)
            if !isRight {
                counters.misses.add()
                return .missing
            }
        }
        counters.hits.add()
        counters.hitBytes.add(Int64(count))
        recordUse(plan.entry)
        return .bytes(count)
    }

    /// Nil when a block is not here.
    private func plan(_ key: ContentKey, blocks: Range<Int>) throws(StoreError) -> ReadPlan? {
        let entry = try loaded(key, blocks: blocks)
        let (checksums, known, incarnation) = entry.state.withLock { state in
            (state.checksums(of: blocks), state.file, state.id)
        }
        guard let checksums else { return nil }
        var opened = known
        if opened == nil { opened = try open(entry, incarnation, create: false) }
        guard let file = opened else { return nil }
        return ReadPlan(
            entry: entry, blocks: blocks, checksums: checksums, file: file,
            incarnation: incarnation)
    }

    /// Reads a part of a block, checking all of it; false when it was damaged, and was dropped.
    private func read(
        _ plan: ReadPlan, _ block: Int, checksum: UInt64, from start: Int64,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        let whole = plan.entry.key.bytes(of: block..<block + 1)
        if target.count == whole.count {
            if try unsafe check(plan, at: whole.lowerBound, target, checksum) { return true }
        } else {
            let buffer = buffers.take()
            defer { buffers.give(buffer) }
            let bytes = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<whole.count])
            if try unsafe check(plan, at: whole.lowerBound, bytes, checksum) {
                let first = Int(start - whole.lowerBound)
                let part = unsafe UnsafeRawBufferPointer(
                    rebasing: bytes[first..<first + target.count])
                unsafe target.copyMemory(from: part)
                return true
            }
        }
        dropBlock(plan.entry, block, checksum, plan.incarnation)
        return false
    }

    private func check(
        _ plan: ReadPlan, at offset: Int64, _ bytes: UnsafeMutableRawBufferPointer,
        _ checksum: UInt64
    ) throws(StoreError) -> Bool {
        do throws(Errno) {
            let count = try unsafe plan.file.read(into: bytes, at: offset)
            return unsafe count == bytes.count && xxh3(UnsafeRawBufferPointer(bytes)) == checksum
        } catch {
            // A sector that cannot be read is a damaged block: the network still has it.
            counters.diskFailures.add()
            log.error(
                "the cache disk failed to read",
                ["content": plan.entry.key.hash.hex, "error": "\(error)"])
            return false
        }
    }

    private func dropBlock(
        _ entry: FlatContent, _ block: Int, _ checksum: UInt64, _ incarnation: Int64
    ) {
        let byteCount = entry.state.withLock { state in
            state.invalidate(block, checksum: checksum, of: incarnation)
        }
        if byteCount == 0 { return }
        subtractUsed(byteCount)
        counters.checksumFailures.add()
        log.error(
            "a block of the cache is damaged and was dropped; it is fetched again when read",
            ["content": entry.key.hash.hex, "block": "\(block)"])
        enlist(entry)
    }

    /// The content's file; nil when it is gone, which drops the content.
    func open(
        _ entry: FlatContent, _ incarnation: Int64, create: Bool
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

    /// Where an incarnation's file is.
    func path(of key: ContentKey, _ incarnation: Int64) -> String {
        "\(folder(of: key))/\(key.hash.hex).\(incarnation)"
    }

    func folder(of key: ContentKey) -> String { "\(directory)/flat/\(key.folderName)" }
}
