// The chunks that came through Xet: what each content is made of, and where a chunk can be found.
//
// In memory only, and bounded: a content whose chunks are forgotten is proven by its own hash as
// ever, and its chunks are fetched again when another file needs them. What a chunk is named by
// was computed from its bytes on arrival, so a chunk is taken from the store only if it still has
// that name.

internal import Catalog
internal import HubAPI
internal import Platform
internal import Xet

/// The chunks of contents read through Xet since the start.
final class XetLedger: Sendable {
    /// Where a chunk stands in a content.
    struct Place: Sendable {
        let content: Content
        let hash: XetHash
        let fileOffset: Int64
        let byteCount: Int
    }

    private struct Name: Hashable {
        let xorb: XetHash
        let index: Int
    }

    private struct File {
        var chunks: [Int64: IdentifiedChunk] = [:]
        var byteCount: Int64 = 0
        /// Whether the content was found wrong, and its chunks wait for a comparison.
        var isSuspect = false
    }

    private struct State {
        var files: [ContentID: File] = [:]
        /// Of contents, by their first chunk.
        var order: [ContentID] = []
        var places: [Name: Place] = [:]
        var chunkCount = 0
    }

    /// Some 300 bytes each in two tables, of 64 KiB of content on average: 8 GiB in 40 MB.
    static let chunkCountMax = 131_072

    private let state = Lock(State())

    func add(_ chunk: IdentifiedChunk, of content: Content) {
        state.withLock { state in
            if state.files[content.id] == nil {
                state.files[content.id] = File()
                state.order.append(content.id)
            }
            // Chunks of a content that was wrong are kept as they came.
            guard state.files[content.id]?.isSuspect == false else { return }
            let known = state.files[content.id]?.chunks.updateValue(chunk, forKey: chunk.fileOffset)
            state.files[content.id]?.byteCount +=
                Int64(chunk.byteCount) - Int64(known?.byteCount ?? 0)
            if known == nil { state.chunkCount += 1 }
            // The first place stays: of a chunk that has just come, a part may be still to come.
            let name = Name(xorb: chunk.xorb, index: chunk.index)
            if state.places[name] == nil {
                state.places[name] = Place(
                    content: content, hash: chunk.hash, fileOffset: chunk.fileOffset,
                    byteCount: chunk.byteCount)
            }
            while state.chunkCount > XetLedger.chunkCountMax, let oldest = state.order.first {
                XetLedger.forget(oldest, &state)
            }
        }
    }

    func place(_ xorb: XetHash, _ index: Int) -> Place? {
        state.withLock { $0.places[Name(xorb: xorb, index: index)] }
    }

    /// A chunk is no longer where it was.
    func forgetPlace(_ xorb: XetHash, _ index: Int) {
        state.withLock { $0.places[Name(xorb: xorb, index: index)] = nil }
    }

    /// The hash of a file of which every chunk came; nil if some did not.
    func fileHash(of content: Content) -> XetHash? {
        guard let chunks = chunks(of: content, isSuspect: false) else { return nil }
        var tree = MerkleTree()
        var offset: Int64 = 0
        for chunk in chunks {
            if chunk.fileOffset != offset { return nil }
            tree.add(MerkleNode(hash: chunk.hash, byteCount: UInt64(chunk.byteCount)))
            offset += Int64(chunk.byteCount)
        }
        return offset == content.sizeBytes ? .file(root: tree.finish()) : nil
    }

    /// A content is wrong: none of its chunks serves another file, and they are kept only to be
    /// compared.
    func suspect(_ id: ContentID) {
        state.withLock { state in
            guard let file = state.files[id] else { return }
            state.files[id]?.isSuspect = true
            for chunk in file.chunks.values { XetLedger.forgetPlace(chunk, id, &state) }
        }
    }

    /// The chunks of a content that was wrong, once; nil if it was not.
    func takeSuspects(of content: Content) -> [IdentifiedChunk]? {
        guard let chunks = chunks(of: content, isSuspect: true) else { return nil }
        state.withLock { XetLedger.forget(content.id, &$0) }
        return chunks
    }

    private func chunks(of content: Content, isSuspect: Bool) -> [IdentifiedChunk]? {
        let file = state.withLock { $0.files[content.id] }
        guard let file, file.isSuspect == isSuspect,
            isSuspect || file.byteCount >= content.sizeBytes
        else { return nil }
        return file.chunks.values.sorted { $0.fileOffset < $1.fileOffset }
    }

    private static func forget(_ id: ContentID, _ state: inout State) {
        state.order.removeAll { $0 == id }
        guard let file = state.files.removeValue(forKey: id) else { return }
        state.chunkCount -= file.chunks.count
        for chunk in file.chunks.values { forgetPlace(chunk, id, &state) }
    }

    private static func forgetPlace(
        _ chunk: IdentifiedChunk, _ id: ContentID, _ state: inout State
    ) {
        let name = Name(xorb: chunk.xorb, index: chunk.index)
        if state.places[name]?.content.id == id { state.places[name] = nil }
    }
}
