// Many threads at once, a cache that is full, a disk that fails.

import ChunkStore
import Glibc
import Hashing
import Platform
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite struct PressureTests {
    let directory = TemporaryDirectory()

    @Test func readersAndWritersOfTheSameContents() throws {
        let store = try openStore(directory.path)
        let contents = (0..<4).map { Content(random: 16 * block + 7, seed: UInt64($0 + 1)) }
        let wrong = Counter()
        let failures = Counter()
        let missing = Counter()
        var threads: [OwnedThread] = []
        for number in 0..<8 {
            threads.append(
                OwnedThread {
                    var generator = SeededGenerator(seed: UInt64(number + 100))
                    for _ in 0..<150 {
                        guard let content = contents.randomElement(using: &generator) else {
                            return
                        }
                        let start = Int.random(in: 0..<17, using: &generator) * block
                        let end = min(
                            content.bytes.count,
                            start + Int.random(in: 1...4, using: &generator) * block)
                        do {
                            switch generator.next() % 16 {
                            case 0: store.drop(content.hash, size: content.size)
                            case 1..<8:
                                try store.write(content, start..<end)
                            default:
                                let bytes = try store.read(content, start..<end)
                                if bytes == nil { missing.add() }
                                if let bytes, bytes != Array(content.bytes[start..<end]) {
                                    wrong.add()
                                }
                            }
                        } catch {
                            failures.add()
                        }
                    }
                })
        }
        for thread in threads { thread.join() }
        #expect(wrong.value == 0)
        #expect(failures.value == 0)
        #expect(missing.value < 8 * 150)
        for content in contents {
            try store.write(content)
            #expect(try store.prove(content.hash, size: content.size))
        }
        #expect(store.flatByteCount == 4 * Int64(16 * block + 7))
        #expect(store.counters.checksumFailures.value == 0)
        store.close()
        let again = try openStore(directory.path)
        for content in contents { #expect(try again.read(content) == content.bytes) }
        #expect(filesInTree(directory.path + "/flat").count == 4)
        again.close()
    }

    @Test func whatCanBeHeldDependsOnPinsThatLieFlat() throws {
        let store = try openStore(directory.path, limit: Int64(4 * block))
        defer { store.close() }
        let pinned = Content(random: 3 * block, seed: 1)
        let other = Content(random: 2 * block, seed: 2)
        try store.write(pinned)
        store.flush()
        #expect(store.canHold(other.hash, size: other.size))
        try store.setPinned(pinned.hash, size: pinned.size, true)
        #expect(!store.canHold(other.hash, size: other.size))
        #expect(store.canHold(pinned.hash, size: pinned.size))
        try store.setPinned(pinned.hash, size: pinned.size, false)
        #expect(store.canHold(other.hash, size: other.size))
        #expect(!store.canHold(other.hash, size: Int64(5 * block)))
    }

    @Test func oneOfManyWritersOfABlockWrites() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 8 * block, seed: 1)
        var threads: [OwnedThread] = []
        let unread = Counter()
        for _ in 0..<6 {
            threads.append(
                OwnedThread {
                    try? store.write(content)
                    // Whoever wrote it, it is readable after the call.
                    if (try? store.read(content)) != content.bytes { unread.add() }
                })
        }
        for thread in threads { thread.join() }
        #expect(unread.value == 0)
        #expect(store.counters.writtenBytes.value == content.size)
    }

    @Test func theOldestContentsMakeRoom() throws {
        let limit = Int64(10 * block)
        let store = try openStore(directory.path, limit: limit)
        let contents = (0..<8).map { Content(random: 3 * block, seed: UInt64($0 + 1)) }
        for content in contents {
            try store.write(content)
            store.flush()
            #expect(store.usedByteCount <= limit)
        }
        #expect(store.counters.evictions.value >= 5)
        #expect(try store.read(contents[7]) == contents[7].bytes)
        #expect(try store.read(contents[0]) == nil)
        let huge = Content(random: 11 * block, seed: 99)
        #expect(throws: StoreError.full) { try store.write(huge) }
        store.close()
    }

    /// Writes as the fetcher does, which tries again where all that could go is being packed.
    private static func writes(_ content: Content, to store: ChunkStore) -> Bool {
        for _ in 0..<20 {
            do {
                try store.write(content)
                return true
            } catch {
                usleep(20_000)
            }
        }
        return false
    }

    @Test func theLimitHoldsUnderFullWriteLoad() throws {
        let limit = Int64(400 * block)
        let store = try ChunkStore(
            directory: directory.path, sizeLimitBytes: limit, hotLimitBytes: limit / 4,
            log: quietLog)
        let path = directory.path
        let isDone = Atomic<Bool>(false)
        let sampler = Samples()
        let failures = Counter()
        let watch = OwnedThread {
            while !isDone.load(ordering: .relaxed) {
                sampler.add(store.usedByteCount, allocatedByteCount(path))
                usleep(5_000)
            }
        }
        var threads: [OwnedThread] = []
        for number in 0..<4 {
            threads.append(
                OwnedThread {
                    for round in 0..<40 {
                        let content = Content(
                            random: (10 + round % 7) * block, seed: UInt64(number * 100 + round))
                        if !PressureTests.writes(content, to: store) { failures.add() }
                        if round % 5 == 0 {
                            _ = try? store.cool(content.hash, size: content.size)
                        }
                    }
                })
        }
        for thread in threads { thread.join() }
        isDone.store(true, ordering: .relaxed)
        watch.join()
        #expect(failures.value == 0)
        #expect(sampler.used <= limit + limit / 100)
        // The index, its log (of 4 MiB), and bytes on their way into packs come on top.
        #expect(sampler.allocated <= limit + limit / 10 + (4 << 20))
        #expect(sampler.used > limit / 2)
        store.close()
    }

    @Test func aFileLargerThanTheCacheIsCachedInPart() throws {
        let store = try openStore(directory.path, limit: Int64(4 * block))
        defer { store.close() }
        let content = Content(random: 9 * block, seed: 1)
        var failures = 0
        for start in stride(from: 0, to: content.bytes.count, by: block) {
            do { try store.write(content, start..<start + block) } catch { failures += 1 }
        }
        #expect(failures == 5)
        let cached = try (0..<9).filter {
            try store.read(content, $0 * block..<($0 + 1) * block) != nil
        }
        #expect(cached == [0, 1, 2, 3])
        #expect(store.usedByteCount <= Int64(4 * block))
    }

    @Test func aFailingDiskIsAnErrorAndNothingWorse() throws {
        let files = FailingFiles()
        let store = try openStore(directory.path, files: files)
        let content = Content(random: 4 * block, seed: 1)
        try store.write(content, 0..<block)
        files.fail(.write, with: .noSpace)
        #expect(throws: StoreError.full) { try store.write(content, block..<2 * block) }
        files.fail(.write, with: .inputOutput)
        #expect(throws: StoreError.disk(.inputOutput)) {
            try store.write(content, block..<2 * block)
        }
        files.fail(nil, with: .inputOutput)
        #expect(try store.read(content, 0..<block) == Array(content.bytes[..<block]))
        try store.write(content)
        // What could not be written back is not believed to be there.
        files.fail(.synchronize, with: .inputOutput)
        store.flush()
        files.fail(nil, with: .inputOutput)
        #expect(try store.read(content) == nil)
        try store.write(content)
        files.fail(.read, with: .inputOutput)
        #expect(try store.read(content, 0..<10) == nil)
        files.fail(nil, with: .inputOutput)
        #expect(store.missing(content) == [0..<Int64(block)])
        store.close()
    }

    @Test(arguments: [Errno.tooManyDescriptors, .tooManyOpenFiles, .outOfMemory])
    func whatIsLackingForAMomentDamagesNothing(error: Errno) throws {
        // One that is stored as it is, and one that is coded.
        let contents = [
            Content(random: 700_000, seed: 9),
            Content((0..<700_000).map { UInt8(truncatingIfNeeded: $0 / 64) }),
        ]
        let files = FailingFiles()
        let store = try openStore(directory.path, files: files)
        defer { store.close() }
        for content in contents {
            try store.write(content)
            #expect(try store.cool(content.hash, size: content.size))
        }
        files.fail(.read, with: error)
        for content in contents {
            let outcome = Result { try store.read(content) == nil }
            #expect(throws: StoreError.disk(error)) { try outcome.get() }
        }
        files.fail(nil, with: error)
        for content in contents {
            #expect(try store.read(content) == content.bytes)
            #expect(store.missing(content).isEmpty)
        }
    }

    @Test func aReadOnlyDirectoryIsRefused() {
        #expect(throws: StoreError.self) { try openStore(directory.path + "/no/where") }
    }
}

/// The most that was seen.
private final class Samples: Sendable {
    private let most = Lock<(used: Int64, allocated: Int64)>((0, 0))

    func add(_ used: Int64, _ allocated: Int64) {
        most.withLock { $0 = (max($0.used, used), max($0.allocated, allocated)) }
    }

    var used: Int64 { most.withLock { $0.used } }
    var allocated: Int64 { most.withLock { $0.allocated } }
}

/// Bytes that the contents below a folder take on the disk, without the index.
private func allocatedByteCount(_ folder: String) -> Int64 {
    filesInTree(folder).filter { !$0.contains("store.db") }.reduce(0) { sum, path in
        var status = stat()
        return stat(path, &status) == 0 ? sum + Int64(status.st_blocks) * 512 : sum
    }
}

/// Real files, with one kind of operation that fails.
final class FailingFiles: StoreFiles {
    enum Operation { case read, write, synchronize, punch }

    private let failing = Lock<(Operation, Errno)?>(nil)
    private let interruption = Lock<(@Sendable () -> Void)?>(nil)
    private let disk = DiskFiles()

    /// Has something happen when the next file is synchronized.
    func interrupt(_ body: @escaping @Sendable () -> Void) { interruption.withLock { $0 = body } }

    func beginSynchronizing() throws(Errno) {
        if let body = interruption.withLock({ $0.take() }) { body() }
        try check(.synchronize)
    }

    func fail(_ operation: Operation?, with error: Errno) {
        failing.withLock { $0 = operation.map { ($0, error) } }
    }

    func check(_ operation: Operation) throws(Errno) {
        if let (failed, error) = failing.withLock({ $0 }), failed == operation { throw error }
    }

    func makeDirectory(_ path: String) throws(Errno) { try disk.makeDirectory(path) }
    func lock(_ path: String) throws(Errno) -> any StoreFile { try disk.lock(path) }
    func remove(_ path: String) throws(Errno) { try disk.remove(path) }
    func names(in directory: String) throws(Errno) -> [String] { try disk.names(in: directory) }
    func synchronizeDirectory(_ path: String) throws(Errno) { try check(.synchronize) }
    func rename(_ path: String, to target: String) throws(Errno) {
        try disk.rename(path, to: target)
    }

    func open(_ path: String, create: Bool) throws(Errno) -> any StoreFile {
        FailingFile(try disk.open(path, create: create), self)
    }
}

private final class FailingFile: StoreFile {
    private let file: any StoreFile
    private let files: FailingFiles

    init(_ file: any StoreFile, _ files: FailingFiles) {
        self.file = file
        self.files = files
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
        try files.check(.read)
        return try file.read(into: buffer, at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        try files.check(.write)
        try file.write(bytes, at: offset)
    }

    func synchronizeData() throws(Errno) { try files.beginSynchronizing() }
    func size() throws(Errno) -> Int64 { try file.size() }
    func truncate(to size: Int64) throws(Errno) { try file.truncate(to: size) }
    func duplicate() throws(Errno) -> FileDescriptor { try file.duplicate() }
    func allocatedByteCount() throws(Errno) -> Int64 { try file.allocatedByteCount() }
    func punchHole(at offset: Int64, byteCount: Int64) throws(Errno) {
        try files.check(.punch)
        try file.punchHole(at: offset, byteCount: byteCount)
    }
}
