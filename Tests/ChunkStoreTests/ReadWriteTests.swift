// Ranges in and out, and what is remembered over a restart.

import ChunkStore
import Glibc
import Hashing
import TestSupport
import Testing

@Suite struct ReadWriteTests {
    let directory = TemporaryDirectory()

    @Test func anyRangeOfWhatWasWrittenIsRead() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 5 * block + 777, seed: 1)
        try store.write(content, 0..<2 * block)
        try store.write(content, 4 * block..<content.bytes.count)
        #expect(store.missing(content) == [Int64(2 * block)..<Int64(4 * block)])
        #expect(store.state(content).cachedByteCount == Int64(3 * block + 777))
        #expect(store.usedByteCount == Int64(3 * block + 777))
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<300 {
            let start = Int.random(in: 0..<content.bytes.count, using: &generator)
            let end = Int.random(in: start...content.bytes.count, using: &generator)
            let isHere = start == end || end <= 2 * block || start >= 4 * block
            let expected = isHere ? Array(content.bytes[start..<end]) : nil
            #expect(try store.read(content, start..<end) == expected)
        }
    }

    @Test func readsEndWithTheContent() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: block + 5, seed: 3)
        try store.write(content)
        var buffer = [UInt8](repeating: 0, count: 100)
        func read(at offset: Int64) throws -> ReadOutcome {
            try buffer.withUnsafeMutableBytes {
                try store.read(content.hash, size: content.size, at: offset, into: $0)
            }
        }
        #expect(try read(at: Int64(block)) == .bytes(5))
        #expect(try read(at: content.size) == .bytes(0))
        #expect(try read(at: content.size + 1_000_000) == .bytes(0))
        #expect(throws: StoreError.invalidRange) { try read(at: -1) }
    }

    @Test func writesAreOfWholeBlocks() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 2 * block + 5, seed: 4)
        for range in [1..<block + 1, 0..<5, block..<block + 5, 0..<2 * block + 4] {
            #expect(throws: StoreError.invalidRange) { try store.write(content, range) }
        }
        try store.write(content, 0..<0)
        #expect(store.state(content).cachedByteCount == 0)
        #expect(store.missingRanges(content.hash, size: content.size, in: 7..<7).isEmpty)
        let around = store.missingRanges(content.hash, size: content.size, in: 7..<8)
        #expect(around == [0..<Int64(block)])
    }

    @Test func aContentWithoutBytesIsCompleteAndProven() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let empty = Content([])
        #expect(store.state(empty).isComplete)
        #expect(try store.read(empty) == [])
        #expect(try store.prove(empty.hash, size: 0))
        let liar = Content([1])
        #expect(try !store.prove(liar.hash, size: 0))
        #expect(store.state(of: liar.hash, size: 0).verification == .failed)
    }

    @Test func restartsRememberAll() throws {
        let large = Content(random: 3 * block + 1, seed: 5)
        let small = Content(Array("config".utf8))
        let gitBytes = Array("readme\n".utf8)
        let git = ContentHash.gitBlob(GitObjectHasher.id(of: .blob, gitBytes))
        do {
            let store = try openStore(directory.path)
            try store.write(large, block..<large.bytes.count)
            try store.writeProven(small.hash, small.bytes)
            try store.writeProven(git, gitBytes)
            store.close()
        }
        let store = try openStore(directory.path)
        defer { store.close() }
        #expect(store.flatByteCount == Int64(2 * block + 1))
        #expect(store.packedByteCount > 13 && store.packedByteCount < 1_000)
        #expect(store.missing(large) == [0..<Int64(block)])
        #expect(
            try store.read(large, block + 9..<large.bytes.count)
                == Array(large.bytes[(block + 9)...]))
        #expect(try store.read(small) == small.bytes)
        #expect(store.state(small).isComplete)
        guard case .proven = store.state(small).verification else {
            Issue.record("the proof was forgotten")
            return
        }
        guard case .proven = store.state(of: git, size: 7).verification else {
            Issue.record("the proof was forgotten")
            return
        }
        try store.write(large, 0..<block)
        #expect(try store.read(large) == large.bytes)
        #expect(try store.prove(large.hash, size: large.size))
    }

    @Test func anotherSizeIsAnotherContent() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 1000, seed: 6)
        try store.writeProven(content.hash, content.bytes)
        #expect(!store.state(of: content.hash, size: 999).isComplete)
        try content.bytes[..<999].withUnsafeBytes {
            try store.write(content.hash, size: 999, at: 0, $0)
        }
        #expect(throws: Never.self) { try store.prove(content.hash, size: 999) }
        #expect(store.state(of: content.hash, size: 999).cachedByteCount == 0)
        #expect(try store.read(content) == content.bytes)
    }

    @Test func segmentsOfALargeSparseContent() throws {
        let store = try openStore(directory.path)
        // 20 GiB, of which one block in each of some segments is written.
        let size = Int64(20) << 30
        let hash = Content([9]).hash
        var generator = SeededGenerator(seed: 7)
        let bytes = generator.bytes(block)
        let offsets = stride(from: Int64(0), to: size, by: 1 << 30).map { $0 + Int64(block) }
        for offset in offsets {
            try bytes.withUnsafeBytes { try store.write(hash, size: size, at: offset, $0) }
        }
        store.close()
        let again = try openStore(directory.path)
        defer { again.close() }
        #expect(again.state(of: hash, size: size).cachedByteCount == Int64(offsets.count * block))
        for offset in offsets {
            var read = [UInt8](repeating: 0, count: block)
            let outcome = try read.withUnsafeMutableBytes {
                try again.read(hash, size: size, at: offset, into: $0)
            }
            #expect(outcome == .bytes(block) && read == bytes)
        }
        let missing = again.missingRanges(hash, size: size, in: 0..<size)
        #expect(missing.count == offsets.count + 1)
    }

    @Test func aCacheHasOneOwner() throws {
        let store = try openStore(directory.path)
        #expect(throws: StoreError.inUse) { try openStore(directory.path) }
        store.close()
        try openStore(directory.path).close()
    }

    @Test func worksOnATmpfs() throws {
        guard access("/dev/shm", W_OK) == 0 else { return }
        let directory = TemporaryDirectory(in: "/dev/shm")
        let content = Content(random: 3 * block, seed: 8)
        let store = try openStore(directory.path)
        try store.write(content)
        store.close()
        let again = try openStore(directory.path)
        defer { again.close() }
        #expect(try again.read(content) == content.bytes)
    }
}
