// The chunks of a flat content with their hashes, so that they are found as those in packs are.
//
// A list tells about the content's bytes, which never change, wherever they lie. It is kept in
// segments of 64 MiB of the content, as recipes are; a chunk belongs to the segment in which it
// starts. In the index a segment is one blob (all numbers little-endian):
//
//     bytes        what
//     1            version of this form, 1
//     varint       number of chunks
//     varint       bytes of the content between the segment's start and the first chunk
//     each chunk   varint  its length
//                  32      its hash
//     8            XXH3-64 of all the above, followed by the row's key (8 bytes)
//
// Some 35 bytes a chunk, 0.05 % of the content. The chunks of a segment follow one another.

internal import Hashing

/// A chunk in its place in a content.
struct ListedChunk: Equatable, Sendable {
    /// Where the chunk starts in the content.
    let start: Int64
    let byteCount: Int
    let hash: Digest256

    var end: Int64 { start + Int64(byteCount) }
}

/// The chunks that start in 64 MiB of a content, in order.
struct ChunkList: Equatable, Sendable {
    private static let version: UInt8 = 1
    /// No chunk but a content's last is under 8 KiB: 8,193 of 64 MiB, and some room.
    private static let chunkCountMax = 65_536

    let index: Int
    var chunks: [ListedChunk]

    /// The number of the segment in which a place of a content lies.
    static func index(of start: Int64) -> Int { Int(start / RecipeSegment.contentByteCount) }

    init(index: Int, chunks: [ListedChunk] = []) {
        self.index = index
        self.chunks = chunks
    }

    /// The chunk that starts at a place; nil if none does.
    func chunk(at start: Int64) -> ListedChunk? {
        var (low, high) = (0, chunks.count)
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].start < start { low = middle + 1 } else { high = middle }
        }
        return low < chunks.count && chunks[low].start == start ? chunks[low] : nil
    }

    /// The blob, with the key that its checksum covers.
    func blob(key: Int64) -> [UInt8] {
        let segmentStart = Int64(index) * RecipeSegment.contentByteCount
        var blob: [UInt8] = [ChunkList.version]
        blob.reserveCapacity(24 + 36 * chunks.count)
        appendVarint(UInt64(chunks.count), to: &blob)
        appendVarint(UInt64((chunks.first?.start ?? segmentStart) - segmentStart), to: &blob)
        for chunk in chunks {
            appendVarint(UInt64(chunk.byteCount), to: &blob)
            let words = chunk.hash.words
            for word in [words.0, words.1, words.2, words.3] { appendNumber(word, to: &blob) }
        }
        appendNumber(rowChecksum(blob[...], rowKey: key), to: &blob)
        return blob
    }

    /// Nil for a blob that is damaged or has another key.
    init?(blob: [UInt8], index: Int, key: Int64) {
        guard blob.count >= 11, blob[0] == ChunkList.version,
            littleEndian(blob.suffix(8)) == rowChecksum(blob.dropLast(8), rowKey: key)
        else { return nil }
        var rest = VarintReader(blob.dropFirst().dropLast(8))
        guard let count = rest.next(), count <= UInt64(ChunkList.chunkCountMax),
            let gap = rest.next(), gap < UInt64(RecipeSegment.contentByteCount)
        else { return nil }
        var chunks: [ListedChunk] = []
        chunks.reserveCapacity(Int(count))
        var position = Int64(index) * RecipeSegment.contentByteCount + Int64(gap)
        for _ in 0..<count {
            guard let byteCount = rest.next(), byteCount <= UInt64(ChunkStore.blockByteCount),
                let hash = rest.next(byteCount: 32).flatMap({ Digest256(bytes: $0) })
            else { return nil }
            chunks.append(ListedChunk(start: position, byteCount: Int(byteCount), hash: hash))
            position += Int64(byteCount)
        }
        self.init(index: index, chunks: chunks)
    }
}
