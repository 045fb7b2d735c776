// Bytes: right whatever happens on the way, fetched once, and nothing but an error when they cannot
// be right.

import Catalog
import ChunkStore
import Fetching
import FileSystem
import Glibc
import HubAPI
import Platform
import ScriptedServer
import Synchronization
import Telemetry
import TestSupport
import Testing

@Suite struct ReadingTests {
    let bench: TreeBench
    static let large = randomBytes(5_000_000, seed: 11)
    static let small = randomBytes(300_000, seed: 12)

    init() throws {
        bench = try TreeBench()
        bench.hub.commit(
            "models/org/name", "a",
            [
                "large": ReadingTests.large, "small": ReadingTests.small, "text": [0x7b, 0x7d],
                "empty": [],
            ])
    }

    private func node(_ name: String) throws -> NodeID {
        try bench.stack().node("models/org/name@main/\(name)")
    }

    private var contentRequests: Int { bench.hub.contentRequestCount }

    /// What has come of contents, once it is as much as expected or five seconds are over: a
    /// reader is answered when its own bytes are there, which the answer may have more behind.
    private func fetchedByteCount(_ stack: TreeStack, expected: Int64) -> Int64 {
        let start = MonotonicInstant.now
        while stack.hub.counters.contentBytes.value < expected,
            MonotonicInstant.now.seconds(since: start) < 5
        {
            sleep(seconds: 0.005)
        }
        return stack.hub.counters.contentBytes.value
    }

    @Test func everyRangeIsRight() throws {
        let stack = try bench.stack()
        let file = try node("large")
        let size = Int64(ReadingTests.large.count)
        var random = SeededGenerator(seed: 3)
        for _ in 0..<60 {
            let start = Int64.random(in: 0..<size, using: &random)
            let end = min(size, start + Int64.random(in: 1...400_000, using: &random))
            expectSame(
                try stack.read(file, start..<end),
                Array(ReadingTests.large[Int(start)..<Int(end)]))
        }
        #expect(try stack.read(file, size..<size + 10) == [])
        #expect(try stack.read(file, size - 3..<size + 10).count == 3)
        expectSame(try stack.read("models/org/name/large"), ReadingTests.large)
        #expect(try stack.read("models/org/name/empty") == [])
        #expect(throws: FileSystemError.isDirectory) {
            try stack.read(try stack.node("models/org/name"), 0..<1)
        }
    }

    @Test func onlyWhatIsTouchedIsFetched() throws {
        let stack = try bench.stack()
        _ = try stack.read(try node("large"), 2_000_000..<2_000_010)
        #expect(fetchedByteCount(stack, expected: 131_072) == 131_072)
        #expect(contentRequests == 1)
        _ = try stack.read(try node("large"), 2_000_000..<2_000_010)
        #expect(contentRequests == 1)
    }

    @Test func manyReadersFetchOnce() throws {
        let stack = try bench.stack()
        let files = try [node("large"), node("small")]
        let wrong = Lock(0)
        let threads = (0..<12).map { index in
            OwnedThread {
                let whole = index % 2 == 0 ? ReadingTests.large : ReadingTests.small
                let bytes = try? stack.read(files[index % 2], 0..<Int64(whole.count))
                if bytes != whole { wrong.withLock { $0 += 1 } }
            }
        }
        for thread in threads { thread.join() }
        #expect(wrong.withLock { $0 } == 0)
        #expect(contentRequests == 2)
        let whole = Int64(ReadingTests.large.count + ReadingTests.small.count)
        #expect(fetchedByteCount(stack, expected: whole) == whole)
    }

    @Test func aSmallFileIsProvenBeforeItIsServed() throws {
        let stack = try bench.stack()
        bench.hub.change { $0.contentFaults = [.flip, .flip] }
        expectSame(try stack.read("models/org/name/small"), ReadingTests.small)
        #expect(contentRequests == 3)
        #expect(stack.fetcher.damagedContentCount == 2)
        #expect(try stack.attribute(try node("small"), "verified").hasPrefix("yes"))
    }

    @Test func aFileThatIsAlwaysWrongIsAnErrorSoon() throws {
        let stack = try bench.stack()
        bench.hub.change { $0.contentFaults = Array(repeating: .flip, count: 50) }
        let start = MonotonicInstant.now
        #expect(throws: FileSystemError.unavailable) { try stack.read(try node("small"), 0..<9) }
        #expect(throws: FileSystemError.unavailable) { try stack.read(try node("text"), 0..<2) }
        #expect(MonotonicInstant.now.seconds(since: start) < 15)
        #expect(contentRequests <= 8)
        bench.hub.change { $0.contentFaults = [] }
        sleep(seconds: 2.2)
        #expect(try stack.read(try node("text"), 0..<2) == [0x7b, 0x7d])
    }

    /// A large file is served as it comes; when it is complete and wrong, it is dropped.
    @Test func aLargeFileThatIsWrongIsFetchedAgain() throws {
        let stack = try bench.stack()
        let told = Mailbox<Bool>()
        stack.fetcher.observeDamage { _, _ in told.send(true) }
        bench.hub.change { $0.contentFaults = [.flip] }
        let first = try stack.read("models/org/name/large")
        let isWrong = first != ReadingTests.large
        #expect(isWrong, "the fault was not seen")
        #expect(told.receive(until: .now + 10) == true)
        sleep(seconds: 0.1)
        expectSame(try stack.read("models/org/name/large"), ReadingTests.large)
        #expect(stack.fetcher.damagedContentCount == 1)
    }

    @Test func answersThatBreakOffAreGoneOnFrom() throws {
        let stack = try bench.stack()
        let cut: @Sendable ([UInt8]) -> [ScriptStep] = { bytes in
            let head = "HTTP/1.1 200 OK\r\nContent-Length: \(bytes.count)\r\n\r\n"
            return [.text(head), .bytes(Array(bytes.prefix(bytes.count / 2))), .close]
        }
        bench.hub.change { $0.contentFaults = [.steps(cut), .status(503)] }
        expectSame(try stack.read("models/org/name/large"), ReadingTests.large)
        let fetched = stack.hub.counters.contentBytes.value
        #expect(fetched < Int64(ReadingTests.large.count) * 5 / 4, "what had come was kept")
    }

    @Test func sizesThatLieAreErrorsWithinTheDeadline() throws {
        bench.hub.commit(
            "models/org/liar", "b", [:],
            extra: [
                """
                {"type": "file", "path": "lie", "oid": "\(SmallHub.id("e"))", "size": 700}
                """
            ])
        bench.hub.edit("models/org/liar") { repository in
            // The listing says 700 bytes; what is sent are 5.
            repository.commits[SmallHub.id("b")]?.files = ["lie": [1, 2, 3, 4, 5]]
        }
        bench.options.fetch.readDeadlineSeconds = 6
        let stack = try bench.stack()
        let folder = try stack.node("models/org/liar@main")
        let start = MonotonicInstant.now
        let names = try stack.entries(folder, withAttributes: true)
        for entry in names {
            guard let found = entry.entry?.attributes, found.sizeBytes == 700 else { continue }
            #expect(throws: FileSystemError.unavailable) { try stack.read(found.node, 0..<700) }
        }
        #expect(MonotonicInstant.now.seconds(since: start) < 15)
    }

    @Test func contentThatIsGoneIsAnErrorAndNotAMissingFile() throws {
        let stack = try bench.stack()
        let file = try node("text")
        bench.hub.change { $0.contentFaults = Array(repeating: .status(404), count: 20) }
        #expect(throws: FileSystemError.unavailable) { try stack.read(file, 0..<2) }
    }

    @Test func equalBytesComeFromWhereTheyMayBeRead() throws {
        bench.hub.commit("models/org/copy", "c", ["elsewhere": ReadingTests.small])
        let stack = try bench.stack()
        let file = try node("small")
        #expect(try stack.node("models/org/copy@main/elsewhere") == file)
        // The newer place is asked first; it is closed by now.
        bench.hub.edit("models/org/name") { $0.isGated = true }
        expectSame(try stack.read(file, 0..<Int64(ReadingTests.small.count)), ReadingTests.small)
        #expect(contentRequests == 2)
    }

    @Test func readingInOrderIsReadAhead() throws {
        bench.options.fetch.prefetch = .auto
        let stack = try bench.stack()
        let file = try node("large")
        var position: Int64 = 0
        while position < Int64(ReadingTests.large.count) {
            let bytes = try stack.read(file, position..<position + 65_536)
            expectSame(bytes, Array(ReadingTests.large[Int(position)...].prefix(65_536)))
            position += 65_536
        }
        #expect(contentRequests < 12, "\(contentRequests) requests for 77 reads")
        let whole = Int64(ReadingTests.large.count)
        #expect(fetchedByteCount(stack, expected: whole) == whole)
    }

    @Test func whatIsEvictedIsFetchedAgain() throws {
        bench.options.storeByteCountMax = 2_000_000
        let stack = try bench.stack()
        for _ in 0..<2 {
            expectSame(try stack.read("models/org/name/large"), ReadingTests.large)
            expectSame(try stack.read("models/org/name/small"), ReadingTests.small)
        }
    }

    /// With a disk that takes nothing, or sometimes something, bytes come from the network.
    @Test(arguments: [1, 3])
    func aDiskThatIsFullKeepsNobodyFromReading(everyWrite: Int) throws {
        bench.options.files = FullDisk(everyWrite: everyWrite)
        bench.options.fetch.prefetch = .auto
        let stack = try bench.stack()
        expectSame(try stack.read("models/org/name/large"), ReadingTests.large)
        expectSame(try stack.read("models/org/name/small"), ReadingTests.small)
        expectSame(
            try stack.read(try node("large"), 100_000..<900_000),
            Array(ReadingTests.large[100_000..<900_000]))
    }

    @Test func progressTellsWhatIsUnderWay() throws {
        let stack = try bench.stack()
        let file = try node("large")
        bench.hub.change { $0.contentFaults = [.steps { _ in [.gate] }] }
        let answers = Mailbox<Bool>()
        let operation = Operation(stack.tree) { context in
            readAttempt(stack.tree, file, 0..<10, context)
        } answer: { (_: Result<[UInt8], FileSystemError>) in
            answers.send(true)
        }
        operation.start()
        let progress = stack.fetcher.progress
        #expect(progress.count == 1)
        #expect(progress.first?.name == "models/org/name/large")
        #expect(progress.first?.waiterCount == 1)
        #expect(progress.first?.underWayBytes == 131_072)
        operation.interrupt()
        #expect(answers.receive(until: .now + 5) == true)
        #expect(stack.fetcher.progress.first?.waiterCount == 0)
        bench.hub.openGate()
    }
}

/// A disk on which every so many writes of contents fail.
private final class FullDisk: StoreFiles, Sendable {
    private let disk = DiskFiles()
    private let everyWrite: Int

    init(everyWrite: Int) {
        self.everyWrite = everyWrite
    }

    func makeDirectory(_ path: String) throws(Errno) { try disk.makeDirectory(path) }
    func open(_ path: String, create: Bool) throws(Errno) -> any StoreFile {
        FullFile(try disk.open(path, create: create), everyWrite)
    }
    func lock(_ path: String) throws(Errno) -> any StoreFile { try disk.lock(path) }
    func remove(_ path: String) throws(Errno) { try disk.remove(path) }
    func rename(_ path: String, to target: String) throws(Errno) {
        try disk.rename(path, to: target)
    }
    func names(in directory: String) throws(Errno) -> [String] { try disk.names(in: directory) }
    func synchronizeDirectory(_ path: String) throws(Errno) {
        try disk.synchronizeDirectory(path)
    }
}

private final class FullFile: StoreFile, Sendable {
    private let file: any StoreFile
    private let everyWrite: Int
    private let writeCount = Lock(0)

    init(_ file: any StoreFile, _ everyWrite: Int) {
        self.file = file
        self.everyWrite = everyWrite
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
        try file.read(into: buffer, at: offset)
    }
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        let count = writeCount.withLock { count in
            count += 1
            return count
        }
        if count % everyWrite == 0 { throw Errno(ENOSPC) }
        try file.write(bytes, at: offset)
    }
    func size() throws(Errno) -> Int64 { try file.size() }
    func allocatedByteCount() throws(Errno) -> Int64 { try file.allocatedByteCount() }
    func truncate(to size: Int64) throws(Errno) { try file.truncate(to: size) }
    func synchronizeData() throws(Errno) { try file.synchronizeData() }
    func punchHole(at offset: Int64, byteCount: Int64) throws(Errno) {
        try file.punchHole(at: offset, byteCount: byteCount)
    }
    func duplicate() throws(Errno) -> FileDescriptor { try file.duplicate() }
}
