// The worked examples of docs/FORMATS.md: the bytes there are the bytes that are written.

import Compression
import Hashing
import Platform
import TestSupport
import Testing

@testable import ChunkStore

@Suite struct FormatTests {
    private static let cacheID = CacheID(bytes: Array(0..<16))

    /// The hexadecimal digits of the document, without spaces.
    private func documented(_ name: String) throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = String(
            decoding: try contentsOfFile("/\(root)/docs/FORMATS.md"), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0.hasPrefix("Example: \(name)") })
        let block = lines[start...].drop { $0 != "```" }.dropFirst().prefix { $0 != "```" }
        return block.joined().filter { $0.isHexDigit }
    }

    @Test func packHeader() throws {
        let header = PackHeader(cacheID: try #require(FormatTests.cacheID), pack: 7)
        let bytes = header.bytes
        #expect(bytes.count == 4_096 && bytes[48...].allSatisfy { $0 == 0 })
        let expected = try documented("the header of pack 7")
        #expect(hexString(bytes[..<48]) == expected)
        #expect(PackHeader(bytes) == header)
        for place in 0..<48 {
            var damaged = bytes
            damaged[place] ^= 4
            #expect(PackHeader(damaged) == nil)
            #expect(!PackHeader.isSound(damaged))
        }
    }

    /// Such a page is not damaged, and is not written anew.
    @Test func theHeaderOfAnotherVersionIsSound() throws {
        var bytes = PackHeader(cacheID: try #require(FormatTests.cacheID), pack: 7).bytes
        bytes[8] = 2
        var sum: [UInt8] = []
        appendNumber(rowChecksum(bytes[..<40], rowKey: 0), to: &sum)
        bytes.replaceSubrange(40..<48, with: sum)
        #expect(PackHeader.isSound(bytes))
        #expect(PackHeader(bytes) == nil)
    }

    @Test func topBytes() throws {
        let digits = Array(try documented("one byte 09, the numbers"))
        let payload = try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0..<$0 + 2]), radix: 16))
        }
        var chunk = [UInt8](repeating: 0, count: 12)
        var scratch = chunk
        try payload.withUnsafeBytes { payload in
            try chunk.withUnsafeMutableBytes { chunk in
                try scratch.withUnsafeMutableBytes { scratch in
                    try ChunkCodec.topBytesOf2.decode(payload, into: chunk, scratch: scratch)
                }
            }
        }
        #expect(hexString(chunk[...]) == "09013c023c033d043c053d08")
    }

    @Test func record() throws {
        let header = PackHeader(cacheID: try #require(FormatTests.cacheID), pack: 7)
        let batch = RecordBatch()
        let payload = Array("hi".utf8)
        payload.withUnsafeBytes {
            batch.add(.chunk, .stored, hash: Digest256(1, 2, 3, 4), rawByteCount: 2, $0)
        }
        let bytes = batch.withBytes(salt: header.salt, offset: 4_096) { Array($0) }
        let expected = try documented("the chunk \"hi\"")
        #expect(hexString(bytes) == expected)
        let read = bytes.withUnsafeBytes { RecordHeader($0, salt: header.salt, offset: 4_096) }
        #expect(read == batch.entries[0].header)
        #expect(bytes.withUnsafeBytes { RecordHeader($0, salt: header.salt, offset: 4_104) } == nil)
        #expect(bytes.withUnsafeBytes { RecordHeader($0, salt: 1, offset: 4_096) } == nil)
    }

    @Test func blockSegment() throws {
        var segment = BlockSegment(blockCount: 10, isPacked: false)
        segment.setFlat(0, checksum: 0x0102_0304_0506_0708)
        segment.setPacked(1)
        segment.setFlat(9, checksum: 0xff)
        let blob = segment.blob(rowKey: 5)
        let expected = try documented("a segment of ten blocks")
        #expect(hexString(blob) == expected)
        #expect(BlockSegment(blob: blob, blockCount: 10, rowKey: 5) == segment)
        #expect(BlockSegment(blob: blob, blockCount: 10, rowKey: 6) == nil)
        #expect(BlockSegment(blob: blob, blockCount: 17, rowKey: 5) == nil)
    }

    @Test func recipeSegment() throws {
        let segment = RecipeSegment(
            index: 0,
            entries: [
                RecipeEntry(
                    start: 0, rawByteCount: 65_536, storedByteCount: 50_000,
                    location: RecordLocation(pack: 1, offset: 4_096)),
                RecipeEntry(
                    start: 65_536, rawByteCount: 8_192, storedByteCount: 8_192,
                    location: RecordLocation(pack: 1, offset: 4_096 + 50_064)),
                RecipeEntry(
                    start: 131_072, rawByteCount: 100, storedByteCount: 100,
                    location: RecordLocation(pack: 2, offset: 4_096)),
            ])
        let blob = segment.blob(key: 9)
        let expected = try documented("three chunks")
        #expect(hexString(blob) == expected)
        #expect(RecipeSegment(blob: blob[...], index: 0, key: 9) == segment)
        #expect(RecipeSegment(blob: blob[...], index: 1, key: 9) != segment)
        #expect(RecipeSegment(blob: blob[...], index: 0, key: 8) == nil)
        // Between the second and the third 57,344 bytes are missing.
        #expect(segment.entries(covering: 10..<70_000)?.count == 2)
        #expect(segment.entries(covering: 10..<100_000) == nil)
        #expect(segment.entries(covering: 131_100..<131_172)?.count == 1)
    }

    @Test func chunkList() throws {
        let list = ChunkList(
            index: 0,
            chunks: [
                ListedChunk(start: 8, byteCount: 65_536, hash: Digest256(1, 2, 3, 4)),
                ListedChunk(start: 65_544, byteCount: 100, hash: Digest256(5, 6, 7, 8)),
            ])
        let blob = list.blob(key: 9)
        let expected = try documented("two chunks")
        #expect(hexString(blob) == expected)
        #expect(ChunkList(blob: blob, index: 0, key: 9) == list)
        #expect(ChunkList(blob: blob, index: 0, key: 8) == nil)
        for place in blob.indices {
            var damaged = blob
            damaged[place] ^= 16
            #expect(ChunkList(blob: damaged, index: 0, key: 9) == nil)
        }
        #expect(list.chunk(at: 65_544)?.byteCount == 100)
        #expect(list.chunk(at: 9) == nil && list.chunk(at: 65_644) == nil)
    }

    @Test func numbersOfVariableLength() {
        var generator = SeededGenerator(seed: 1)
        var numbers: [UInt64] = [0, 127, 128, .max, zigzag(.min), zigzag(-1), zigzag(.max)]
        for shift in 0..<64 { numbers.append(generator.next() >> UInt64(shift)) }
        var bytes: [UInt8] = []
        for number in numbers { appendVarint(number, to: &bytes) }
        var reader = VarintReader(bytes[...])
        for number in numbers { #expect(reader.next() == number) }
        #expect(reader.next() == nil)
        for number: Int64 in [0, -1, 1, .min, .max] { #expect(unzigzag(zigzag(number)) == number) }
        var endless = VarintReader([UInt8](repeating: 0xff, count: 20)[...])
        #expect(endless.next() == nil)
    }

    @Test func copiesComeBack() throws {
        let key = ContentKey(hash: Content([1, 2, 3]).hash, size: 131_172)
        let segment = RecipeSegment(
            index: 0,
            entries: [
                RecipeEntry(
                    start: 0, rawByteCount: 131_072, storedByteCount: 9,
                    location: RecordLocation(pack: 1, offset: 4_096))
            ])
        let copy = RecipeCopy(
            key: key, incarnation: 77, verification: .proven(WallTime(secondsSince1970: 5)),
            chunkDigest: 6, segment: segment)
        #expect(RecipeCopy(copy.bytes[...]) == copy)
        var blocks = BlockSegment(blockCount: 2, isPacked: false)
        blocks.setFlat(1, checksum: 3)
        let map = FlatMapCopy(key: key, incarnation: 78, index: 0, segment: blocks)
        #expect(FlatMapCopy(map.bytes[...]) == map)
        let part = MetadataPart(kind: 3, key: [1, 2], number: 0, count: 300, bytes: [9])
        #expect(MetadataPart(part.payload) == part)
        for bytes in [copy.bytes, map.bytes, part.payload] {
            for count in 0..<min(bytes.count, 60) {
                // Cut short, they are refused or read as something shorter, and trap nowhere.
                _ = RecipeCopy(bytes[..<count])
                _ = FlatMapCopy(bytes[..<count])
                _ = MetadataPart(Array(bytes[..<count]))
            }
        }
    }
}
