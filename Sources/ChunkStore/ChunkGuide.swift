// Where a content is cut into chunks, and what their hashes are: by what is known already where
// something is known, else by content.
//
// A content that was cut once is not cut and hashed again when its layout changes: a list or a
// recipe of it says what its chunks are. The bytes were checked against the store's own checksums
// on their way here, so the hashes still hold. Where a row of the index is damaged, what it told
// is found out anew.

internal import Hashing
internal import Xet

/// What is known of a content's chunks.
///
/// Asked in the order of the content, by one thread.
protocol KnownChunks: AnyObject {
    /// The chunk that starts at a place; nil if that is not known.
    func chunk(at start: Int64) -> ListedChunk?
}

/// Finds the ends of a content's chunks, and their hashes.
struct ChunkGuide {
    private let known: (any KnownChunks)?
    private var chunker = GearChunker()
    /// The chunk under way, if it is known.
    private var current: ListedChunk?
    /// Its bytes that have been seen.
    private var seenByteCount = 0
    private var isBetweenChunks = true

    init(_ known: (any KnownChunks)? = nil) {
        self.known = known
    }

    /// Goes on over the next bytes, to the end of the chunk at most.
    ///
    /// - Parameter start: where the chunk under way starts in the content.
    /// - Returns: how many of `bytes` belong to the chunk that ends within them; nil if all of
    ///   them do and it has not ended.
    mutating func cut(_ bytes: UnsafeRawBufferPointer, of start: Int64) -> Int? {
        if bytes.count == 0 { return nil }
        if isBetweenChunks {
            current = known?.chunk(at: start)
            seenByteCount = 0
            isBetweenChunks = false
        }
        let end: Int?
        if let current {
            let rest = current.byteCount - seenByteCount
            end = rest <= bytes.count ? rest : nil
            seenByteCount += bytes.count
        } else {
            end = unsafe chunker.cut(bytes)
        }
        isBetweenChunks = end != nil
        return end
    }

    /// The hash of the chunk that has just ended.
    func hash(of chunk: UnsafeRawBufferPointer, at start: Int64) -> Digest256 {
        if let current, current.start == start, current.byteCount == chunk.count {
            return current.hash
        }
        return unsafe XetHash.chunk(chunk).digest
    }

    /// Forgets the chunk under way: the next bytes begin one.
    mutating func reset() {
        chunker.reset()
        current = nil
        isBetweenChunks = true
    }
}

/// Chunks of a content whose list is in the index.
final class ListedChunks: KnownChunks {
    private let index: StoreIndex
    private let id: Int64
    private var list: ChunkList?

    init(_ index: StoreIndex, id: Int64) {
        self.index = index
        self.id = id
    }

    func chunk(at start: Int64) -> ListedChunk? {
        let number = ChunkList.index(of: start)
        if list?.index != number {
            list = (try? index.chunkList(number, id: id)) ?? ChunkList(index: number)
        }
        return list?.chunk(at: start)
    }
}

/// Chunks of a content as they came, which have proven it.
final class DeliveredChunks: KnownChunks {
    private let index: StoreIndex
    private let key: ContentKey
    private var run: ChunkRun?
    /// The place in `run` that is looked at first.
    private var next = 0

    init(_ index: StoreIndex, _ key: ContentKey) {
        self.index = index
        self.key = key
    }

    func chunk(at start: Int64) -> ListedChunk? {
        if run.map({ !$0.fileRange.contains(start) }) ?? true {
            run = (try? index.deliveredRun(of: key, at: start)) ?? nil
            next = 0
        }
        guard let chunks = run?.chunks else { return nil }
        if next >= chunks.count || chunks[next].fileOffset != start {
            next = chunks.firstIndex { $0.fileOffset == start } ?? chunks.count
        }
        guard next < chunks.count else { return nil }
        let chunk = chunks[next]
        next += 1
        return ListedChunk(start: start, byteCount: chunk.byteCount, hash: chunk.hash.digest)
    }
}

/// Chunks of a content that lies in packs: the heads of their records have their hashes.
final class PackedChunks: KnownChunks {
    private let store: ChunkStore
    private let id: Int64
    private var segment: RecipeSegment?

    init(_ store: ChunkStore, id: Int64) {
        self.store = store
        self.id = id
    }

    func chunk(at start: Int64) -> ListedChunk? {
        let number = ChunkList.index(of: start)
        if segment?.index != number {
            let found = try? store.index.recipe([number], id: id)
            segment = (found?.first ?? nil) ?? RecipeSegment(index: number, entries: [])
        }
        guard let entry = segment?.entries(covering: start..<start + 1)?.first,
            entry.start == start, let header = store.recordHeader(at: entry.location),
            header.kind == .chunk, header.rawByteCount == entry.rawByteCount
        else { return nil }
        return ListedChunk(start: start, byteCount: entry.rawByteCount, hash: header.hash)
    }
}
