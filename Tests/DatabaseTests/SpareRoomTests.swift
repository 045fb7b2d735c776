// Room that is held for a database, and given up once.

import Glibc
import Platform
import TestSupport
import Testing

@testable import Database

@Suite struct SpareRoomTests {
    let directory = TemporaryDirectory()
    var database: String { directory.path + "/a.db" }

    func heldByteCount() -> Int64 {
        var status = stat()
        return stat(database + "-room", &status) == 0 ? Int64(status.st_blocks) * 512 : 0
    }

    @Test func itIsTakenGivenAndTakenAgainLater() {
        let start = MonotonicInstant.now
        var room = SpareRoom(for: database)
        var isGiven = room.give(at: start)
        #expect(!isGiven)
        room.take(at: start)
        #expect(heldByteCount() >= SpareRoom.byteCount)
        isGiven = room.give(at: start + 1)
        #expect(isGiven)
        #expect(heldByteCount() == 0)
        isGiven = room.give(at: start + 1)
        #expect(!isGiven)
        // Whoever filled the disk may be about to go on.
        room.take(at: start + 2)
        #expect(heldByteCount() == 0)
        room.take(at: start + 60)
        #expect(heldByteCount() >= SpareRoom.byteCount)
    }

    @Test func whatAnEarlierProcessTookIsHeld() {
        var first = SpareRoom(for: database)
        first.take(at: .now)
        var second = SpareRoom(for: database)
        second.take(at: .now)
        let isGiven = second.give(at: .now)
        #expect(isGiven)
        #expect(heldByteCount() == 0)
    }

    @Test func aWriterHoldsItOnlyWhereItIsAskedTo() throws {
        for keepsRoom in [true, false] {
            let writer = try DatabaseWriter(
                path: database, schema: ["CREATE TABLE t (a)"], keepsRoom: keepsRoom)
            try writer.perform { (connection) throws(DatabaseError) in
                try connection.run("INSERT INTO t VALUES (1)")
            }
            writer.close()
            #expect((heldByteCount() > 0) == keepsRoom)
            _ = unlink(database + "-room")
        }
    }
}
