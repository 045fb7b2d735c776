// One connection: values, statements, transactions, schema steps.

import Database
import TestSupport
import Testing

@Suite struct ConnectionTests {
    @Test func valuesComeBackAsTheyWent() throws {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE t (a, b, c, d, e, f)")
        try connection.run(
            "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)",
            [.null, .integer(.min), .text("a\0ü"), .blob([0, 255]), .text(""), .blob([])])
        #expect(connection.changes == 1)
        #expect(connection.lastInsertID == 1)
        var count = 0
        try connection.query("SELECT * FROM t") { (row) throws(DatabaseError) in
            count += 1
            #expect(row.isNull(0) && row.optionalInteger(0) == nil)
            #expect(row.integer(1) == .min)
            #expect(row.text(2) == "a\0ü")
            #expect(row.blob(3) == [0, 255])
            #expect(row.bytes(3).byteCount == 2)
            #expect(row.optionalText(4) == "")
            #expect(row.optionalBlob(5) == [])
        }
        #expect(count == 1)
    }

    @Test func aRowMayRunTheSameStatement() throws {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)")
        var depths = 0
        func descend(_ depth: Int) throws(DatabaseError) {
            if depth == 3 { return }
            try connection.query("SELECT a FROM t") { (row) throws(DatabaseError) in
                depths += 1
                try descend(depth + 1)
            }
        }
        try descend(0)
        #expect(depths == 3 + 9 + 27)
    }

    @Test func transactionsAreAllOrNothing() throws {
        let connection = try Connection(path: ":memory:")
        try connection.execute("CREATE TABLE t (a UNIQUE)")
        try connection.transaction { () throws(DatabaseError) in
            try connection.run("INSERT INTO t VALUES (1)")
            // The inner one is undone alone.
            #expect(throws: DatabaseError.self) {
                try connection.transaction { () throws(DatabaseError) in
                    try connection.run("INSERT INTO t VALUES (2)")
                    try connection.run("INSERT INTO t VALUES (1)")
                }
            }
        }
        #expect(throws: DatabaseError.full) {
            try connection.transaction { () throws(DatabaseError) in
                try connection.run("INSERT INTO t VALUES (3)")
                throw .full
            }
        }
        let sum = try connection.first("SELECT sum(a) FROM t") { (row) throws(DatabaseError) in
            row.integer(0)
        }
        #expect(sum == 1)
        #expect(!connection.isInTransaction)
    }

    @Test func schemaStepsAreTakenOnceAndNewerOnesRefused() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/a.db"
        let steps: [SchemaStep] = ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE c (x)"]
        do {
            let connection = try Connection(path: path)
            try connection.migrate([steps[0]])
            try connection.migrate(steps)
            try connection.migrate(steps)
            #expect(try connection.schemaVersion() == 2)
            #expect(try connection.integrityQuickCheck())
        }
        let connection = try Connection(path: path)
        #expect(throws: DatabaseError.newerVersion(found: 2, known: 1)) {
            try connection.migrate([steps[0]])
        }
    }

    @Test func tablesOfAnotherMakingAreRefused() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/a.db"
        let step: SchemaStep = "CREATE TABLE a (x, y); CREATE INDEX by_x ON a (x)"
        let commented: SchemaStep = """
            CREATE TABLE a (x,      -- the first
                y);
            CREATE INDEX by_x ON a (x)
            """
        try Connection(path: path).migrate([step])
        try Connection(path: path).migrate([commented, "CREATE TABLE b (z)"])
        for change in [
            "ALTER TABLE a RENAME COLUMN y TO negated", "DROP INDEX by_x", "CREATE TABLE c (x)",
            "PRAGMA user_version = 1", "PRAGMA user_version = 0",
        ] {
            let changed = path + ".changed"
            try writeFile(changed, contentsOfFile(path))
            let connection = try Connection(path: changed)
            try connection.execute(change)
            #expect(throws: DatabaseError.otherSchema) {
                try connection.migrate([step, "CREATE TABLE b (z)"])
            }
            #expect(DatabaseError.otherSchema.meansDamaged)
        }
    }

    @Test func aFileThatIsNoDatabaseIsCorrupt() throws {
        let directory = TemporaryDirectory()
        let path = directory.path + "/a.db"
        let text = String(repeating: "no database ", count: 1000)
        try writeFile(path, Array(text.utf8))
        #expect(throws: DatabaseError.corrupt) { try Connection(path: path) }
        #expect(throws: DatabaseError.self) { try Connection(path: directory.path + "/x/y") }
    }
}
