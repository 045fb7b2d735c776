// Where chunks that came through Xet can be found.
//
// In memory only, and bounded: chunks that are forgotten are fetched again when another file needs
// them. What a chunk is named by was computed from its bytes on arrival, so a chunk is taken from
// the store only if it still has that name. (What proves a file is kept by the store.)

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

    private struct State {
        var files: [ContentID: [Int64: IdentifiedChunk]] = [:]
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
                state.files[content.id] = [:]
                state.order.append(content.id)
            }
            let known = state.files[content.id]?.updateValue(chunk, forKey: chunk.fileOffset)
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

    /// A content is not what it should be: none of its chunks serves another file.
    func forget(_ id: ContentID) {
        state.withLock { XetLedger.forget(id, &$0) }
    }

    private static func forget(_ id: ContentID, _ state: inout State) {
        state.order.removeAll { $0 == id }
        guard let chunks = state.files.removeValue(forKey: id) else { return }
        state.chunkCount -= chunks.count
        for chunk in chunks.values { forgetPlace(chunk, id, &state) }
    }

    private static func forgetPlace(
        _ chunk: IdentifiedChunk, _ id: ContentID, _ state: inout State
    ) {
        let name = Name(xorb: chunk.xorb, index: chunk.index)
        if state.places[name]?.content.id == id { state.places[name] = nil }
    }
}
