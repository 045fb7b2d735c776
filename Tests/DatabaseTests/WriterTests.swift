// The writer's groups, and readers beside it.

import Database
import Glibc
import Platform
import TestSupport
import Testing

@Suite struct WriterTests {
    let directory = TemporaryDirectory()
    var path: String { directory.path + "/a.db" }

    func count(_ readers: DatabaseReaders) throws -> Int64? {
        try readers.withReader { (connection) throws(DatabaseError) in
            try connection.first("SELECT count(*) FROM t") { (row) throws(DatabaseError) in
                row.integer(0)
            }
        }
    }

    @Test func jobsAreCommittedInGroupsAndAFailingOneFallsAlone() throws {
        let writer = try DatabaseWriter(path: path, schema: ["CREATE TABLE t (a UNIQUE)"])
        let failures = Counter()
        for number in 0..<5_000 {
            writer.submit { (connection) throws(DatabaseError) in
                try connection.run("INSERT INTO t VALUES (?)", [.integer(Int64(number))])
                if number % 100 == 99 {
                    // Undone with its first statement.
                    try connection.run("INSERT INTO t VALUES (0)")
                }
            } completion: { error in
                if error != nil { failures.add() }
            }
        }
        writer.flush()
        let readers = DatabaseReaders(path: path)
        #expect(try count(readers) == 4_950)
        #expect(failures.value == 50)
        writer.close()
        #expect(!writer.submit { (_) throws(DatabaseError) in })
        #expect(throws: DatabaseError.closed) {
            try writer.perform { (_) throws(DatabaseError) in 1 }
        }
    }

    @Test func performReturnsWhatItsJobReturned() throws {
        let writer = try DatabaseWriter(path: path, schema: ["CREATE TABLE t (a UNIQUE)"])
        defer { writer.close() }
        let start = MonotonicInstant.now
        for number in 0..<20 {
            let id = try writer.perform { (connection) throws(DatabaseError) -> Int64 in
                try connection.run("INSERT INTO t VALUES (?)", [.integer(Int64(number))])
                return connection.lastInsertID
            }
            #expect(id == Int64(number + 1))
        }
        // Nobody waits for a group's time to be over.
        #expect(MonotonicInstant.now.seconds(since: start) < 20 * DatabaseWriter.groupSeconds)
        #expect(throws: DatabaseError.self) {
            try writer.perform { (connection) throws(DatabaseError) in
                try connection.run("INSERT INTO t VALUES (1)")
            }
        }
        #expect(MonotonicInstant.now.seconds(since: writer.heartbeat) < 5)
    }

    @Test func whatWasSubmittedBeforeClosingIsThereAfterReopening() throws {
        for round in 0..<3 {
            let writer = try DatabaseWriter(path: path, schema: ["CREATE TABLE t (a)"])
            for _ in 0..<10 {
                writer.submit { (connection) throws(DatabaseError) in
                    try connection.run("INSERT INTO t VALUES (1)")
                }
            }
            writer.close()
            #expect(try count(DatabaseReaders(path: path)) == Int64(10 * (round + 1)))
        }
    }

    @Test func readersSeeWholeTransactionsWhileTheWriterWrites() throws {
        let writer = try DatabaseWriter(path: path, schema: ["CREATE TABLE t (a)"])
        let readers = DatabaseReaders(path: path)
        let odd = Counter()
        let reads = Counter()
        let path = path
        var threads: [OwnedThread] = []
        for _ in 0..<12 {
            threads.append(
                OwnedThread {
                    for _ in 0..<200 {
                        let count = try? readers.withReader { (connection) throws(DatabaseError) in
                            try connection.first("SELECT count(*) FROM t") {
                                (row) throws(DatabaseError) in row.integer(0)
                            }
                        }
                        if let count { if count % 2 == 1 { odd.add() } else { reads.add() } }
                    }
                })
        }
        for _ in 0..<300 {
            writer.submit { (connection) throws(DatabaseError) in
                try connection.run("INSERT INTO t VALUES (1)")
                try connection.run("INSERT INTO t VALUES (1)")
            }
        }
        for thread in threads { thread.join() }
        writer.close()
        #expect(odd.value == 0)
        #expect(reads.value == 12 * 200)
        #expect(access(path, F_OK) == 0)
    }

    @Test func writesToNoPlaceAreAnError() {
        #expect(throws: DatabaseError.self) {
            _ = try DatabaseWriter(path: directory.path + "/no/a.db", schema: [])
        }
    }
}

/// A counter for tests.
final class Counter: Sendable {
    private let total = Lock(0)
    func add() { total.withLock { $0 += 1 } }
    var value: Int { total.withLock { $0 } }
}
