// Reading packed contents in pieces that end anywhere in a chunk.

import ChunkStore
import Hashing
import TestSupport
import Testing

@Suite struct PiecewiseReadTests {
    let directory = TemporaryDirectory()

    /// Noise, which is stored as it is; weights; and text.
    private static let contents: [Content] = {
        var generator = SeededGenerator(seed: 31)
        var weights = generator.bytes(5 * block + 1_001)
        for index in stride(from: 3, to: weights.count, by: 4) {
            weights[index] = 0x3c + UInt8(truncatingIfNeeded: generator.next() & 3)
        }
        return [
            Content(random: 6 * block + 17, seed: 32), Content(weights),
            Content(Array((0..<90_000).map { "\($0 * 7) words, " }.joined().utf8)),
        ]
    }()

    private func packed() throws -> ChunkStore {
        let store = try openStore(directory.path)
        for content in Self.contents {
            try store.write(content)
            #expect(try store.cool(content.hash, size: content.size))
        }
        return store
    }

    @Test(arguments: [4_096, 40_000, 131_072, 500_000])
    func `pieces put together are the content`(piece: Int) throws {
        let store = try packed()
        defer { store.close() }
        for content in Self.contents {
            var bytes: [UInt8] = []
            for start in stride(from: 0, to: content.bytes.count, by: piece) {
                let end = min(start + piece, content.bytes.count)
                bytes += try #require(try store.read(content, start..<end))
            }
            #expect(bytes == content.bytes)
        }
    }

    @Test func `the rest of a chunk comes from memory, its start from the disk`() throws {
        let store = try packed()
        defer { store.close() }
        for content in Self.contents {
            // No chunk is shorter than 8 KiB.
            #expect(try store.read(content, 0..<5_000) == Array(content.bytes[..<5_000]))
        }
        for pack in filesInTree(directory.path) where pack.hasSuffix(".pack") {
            try writeFile(pack, [UInt8](repeating: 0, count: try contentsOfFile(pack).count))
        }
        for content in Self.contents {
            let rest = try store.read(content, 5_000..<8_000)
            #expect(rest == Array(content.bytes[5_000..<8_000]))
            #expect(try store.read(content, 0..<5_000) == nil)
        }
    }
}
