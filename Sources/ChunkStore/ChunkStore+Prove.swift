// Proving: one pass over a complete content, in order, against its hash.
//
// Its chunks are listed in the same pass, so that those of a flat content can be found.

internal import Database
package import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// Hashes a complete content and records that it is what its hash says; otherwise drops it.
    ///
    /// - Returns: whether it is right.
    /// - Throws: `incomplete` when a part is missing, or turned out to be damaged on the way.
    package func prove(_ content: ContentHash, size: Int64) throws(StoreError) -> Bool {
        let key = ContentKey(hash: content, size: size)
        if size == 0 { return state(of: content, size: 0).verification != .failed }
        let entry = try loaded(key, blocks: 0..<0)
        if entry.state.withLock({ !$0.isComplete }) { try mendCount(entry) }
        let (incarnation, isComplete) = entry.state.withLock { ($0.id, $0.isComplete) }
        if !isComplete { throw .incomplete }
        var hasher = ContentHasher(like: content, size: size)
        let lister = listerForProof(entry)
        let buffer = buffers.take()
        defer { buffers.give(buffer) }
        for block in 0..<key.blockCount {
            let bytes = key.bytes(of: block..<block + 1)
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer.bytes[..<bytes.count])
            let outcome = try unsafe read(content, size: size, at: bytes.lowerBound, into: target)
            guard outcome == .bytes(bytes.count) else { throw .incomplete }
            unsafe hasher.update(UnsafeRawBufferPointer(target))
            try list { () throws(DatabaseError) in
                try unsafe lister?.feed(UnsafeRawBufferPointer(target))
            }
        }
        if hasher.finish() != content {
            dropWrong(entry)
            return false
        }
        try list { () throws(DatabaseError) in try lister?.finish() }
        let isSame = entry.state.withLock { state in
            // A block that was replaced during the pass is not the one that was hashed.
            guard state.id == incarnation, state.isComplete, !state.isRetired else { return false }
            state.verification = .proven(scheduling.wallTime)
            state.markRowDirty()
            return true
        }
        if !isSame { throw .incomplete }
        counters.proofs.add()
        enlist(entry)
        cooler.keepFlatMap(key)
        return true
    }

    /// Carries out a part of listing chunks.
    func list(_ body: () throws(DatabaseError) -> Void) throws(StoreError) {
        do throws(DatabaseError) { try body() } catch {
            noteFailure(error)
            throw StoreError(error)
        }
    }

    /// Contents of which all is on the disk, and which were not proven by their own hash: what a
    /// crash, or the end of a daemon, left of the proofs that were due.
    package func unprovenContents() throws(StoreError) -> [(hash: ContentHash, size: Int64)] {
        do throws(DatabaseError) {
            return try index.completeUnproven().map { ($0.hash, $0.size) }
        } catch {
            noteFailure(error)
            throw StoreError(error)
        }
    }

    /// Forgets a content that is complete and not what it should be.
    package func dropWrong(_ content: ContentHash, size: Int64) throws(StoreError) {
        dropWrong(try loaded(ContentKey(hash: content, size: size), blocks: 0..<0))
    }

    /// A content turned out wrong while its layout was changed.
    ///
    /// Who fetches contents may know which part is wrong, and tells the kernel.
    func tellWrong(_ entry: CachedContent) {
        if let observer = wrongObserver.withLock({ $0 }) {
            observer(entry.key.hash, entry.key.size)
        } else {
            dropWrong(entry)
        }
    }

    private func dropWrong(_ entry: CachedContent) {
        counters.proofFailures.add()
        log.error(
            "a content is not what its hash says; all of it is dropped",
            ["content": entry.key.hash.hex])
        drop(entry, verification: .failed)
    }
}
