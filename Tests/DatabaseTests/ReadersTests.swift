// The pool of connections for reading, where none can be opened any more.

import Database
import Glibc
import Platform
import TestSupport
import Testing

@Suite struct ReadersTests {
    private let folder = TemporaryDirectory()
    private var path: String { folder.path + "/a.db" }

    private static func count(_ readers: DatabaseReaders) throws(DatabaseError) -> Int64? {
        try readers.withReader { (connection) throws(DatabaseError) in
            try connection.first("SELECT count(*) FROM t") { (row) throws(DatabaseError) in
                row.integer(0)
            }
        }
    }

    /// A file that is gone stands for descriptors that have run out.
    @Test(.timeLimit(.minutes(1)))
    func whoCannotOpenOneWaitsForOneThatIsOpen() throws {
        let connection = try Connection(path: path)
        try connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        let readers = DatabaseReaders(path: path)
        #expect(try ReadersTests.count(readers) == 1)
        let (isLent, mayEnd) = (Mailbox<Void>(), Mailbox<Void>())
        let holder = OwnedThread {
            try? readers.withReader { (_) throws(DatabaseError) in
                isLent.send(())
                _ = mayEnd.receive()
            }
        }
        _ = isLent.receive()
        #expect(rename(path, path + ".away") == 0)
        let counts = Mailbox<Int64?>()
        let others = (0..<3).map { _ in
            OwnedThread { counts.send((try? ReadersTests.count(readers)) ?? nil) }
        }
        #expect(counts.receive(until: .now + 0.1) == nil, "there was none to be had")
        mayEnd.send(())
        for _ in others { #expect(counts.receive() == 1) }
        for thread in others { thread.join() }
        holder.join()
        readers.close()
        // Where none is open there is nothing to wait for.
        #expect(throws: DatabaseError.self) { try ReadersTests.count(DatabaseReaders(path: path)) }
    }
}
