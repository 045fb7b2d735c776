// The packs of a cache, read by themselves: the very chunks that the store decodes.
//
// Knows the form of packs and records as docs/FORMATS.md tells it and nothing of the store, so that
// a yardstick never runs through the code that it measures.

import Compression
import Glibc
import TestSupport

/// A record in a pack.
struct PackRecord {
    static let headerByteCount = 64
    static let chunkKind: UInt8 = 1
    static let recipeKind: UInt8 = 2

    let kind: UInt8
    let codec: ChunkCodec
    let storedByteCount: Int
    let rawByteCount: Int
    /// Where its payload is in the pack's bytes.
    let payloadOffset: Int

    /// With its header and its padding to a multiple of 8.
    var byteCount: Int { (PackRecord.headerByteCount + storedByteCount + 7) / 8 * 8 }
}

/// One pack in memory.
struct Pack {
    private static let pageByteCount = 4_096
    private static let magic: UInt32 = 0x3152_464d

    let path: String
    let bytes: [UInt8]
    let records: [PackRecord]

    init(path: String) throws {
        self.path = path
        let bytes = try contentsOfFile(path)
        var records: [PackRecord] = []
        bytes.withUnsafeBytes { all in
            var offset = Pack.pageByteCount
            while offset + PackRecord.headerByteCount <= all.count {
                func number(_ place: Int) -> UInt32 {
                    UInt32(littleEndian: all.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                }
                if number(offset) != Pack.magic {
                    // A hole, or the zeros beside one: records begin at multiples of 8.
                    offset += 8
                    continue
                }
                guard let codec = ChunkCodec(rawValue: all[offset + 5]) else { break }
                let record = PackRecord(
                    kind: all[offset + 4], codec: codec,
                    storedByteCount: Int(number(offset + 8)),
                    rawByteCount: Int(number(offset + 12)),
                    payloadOffset: offset + PackRecord.headerByteCount)
                records.append(record)
                offset += record.byteCount
            }
        }
        self.bytes = bytes
        self.records = records
    }
}

/// Every pack of a cache.
func packsOf(cache: String) throws -> [Pack] {
    try filesInTree("\(cache)/packs").filter { $0.hasSuffix(".pack") }.map { try Pack(path: $0) }
}

/// What chunks of a cache take, by codec.
struct StoredSizes: Codable {
    var rawBytes = 0
    /// Payloads alone.
    var payloadBytes = 0
    /// With headers and padding.
    var recordBytes = 0
    var recipeBytes = 0
    /// Chunks by the number of their codec.
    var chunks = ChunkCodec.allCases.map { _ in 0 }

    init(_ packs: [Pack]) {
        for record in packs.flatMap(\.records) {
            if record.kind == PackRecord.recipeKind { recipeBytes += record.byteCount }
            if record.kind != PackRecord.chunkKind { continue }
            rawBytes += record.rawByteCount
            payloadBytes += record.storedByteCount
            recordBytes += record.byteCount
            chunks[Int(record.codec.rawValue)] += 1
        }
    }
}

/// Decodes all chunks of packs into one buffer, over and over from its start.
final class PlainDecoder {
    private let target: UnsafeMutableRawBufferPointer
    private let sorted = UnsafeMutableRawBufferPointer.allocate(byteCount: 131_072, alignment: 64)

    /// - Parameter target: 1 MiB; what is decoded lies there as in a reader's buffer.
    init(into target: UnsafeMutableRawBufferPointer) {
        self.target = target
    }

    deinit {
        sorted.deallocate()
    }

    /// - Parameter isUngrouping: false runs LZ4 and nothing else.
    func decode(_ chunks: PlainChunks, isUngrouping: Bool) throws {
        try chunks.bytes.withUnsafeBytes {
            try decode($0, chunks.records, isUngrouping: isUngrouping)
        }
    }

    func decode(
        _ pack: UnsafeRawBufferPointer, _ records: [PackRecord], isUngrouping: Bool
    ) throws {
        var used = 0
        for record in records where record.kind == PackRecord.chunkKind {
            if used + record.rawByteCount > target.count { used = 0 }
            let room = UnsafeMutableRawBufferPointer(
                rebasing: target[used..<used + record.rawByteCount])
            let end = record.payloadOffset + record.storedByteCount
            let payload = UnsafeRawBufferPointer(rebasing: pack[record.payloadOffset..<end])
            used += record.rawByteCount
            let isGrouped = record.codec.groups != nil && isUngrouping
            let codec = record.codec.groups == nil || isGrouped ? record.codec : .lz4
            try codec.decode(payload, into: room, scratch: sorted)
        }
    }
}

/// The chunks of packs as nothing but LZ4 would keep them: what packed reading is compared with.
struct PlainChunks {
    private(set) var bytes: [UInt8] = []
    private(set) var records: [PackRecord] = []

    /// Decodes the chunks of packs and codes them again.
    ///
    /// - Parameter codec: one with LZ4; where it makes a chunk longer, that is kept as it is.
    init(_ packs: [Pack], as codec: ChunkCodec) throws {
        let most = CodecScratch.mostChunkBytes
        var raw = [UInt8](repeating: 0, count: most)
        var coded = [UInt8](repeating: 0, count: most)
        let scratch = CodecScratch()
        for pack in packs {
            for record in pack.records where record.kind == PackRecord.chunkKind {
                let own: (codec: ChunkCodec, byteCount: Int) = try raw.withUnsafeMutableBytes {
                    let chunk = UnsafeMutableRawBufferPointer(
                        rebasing: $0[..<record.rawByteCount])
                    let end = record.payloadOffset + record.storedByteCount
                    return try scratch.withBuffer(most) { scratch in
                        try pack.bytes.withUnsafeBytes {
                            let payload = UnsafeRawBufferPointer(
                                rebasing: $0[record.payloadOffset..<end])
                            try record.codec.decode(payload, into: chunk, scratch: scratch)
                        }
                        return coded.withUnsafeMutableBytes {
                            let room = UnsafeMutableRawBufferPointer(rebasing: $0[..<chunk.count])
                            let chunk = UnsafeRawBufferPointer(chunk)
                            let count = codec.encode(chunk, into: room, scratch: scratch)
                            if count == nil { room.copyMemory(from: chunk) }
                            return (count == nil ? .stored : codec, count ?? chunk.count)
                        }
                    }
                }
                records.append(
                    PackRecord(
                        kind: PackRecord.chunkKind, codec: own.codec,
                        storedByteCount: own.byteCount, rawByteCount: record.rawByteCount,
                        payloadOffset: bytes.count))
                bytes += coded[..<own.byteCount]
            }
        }
    }
}
