// BLAKE3 against its official vectors, at every width of lanes that this processor has, and the
// stream against the buffer.

import Testing

@testable import Hashing

@Suite struct Blake3Tests {
    static let widths = [4, 8, 16].filter { $0 <= Blake3.widestLanes }

    static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8($0 % 251) }
    }

    static func digest(_ bytes: [UInt8], _ start: Blake3.Start, lanes: Int) -> Digest256 {
        bytes.withUnsafeBytes { Blake3.digest(of: $0, start: start, lanes: lanes) }
    }

    @Test(arguments: widths)
    func `official vectors agree at each width`(lanes: Int) throws {
        let key = try #require(Digest256(bytes: blake3VectorKey))
        for vector in blake3Vectors {
            let input = Self.pattern(vector.inputLength)
            #expect(Self.digest(input, .plain, lanes: lanes).hex == vector.hash)
            let keyed = Self.digest(input, Blake3.Start(key: key), lanes: lanes)
            #expect(keyed.hex == vector.keyedHash)
        }
    }

    @Test func `package functions agree with the vectors`() throws {
        let key = try #require(Digest256(bytes: blake3VectorKey))
        for vector in blake3Vectors {
            let input = Self.pattern(vector.inputLength)
            #expect(Blake3.hash(input).hex == vector.hash)
            #expect(Blake3.keyedHash(key, input).hex == vector.keyedHash)
        }
    }

    @Test(arguments: [1, 63, 64, 65, 1000, 1024, 1025, 4096, 70_000])
    func `a stream in pieces gives what the buffer gives`(piece: Int) throws {
        let key = try #require(Digest256(bytes: blake3VectorKey))
        for vector in blake3Vectors {
            let input = Self.pattern(vector.inputLength)
            var plain = Blake3Hasher()
            var keyed = Blake3Hasher(key: key)
            for offset in stride(from: 0, to: input.count, by: piece) {
                let part = Array(input[offset..<min(offset + piece, input.count)])
                plain.update(part)
                keyed.update(part)
            }
            #expect(plain.finish().hex == vector.hash)
            #expect(keyed.finish().hex == vector.keyedHash)
        }
    }

    @Test func `all widths agree on lengths around every boundary`() {
        let input = Self.pattern(40 * 1024)
        for leaves in [1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 18, 24, 31, 32, 33] {
            for extra in [-65, -64, -63, -1, 0, 1, 63, 64, 65, 500] {
                let part = Array(input[..<(leaves * 1024 + extra)])
                var hasher = Blake3Hasher()
                // One byte apart from the rest, so that subtrees stand at other places.
                hasher.update(Array(part[..<1]))
                hasher.update(Array(part[1...]))
                let expected = hasher.finish()
                for lanes in Self.widths {
                    #expect(Self.digest(part, .plain, lanes: lanes) == expected)
                }
            }
        }
    }

    @Test func `a buffer beyond one tree in memory goes through the stream`() {
        let input = Self.pattern(Blake3.mostLeaves * 1024 * 2 + 777)
        var hasher = Blake3Hasher()
        for offset in stride(from: 0, to: input.count, by: 1000) {
            hasher.update(Array(input[offset..<min(offset + 1000, input.count)]))
        }
        #expect(Blake3.hash(input) == hasher.finish())
    }

    @Test func `a digest and its digits and bytes are one`() throws {
        let digest = Blake3.hash([1, 2, 3])
        #expect(Digest256(bytes: digest.bytes) == digest)
        #expect(Digest256(hex: digest.hex) == digest)
        #expect(Digest256(bytes: [UInt8](repeating: 0, count: 31)) == nil)
    }
}
