// The choice of codecs along a content: what suits each kind of data, and how soon a change of
// kind is noticed.

import Testing

@testable import Compression

@Suite struct ChunkEncoderTests {
    static let floats = bytesOfWords(normalWeights(16_384, seed: 21))
    static let bfloats = bytesOfWords(
        normalWeights(32_768, seed: 22).map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) })
    static let upcast = bytesOfWords(
        normalWeights(16_384, seed: 23).map { $0.bitPattern & 0xffff_0000 })
    static let integers = bytesOfWords((0..<16_384).map { UInt32($0 * 37 % 50_000) })
    static let text = ChunkCodecTests.text
    static let noise = ChunkCodecTests.noise

    /// The codecs of chunks that follow one another, each of which is decoded again.
    static func codecs(
        _ chunks: [[UInt8]], width: (Int) -> ElementWidth? = { _ in nil }
    ) throws -> [ChunkCodec] {
        let encoder = ChunkEncoder()
        let scratch = CodecScratch()
        return try chunks.enumerated().map { number, chunk in
            var back = [UInt8](repeating: 0, count: chunk.count)
            let codec = try chunk.withUnsafeBytes { chunk in
                try encoder.withEncoded(chunk, width: width(number)) { codec, payload in
                    #expect(codec == .stored || payload.count <= chunk.count * 31 / 32)
                    try back.withUnsafeMutableBytes { back in
                        try scratch.withBuffer(chunk.count) {
                            try codec.decode(payload, into: back, scratch: $0)
                        }
                    }
                    return codec
                }
            }
            #expect(back == chunk, "chunk \(number)")
            return codec
        }
    }

    @Test func `each kind gets what suits it`() throws {
        let kinds: [([UInt8], ChunkCodec)] = [
            (Self.floats, .topBytesOf4), (Self.bfloats, .topBytesOf2),
            (Self.upcast, .topBytesOf2In4), (Self.integers, .lz4GroupedBy4),
            (Self.text, .lz4), (Self.noise, .stored), ([5], .stored),
        ]
        for (chunk, codec) in kinds {
            #expect(try Self.codecs([chunk]) == [codec])
            // Wherever the chunk begins in a number.
            if chunk.count > 1 { #expect(try Self.codecs([Array(chunk.dropFirst(3))]) == [codec]) }
        }
    }

    @Test func `a change of kind is noticed at once where a chunk does not shrink`() throws {
        let chunks = [Self.text, Self.floats, Self.floats, Self.noise]
        #expect(try Self.codecs(chunks) == [.lz4, .topBytesOf4, .topBytesOf4, .stored])
    }

    @Test func `a change of kind is noticed in the end where a chunk shrinks too`() throws {
        // bf16 read as fp32 has top bytes as well, but half as many.
        let chunks =
            Array(repeating: Self.floats, count: 90) + Array(repeating: Self.bfloats, count: 64)
        #expect(try Self.codecs(chunks).last == .topBytesOf2)
    }

    @Test func `what was stored is tried again before long`() throws {
        let chunks = [Self.noise] + Array(repeating: Self.floats, count: 20)
        #expect(try Self.codecs(chunks).suffix(4).allSatisfy { $0 == .topBytesOf4 })
    }

    @Test func `another width is another trial`() throws {
        let chunks = [Self.noise, Self.floats, Self.bfloats, Self.bfloats, Self.noise]
        let widths: [ElementWidth?] = [.one, .four, .two, .two, .one]
        #expect(
            try Self.codecs(chunks) { widths[$0] }
                == [.stored, .topBytesOf4, .topBytesOf2, .topBytesOf2, .stored])
    }
}
