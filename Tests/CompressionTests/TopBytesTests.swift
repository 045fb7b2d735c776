// Top bytes as codes: against the layout of the payload, in both forms, at every length and place
// where the code has an edge, and with payloads that were bent.

import Platform
import Testing

@testable import Compression

@Suite struct TopBytesTests {
    /// The forms that this machine can run.
    static let forms = Processor.hasWideVectors ? [false, true] : [false]

    static func encoded(
        _ chunk: [UInt8], _ width: TopBytes, isWide: Bool, room: Int? = nil
    ) -> [UInt8]? {
        var payload = [UInt8](repeating: 0xAA, count: room ?? 5 * chunk.count + 100)
        let count = chunk.withUnsafeBytes { chunk in
            payload.withUnsafeMutableBytes { width.encode(chunk, into: $0, isWide: isWide) }
        }
        return count.map { Array(payload[..<$0]) }
    }

    /// Decodes into the middle of a buffer, and looks whether its ends were left alone.
    static func decoded(
        _ payload: [UInt8], _ width: TopBytes, isWide: Bool, count: Int
    ) throws -> [UInt8] {
        var output = [UInt8](repeating: 0xAA, count: count + 128)
        try payload.withUnsafeBytes { payload in
            try output.withUnsafeMutableBytes { output in
                let middle = UnsafeMutableRawBufferPointer(rebasing: output[64..<64 + count])
                try width.decode(payload, into: middle, isWide: isWide)
            }
        }
        #expect((output[..<64] + output[(64 + count)...]).allSatisfy { $0 == 0xAA })
        return Array(output[64..<64 + count])
    }

    /// Numbers whose byte at a place has a few values mostly, and whose other bytes are noise.
    static func numbers(
        _ width: TopBytes, count: Int, top: Int, oddShare: Int, from generator: inout Seeded
    ) -> [UInt8] {
        (0..<count).map { index in
            let bits = generator.next()
            // How far below the top.
            let depth = (top - index % width.width + width.width) % width.width
            if depth >= width.width - width.zeroCount { return 0 }
            if depth != 0 { return UInt8(truncatingIfNeeded: bits) }
            if oddShare > 0 && bits >> 8 % UInt64(oddShare) == 0 {
                return UInt8(truncatingIfNeeded: bits >> 40)
            }
            return [0x3b, 0x3c, 0x3d, 0xbb, 0xbc, 0xbd, 0x3a, 0x00][Int(bits >> 50 % 8)]
        }
    }

    @Test(arguments: TopBytes.allCases, [0, 300, 9])
    func `both forms give the same payload, and undo it`(width: TopBytes, oddShare: Int) throws {
        var generator = Seeded(state: 11)
        for count in Array(4...150) + [1000, 4097, 65_533, 65_536, 131_071, 131_072] {
            for top in 0..<width.width {
                let chunk = Self.numbers(
                    width, count: count, top: top, oddShare: oddShare, from: &generator)
                let payloads = try Self.forms.map {
                    try #require(Self.encoded(chunk, width, isWide: $0))
                }
                #expect(payloads.allSatisfy { $0 == payloads[0] }, "\(count) bytes, top \(top)")
                for isWide in Self.forms {
                    let back = try Self.decoded(
                        payloads[0], width, isWide: isWide, count: count)
                    #expect(back == chunk, "\(count) bytes, top \(top)")
                }
            }
        }
    }

    @Test func `a payload is laid out as it is documented`() throws {
        // One byte, then numbers 0x3c01, 0x3c02, 0x3d03, 0x3c04, 0x3d05 and a byte.
        let chunk: [UInt8] = [9, 1, 0x3c, 2, 0x3c, 3, 0x3d, 4, 0x3c, 5, 0x3d, 8]
        let expected: [UInt8] =
            [0x3c, 0x3d] + [UInt8](repeating: 0, count: 14) + [0, 0, 1, 1]
            + [0x00, 0x01, 0x01] + [1, 2, 3, 4, 5] + [9, 8]
        #expect(try Self.decoded(expected, .two, isWide: false, count: chunk.count) == chunk)
        // The same with the last number's top byte as an exception.
        let other = expected[..<16] + [1, 0, 1, 1, 0x00, 0x01, 0x00] + expected[23...]
        #expect(
            try Self.decoded(
                other + [4, 0, 0x3d], .two, isWide: false, count: chunk.count) == chunk)
    }

    @Test(arguments: TopBytes.allCases)
    func `what has no code is kept beside`(width: TopBytes) throws {
        var generator = Seeded(state: 5)
        // Every value of the top byte, so 240 of 256 are without a code.
        let chunk = (0..<32_768).map { index in
            let place = index % width.width
            if place < width.zeroCount { return UInt8(0) }
            return place == width.width - 1
                ? UInt8(truncatingIfNeeded: index / width.width)
                : UInt8(truncatingIfNeeded: generator.next())
        }
        for isWide in Self.forms {
            let payload = try #require(Self.encoded(chunk, width, isWide: isWide))
            #expect(width.zeroCount > 0 || payload.count > chunk.count)
            #expect(
                try Self.decoded(payload, width, isWide: isWide, count: chunk.count) == chunk)
            // One byte less than it takes is not enough, and nothing is written beyond it.
            #expect(Self.encoded(chunk, width, isWide: isWide, room: payload.count - 1) == nil)
            #expect(
                Self.encoded(chunk, width, isWide: isWide, room: payload.count) == payload)
        }
    }

    @Test func `weights shrink as their exponents allow`() throws {
        let floats = bytesOfWords(ChunkCodecTests.floats)
        let byFour = try #require(Self.encoded(floats, .four, isWide: false))
        #expect(byFour.count < floats.count * 88 / 100)
        let bfloats = bytesOfWords(ChunkCodecTests.bfloats)
        let byTwo = try #require(Self.encoded(bfloats, .two, isWide: false))
        #expect(byTwo.count < bfloats.count * 76 / 100)
        // Wherever the chunk begins in a number.
        let shifted = Array(floats[3..<60_001])
        let again = try #require(Self.encoded(shifted, .four, isWide: false))
        #expect(again.count < shifted.count * 88 / 100)
    }

    @Test func `a lower half that is not all zeros is refused`() throws {
        let chunk = bytesOfWords(
            ChunkCodecTests.bfloats.map { UInt32($0) << 16 })
        for isWide in Self.forms {
            let payload = try #require(Self.encoded(chunk, .twoInFour, isWide: isWide))
            #expect(payload.count < chunk.count * 38 / 100)
            for place in [chunk.count - 4, chunk.count - 131, 400] {
                for byte in 0..<2 {
                    var bent = chunk
                    bent[place / 4 * 4 + byte] = 1
                    #expect(Self.encoded(bent, .twoInFour, isWide: isWide) == nil)
                }
            }
        }
    }

    @Test(arguments: TopBytes.allCases)
    func `bent payloads are refused or harmless`(width: TopBytes) throws {
        var generator = Seeded(state: 3)
        let chunk = Self.numbers(
            width, count: 1003, top: width.width - 1, oddShare: 20, from: &generator)
        let payload = try #require(Self.encoded(chunk, width, isWide: false))
        for isWide in Self.forms {
            for count in [0, 1, 19, 20, payload.count - 1] {
                #expect(throws: CompressionError.self) {
                    try Self.decoded(
                        Array(payload[..<count]), width, isWide: isWide, count: chunk.count)
                }
            }
            for (place, value) in [
                (18, UInt8(width.width)), (19, payload[19] ^ 1), (16, payload[16] &+ 1),
            ] {
                var bent = payload
                bent[place] = value
                #expect(throws: CompressionError.self) {
                    try Self.decoded(bent, width, isWide: isWide, count: chunk.count)
                }
            }
            // An exception of a number that is not there.
            var bent = payload
            (bent[bent.count - 3], bent[bent.count - 2]) = (0xff, 0xff)
            #expect(throws: CompressionError.malformedBlock) {
                try Self.decoded(bent, width, isWide: isWide, count: chunk.count)
            }
            for _ in 0..<2_000 {
                var bent = payload
                bent[Int(generator.next() % UInt64(bent.count))] = UInt8(
                    truncatingIfNeeded: generator.next())
                _ = try? Self.decoded(bent, width, isWide: isWide, count: chunk.count)
            }
        }
    }
}

/// Numbers from a seed, the high bits of which are random enough.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ state >> 29) &* 0x9E37_79B9_7F4A_7C15
    }
}
