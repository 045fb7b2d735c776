// Chunks by their hashes: found in either layout, right or not at all, gone with their content.

import Database
import Glibc
import Hashing
import TestSupport
import Testing
import Xet

@testable import ChunkStore

@Suite struct ChunkTests {
    let directory = TemporaryDirectory()

    /// The chunks of some bytes, as the official chunker cuts them.
    private func chunks(of content: Content) -> [ListedChunk] {
        var chunker = GearChunker()
        var chunks: [ListedChunk] = []
        var start = 0
        while start < content.bytes.count {
            let rest = Array(content.bytes[start...].prefix(GearChunker.maximumByteCount))
            let count = rest.withUnsafeBytes { chunker.cut($0) } ?? rest.count
            let chunk = Array(rest.prefix(count))
            chunks.append(
                ListedChunk(
                    start: Int64(start), byteCount: count, hash: XetHash.chunk(chunk).digest))
            start += count
        }
        return chunks
    }

    private func bytes(_ chunk: ListedChunk, of content: Content) -> [UInt8] {
        Array(content.bytes[Int(chunk.start)..<Int(chunk.end)])
    }

    /// How many of the chunks the store has, each with the right bytes.
    private func foundCount(
        _ store: ChunkStore, _ chunks: [ListedChunk], of content: Content
    ) -> Int {
        chunks.count { chunk in
            guard store.hasChunk(chunk.hash, byteCount: chunk.byteCount),
                let found = store.chunk(chunk.hash, byteCount: chunk.byteCount)
            else { return false }
            return found == bytes(chunk, of: content)
        }
    }

    private func rowCount(_ table: String) throws -> Int64 {
        let connection = try Connection(path: directory.path + "/store.db")
        try connection.execute("CREATE TEMP TABLE counted AS SELECT count(*) AS n FROM \(table)")
        return try connection.first("SELECT n FROM counted") { row throws(DatabaseError) in
            row.integer(0)
        } ?? -1
    }

    @Test(arguments: [1, 70_000, 40 * block + 777])
    func chunksAreFoundInEitherLayout(byteCount: Int) throws {
        let content = Content(random: byteCount, seed: 7)
        let chunks = chunks(of: content)
        let store = try openStore(directory.path)
        try store.write(content)
        #expect(foundCount(store, chunks, of: content) == 0)
        #expect(try store.prove(content.hash, size: content.size))
        #expect(foundCount(store, chunks, of: content) == chunks.count)
        #expect(try store.cool(content.hash, size: content.size))
        #expect(foundCount(store, chunks, of: content) == chunks.count)
        #expect(try rowCount("flat_chunk") == 0)
        #expect(try store.warm(content.hash, size: content.size))
        #expect(store.packedByteCount < 4_096)
        #expect(foundCount(store, chunks, of: content) == chunks.count)
        store.close()
        let again = try openStore(directory.path)
        #expect(foundCount(again, chunks, of: content) == chunks.count)
        // Nothing of it is found any more, and nothing is left of what found it.
        again.drop(content.hash, size: content.size)
        #expect(foundCount(again, chunks, of: content) == 0)
        #expect(try rowCount("flat_chunk") == 0 && rowCount("chunk_list") == 0)
        again.close()
    }

    @Test func anotherContentHasTheChunkWhenTheFirstIsGone() throws {
        let first = Content(random: 30 * block, seed: 1)
        let second = Content(Content(random: 137, seed: 2).bytes + first.bytes)
        let store = try openStore(directory.path)
        defer { store.close() }
        for content in [first, second] {
            try store.write(content)
            #expect(try store.prove(content.hash, size: content.size))
        }
        let chunks = chunks(of: first)
        store.drop(first.hash, size: first.size)
        // But for those at the insertion.
        #expect(foundCount(store, chunks, of: first) >= chunks.count - 4)
        store.drop(second.hash, size: second.size)
        #expect(foundCount(store, chunks, of: first) == 0)
    }

    @Test func aChangeOfLayoutKeepsTheChunksThatAreKnown() throws {
        let content = Content(random: 40 * block + 777, seed: 3)
        let store = try openStore(directory.path)
        try store.write(content)
        #expect(try store.prove(content.hash, size: content.size))
        store.flush()
        // Cut where no chunker would: if the list is used, this can be seen.
        let each = 100_000
        let odd = stride(from: 0, to: content.bytes.count, by: each).map { start in
            let part = Array(content.bytes[start...].prefix(each))
            return ListedChunk(
                start: Int64(start), byteCount: part.count, hash: XetHash.chunk(part).digest)
        }
        let id = try #require(
            try store.index.row(of: ContentKey(hash: content.hash, size: content.size))?.id)
        try store.index.writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.add(ChunkList(index: 0, chunks: odd), of: id, connection)
        }
        for _ in 0..<2 {
            #expect(try store.cool(content.hash, size: content.size))
            #expect(try store.statistics().chunkCount == odd.count)
            #expect(try store.read(content) == content.bytes)
            #expect(foundCount(store, odd, of: content) == odd.count)
            #expect(try store.warm(content.hash, size: content.size))
            #expect(try store.read(content) == content.bytes)
            #expect(foundCount(store, odd, of: content) == odd.count)
        }
        store.close()
    }

    @Test func aDamagedListIsNotBelieved() throws {
        let content = Content(random: 20 * block + 5, seed: 4)
        let chunks = chunks(of: content)
        do {
            let store = try openStore(directory.path)
            try store.write(content)
            #expect(try store.prove(content.hash, size: content.size))
            store.close()
        }
        do {
            let connection = try Connection(path: directory.path + "/store.db")
            var rows: [(Int64, [UInt8])] = []
            try connection.query("SELECT key, data FROM chunk_list") { row throws(DatabaseError) in
                rows.append((row.integer(0), row.blob(1)))
            }
            #expect(rows.count == 1)
            var data = rows[0].1
            data[data.count / 2] ^= 4
            try connection.run(
                "UPDATE chunk_list SET data = ? WHERE key = ?", [.blob(data), .integer(rows[0].0)])
        }
        let store = try openStore(directory.path)
        defer { store.close() }
        #expect(foundCount(store, chunks, of: content) == 0)
        #expect(try store.cool(content.hash, size: content.size))
        #expect(try store.read(content) == content.bytes)
        #expect(foundCount(store, chunks, of: content) == chunks.count)
        // What the list could not name is removed by the count of all.
        try store.collectGarbage()
        #expect(try rowCount("flat_chunk") == 0)
    }

    @Test func aDamagedFlatFileGivesNoWrongChunk() throws {
        let content = Content(random: 20 * block + 5, seed: 5)
        let chunks = chunks(of: content)
        do {
            let store = try openStore(directory.path)
            try store.write(content)
            #expect(try store.prove(content.hash, size: content.size))
            store.close()
        }
        let file = filesInTree(directory.path + "/flat")[0]
        try flipBit(file, 5 * block * 8 + 1_000)
        let store = try openStore(directory.path)
        defer { store.close() }
        let lost = chunks.filter { chunk in
            guard let found = store.chunk(chunk.hash, byteCount: chunk.byteCount) else {
                return true
            }
            #expect(found == bytes(chunk, of: content))
            return false
        }
        // Those that touch the damaged block.
        #expect((1...8).contains(lost.count))
        #expect(lost.allSatisfy { !store.hasChunk($0.hash, byteCount: $0.byteCount) })
    }

    @Test func listsAreKeptInSegments() throws {
        // More than one segment of 64 MiB, and a chunk over the edge.
        let content = Content(random: (64 << 20) + 300_000, seed: 6)
        let chunks = chunks(of: content)
        let store = try openStore(directory.path)
        defer { store.close() }
        try store.write(content)
        #expect(try store.prove(content.hash, size: content.size))
        #expect(try rowCount("chunk_list") == 2)
        let key = ContentKey(hash: content.hash, size: content.size)
        let id = try #require(try store.index.row(of: key)?.id)
        let listed = try (0..<2).flatMap { try store.index.chunkList($0, id: id)?.chunks ?? [] }
        #expect(listed == chunks)
    }
}
