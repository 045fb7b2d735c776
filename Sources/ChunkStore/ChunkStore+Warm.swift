// Warming: a content that is used again is made flat, so that the kernel can map it by itself.

package import Hashing
package import Platform

extension ChunkStore {
    /// Contents below this size stay in packs: mapping them gains nothing.
    static let warmByteCountMin: Int64 = 16 << 20
    /// A content is made flat when so much of it was read from packs: one part in this many.
    static let warmReadShare: Int64 = 4

    /// Makes a content flat now.
    ///
    /// - Returns: whether all that is cached of it lies flat.
    /// - Throws: `full` when there is no room for it.
    package func warm(_ content: ContentHash, size: Int64) throws(StoreError) -> Bool {
        if size == 0 { return true }
        for _ in 0..<3 {
            flush()
            cooler.pause()
            defer { cooler.resume() }
            if try relayout(ContentKey(hash: content, size: size), .flat) { return true }
        }
        return false
    }

    /// Has a content made flat in the background, if the flat tier has room for it.
    package func wantFlat(_ content: ContentHash, size: Int64) {
        if size > 0 { cooler.warm(ContentKey(hash: content, size: size)) }
    }

    /// A descriptor of a content's flat file, for the kernel to read by itself: only if all of the
    /// content is there and was proven.
    ///
    /// Nil otherwise.
    ///
    /// - Throws: failures of the disk or the index.
    package func provenFile(
        _ content: ContentHash, size: Int64
    ) throws(StoreError) -> FileDescriptor? {
        let key = ContentKey(hash: content, size: size)
        if size <= 0 { return nil }
        let entry = try loaded(key, blocks: 0..<0)
        let (incarnation, known, isReady) = entry.state.withLock { state in
            var isProven = false
            if case .proven = state.verification { isProven = true }
            return (state.id, state.file, isProven && state.flatByteCount == size)
        }
        if !isReady { return nil }
        var file = known
        if file == nil { file = try open(entry, incarnation, create: false) }
        guard let file else { return nil }
        do throws(Errno) { return try file.duplicate() } catch { throw StoreError(error) }
    }

    /// Notes that bytes were decoded from packs, and asks for warming when it was much.
    func countPackedRead(_ entry: CachedContent, _ byteCount: Int64) {
        let size = entry.key.size
        if size < ChunkStore.warmByteCountMin || hotLimitBytes == 0 { return }
        let isDue = entry.state.withLock { state in
            let before = state.packedReadByteCount
            state.packedReadByteCount += byteCount
            let mark = size / ChunkStore.warmReadShare
            return before < mark && state.packedReadByteCount >= mark
        }
        if isDue { cooler.warm(entry.key) }
    }

    /// On the cooler's thread.
    func warmIfRoom(_ key: ContentKey) throws(StoreError) {
        // Nothing is cooled for it: what is flat was used too, and the two would change for ever.
        if flatByteCount + key.size > hotLimitBytes { return }
        _ = try relayout(key, .flat)
    }
}
