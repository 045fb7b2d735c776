// How a content is known in the store, and how it is divided into blocks and segments.
//
// A block of 128 KiB is the unit of validity and of the checksum. A segment of 1,024 blocks
// (128 MiB) is the unit in which that is kept in memory and in the index, so that neither grows
// with the size of one file.

internal import Hashing

/// A content and the size it is said to have: a wrong size is another content, and harms no one.
struct ContentKey: Hashable, Sendable {
    /// No content has more bytes: 1 PiB, as the Hub's trees are believed.
    static let sizeMax: Int64 = 1 << 50

    let hash: ContentHash
    let size: Int64

    /// Blocks of the content; the last one may be shorter.
    var blockCount: Int {
        Int((size + Int64(ChunkStore.blockByteCount) - 1) / Int64(ChunkStore.blockByteCount))
    }

    /// Length of one block in bytes.
    func byteCount(ofBlock block: Int) -> Int {
        let start = Int64(block) * Int64(ChunkStore.blockByteCount)
        return Int(min(Int64(ChunkStore.blockByteCount), size - start))
    }

    /// Blocks of one segment.
    func blockCount(ofSegment segment: Int) -> Int {
        min(BlockSegment.blockCountMax, blockCount - segment * BlockSegment.blockCountMax)
    }

    /// What a pin of the content is kept by: its hash, and then its size in 8 bytes.
    var pinName: [UInt8] {
        var name = hash.bytes
        appendNumber(UInt64(bitPattern: size), to: &name)
        return name
    }

    /// Path of the flat file below the cache directory, without its folder's name.
    var fileName: String { "\(hash.hex)-\(size)" }

    /// The folder of the flat file: the first byte of the hash, so each has 1/256 of them.
    var folderName: String { String(hash.hex.prefix(2)) }
}

extension ContentKey {
    /// The content that a pin names; nil for what is no pin's name.
    init?(pinName: [UInt8]) {
        guard pinName.count > 8, let hash = ContentHash(bytes: Array(pinName.dropLast(8)))
        else { return nil }
        self.init(
            hash: hash, size: Int64(bitPattern: littleEndian(pinName[(pinName.count - 8)...])))
    }
}
