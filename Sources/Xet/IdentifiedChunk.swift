// Chunks of a file as they came: what each holds, where it stands, where the server keeps it.
//
// A read answer names no chunk, so a chunk's name is computed from its decoded bytes on arrival.
// Runs are how names are kept: 35 bytes a chunk, which is what its proof needs.

/// A chunk of a file, named by what it holds and by where the server keeps it.
package struct IdentifiedChunk: Equatable, Sendable {
    /// Of its decoded bytes, computed on arrival.
    package let hash: XetHash
    /// Where it begins in the file.
    package let fileOffset: Int64
    /// Its decoded length.
    package let byteCount: Int
    /// The xorb that the server keeps it in.
    package let xorb: XetHash
    /// Its index in that xorb.
    package let index: Int

    /// Takes the parts as they are.
    package init(hash: XetHash, fileOffset: Int64, byteCount: Int, xorb: XetHash, index: Int) {
        self.hash = hash
        self.fileOffset = fileOffset
        self.byteCount = byteCount
        self.xorb = xorb
        self.index = index
    }

    /// The bytes of the file that it is.
    package var fileRange: Range<Int64> { fileOffset..<fileOffset + Int64(byteCount) }
}

/// Chunks that follow each other both in a file and in a xorb; at least one.
package struct ChunkRun: Equatable, Sendable {
    /// A hash, and a length in three bytes.
    private static let entryByteCount = 35
    /// Chunks in one run: what a record of a few tens of kilobytes holds.
    package static let chunkCountMax = 1024

    /// In their order.
    package let chunks: [IdentifiedChunk]

    /// The bytes of the file that they are.
    package var fileRange: Range<Int64> {
        guard let first = chunks.first, let last = chunks.last else { return 0..<0 }
        return first.fileOffset..<last.fileRange.upperBound
    }

    /// Joins chunks, which are told in the order of the file, to as few runs as possible.
    package static func runs(of chunks: [IdentifiedChunk]) -> [ChunkRun] {
        var runs: [ChunkRun] = []
        var group: [IdentifiedChunk] = []
        for chunk in chunks {
            if let last = group.last,
                last.fileRange.upperBound != chunk.fileOffset || last.xorb != chunk.xorb
                    || last.index + 1 != chunk.index || group.count == chunkCountMax
            {
                runs.append(ChunkRun(chunks: group))
                group = []
            }
            group.append(chunk)
        }
        if !group.isEmpty { runs.append(ChunkRun(chunks: group)) }
        return runs
    }

    private init(chunks: [IdentifiedChunk]) {
        self.chunks = chunks
    }

    /// Hash and length of each chunk, the length as three little-endian bytes.
    package var entries: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(chunks.count * Self.entryByteCount)
        for chunk in chunks {
            bytes += chunk.hash.bytes
            for shift in [0, 8, 16] {
                bytes.append(UInt8(truncatingIfNeeded: chunk.byteCount >> shift))
            }
        }
        return bytes
    }

    /// Reads what `entries` gave; nil for anything else.
    package init?(entries: [UInt8], fileOffset: Int64, xorb: XetHash, firstIndex: Int) {
        let count = entries.count / Self.entryByteCount
        guard count > 0, count <= Self.chunkCountMax, entries.count % Self.entryByteCount == 0,
            fileOffset >= 0, firstIndex >= 0
        else { return nil }
        var chunks: [IdentifiedChunk] = []
        chunks.reserveCapacity(count)
        var offset = fileOffset
        for place in 0..<count {
            let start = place * Self.entryByteCount
            guard let hash = XetHash(bytes: entries[start..<start + 32]) else { return nil }
            let length =
                Int(entries[start + 32]) | Int(entries[start + 33]) << 8
                | Int(entries[start + 34]) << 16
            guard (1...GearChunker.maximumByteCount).contains(length) else { return nil }
            chunks.append(
                IdentifiedChunk(
                    hash: hash, fileOffset: offset, byteCount: length, xorb: xorb,
                    index: firstIndex + place))
            offset += Int64(length)
        }
        self.chunks = chunks
    }
}
