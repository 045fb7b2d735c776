// Writing: each block by one thread, and never over a valid one.
//
// A block that another thread is writing is waited for, so that after a write all its blocks are
// readable or an error was thrown. Bytes go to the file first; only then is a block valid.

package import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// Writes whole blocks of a content: from the start of one to the end of one or of the content.
    ///
    /// - Throws: `invalidRange`; `full` when there is no room even after eviction; failures of the
    ///   disk or the index. The content stays readable as far as it was.
    package func write(
        _ content: ContentHash, size: Int64, at offset: Int64, _ bytes: UnsafeRawBufferPointer
    ) throws(StoreError) {
        if bytes.count == 0 { return }
        let key = ContentKey(hash: content, size: size)
        let end = offset + Int64(bytes.count)
        let each = Int64(ChunkStore.blockByteCount)
        guard offset >= 0, offset % each == 0, end <= size, end % each == 0 || end == size
        else { throw .invalidRange }
        try makeRoom(Int64(bytes.count), for: key)
        defer { release(Int64(bytes.count)) }
        let blocks = key.blocks(covering: offset..<end)
        while true {
            let entry = try loaded(key, blocks: blocks)
            switch entry.state.withLock({ $0.claim(blocks) }) {
            case .unknown: continue
            case .valid: return
            case .wait(let mailbox): _ = mailbox.receive()
            case .write(let runs, let incarnation):
                try unsafe write(entry, runs, incarnation, bytes, from: offset)
            }
        }
    }

    /// Stores a small content that is whole in memory, and proves it; nothing is kept if it is
    /// not what its hash says.
    ///
    /// - Returns: whether the bytes are right.
    /// - Throws: as `write`.
    @discardableResult
    package func writeProven(
        _ content: ContentHash, _ bytes: [UInt8]
    ) throws(StoreError) -> Bool {
        let size = Int64(bytes.count)
        var hasher = ContentHasher(like: content, size: size)
        hasher.update(bytes)
        guard hasher.finish() == content else {
            counters.proofFailures.add()
            return false
        }
        if bytes.isEmpty { return true }
        let key = ContentKey(hash: content, size: size)
        if bytes.count <= ChunkStore.smallByteCount, try pack(key, bytes) { return true }
        // Blocks that were there before may be of another source, so they are read again; what is
        // damaged of them is found then, and is here.
        for _ in 0..<key.blockCount {
            try write(key, bytes)
            do throws(StoreError) {
                return try prove(content, size: size)
            } catch  where error == .incomplete {}
        }
        try write(key, bytes)
        return try prove(content, size: size)
    }

    private func write(_ key: ContentKey, _ bytes: [UInt8]) throws(StoreError) {
        try unsafe bytes.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
            try unsafe write(key.hash, size: key.size, at: 0, bytes)
        }
    }

    /// Puts a proven content into a pack; false if a part of it is here already.
    private func pack(_ key: ContentKey, _ bytes: [UInt8]) throws(StoreError) -> Bool {
        let blocks = 0..<key.blockCount
        while true {
            let entry = try loaded(key, blocks: blocks)
            switch entry.state.withLock({ $0.claim(blocks) }) {
            case .unknown: continue
            case .valid: return false
            case .wait(let mailbox): _ = mailbox.receive()
            case .write(let runs, let incarnation):
                if runs != [blocks] {
                    for run in runs { finish(entry, run, nil, incarnation) }
                    return false
                }
                return try pack(entry, bytes, incarnation)
            }
        }
    }

    /// REQUIRES: all blocks were claimed.
    private func pack(
        _ entry: CachedContent, _ bytes: [UInt8], _ incarnation: Int64
    ) throws(StoreError) -> Bool {
        let blocks = 0..<entry.key.blockCount
        let verification = Verification.proven(scheduling.wallTime)
        let change: RecipeChange
        do throws(StoreError) {
            change = try packSmall(
                entry.key, incarnation: incarnation, bytes, verification)
        } catch {
            finish(entry, blocks, nil, incarnation)
            throw error
        }
        let waiting: [Mailbox<Void>]? = entry.state.withLock { state in
            let waiting = state.finish(packed: change, of: incarnation)
            if waiting != nil { state.verification = verification }
            return waiting
        }
        guard let waiting else {
            packs.commit(change.locations)
            finish(entry, blocks, nil, incarnation)
            return false
        }
        for mailbox in waiting { mailbox.send(()) }
        counters.writtenBytes.add(entry.key.size)
        counters.proofs.add()
        enlist(entry)
        recordUse(entry)
        return true
    }

    private func write(
        _ entry: CachedContent, _ runs: [Range<Int>], _ incarnation: Int64,
        _ bytes: UnsafeRawBufferPointer, from offset: Int64
    ) throws(StoreError) {
        var done = 0
        defer {
            for run in runs[done...] { finish(entry, run, nil, incarnation) }
        }
        guard let file = try writableFile(entry, incarnation) else { return }
        for run in runs {
            let range = entry.key.bytes(of: run)
            let part = unsafe UnsafeRawBufferPointer(
                rebasing: bytes[Int(range.lowerBound - offset)..<Int(range.upperBound - offset)])
            let checksums = unsafe blockChecksums(part)
            do throws(Errno) {
                try unsafe file.write(part, at: range.lowerBound)
            } catch {
                counters.diskFailures.add()
                log.error("the cache disk cannot be written", ["error": "\(error)"])
                throw StoreError(error)
            }
            finish(entry, run, checksums, incarnation)
            done += 1
        }
        enlist(entry)
        recordUse(entry)
    }

    /// XXH3-64 of each block of some bytes that start at a block.
    func blockChecksums(_ bytes: UnsafeRawBufferPointer) -> [UInt64] {
        stride(from: 0, to: bytes.count, by: ChunkStore.blockByteCount).map { start in
            let end = min(bytes.count, start + ChunkStore.blockByteCount)
            return unsafe xxh3(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        }
    }

    private func finish(
        _ entry: CachedContent, _ run: Range<Int>, _ checksums: [UInt64]?, _ incarnation: Int64
    ) {
        let (byteCount, waiting) = entry.state.withLock { state in
            state.finish(run, checksums: checksums, of: incarnation)
        }
        addFlat(byteCount)
        counters.writtenBytes.add(byteCount)
        for mailbox in waiting { mailbox.send(()) }
    }

    /// The flat file to write to; nil if the content was dropped, and the write begins again.
    private func writableFile(
        _ entry: CachedContent, _ incarnation: Int64
    ) throws(StoreError) -> (any StoreFile)? {
        let (known, isNew) = entry.state.withLock { ($0.file, $0.flatByteCount == 0) }
        if let known { return known }
        if isNew {
            do throws(Errno) { try files.makeDirectory(folder(of: entry.key)) } catch {
                throw StoreError(error)
            }
        }
        return try open(entry, incarnation, create: isNew)
    }
}
