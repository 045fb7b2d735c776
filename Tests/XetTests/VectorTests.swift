// Files whose hashes the official client has computed (hf_xet 1.8.0, `hash_files` and uploads to
// `local://`): chunk boundaries, chunk hashes, roots and file hashes.

import Hashing
import Testing

@testable import Xet

/// Cuts bytes as a file, feeding the chunker at most `piece` bytes at a time.
func cutLengths(_ bytes: [UInt8], piece: Int = .max) -> [Int] {
    var chunker = GearChunker()
    var lengths: [Int] = []
    var length = 0
    bytes.withUnsafeBytes { bytes in
        var offset = 0
        while offset < bytes.count {
            let end = offset + min(piece, bytes.count - offset)
            let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
            if let cut = chunker.cut(part) {
                lengths.append(length + cut)
                length = 0
                offset += cut
            } else {
                length += part.count
                offset = end
            }
        }
    }
    return length > 0 ? lengths + [length] : lengths
}

func chunkNodes(_ bytes: [UInt8]) -> [MerkleNode] {
    var offset = 0
    return cutLengths(bytes).map { length in
        defer { offset += length }
        return MerkleNode(
            hash: .chunk(Array(bytes[offset..<(offset + length)])), byteCount: UInt64(length))
    }
}

/// The top byte of each state of a linear congruence, as in the reference's vector.
func congruence(seed: UInt64, count: Int) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

struct FileVector: Sendable {
    let name: String
    let content: @Sendable () -> [UInt8]
    /// The first chunks' lengths, or all of them.
    let lengths: [Int]
    let root: String?
    let file: String
}

let mebibyte = 1 << 20

let fileVectors: [FileVector] = [
    FileVector(
        name: "hi", content: { Array("hi".utf8) }, lengths: [2],
        root: "58ef13c2bd7d77132be27deb51dd77041ffb7720a4991b8492555c7a46d6f771",
        file: "c37b043933bb2c3d079a3bc02b14f79801c713bb85387a4a4b1a4fdd1fd216d6"),
    FileVector(
        name: "one zero", content: { [0] }, lengths: [1],
        root: "df93298cdbf67cd507aed28d6290c0cf7f9aa0aa88dfa629cffcf98680659410",
        file: "41f5539a8d8bdd7509fd9a319268aca47ea6d40b33394170182e09fa86345c7e"),
    FileVector(
        name: "8191 zeros", content: { [UInt8](repeating: 0, count: 8191) }, lengths: [8191],
        root: nil, file: "80c25c0cf8afd7a10eabd09184c813addb4328bd727089be2b62a77028848772"),
    FileVector(
        name: "1 MiB of 00", content: { [UInt8](repeating: 0, count: mebibyte) },
        lengths: [Int](repeating: 131_072, count: 8),
        root: "8c15d5bfe292d5f8f3b992149581636a5c4078ce9c4349d43f1a762ba0609839",
        file: "1e671fe124cea35586b1d1c30b9d4fc6b4e05ee60c93406986444f7c23d54056"),
    FileVector(
        name: "1 MiB of ff", content: { [UInt8](repeating: 0xff, count: mebibyte) },
        lengths: [Int](repeating: 131_072, count: 8), root: nil,
        file: "d1b18058aa13223bf1d80ed6a9c07fa0f180719da23a970d76a38bb0b185746c"),
    FileVector(
        name: "0...255 2000 times", content: { (0..<512_000).map { UInt8($0 % 256) } },
        lengths: [131_072, 131_072, 131_072, 118_784], root: nil,
        file: "705915cec8e2ed3fc99eefee7fb4b0128d835c1b71ef85bab480d1216c751b61"),
    FileVector(
        name: "the fox 4000 times",
        content: {
            let fox = Array("The quick brown fox jumps over the lazy dog. ".utf8)
            return (0..<(4000 * fox.count)).map { fox[$0 % fox.count] }
        },
        lengths: [131_072, 48_928], root: nil,
        file: "3b71059495ccebf1614d4af39d49b105e85e619373187cf2e292840074e66acb"),
    FileVector(
        name: "linear congruence", content: { congruence(seed: 1, count: mebibyte) },
        lengths: [
            64_662, 131_072, 23_091, 131_072, 32_553, 131_072, 31_896, 10_763, 80_309, 84_001,
            14_949, 59_885, 39_598, 24_612,
        ],
        root: "df222b10719b3780e02fc489c65c01a0c408130ecceb0b28d0bab645b8d598dd",
        file: "46cc8e67a6c0ced4008d75931263aca51a291132458d226958c1b0715b12f465"),
    FileVector(
        name: "empty", content: { [] }, lengths: [], root: nil,
        file: String(repeating: "0", count: 64)),
]

@Suite struct VectorTests {
    @Test(arguments: fileVectors.indices)
    func `files hash as the official client hashes them`(index: Int) {
        let vector = fileVectors[index]
        let content = vector.content()
        let nodes = chunkNodes(content)
        #expect(nodes.prefix(vector.lengths.count).map { Int($0.byteCount) } == vector.lengths)
        #expect(nodes.reduce(0) { $0 + $1.byteCount } == UInt64(content.count))
        let root = MerkleTree.root(of: nodes)
        if let expected = vector.root { #expect(root?.text == expected) }
        #expect(XetHash.file(root: root).text == vector.file)
    }

    @Test func `hash text swaps the bytes of each word`() throws {
        let hash = try #require(XetHash(bytes: Array(UInt8(0)...31)))
        let text = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
        #expect(hash.text == text)
        #expect(XetHash(text: text) == hash)
        #expect(hash.bytes == Array(0...31))
        #expect(XetHash(text: text.dropLast()) == nil)
        #expect(XetHash(text: text.dropLast(2)) == nil)
        #expect(XetHash(text: "g" + text.dropFirst()) == nil)
    }

    @Test func `the gear table is the format's`() {
        let bytes = gearTable.flatMap { word in
            stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        }
        #expect(
            SHA256Hasher.digest(of: bytes).hex
                == "e1d3936666d7ae7a977c958e9afcc75f90aaca758ce5fbe4ece61dffefe1912c")
    }
}

@Suite struct GearChunkerTests {
    /// The definition: every byte hashed, no skipping.
    static func plainCutLengths(_ bytes: [UInt8]) -> [Int] {
        var lengths: [Int] = []
        var hash: UInt64 = 0
        var length = 0
        for byte in bytes {
            hash = hash << 1 &+ gearTable[Int(byte)]
            length += 1
            if length == 131_072 || length >= 8192 && hash & 0xFFFF_0000_0000_0000 == 0 {
                lengths.append(length)
                length = 0
                hash = 0
            }
        }
        return length > 0 ? lengths + [length] : lengths
    }

    @Test(arguments: [UInt64(2), 3, 4])
    func `skipping ahead changes no cut, nor do pieces`(seed: UInt64) {
        let bytes = congruence(seed: seed, count: 700_000)
        let expected = Self.plainCutLengths(bytes)
        #expect(cutLengths(bytes) == expected)
        for piece in [1, 63, 8127, 8128, 8191, 8192, 65_536, 131_071, 131_073] {
            #expect(cutLengths(bytes, piece: piece) == expected)
        }
    }
}

@Suite struct MerkleTreeTests {
    /// The definition, on whole lists.
    static func plainRoot(_ nodes: [MerkleNode]) -> XetHash? {
        var level = nodes
        while level.count > 1 {
            var next: [MerkleNode] = []
            var index = 0
            while index < level.count {
                let rest = level.count - index
                var count = min(9, rest)
                if rest > 2 {
                    for last in 2..<min(9, rest)
                    where level[index + last].hash.digest.words.3 % 4 == 0 {
                        count = last + 1
                        break
                    }
                } else {
                    count = rest
                }
                next.append(MerkleNode(parentOf: Array(level[index..<(index + count)])))
                index += count
            }
            level = next
        }
        return level.first?.hash
    }

    @Test func `building as chunks come gives the tree over the list`() {
        let nodes = (0..<700).map { index in
            MerkleNode(
                hash: .chunk([UInt8(index % 256), UInt8(index / 256)]), byteCount: UInt64(index))
        }
        for count in Array(0...100) + [242, 243, 244, 500, 699, 700] {
            let list = Array(nodes[..<count])
            #expect(MerkleTree.root(of: list) == Self.plainRoot(list))
        }
    }
}
