// What lies on the cache disk: records of packs, recipes, maps, lists, folders, traces.
//
// All of it carries checksums, which a fuzzer cannot guess; so they are made right before the
// parser sees the input. A disk that lies so well is not expected, but what is read has to stay in
// bounds.

import Compression
import Hashing
import Platform

@testable import Catalog
@testable import ChunkStore

package enum StoreFuzzCases {
    package static let cases = [records, recipes, flatMaps, chunkLists, metadata, traces]

    /// A file in memory.
    private final class BytesFile: StoreFile {
        let bytes: [UInt8]

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int {
            let count = max(0, min(buffer.count, bytes.count - Int(offset)))
            for index in 0..<count { buffer[index] = bytes[Int(offset) + index] }
            return count
        }

        func size() -> Int64 { Int64(bytes.count) }
        func allocatedByteCount() -> Int64 { Int64(bytes.count) }
        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
            throw .readOnly
        }
        func truncate(to size: Int64) throws(Errno) { throw .readOnly }
        func punchHole(at offset: Int64, byteCount: Int64) throws(Errno) { throw .readOnly }
        func synchronizeData() throws(Errno) {}
        func duplicate() throws(Errno) -> FileDescriptor { throw .notSupported }
    }

    /// The input with the checksum that its last eight bytes should be.
    private static func sealed(_ bytes: [UInt8], key: Int64) -> [UInt8] {
        var sealed = Array(bytes.dropLast(8))
        appendNumber(rowChecksum(sealed[...], rowKey: key), to: &sealed)
        return sealed
    }

    private static let cacheID = CacheID(bytes: [UInt8](repeating: 7, count: 16))

    private static func record(_ payload: [UInt8], kind: RecordKind, at offset: Int) -> [UInt8] {
        guard let cacheID else { return [] }
        let header = RecordHeader(
            kind: kind, codec: .stored, storedByteCount: payload.count,
            rawByteCount: payload.count, hash: Digest256(1, 2, 3, 4),
            payloadChecksum: payload.withUnsafeBytes { xxh3($0) })
        var bytes = [UInt8](repeating: 0, count: header.recordByteCount)
        let salt = PackHeader(cacheID: cacheID, pack: 1).salt
        bytes.withUnsafeMutableBytes { header.write(into: $0, salt: salt, offset: offset) }
        bytes.replaceSubrange(
            RecordHeader.byteCount..<RecordHeader.byteCount + payload.count, with: payload)
        return bytes
    }

    /// A pack behind its first page; the headers are sealed where their magic stands.
    private static let records = FuzzCase(
        "pack-records",
        bytes: [
            record([1, 2, 3], kind: .chunk, at: PackHeader.byteCount)
                + record([4], kind: .recipe, at: PackHeader.byteCount + 72)
        ]
    ) { bytes in
        guard let cacheID else { return }
        let header = PackHeader(cacheID: cacheID, pack: 1)
        var pack = header.bytes + bytes
        let magic = record([], kind: .chunk, at: 0).prefix(4)
        for offset in stride(
            from: PackHeader.byteCount, to: pack.count - RecordHeader.byteCount + 1, by: 8)
        where pack[offset..<offset + 4] == magic {
            let own = pack[offset..<offset + 56].withUnsafeBytes { xxh3($0) }
            let sum = withUnsafeBytes(of: (own, header.salt, UInt64(offset))) { xxh3($0) }
            var number: [UInt8] = []
            appendNumber(sum, to: &number)
            pack.replaceSubrange(offset + 56..<offset + 64, with: number)
        }
        let file = BytesFile(pack)
        var scanner = try PackScanner(PackFile(number: 1, salt: header.salt, file: file))
        var end = PackHeader.byteCount
        while let found = try scanner.next() {
            let offset = found.location.offset
            try FuzzFailure.unless(offset >= end, "a record at \(offset), before \(end)")
            end = offset + found.header.recordByteCount
            let start = offset + RecordHeader.byteCount
            let payload = Array(pack[start..<max(start, min(end, pack.count))])
            switch found.header.kind {
            case .chunk where found.header.rawByteCount <= ChunkStore.blockByteCount:
                try decode(payload, found.header)
            case .recipe: _ = RecipeCopy(payload[...])
            default: _ = MetadataPart(payload)
            }
        }
    }

    private static func decode(_ payload: [UInt8], _ header: RecordHeader) throws {
        var output = [UInt8](repeating: 0xAA, count: header.rawByteCount + 64)
        let scratch = CodecScratch()
        output.withUnsafeMutableBytes { output in
            let target = UnsafeMutableRawBufferPointer(rebasing: output[32..<output.count - 32])
            try? payload.withUnsafeBufferPointer { payload throws(CompressionError) in
                try scratch.withBuffer(target.count) { scratch throws(CompressionError) in
                    try header.codec.decode(
                        UnsafeRawBufferPointer(payload), into: target, scratch: scratch)
                }
            }
        }
        let isUntouched = (output.prefix(32) + output.suffix(32)).allSatisfy { $0 == 0xAA }
        try FuzzFailure.unless(isUntouched, "bytes outside the output")
    }

    private static let key = ContentKey(hash: .sha256(SHA256Hasher.digest(of: [1])), size: 300_000)

    private static let recipes = FuzzCase(
        "recipe",
        bytes: [
            RecipeCopy(
                key: key, incarnation: 3, verification: .none, chunkDigest: 9,
                segment: RecipeSegment(
                    index: 0,
                    entries: [
                        RecipeEntry(
                            start: 0, rawByteCount: 100_000, storedByteCount: 90_000,
                            location: RecordLocation(pack: 1, offset: 4096))
                    ])
            ).bytes
        ]
    ) { bytes in
        guard let copy = RecipeCopy(sealed(bytes, key: 0)[...]) else { return }
        try FuzzFailure.unless(copy.key.size >= 0, "a size of \(copy.key.size)")
        _ = copy.segment.entries(covering: 0..<max(1, min(copy.key.size, 300_000)))
    }

    private static let flatMaps = FuzzCase(
        "flat-map",
        bytes: [
            FlatMapCopy(
                key: key, incarnation: 3, index: 0,
                segment: BlockSegment(blockCount: 3, isPacked: true)
            ).bytes
        ]
    ) { bytes in
        guard let copy = FlatMapCopy(sealed(bytes, key: 0)[...]) else { return }
        try FuzzFailure.unless(
            FlatMapCopy(copy.bytes[...])?.bytes == copy.bytes, "written otherwise")
    }

    private static let chunkLists = FuzzCase(
        "chunk-list",
        bytes: [
            ChunkList(
                index: 0,
                chunks: [ListedChunk(start: 0, byteCount: 70_000, hash: Digest256(1, 2, 3, 4))]
            ).blob(key: 5)
        ]
    ) { bytes in
        guard let list = ChunkList(blob: sealed(bytes, key: 5), index: 0, key: 5) else { return }
        let again = ChunkList(blob: list.blob(key: 5), index: 0, key: 5)
        try FuzzFailure.unless(again?.blob(key: 5) == list.blob(key: 5), "written otherwise")
    }

    private static let metadata = FuzzCase(
        "metadata",
        bytes: [MetadataPart(kind: 3, key: [1, 2], number: 0, count: 1, bytes: [9]).payload]
    ) { bytes in
        guard let part = MetadataPart(bytes) else { return }
        try FuzzFailure.unless(part.payload == bytes, "written otherwise")
    }

    private static let traces = FuzzCase(
        "touch-trace", bytes: [[1] + [UInt8](repeating: 1, count: 16)]
    ) { bytes in
        guard let trace = TouchTrace(bytes: bytes) else { return }
        for extent in trace.extents {
            try FuzzFailure.unless(extent.bytes.lowerBound >= 0, "\(extent)")
        }
        try FuzzFailure.unless(
            TouchTrace(bytes: trace.bytes)?.bytes == trace.bytes, "written otherwise")
    }
}
