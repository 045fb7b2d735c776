// Transactions and savepoints: all of a body, or nothing of it.

extension Connection {
    /// Runs `body` in a transaction that takes the write lock at once; undone if it throws.
    ///
    /// Within a transaction that is already open, it is a savepoint of that one.
    package func transaction<Result>(
        _ body: () throws(DatabaseError) -> Result
    ) throws(DatabaseError) -> Result {
        if isInTransaction { return try savepoint(body) }
        try run("BEGIN IMMEDIATE")
        do throws(DatabaseError) {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            // SQLite itself may have rolled back, as on a full disk.
            if isInTransaction { try? run("ROLLBACK") }
            throw error
        }
    }

    /// Runs `body` on one state of the database, whatever the writer does meanwhile.
    package func snapshot<Result>(
        _ body: () throws(DatabaseError) -> Result
    ) throws(DatabaseError) -> Result {
        if isInTransaction { return try body() }
        try run("BEGIN")
        defer { if isInTransaction { try? run("COMMIT") } }
        return try body()
    }

    private func savepoint<Result>(
        _ body: () throws(DatabaseError) -> Result
    ) throws(DatabaseError) -> Result {
        try run("SAVEPOINT inner")
        do throws(DatabaseError) {
            let result = try body()
            try run("RELEASE inner")
            return result
        } catch {
            if isInTransaction {
                try? run("ROLLBACK TO inner")
                try? run("RELEASE inner")
            }
            throw error
        }
    }
}
