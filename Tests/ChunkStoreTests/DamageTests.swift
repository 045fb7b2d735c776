// Crashes, flipped bits, files that are gone: never a wrong byte, and all of it heals.

import ChunkStore
import Database
import Hashing
import TestSupport
import Testing

@Suite struct DamageTests {
    let directory = TemporaryDirectory()

    /// Reads every block; it is right or missing, and a missing one can be written again.
    private func expectSound(
        _ path: String, _ contents: [Content], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (right: Int, missing: Int) {
        let store = try openStore(path)
        defer { store.close() }
        var (right, missing) = (0, 0)
        for content in contents {
            for start in stride(from: 0, to: content.bytes.count, by: block) {
                let range = start..<min(start + block, content.bytes.count)
                if let bytes = try store.read(content, range) {
                    #expect(bytes == Array(content.bytes[range]), sourceLocation: sourceLocation)
                    right += 1
                } else {
                    missing += 1
                }
            }
            try store.write(content)
            #expect(try store.read(content) == content.bytes, sourceLocation: sourceLocation)
            #expect(
                try store.prove(content.hash, size: content.size), sourceLocation: sourceLocation)
        }
        return (right, missing)
    }

    private func filled(_ count: Int) throws -> [Content] {
        let contents = (0..<count).map {
            Content(random: ($0 % 3) * block + 100 + $0, seed: UInt64($0 + 1))
        }
        let store = try openStore(directory.path + "/cache")
        for content in contents { try store.write(content) }
        store.close()
        return contents
    }

    @Test func aCopyTakenAtAnyMomentIsSound() throws {
        let store = try openStore(directory.path + "/cache")
        var contents: [Content] = []
        var committed = 0
        for round in 0..<6 {
            let content = Content(random: 3 * block + round, seed: UInt64(round + 1))
            contents.append(content)
            try store.write(content)
            if round % 2 == 1 {
                store.flush()
                committed = contents.reduce(0) { $0 + ($1.bytes.count + block - 1) / block }
            }
            let copy = directory.path + "/copy\(round)"
            try copyTree(directory.path + "/cache", to: copy)
            #expect(try expectSound(copy, contents).right >= committed)
        }
        store.close()
    }

    /// The index is as it was when the cache was closed in order; the pack went on since.
    @Test func aPackThatWentOnIsNotBelievedToEndWhereItDid() throws {
        let path = directory.path + "/cache"
        let pack = path + "/packs/00000001.pack"
        let contents = (1...3).map { Content(random: 1_000 * $0, seed: UInt64($0)) }
        let files = DiskFiles()
        func packSize() throws -> Int64 { try files.open(pack, create: false).size() }
        func keep(_ content: Content) throws {
            let store = try openStore(path)
            defer { store.close() }
            #expect(try store.writeProven(content.hash, content.bytes))
        }
        try keep(contents[0])
        try copyTree(path, to: path + "-closed")
        let end = try packSize()
        try keep(contents[1])
        #expect(try packSize() > end)
        try files.rename(path + "-closed/store.db", to: path + "/store.db")

        let store = try openStore(path)
        // Now, or by the store's own thread, which is waited for.
        try store.collectGarbage()
        #expect(try packSize() == end)
        #expect(try store.writeProven(contents[2].hash, contents[2].bytes))
        store.close()
        let again = try openStore(path)
        defer { again.close() }
        #expect(try again.read(contents[0]) == contents[0].bytes)
        #expect(try again.read(contents[1]) == nil)
        #expect(try again.read(contents[2]) == contents[2].bytes)
    }

    @Test func flippedBitsInFilesAreFound() throws {
        let contents = try filled(12)
        var generator = SeededGenerator(seed: 3)
        let files = filesInTree(directory.path + "/cache/flat")
        for file in files {
            let count = try contentsOfFile(file).count
            try flipBit(file, Int.random(in: 0..<count * 8, using: &generator))
        }
        let result = try expectSound(directory.path + "/cache", contents)
        #expect(result.missing == 12)
    }

    /// Found by the simulation: the index went on saying that the block was gone.
    @Test func whatWasDamagedAndCameAgainIsThereAfterARestart() throws {
        let path = directory.path + "/cache"
        let content = Content(random: 5_000, seed: 77)
        var store = try openStore(path)
        #expect(try store.writeProven(content.hash, content.bytes))
        store.flush()
        let pack = try #require(filesInTree(path + "/packs").first)
        // The payload lies behind the page of the pack and its own header.
        try flipBit(pack, (4_096 + 64 + 1_000) * 8)
        #expect(try store.read(content) == nil)
        store.flush()
        #expect(try store.writeProven(content.hash, content.bytes))
        #expect(try store.read(content) == content.bytes)
        store.close()
        store = try openStore(path)
        defer { store.close() }
        #expect(try store.read(content) == content.bytes)
    }

    /// Found by the simulation: the second of two damaged blocks was noticed only when the content
    /// that had come again was proven, and then it was not stored.
    @Test func damageThatIsNoticedByTheProofOfWhatCameAgainIsMended() throws {
        let path = directory.path + "/cache"
        let content = Content(random: 4 * block, seed: 78)
        let store = try openStore(path)
        defer { store.close() }
        #expect(try store.writeProven(content.hash, content.bytes))
        store.flush()
        let pack = try #require(filesInTree(path + "/packs").first)
        for place in [1_000, 4 * block - 1_000] { try flipBit(pack, (4_096 + place) * 8) }
        #expect(try store.read(content, 0..<1) == nil)
        #expect(try store.writeProven(content.hash, content.bytes))
        #expect(try store.read(content) == content.bytes)
    }

    /// Found by the simulation: one bit made all records of a pack unreadable after a restart.
    @Test(arguments: [0, 7, 10, 20, 33, 44])
    func aDamagedHeaderOfAPackIsWrittenAnew(place: Int) throws {
        let path = directory.path + "/cache"
        let content = Content(random: 5_000, seed: 79)
        var store = try openStore(path)
        #expect(try store.writeProven(content.hash, content.bytes))
        store.close()
        let pack = try #require(filesInTree(path + "/packs").first)
        let before = try contentsOfFile(pack)
        try flipBit(pack, place * 8 + 3)
        store = try openStore(path)
        #expect(try store.read(content) == content.bytes)
        store.close()
        #expect(try contentsOfFile(pack) == before)
    }

    @Test func aPackWithADamagedHeaderIsInARebuiltIndex() throws {
        let path = directory.path + "/cache"
        let contents = (1...2).map { Content(random: 5_000 * $0, seed: UInt64(80 + $0)) }
        let first = try openStore(path)
        #expect(try first.writeProven(contents[0].hash, contents[0].bytes))
        first.flush()
        // As after a crash: the next pack is begun.
        let copy = directory.path + "/copy"
        try copyTree(path, to: copy)
        first.close()
        let second = try openStore(copy)
        #expect(try second.writeProven(contents[1].hash, contents[1].bytes))
        second.close()
        let packs = filesInTree(copy + "/packs").sorted()
        #expect(packs.count == 2)
        try flipBit(packs[0], 10 * 8)
        for file in filesInTree(copy) where file.contains("store.db") {
            _ = try DiskFiles().remove(file)
        }
        let store = try openStore(copy)
        defer { store.close() }
        for content in contents { #expect(try store.read(content) == content.bytes) }
    }

    @Test func flippedBitsInRowsAreFound() throws {
        let contents = try filled(12)
        let path = directory.path + "/cache/store.db"
        do {
            let connection = try Connection(path: path)
            var rows: [(key: Int64, data: [UInt8])] = []
            try connection.query("SELECT key, data FROM segment") { (row) throws(DatabaseError) in
                rows.append((row.integer(0), row.blob(1)))
            }
            #expect(rows.count == 12)
            for (index, row) in rows.enumerated() {
                var data = row.data
                data[index * 7 % data.count] ^= 1 << UInt8(index % 8)
                try connection.run(
                    "UPDATE segment SET data = ? WHERE key = ?", [.blob(data), .integer(row.key)])
            }
            // Rows of two contents change places.
            try connection.run("UPDATE content SET verification = 1, verified_at = 1")
        }
        let result = try expectSound(directory.path + "/cache", contents)
        #expect(result.right == 0)
    }

    @Test func flippedBitsAnywhereInTheDatabaseServeNoWrongByte() throws {
        let contents = try filled(9)
        let path = directory.path + "/cache/store.db"
        let sound = try contentsOfFile(path)
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<40 {
            for file in filesInTree(directory.path + "/cache") where file.contains("store.db") {
                try writeFile(file, [])
            }
            var damaged = sound
            for _ in 0..<4 {
                let bit = Int.random(in: 0..<damaged.count * 8, using: &generator)
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            }
            try writeFile(path, damaged)
            // Damage that is met during a run is an error of that run, and mended by the next.
            do {
                _ = try expectSound(directory.path + "/cache", contents)
            } catch {
                _ = try expectSound(directory.path + "/cache", contents)
            }
        }
    }

    @Test func aLostOrShortenedFileIsMissing() throws {
        let contents = try filled(3)
        let files = filesInTree(directory.path + "/cache/flat")
        try writeFile(files[0], [])
        removeTree(files[1])
        _ = try DiskFiles().remove(files[1])
        let result = try expectSound(directory.path + "/cache", contents)
        #expect(result.missing > 0)
    }

    @Test func aLostDatabaseIsBegunAnew() throws {
        let contents = try filled(3)
        try writeFile(directory.path + "/cache/store.db", Array(repeating: 7, count: 8192))
        let result = try expectSound(directory.path + "/cache", contents)
        #expect(result.right == 0)
    }
}
