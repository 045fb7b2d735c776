// Bits that flip anywhere in the cache: no wrong byte is served, and all of it heals.
//
// Flips are few here; MODELFS_ROT_FLIPS=1000 runs the long form.

import ChunkStore
import Glibc
import Hashing
import Telemetry
import TestSupport
import Testing

@Suite struct RotTests {
    let directory = TemporaryDirectory()
    var path: String { directory.path + "/cache" }

    static var flipCount: Int {
        getenv("MODELFS_ROT_FLIPS").flatMap { Int(String(cString: $0)) } ?? 48
    }

    private let contents: [Content] = {
        var generator = SeededGenerator(seed: 21)
        let shared = generator.bytes(3 * block)
        let small = (0..<12).map { Content(random: 50 + $0 * 400, seed: UInt64($0 + 500)) }
        return small + [
            Content(shared + generator.bytes(5 * block)),
            Content(generator.bytes(block + 77) + shared),
            Content(random: 9 * block + 3, seed: 22),
            Content(Array(String(repeating: "many words ", count: 50_000).utf8)),
        ]
    }()

    /// Reads everything; what is missing is written again, until nothing is.
    ///
    /// - Returns: how many reads found something missing.
    private func readAndHeal() throws -> Int {
        let store = try openStore(path)
        defer { store.close() }
        var missing = 0
        for content in contents {
            for round in 0..<4 {
                if let bytes = try store.read(content) {
                    #expect(bytes == content.bytes)
                    break
                }
                missing += 1
                #expect(round < 3)
                try store.write(content)
            }
            if content.size < 10_000 { _ = try store.writeProven(content.hash, content.bytes) }
            #expect(try store.prove(content.hash, size: content.size))
        }
        for content in contents.dropFirst(12).dropLast(1) {
            _ = try store.cool(content.hash, size: content.size)
        }
        #expect(try store.verify().damaged.isEmpty)
        return missing
    }

    @Test func flipsAreFoundAndHealed() throws {
        _ = try readAndHeal()
        var generator = SeededGenerator(seed: 77)
        var (flips, missing) = (0, 0)
        while flips < RotTests.flipCount {
            // Each file is hit as often as each other, though packs are larger.
            for file in filesInTree(path) where !file.hasSuffix("lock") {
                var bytes = try contentsOfFile(file)
                if bytes.isEmpty { continue }
                for _ in 0..<4 {
                    let bit = Int.random(in: 0..<bytes.count * 8, using: &generator)
                    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
                    flips += 1
                }
                try writeFile(file, bytes)
            }
            // Damage of the index that is met in a run is mended by the next one, which may find
            // less than there was.
            var isHealed = false
            var lastError = ""
            for _ in 0..<4 where !isHealed {
                do {
                    let found = try readAndHeal()
                    missing += found
                    isHealed = found == 0
                    lastError = "\(found) missing"
                } catch {
                    lastError = "\(error)"
                }
            }
            #expect(isHealed, "\(lastError)")
        }
        #expect(missing > 0)
    }
}
