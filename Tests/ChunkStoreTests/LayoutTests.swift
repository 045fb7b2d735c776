// From flat files into packs and back: the same bytes, shared, smaller, and given back.

import Database
import Glibc
import Hashing
import Platform
import Telemetry
import TestSupport
import Testing

@testable import ChunkStore

@Suite struct LayoutTests {
    let directory = TemporaryDirectory()

    private func isProven(_ state: ContentState) -> Bool {
        if case .proven = state.verification { return true }
        return false
    }

    /// Bytes that all files below a folder take on the disk.
    private func allocatedByteCount(_ folder: String) -> Int64 {
        filesInTree(directory.path + "/" + folder).reduce(0) { sum, path in
            var status = stat()
            return stat(path, &status) == 0 ? sum + Int64(status.st_blocks) * 512 : sum
        }
    }

    /// Found by the simulation: what had just been dropped was looked at again and again.
    @Test func aLookEndsWhileTheIndexStillListsWhatIsGone() throws {
        let store = try ChunkStore(
            directory: directory.path, sizeLimitBytes: 1 << 40, hotLimitBytes: 1, log: quietLog)
        let (kept, gone) = (Content(random: block, seed: 1), Content(random: block, seed: 2))
        store.setInUse { _ in true }
        for content in [kept, gone] {
            try store.write(content)
            store.flush()
        }
        // The index cannot be written for a while.
        let gate = Mailbox<Void>()
        store.index.writer.submit { _ in _ = gate.receive() }
        let dropping = OwnedThread { store.drop(gone.hash, size: gone.size) }
        while store.state(gone).cachedByteCount > 0 { usleep(1_000) }
        store.setInUse { $0 == kept.hash }
        let isOver = Mailbox<Void>()
        let looking = OwnedThread {
            store.serve(.look)
            isOver.send(())
        }
        #expect(isOver.receive(until: .now + 20) != nil)
        gate.send(())
        dropping.join()
        looking.join()
        store.close()
    }

    @Test(arguments: [1, 5_000, 70_000, 5 * block + 777, 80 * block])
    func aCooledContentIsTheSame(byteCount: Int) throws {
        let content = Content(random: byteCount, seed: UInt64(byteCount))
        do {
            let store = try openStore(directory.path)
            try store.write(content)
            #expect(try store.cool(content.hash, size: content.size))
            #expect(store.state(content).flatByteCount == 0)
            #expect(store.state(content).cachedByteCount == content.size)
            #expect(isProven(store.state(content)))
            #expect(store.flatByteCount == 0)
            #expect(try store.read(content) == content.bytes)
            #expect(filesInTree(directory.path + "/flat").isEmpty)
            store.close()
        }
        let store = try openStore(directory.path)
        #expect(store.state(content).isComplete && isProven(store.state(content)))
        #expect(store.missing(content).isEmpty)
        #expect(try store.read(content) == content.bytes)
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<50 {
            let start = Int.random(in: 0..<byteCount, using: &generator)
            let end = Int.random(in: start...byteCount, using: &generator)
            #expect(try store.read(content, start..<end) == Array(content.bytes[start..<end]))
        }
        #expect(try store.prove(content.hash, size: content.size))
        // And flat again.
        #expect(try store.warm(content.hash, size: content.size))
        // The map of a proven flat file may be in a pack by now.
        #expect(store.flatByteCount == content.size && store.packedByteCount < 4_096)
        #expect(try store.read(content) == content.bytes)
        #expect(try store.provenFile(content.hash, size: content.size) != nil)
        store.close()
        let again = try openStore(directory.path)
        #expect(try again.read(content) == content.bytes)
        #expect((0..<4_096).contains(again.usedByteCount - content.size))
        again.close()
        // The header's page, and one that the next record may begin in.
        #expect(allocatedByteCount("packs") <= 3 * 4_096)
    }

    @Test func whatIsMissingStaysMissing() throws {
        let content = Content(random: 40 * block + 99, seed: 1)
        let store = try openStore(directory.path)
        let ranges = [3 * block..<9 * block, 20 * block..<21 * block, 39 * block..<40 * block + 99]
        for range in ranges { try store.write(content, range) }
        let missing = store.missing(content)
        #expect(missing.count == 3)
        #expect(try store.cool(content.hash, size: content.size))
        #expect(store.missing(content) == missing)
        for range in ranges {
            #expect(try store.read(content, range) == Array(content.bytes[range]))
        }
        #expect(try store.read(content, 0..<10) == nil)
        // More is fetched: it lies flat beside the packed ones.
        try store.write(content, 9 * block..<20 * block)
        let both = 4 * block + 5..<20 * block + 7
        #expect(try store.read(content, both) == Array(content.bytes[both]))
        store.close()
        let again = try openStore(directory.path)
        #expect(try again.read(content, both) == Array(content.bytes[both]))
        try again.write(content)
        #expect(try again.read(content) == content.bytes)
        #expect(try again.prove(content.hash, size: content.size))
        #expect(try again.cool(content.hash, size: content.size))
        #expect(try again.read(content) == content.bytes)
        #expect(again.flatByteCount == 0)
        again.close()
    }

    @Test func equalDataIsStoredOnce() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        // Small enough not to be made flat again by being read.
        let count = 12 << 20
        let first = Content(random: count, seed: 1)
        try store.write(first)
        #expect(try store.cool(first.hash, size: first.size))
        let base = store.usedByteCount
        var generator = SeededGenerator(seed: 9)
        var changed = first.bytes
        let edit = 5 << 20
        changed.replaceSubrange(edit..<edit + 60_000, with: generator.bytes(60_000))
        let inserted = generator.bytes(137) + first.bytes
        let middle = 7 << 20
        let swapped = Array(first.bytes[middle...]) + Array(first.bytes[..<middle])
        var before = base
        for (bytes, allowed) in [
            (changed, 60_000 + 262_144), (inserted, 137 + 262_144), (swapped, 2 * 262_144),
        ] {
            let content = Content(bytes)
            try store.write(content)
            #expect(try store.cool(content.hash, size: content.size))
            #expect(try store.read(content) == bytes)
            let recipe = count / 65_536 * 16
            #expect(store.usedByteCount - before <= Int64(allowed + recipe))
            before = store.usedByteCount
        }
        // The first one goes; the others still have their bytes.
        store.drop(first.hash, size: first.size)
        #expect(try store.read(Content(swapped)) == swapped)
        for bytes in [changed, inserted, swapped] {
            store.drop(Content(bytes).hash, size: Int64(bytes.count))
        }
        #expect(store.usedByteCount == 0)
        #expect(allocatedByteCount("packs") <= 3 * 4_096)
    }

    @Test func weightsShrinkByTheirWidth() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        // bf16: a sign and exponent that vary little, over a mantissa of noise.
        var generator = SeededGenerator(seed: 4)
        var bytes = generator.bytes(8 << 20)
        for index in stride(from: 1, to: bytes.count, by: 2) {
            bytes[index] = 0x3c + (generator.next() & 7 == 0 ? 1 : 0)
        }
        let narrow = Content(bytes)
        let text = Content(
            Array(repeating: Array("the same words again, ".utf8), count: 100_000)
                .flatMap { $0 })
        let noise = Content(random: 4 << 20, seed: 5)
        for (content, share) in [(narrow, 0.7), (text, 0.1), (noise, 1.01)] {
            let before = store.packedByteCount
            try store.write(content)
            #expect(try store.cool(content.hash, size: content.size))
            let stored = Double(store.packedByteCount - before)
            #expect(stored / Double(content.size) < share)
            #expect(try store.read(content) == content.bytes)
        }
    }

    @Test func theFlatTierKeepsToItsLimit() throws {
        let store = try ChunkStore(
            directory: directory.path, sizeLimitBytes: 1 << 30, hotLimitBytes: 0, log: quietLog)
        let contents = (0..<6).map { Content(random: 9 * block + $0, seed: UInt64($0 + 1)) }
        for content in contents { try store.write(content) }
        // The thread that cools is below everything else: on a busy machine it takes its time.
        for _ in 0..<3_000 where store.flatByteCount > 0 {
            store.flush()
            usleep(20_000)
        }
        #expect(store.flatByteCount == 0)
        #expect(store.counters.cooled.value == 6)
        for content in contents { #expect(try store.read(content) == content.bytes) }
        store.close()
    }

    @Test func flippedBitsInPacksAreFoundAndHealed() throws {
        let contents = (0..<8).map { Content(random: 3 * block + $0, seed: UInt64($0 + 1)) }
        do {
            let store = try openStore(directory.path)
            for content in contents { try store.write(content) }
            #expect(try store.coolAll() > 0)
            store.close()
        }
        var generator = SeededGenerator(seed: 3)
        let packs = filesInTree(directory.path + "/packs")
        #expect(packs.count == 1)
        var bytes = try contentsOfFile(packs[0])
        for _ in 0..<20 {
            let bit = Int.random(in: 4_096 * 8..<bytes.count * 8, using: &generator)
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        try writeFile(packs[0], bytes)
        let store = try openStore(directory.path)
        var missing = 0
        for content in contents {
            for start in stride(from: 0, to: content.bytes.count, by: 4_096) {
                let range = start..<min(start + 4_096, content.bytes.count)
                if let read = try store.read(content, range) {
                    #expect(read == Array(content.bytes[range]))
                } else {
                    missing += 1
                }
            }
            try store.write(content)
            #expect(try store.read(content) == content.bytes)
            #expect(try store.prove(content.hash, size: content.size))
            #expect(try store.cool(content.hash, size: content.size))
            #expect(try store.read(content) == content.bytes)
        }
        #expect(missing > 0)
        #expect(store.counters.checksumFailures.value > 0)
        store.close()
    }

    @Test(arguments: ["missing", "truncated", "swapped", "foreign", "foreign and damaged"])
    func packsThatAreNotWhatTheyShouldBe(what: String) throws {
        let contents = (0..<4).map { Content(random: 9 * block + $0, seed: UInt64($0 + 1)) }
        do {
            let store = try openStore(directory.path + "/a")
            for content in contents { try store.write(content) }
            _ = try store.coolAll()
            store.close()
        }
        let pack = filesInTree(directory.path + "/a/packs")[0]
        let bytes = try contentsOfFile(pack)
        switch what {
        case "missing": unlink(pack)
        case "truncated": try writeFile(pack, Array(bytes[..<(bytes.count / 2)]))
        case "swapped": try writeFile(pack, Array(bytes[..<4_096]) + Array(bytes[8_192...]))
        default:
            let other = try openStore(directory.path + "/b")
            for content in contents.reversed() { try other.write(content) }
            _ = try other.coolAll()
            other.close()
            try writeFile(pack, contentsOfFile(filesInTree(directory.path + "/b/packs")[0]))
            if what == "foreign and damaged" { try flipBit(pack, 20 * 8) }
        }
        let store = try openStore(directory.path + "/a")
        for content in contents {
            let read = try store.read(content)
            #expect(read == nil || read == content.bytes)
            try store.write(content)
            #expect(try store.read(content) == content.bytes)
            #expect(try store.prove(content.hash, size: content.size))
            #expect(try store.cool(content.hash, size: content.size))
            #expect(try store.read(content) == content.bytes)
        }
        store.close()
    }

    @Test func coolsWhatSharedRecordsThatAreRemovedMeanwhile() throws {
        let files = FailingFiles()
        let store = try openStore(directory.path, files: files)
        let first = Content(random: 24 * block + 7, seed: 1)
        try store.write(first)
        #expect(try store.cool(first.hash, size: first.size))
        let second = Content(first.bytes + [1])
        try store.write(second)
        store.flush()
        let isDropped = Lock(false)
        files.interrupt {
            store.drop(first.hash, size: first.size)
            isDropped.withLock { $0 = true }
        }
        #expect(try store.cool(second.hash, size: second.size))
        #expect(isDropped.withLock { $0 })
        #expect(try store.read(second) == second.bytes)
        #expect(store.flatByteCount == 0)
        store.drop(second.hash, size: second.size)
        #expect(store.usedByteCount == 0)
        store.close()
    }

    @Test func layoutsChangeUnderReadersAndWriters() throws {
        let store = try openStore(directory.path)
        let contents = (0..<3).map { Content(random: 24 * block + 7, seed: UInt64($0 + 1)) }
        let wrong = Counter()
        let failures = Counter()
        let missing = Counter()
        for content in contents { try store.write(content) }
        var threads: [OwnedThread] = []
        for number in 0..<6 {
            threads.append(
                OwnedThread {
                    var generator = SeededGenerator(seed: UInt64(number + 100))
                    for _ in 0..<100 {
                        guard let content = contents.randomElement(using: &generator) else {
                            return
                        }
                        let start = Int.random(in: 0..<content.bytes.count, using: &generator)
                        let end = min(content.bytes.count, start + 300_000)
                        do {
                            switch (number, generator.next() % 8) {
                            case (0, 0..<2):
                                _ = try store.cool(content.hash, size: content.size)
                            case (1, 0..<2):
                                _ = try store.warm(content.hash, size: content.size)
                            case (2, 0): store.drop(content.hash, size: content.size)
                            case (3, 0..<4): try store.write(content)
                            default:
                                guard let read = try store.read(content, start..<end) else {
                                    missing.add()
                                    continue
                                }
                                if read != Array(content.bytes[start..<end]) { wrong.add() }
                            }
                        } catch {
                            Issue.record("thread \(number): \(error)")
                            failures.add()
                        }
                    }
                })
        }
        for thread in threads { thread.join() }
        #expect(wrong.value == 0)
        #expect(failures.value == 0)
        #expect(store.counters.checksumFailures.value == 0)
        for content in contents {
            try store.write(content)
            #expect(try store.read(content) == content.bytes)
            #expect(try store.cool(content.hash, size: content.size))
        }
        #expect(store.flatByteCount == 0)
        store.close()
        let again = try openStore(directory.path)
        for content in contents {
            #expect(try again.read(content) == content.bytes)
            again.drop(content.hash, size: content.size)
        }
        #expect(again.usedByteCount == 0)
        #expect(filesInTree(directory.path + "/flat").isEmpty)
        again.close()
    }
}
