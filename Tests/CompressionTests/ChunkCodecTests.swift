// Every codec there and back, the limits of decoding, and what is predicted for kinds of data
// that are known to suit one codec.

import Testing

@testable import Compression

/// Sums of uniform numbers are nearly normal, which is what weights look like.
func normalWeights(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
        var sum: Float = 0
        for _ in 0..<12 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            sum += Float(state >> 40) / Float(1 << 24)
        }
        return (sum - 6) * 0.02
    }
}

func bytesOfWords<Word>(_ words: [Word]) -> [UInt8] {
    words.withUnsafeBytes { Array($0) }
}

@Suite final class ChunkCodecTests {
    let scratch = CodecScratch()

    func encoded(_ chunk: [UInt8], _ codec: ChunkCodec, room: Int) -> [UInt8]? {
        var output = [UInt8](repeating: 0, count: room)
        let count = chunk.withUnsafeBytes { chunk in
            output.withUnsafeMutableBytes { output in
                scratch.withBuffer(chunk.count) { codec.encode(chunk, into: output, scratch: $0) }
            }
        }
        return count.map { Array(output[..<$0]) }
    }

    func decoded(
        _ payload: [UInt8], _ codec: ChunkCodec, count: Int
    ) throws(CompressionError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: count)
        var failure: CompressionError?
        payload.withUnsafeBytes { payload in
            output.withUnsafeMutableBytes { output in
                do throws(CompressionError) {
                    let room = min(count, CodecScratch.mostChunkBytes)
                    try scratch.withBuffer(room) { scratch throws(CompressionError) in
                        try codec.decode(payload, into: output, scratch: scratch)
                    }
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        return output
    }

    func predicted(_ chunk: [UInt8], elementByteCount: Int? = nil) -> ChunkCodec {
        chunk.withUnsafeBytes {
            ChunkCodec.predicted(
                for: $0, elementByteCount: elementByteCount, scratch: scratch)
        }
    }

    static let floats = normalWeights(16_384, seed: 1)
    static let bfloats = normalWeights(32_768, seed: 2).map {
        UInt16(truncatingIfNeeded: $0.bitPattern >> 16)
    }
    static let noise = (0..<65_536).map { _ in UInt8.random(in: 0...255) }
    static let text = Array(
        String(repeating: "{\"name\": \"layer\", \"bias\": 1}\n", count: 2000).utf8)

    @Test(arguments: ChunkCodec.allCases)
    func `what is encoded is decoded`(codec: ChunkCodec) throws {
        let chunks = [
            [], [7], bytesOfWords(Self.floats), bytesOfWords(Self.bfloats), Self.text,
            bytesOfWords(Self.bfloats.map { UInt32($0) << 16 }),
            Array(Self.text[..<4097]),
        ]
        for chunk in chunks {
            guard let payload = encoded(chunk, codec, room: 4 * chunk.count + 1000) else {
                // Not every chunk is of such numbers.
                #expect(chunk.count < 4 || codec == .topBytesOf2In4)
                continue
            }
            #expect(try decoded(payload, codec, count: chunk.count) == chunk)
            #expect(throws: CompressionError.self) {
                try decoded(payload, codec, count: chunk.count + 1)
            }
            if !chunk.isEmpty {
                #expect(throws: CompressionError.self) {
                    try decoded(payload, codec, count: chunk.count - 1)
                }
            }
        }
    }

    @Test func `noise does not fit in less than its length`() {
        for codec in ChunkCodec.allCases {
            #expect(encoded(Self.noise, codec, room: Self.noise.count - 1) == nil)
        }
    }

    @Test func `more than a chunk is not decoded`() {
        #expect(throws: CompressionError.outputLimit) {
            try decoded([0], .lz4, count: CodecScratch.mostChunkBytes + 1)
        }
    }

    @Test func `weights, text and noise get the codec that suits them`() {
        #expect(predicted(bytesOfWords(Self.floats)) == .lz4GroupedBy4)
        #expect(predicted(bytesOfWords(Self.floats), elementByteCount: 4) == .lz4GroupedBy4)
        #expect(predicted(bytesOfWords(Self.bfloats)) == .lz4GroupedBy2)
        #expect(predicted(bytesOfWords(Self.bfloats), elementByteCount: 2) == .lz4GroupedBy2)
        #expect(predicted(Self.text) == .lz4)
        #expect(predicted(Self.noise) == .stored)
        #expect(predicted([]) == .stored)
        #expect(predicted([1, 2, 3]) == .stored)
    }

    @Test func `grouping makes weights smaller`() throws {
        let floats = bytesOfWords(Self.floats)
        let byFour = try #require(encoded(floats, .lz4GroupedBy4, room: floats.count))
        #expect(byFour.count < floats.count * 96 / 100)
        let bfloats = bytesOfWords(Self.bfloats)
        let byTwo = try #require(encoded(bfloats, .lz4GroupedBy2, room: bfloats.count))
        #expect(byTwo.count < bfloats.count * 90 / 100)
    }
}
