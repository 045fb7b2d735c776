// Lists, sums, checks and pins.

import ChunkStore
import Database
import Hashing
import Platform
import TestSupport
import Testing

@Suite struct InspectTests {
    let directory = TemporaryDirectory()

    @Test func sumsTellWhatSharingAndCodingSave() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let text = Content(Array(String(repeating: "many words, ", count: 200_000).utf8))
        let noise = Content(random: 2_000_000, seed: 1)
        let both = Content(noise.bytes + text.bytes)
        for content in [text, noise, both] { try store.write(content) }
        _ = try store.coolAll()
        let flat = Content(random: 1_000_000, seed: 2)
        try store.write(flat)
        let sums = try store.statistics()
        #expect(sums.contentCount == 4)
        let logical = text.size + noise.size + both.size + flat.size
        #expect(sums.logicalByteCount == logical)
        #expect(sums.uniqueByteCount < logical - noise.size + 400_000)
        #expect(sums.storedByteCount == store.usedByteCount)
        #expect(sums.storedByteCount < 3_500_000)
        let part = try store.statistics(of: [(noise.hash, noise.size), (both.hash, both.size)])
        #expect(part.contentCount == 2)
        #expect(part.logicalByteCount == noise.size + both.size)
        #expect(part.uniqueByteCount < noise.size + text.size + 400_000)
        var listed: Set<ContentHash> = []
        try store.forEachContent { listed.insert($0.hash) }
        #expect(listed == Set([text, noise, both, flat].map(\.hash)))
    }

    @Test func aCheckFindsAndDropsWhatIsDamaged() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let sound = Content(random: 5 * block, seed: 1)
        let damaged = Content(random: 5 * block, seed: 2)
        let wrong = Content(random: 2 * block, seed: 3)
        for content in [sound, damaged] { try store.write(content) }
        try damaged.bytes[..<(2 * block)].withUnsafeBytes {
            try store.write(wrong.hash, size: wrong.size, at: 0, $0)
        }
        #expect(try store.cool(sound.hash, size: sound.size))
        store.flush()
        let path = filesInTree(directory.path + "/flat")
            .first { $0.contains(damaged.hash.hex) }
        try flipBit(#require(path), 8 * (3 * block + 5))
        let report = try store.verify()
        #expect(report.contentCount == 3)
        #expect(report.damaged.map(\.hash) == [damaged.hash, wrong.hash])
        #expect(report.damaged.first?.lost == [Int64(3 * block)..<Int64(4 * block)])
        #expect(report.damaged.last?.lost == [0..<wrong.size])
        try store.write(damaged)
        try store.write(wrong)
        #expect(try store.verify().damaged.isEmpty)
    }

    @Test func usesAreCountedAnew() throws {
        let shared = SeededGenerator(seed: 1).bytesOfCopy(4 * block)
        let contents = [Content(shared + [1]), Content(shared + [2]), Content([3] + shared)]
        do {
            let store = try openStore(directory.path)
            for content in contents { try store.write(content) }
            _ = try store.coolAll()
            store.close()
        }
        do {
            let connection = try Connection(path: directory.path + "/store.db")
            try connection.execute(
                """
                UPDATE record SET uses = uses + id / 64 % 5;
                INSERT INTO recipe SELECT key + 7000000000, record, data FROM recipe;
                INSERT INTO record VALUES (1 << 33, 640, 500, NULL, 1, 0);
                """)
        }
        let store = try openStore(directory.path)
        try store.collectGarbage()
        for content in contents { #expect(try store.read(content) == content.bytes) }
        #expect(try store.collectGarbage() == 0)
        for content in contents { store.drop(content.hash, size: content.size) }
        #expect(store.usedByteCount == 0)
        store.close()
        let again = try openStore(directory.path)
        #expect(again.usedByteCount == 0)
        again.close()
    }

    @Test func pinnedContentsStayAndThoseInUseGoLast() throws {
        let limit = Int64(12 * block)
        let store = try openStore(directory.path, limit: limit)
        let contents = (0..<8).map { Content(random: 3 * block, seed: UInt64($0 + 1)) }
        let inUse = contents[1].hash
        store.setInUse { $0 == inUse }
        try store.setPinned(contents[0].hash, size: contents[0].size, true)
        for content in contents {
            try store.write(content)
            store.flush()
        }
        #expect(store.usedByteCount <= limit)
        #expect(try store.read(contents[0]) == contents[0].bytes)
        #expect(try store.read(contents[1]) == contents[1].bytes)
        #expect(try store.read(contents[2]) == nil)
        #expect(try store.isPinned(contents[0].hash, size: contents[0].size))
        try store.setPinned(contents[0].hash, size: contents[0].size, false)
        #expect(try !store.isPinned(contents[0].hash, size: contents[0].size))
        store.close()
    }

    @Test func aDiskWithoutHolesGivesSpaceBackByPacks() throws {
        let files = FailingFiles()
        files.fail(.punch, with: .notSupported)
        let limit = Int64(4 << 20)
        let store = try openStore(directory.path, limit: limit, files: files)
        for number in 0..<30 {
            let content = Content(random: 3 * block, seed: UInt64(number + 1))
            try? store.write(content)
            _ = try? store.cool(content.hash, size: content.size)
            #expect(store.usedByteCount <= limit + limit / 100)
            if let read = try store.read(content) { #expect(read == content.bytes) }
        }
        store.close()
        let again = try openStore(directory.path, limit: limit, files: files)
        #expect(again.usedByteCount <= limit + limit / 100)
        again.close()
    }
}
