// The widths of the numbers in a content, by its own directory.

import Compression
import Hashing
import TestSupport
import Testing

@testable import ChunkStore

@Suite struct NumberWidthsTests {
    let directory = TemporaryDirectory()

    /// A safetensors file: fp32, bf16, int8, and the place where they begin.
    private static func model() -> (content: Content, start: Int64) {
        let each = 9 * block
        let tensors = ["F32", "BF16", "I8"].enumerated().map { number, type in
            "\"\(type)\":{\"dtype\":\"\(type)\",\"shape\":[\(each / [4, 2, 1][number])],"
                + "\"data_offsets\":[\(number * each),\((number + 1) * each)]}"
        }
        let header = Array("{\(tensors.joined(separator: ","))}".utf8)
        var generator = SeededGenerator(seed: 41)
        var values = generator.bytes(3 * each)
        for index in 0..<2 * each where index < each ? index % 4 == 3 : index % 2 == 1 {
            values[index] = 0x3b + UInt8(truncatingIfNeeded: generator.next() & 3)
        }
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        return (Content(length + header + values), Int64(8 + header.count))
    }

    @Test func `each tensor has its width`() throws {
        let (content, start) = Self.model()
        let store = try openStore(directory.path)
        defer { store.close() }
        let key = ContentKey(hash: content.hash, size: content.size)
        var nothing = NumberWidths(store, key)
        #expect(nothing.width(at: start) == nil)
        // The directory is enough.
        try store.write(content, 0..<block)
        var widths = NumberWidths(store, key)
        let each = Int64(9 * block)
        let places = [0, start, start + each - 1, start + each, start + 2 * each, content.size]
        #expect(places.map { widths.width(at: $0) } == [nil, .four, .four, .two, .one, nil])
    }

    @Test func `a model is packed by its types and is the same`() throws {
        let (content, _) = Self.model()
        let store = try openStore(directory.path)
        defer { store.close() }
        try store.write(content)
        #expect(try store.cool(content.hash, size: content.size))
        #expect(try store.read(content) == content.bytes)
        // fp32 takes 7/8, bf16 3/4, noise all of it.
        let share = Double(store.packedByteCount) / Double(content.size)
        #expect(share > 0.87 && share < 0.89)
    }

    @Test func `a length that lies is no directory`() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        for length: UInt64 in [1, 99_000_000, 5 << 20, .max] {
            let head = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
            let content = Content(
                head + Array("{\"a\":".utf8) + [UInt8](repeating: 7, count: 2 << 20))
            try store.write(content)
            var widths = NumberWidths(
                store, ContentKey(hash: content.hash, size: content.size))
            #expect(widths.width(at: 1 << 20) == nil)
        }
    }
}
