// Where chunks that came through Xet can be found.
//
// Copies in memory, bounded, of what the store keeps: it is asked once for each xorb, and told of
// new chunks when their transfer ends. What a chunk is named by was computed from its bytes on
// arrival, so a chunk is taken from the store only if it still has that name.

internal import Hashing
internal import Platform
internal import Xet

/// The chunks of contents read through Xet, by where the server keeps them.
final class XetLedger: Sendable {
    /// A content, as the store knows it.
    struct Source: Hashable, Sendable {
        let hash: ContentHash
        let sizeBytes: Int64
    }

    /// Where a chunk stands in a content.
    struct Place: Sendable {
        let source: Source
        let hash: XetHash
        let fileOffset: Int64
        let byteCount: Int
    }

    private struct Name: Hashable {
        let xorb: XetHash
        let index: Int
    }

    private struct State {
        var files: [Source: [Int64: IdentifiedChunk]] = [:]
        /// Of contents, by their first chunk.
        var order: [Source] = []
        var places: [Name: Place] = [:]
        var chunkCount = 0
        /// Xorbs that the store was asked for.
        var learned: Set<XetHash> = []
    }

    /// Some 300 bytes each in two tables, of 64 KiB of content on average: 8 GiB in 40 MB.
    static let chunkCountMax = 131_072
    /// Xorbs of up to 64 MiB: 256 GiB in less than 1 MB.
    static let learnedCountMax = 4_096

    private let state = Lock(State())

    func add(_ chunk: IdentifiedChunk, of source: Source) {
        state.withLock { state in
            if state.files[source] == nil {
                state.files[source] = [:]
                state.order.append(source)
            }
            let known = state.files[source]?.updateValue(chunk, forKey: chunk.fileOffset)
            if known == nil { state.chunkCount += 1 }
            // The first place stays: of a chunk that has just come, a part may be still to come.
            let name = Name(xorb: chunk.xorb, index: chunk.index)
            if state.places[name] == nil {
                state.places[name] = Place(
                    source: source, hash: chunk.hash, fileOffset: chunk.fileOffset,
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

    /// Whether all is here that the store knows of the chunks of a xorb.
    func hasLearned(_ xorb: XetHash) -> Bool {
        state.withLock { $0.learned.contains(xorb) }
    }

    /// All that the store knows of the chunks of a xorb was added.
    func noteLearned(_ xorb: XetHash) {
        state.withLock { state in
            if state.learned.count >= XetLedger.learnedCountMax { state.learned = [] }
            state.learned.insert(xorb)
        }
    }

    /// A chunk is no longer where it was.
    func forgetPlace(_ xorb: XetHash, _ index: Int) {
        state.withLock { $0.places[Name(xorb: xorb, index: index)] = nil }
    }

    /// A content is not what it should be: none of its chunks serves another file.
    func forget(_ source: Source) {
        state.withLock { XetLedger.forget(source, &$0) }
    }

    private static func forget(_ source: Source, _ state: inout State) {
        state.order.removeAll { $0 == source }
        guard let chunks = state.files.removeValue(forKey: source) else { return }
        state.chunkCount -= chunks.count
        for chunk in chunks.values {
            forgetPlace(chunk, source, &state)
            // The store may know it from elsewhere.
            state.learned.remove(chunk.xorb)
        }
    }

    private static func forgetPlace(
        _ chunk: IdentifiedChunk, _ source: Source, _ state: inout State
    ) {
        let name = Name(xorb: chunk.xorb, index: chunk.index)
        if state.places[name]?.source == source { state.places[name] = nil }
    }
}
