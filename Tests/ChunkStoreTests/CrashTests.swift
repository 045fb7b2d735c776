// SIGKILL at random moments, on a disk that loses what was not synchronized.
//
// A child process works on a cache and is killed; then the cache is opened again. Every byte is
// right or missing, a check finds nothing, what was committed is there. The number of rounds is
// small here; MODELFS_CRASH_ROUNDS=200 runs the long form.

import ChunkStore
import Glibc
import Hashing
import Telemetry
import TestSupport
import Testing

/// What the child does with the cache.
enum Workload: String, Codable, CaseIterable, Sendable {
    /// Fills and changes layouts; nothing is evicted, so what was committed has to be there.
    case filling
    /// Fills a cache that is too small, and drops contents.
    case evicting
}

@Suite(.serialized) struct CrashTests {
    private static let contentCount = 24

    static func content(_ number: Int) -> Content {
        var generator = SeededGenerator(seed: UInt64(number + 1))
        // Small ones, and some that share halves with their neighbours.
        if number % 3 == 0 { return Content(generator.bytes(200 + number * 999)) }
        var shared = SeededGenerator(seed: UInt64(1_000 + number / 4))
        return Content(shared.bytes(2 * block) + generator.bytes(block + number))
    }

    static var roundCount: Int {
        getenv("MODELFS_CRASH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 6
    }

    /// Works until it is killed.
    ///
    /// Lines of the journal: `<number>\n` when a content is committed.
    static func work(_ directory: String, _ seed: UInt64, _ workload: Workload) throws {
        var generator = SeededGenerator(seed: seed)
        let microseconds = UInt32.random(in: 1_000..<250_000, using: &generator)
        let limit: Int64 = workload == .evicting ? Int64(20 * block) : 1 << 40
        let store = try ChunkStore(
            directory: directory, sizeLimitBytes: limit, hotLimitBytes: limit / 4, log: quietLog,
            files: LossyFiles(seed: seed))
        let killer = OwnedThread {
            usleep(microseconds)
            kill(getpid(), SIGKILL)
        }
        let journal = open(directory + ".journal", O_WRONLY | O_APPEND | O_CREAT, 0o600)
        while true {
            let number = Int.random(in: 0..<contentCount, using: &generator)
            let content = content(number)
            switch generator.next() % 8 {
            case 0: _ = try store.cool(content.hash, size: content.size)
            case 1: _ = try? store.warm(content.hash, size: content.size)
            case 2 where workload == .evicting: store.drop(content.hash, size: content.size)
            case 3: _ = try? store.prove(content.hash, size: content.size)
            case 4:
                store.flush()
                if store.state(content).isComplete {
                    store.flush()
                    let line = "\(number)\n"
                    _ = line.withCString { write(journal, $0, strlen($0)) }
                }
            default:
                if content.size < 100_000 {
                    _ = try? store.writeProven(content.hash, content.bytes)
                } else {
                    let half = content.bytes.count / 2 / block * block
                    if generator.next() % 2 == 0 { try? store.write(content, 0..<half) }
                    try? store.write(content, half..<content.bytes.count)
                    if generator.next() % 2 == 0 { try? store.write(content) }
                }
            }
        }
        killer.join()
    }

    @Test(arguments: Workload.allCases) func nothingCommittedIsLost(workload: Workload) async throws
    {
        let directory = TemporaryDirectory()
        let path = directory.path + "/cache"
        for round in 0..<CrashTests.roundCount {
            let seed = UInt64(round * 2 + (workload == .filling ? 0 : 1) + 77)
            await #expect(processExitsWith: .signal(SIGKILL)) {
                [path = path as String, seed = seed as UInt64, workload = workload as Workload] in
                try CrashTests.work(path, seed, workload)
            }
            LossyFiles.recover(path)
            try check(path, workload, seed)
        }
    }

    private func check(_ path: String, _ workload: Workload, _ seed: UInt64) throws {
        let store = try openStore(path)
        defer { store.close() }
        let report = try store.verify()
        #expect(report.damaged.isEmpty, "seed \(seed)")
        for number in 0..<CrashTests.contentCount {
            let content = CrashTests.content(number)
            for start in stride(from: 0, to: content.bytes.count, by: block) {
                let range = start..<min(start + block, content.bytes.count)
                let read = try store.read(content, range)
                #expect(read == nil || read == Array(content.bytes[range]), "seed \(seed)")
            }
        }
        #expect(store.counters.checksumFailures.value == 0, "seed \(seed)")
        if workload == .evicting { return }
        let journal = (try? contentsOfFile(path + ".journal")) ?? []
        for line in String(decoding: journal, as: UTF8.self).split(separator: "\n") {
            guard let number = Int(line) else { continue }
            #expect(
                store.state(CrashTests.content(number)).isComplete, "seed \(seed), \(number)")
        }
    }
}
