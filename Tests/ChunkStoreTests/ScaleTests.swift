// An index of very many chunks: how long it takes to open, what it costs in memory, how fast it
// answers.
//
// Its rows are written by the store's own code, with made-up hashes and places, since the chunks
// themselves would fill a disk. The index by hash is made after the rows, as the same tree is
// built faster so. 600,000 chunks in the usual run; `MODELFS_SCALE_CHUNKS` sets another number,
// and `MODELFS_SCALE_RESULT` names a file for what was measured, in JSON.

import Database
import Glibc
import Hashing
import Platform
import Telemetry
import TestSupport
import Testing

@testable import ChunkStore

@Suite struct ScaleTests {
    /// Beside the budget for reads in flight (issue 3).
    private static let memoryLimitBytes = 64 << 20

    /// In a process of its own: other tests take memory too.
    @Test func aLargeIndexOpensAtOnceAndTakesNoMemory() async {
        await #expect(processExitsWith: .success) { try ScaleTests.measure() }
    }

    private static func measure() throws {
        let directory = TemporaryDirectory()
        let made = SyntheticIndex(
            chunkCount: getenv("MODELFS_SCALE_CHUNKS").flatMap { Int(String(cString: $0)) }
                ?? 600_000)
        try openStore(directory.path).close()
        try made.fill("\(directory.path)/store.db")
        let before = try anonymousBytes()
        let start = MonotonicInstant.now
        let store = try openStore(directory.path)
        let openSeconds = MonotonicInstant.now.seconds(since: start)
        defer { store.close() }
        var generator = SeededGenerator(seed: 5)
        let rate = try made.lookUp(store, count: 20_000, &generator)
        let recipeRate = try made.loadRecipes(store, count: 2_000, &generator)
        // As many readers as there are connections, so that each has its own cache of pages.
        let failures = Counter()
        let readers = (0..<DatabaseReaders.connectionCountMax).map { number in
            OwnedThread {
                var generator = SeededGenerator(seed: UInt64(number))
                do {
                    _ = try made.lookUp(store, count: 5_000, &generator)
                    _ = try made.loadRecipes(store, count: 500, &generator)
                } catch {
                    failures.add()
                }
            }
        }
        for reader in readers { reader.join() }
        let grown = try anonymousBytes() - before
        let total = try anonymousBytes()
        if let path = getenv("MODELFS_SCALE_RESULT") {
            let size = try contentsByteCount("\(directory.path)/store.db")
            try writeFile(
                String(cString: path),
                Array(
                    """
                    {"chunks": \(made.chunkCount), "openSeconds": \(openSeconds), \
                    "grownBytes": \(grown), "anonymousBytes": \(total), \
                    "hashLookupsPerSecond": \(rate), "recipeLoadsPerSecond": \(recipeRate), \
                    "indexBytes": \(size)}

                    """.utf8))
        }
        try #require(failures.value == 0)
        // A sanitizer's own memory and time are not the store's.
        if getenv("MODELFS_SANITIZED") != nil { return }
        // A hundredth of a second on an idle machine, whatever the number of chunks.
        try #require(openSeconds < 1)
        try #require(grown < memoryLimitBytes)
    }

    private static func anonymousBytes() throws -> Int {
        let text = String(decoding: try procFile("/proc/self/status"), as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
        return try #require(Int(line.split(separator: " ").dropFirst().first ?? "")) * 1_024
    }

    private static func procFile(_ path: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, O_RDONLY)
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        return Array(bytes.prefix(count))
    }

    private static func contentsByteCount(_ path: String) throws -> Int64 {
        try FileDescriptor.open(path, O_RDONLY).size()
    }
}

/// Rows of contents of 64 GiB each, in chunks of 64 KiB.
private struct SyntheticIndex: Sendable {
    private static let chunksPerContent = 1 << 20
    private static let storedByteCount = 56_000
    let chunkCount: Int

    var contentCount: Int { (chunkCount - 1) / SyntheticIndex.chunksPerContent + 1 }

    /// Looks chunks up by their hashes, as packing does.
    func lookUp(
        _ store: ChunkStore, count: Int, _ generator: inout SeededGenerator
    ) throws -> Double {
        let start = MonotonicInstant.now
        for _ in 0..<count {
            let number = Int(generator.next() % UInt64(chunkCount))
            let found = try store.index.records(hash: hash(number))
            try #require(found.contains(location(number)))
        }
        return Double(count) / MonotonicInstant.now.seconds(since: start)
    }

    /// Loads segments of recipes through the table of contents, as reading does.
    func loadRecipes(
        _ store: ChunkStore, count: Int, _ generator: inout SeededGenerator
    ) throws -> Double {
        let start = MonotonicInstant.now
        for _ in 0..<count {
            let content = Int(generator.next() % UInt64(contentCount))
            let key = key(content)
            let segments = Int(key.size / RecipeSegment.contentByteCount)
            let segment = Int(generator.next() % UInt64(segments))
            let entry = try store.loaded(key, blocks: 0..<1)
            let found = try store.recipe(entry, Int64(content + 1), [segment])
            try #require(found?.first??.entries.count == 1_024)
        }
        return Double(count) / MonotonicInstant.now.seconds(since: start)
    }

    /// Adds all rows to the index of a store that is closed.
    func fill(_ path: String) throws {
        let index = try StoreIndex(path: path)
        defer { index.close() }
        try index.writer.perform { (connection) throws(DatabaseError) in
            try connection.run("DROP INDEX record_by_hash")
        }
        var first = 0
        while first < chunkCount {
            let range = first..<min(first + 65_536, chunkCount)
            first = range.upperBound
            try index.writer.perform { (connection) throws(DatabaseError) in
                for start in stride(from: range.lowerBound, to: range.upperBound, by: 1_024) {
                    try add(start, connection)
                }
            }
        }
        try index.writer.perform { (connection) throws(DatabaseError) in
            try connection.run(
                "CREATE INDEX record_by_hash ON record (hash) WHERE hash IS NOT NULL")
        }
    }

    /// Adds the segment that starts with a chunk, and its content with its first one.
    func add(_ start: Int, _ connection: Connection) throws(DatabaseError) {
        let content = start / SyntheticIndex.chunksPerContent
        let key = key(content)
        let id = Int64(content + 1)
        let firstChunk = content * SyntheticIndex.chunksPerContent
        if start == firstChunk {
            try StoreIndex.write(
                ContentRow(
                    id: id, validByteCount: key.size, flatByteCount: 0, isPacked: true,
                    verification: .proven(WallTime(secondsSince1970: 1)),
                    lastUse: WallTime(secondsSince1970: id)),
                key, connection)
        }
        let entries = (start..<start + 1_024).map { number in
            RecipeEntry(
                start: Int64(number - firstChunk) << 16, rawByteCount: 65_536,
                storedByteCount: SyntheticIndex.storedByteCount, location: location(number))
        }
        let change = RecipeChange(
            segment: RecipeSegment(index: (start - firstChunk) / 1_024, entries: entries),
            copy: NewRecord(
                location: RecordLocation(rawValue: location(start).rawValue - 16_384),
                storedByteCount: 9_000, rawByteCount: 0, hash: nil, uses: 1),
            newRecords: (start..<start + 1_024).map { number in
                NewRecord(
                    location: location(number), storedByteCount: SyntheticIndex.storedByteCount,
                    rawByteCount: 65_536, hash: hash(number), uses: 1)
            },
            shared: [:])
        try StoreIndex.add(change, of: id, connection)
    }

    func key(_ content: Int) -> ContentKey {
        let first = content * SyntheticIndex.chunksPerContent
        let segments = (min(chunkCount - first, SyntheticIndex.chunksPerContent) + 1_023) / 1_024
        return ContentKey(
            hash: .sha256(SHA256Hasher.digest(of: Array("content \(content)".utf8))),
            size: Int64(segments) * RecipeSegment.contentByteCount)
    }

    /// Packs of 4,096 chunks each.
    func location(_ number: Int) -> RecordLocation {
        let record = RecordHeader.recordByteCount(SyntheticIndex.storedByteCount)
        // Every 1,024 leave room for the copy of their recipe.
        let place = number % 4_096
        return RecordLocation(
            pack: 1 + number / 4_096,
            offset: PackHeader.byteCount + place * record + (place / 1_024 + 1) * 16_384)
    }

    func hash(_ number: Int) -> Digest256 {
        var generator = SeededGenerator(seed: UInt64(number))
        return Digest256(generator.next(), generator.next(), 0, UInt64(number))
    }
}
