// A connection to one SQLite database, with its prepared statements.
//
// Owns the handle and the statements. Assumes one thread at a time: `DatabaseWriter` and
// `DatabaseReaders` see to that. Files are in WAL mode, so readers never wait for the writer, and a
// commit costs no fsync unless it is asked for: a loss of power may undo the last commits, never
// half of one. Memory mapping is off, since a failing disk under a mapping is a signal, and here it
// has to be an error.

internal import CSQLite3

/// A connection to a database.
///
/// One thread at a time.
@safe
package final class Connection {
    /// What a connection may do.
    package enum Access: Sendable {
        /// Reads and writes; the file is created if it is missing.
        case readWrite
        /// Reads only, beside a writer of the same process or another one.
        case readOnly
    }

    /// What a loss of power may undo.
    package enum Durability: String, Sendable {
        /// The last commits, down to the last checkpoint; a killed process loses nothing.
        case checkpoint = "NORMAL"
        /// Nothing that was committed: each commit waits for the disk.
        case commit = "FULL"
    }

    /// Statements kept prepared; each takes about 5 KiB, so 128 are under 1 MiB a connection.
    package static let statementCountMax = 128
    /// How long a lock of another process is waited for.
    package static let busyTimeoutMilliseconds: Int32 = 5_000
    /// Page cache of a connection that writes, in KiB.
    package static let pageCacheKiB = 2_048
    /// The write-ahead log is cut back to this many bytes after a checkpoint.
    package static let logByteCountMax = 16 << 20

    private let handle: OpaquePointer
    private var statements: [StatementKey: Statement] = [:]
    private var uses: UInt64 = 0

    /// Opens a database file, or a private one in memory for `":memory:"`.
    ///
    /// - Parameter vfs: the name of the SQLite VFS that does the file's I/O; the system's if nil.
    package init(
        path: String, access: Access = .readWrite, durability: Durability = .checkpoint,
        pageCacheKiB: Int = Connection.pageCacheKiB, vfs: String? = nil
    ) throws(DatabaseError) {
        var opened: OpaquePointer?
        let flags =
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let status = unsafe sqlite3_open_v2(
            path, &opened, access == .readWrite ? flags | SQLITE_OPEN_CREATE : flags, vfs)
        guard status == SQLITE_OK, let opened = unsafe opened else {
            unsafe sqlite3_close_v2(opened)
            throw .cannotOpen(path: path, code: status)
        }
        unsafe handle = opened
        unsafe sqlite3_busy_timeout(opened, Connection.busyTimeoutMilliseconds)
        try configure(access, durability, pageCacheKiB)
    }

    deinit {
        statements.removeAll()
        unsafe sqlite3_close_v2(handle)
    }

    private func configure(
        _ access: Access, _ durability: Durability, _ pageCacheKiB: Int
    ) throws(DatabaseError) {
        try execute(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = \(durability.rawValue);
            PRAGMA foreign_keys = OFF;
            PRAGMA temp_store = MEMORY;
            PRAGMA mmap_size = 0;
            PRAGMA cell_size_check = ON;
            PRAGMA trusted_schema = OFF;
            PRAGMA cache_size = -\(pageCacheKiB);
            PRAGMA journal_size_limit = \(Connection.logByteCountMax);
            """)
        if access == .readOnly { try execute("PRAGMA query_only = ON") }
    }

    /// Runs any number of statements that return nothing, such as a schema.
    ///
    /// Not cached.
    package func execute(_ sql: String) throws(DatabaseError) {
        try check(unsafe sqlite3_exec(handle, sql, nil, nil, nil))
    }

    /// Runs one statement to its end; rows that it may return are ignored.
    package func run(_ sql: StaticString, _ values: [Value] = []) throws(DatabaseError) {
        try step(sql, values) { (_) throws(DatabaseError) in true }
    }

    /// Calls `row` for each row of a result.
    ///
    /// `row` may use this connection itself.
    package func query(
        _ sql: StaticString, _ values: [Value] = [],
        _ row: (borrowing Row) throws(DatabaseError) -> Void
    ) throws(DatabaseError) {
        try step(sql, values) { (lent) throws(DatabaseError) in
            try row(lent)
            return true
        }
    }

    /// What `row` makes of the first row, or nil when there is none.
    package func first<Result>(
        _ sql: StaticString, _ values: [Value] = [],
        _ row: (borrowing Row) throws(DatabaseError) -> Result
    ) throws(DatabaseError) -> Result? {
        var result: Result?
        try step(sql, values) { (lent) throws(DatabaseError) in
            result = try row(lent)
            return false
        }
        return result
    }

    /// The row id of the newest inserted row.
    package var lastInsertID: Int64 { unsafe sqlite3_last_insert_rowid(handle) }

    /// How many rows the newest statement changed.
    package var changes: Int { Int(unsafe sqlite3_changes64(handle)) }

    /// Whether a transaction is open.
    package var isInTransaction: Bool { unsafe sqlite3_get_autocommit(handle) == 0 }

    /// Whether SQLite finds the file sound; reads all of it, but not the indexes against the rows.
    package func integrityQuickCheck() throws(DatabaseError) -> Bool {
        try first("PRAGMA quick_check(1)") { (row) throws(DatabaseError) in row.text(0) } == "ok"
    }

    /// Moves the write-ahead log into the file and waits until both are on the disk.
    package func checkpoint() throws(DatabaseError) {
        try run("PRAGMA wal_checkpoint(TRUNCATE)")
    }
}

// MARK: - Statements

/// A literal, by its place in the program: literals are never moved or freed.
private struct StatementKey: Hashable {
    let address: UInt
    let byteCount: Int
}

/// The owner of a prepared statement.
@safe
private final class Statement {
    let handle: OpaquePointer
    var lastUse: UInt64 = 0

    init(owning handle: OpaquePointer) {
        unsafe self.handle = handle
    }

    deinit {
        unsafe sqlite3_finalize(handle)
    }
}

extension Connection {
    /// Steps through a statement while `row` returns true.
    private func step(
        _ sql: StaticString, _ values: [Value],
        _ row: (borrowing Row) throws(DatabaseError) -> Bool
    ) throws(DatabaseError) {
        let key = StatementKey(
            address: UInt(bitPattern: unsafe sql.utf8Start), byteCount: sql.utf8CodeUnitCount)
        // Taken out of the cache while it runs, so that `row` may run the same text.
        let statement = try takeStatement(key, sql)
        defer {
            unsafe sqlite3_reset(statement.handle)
            unsafe sqlite3_clear_bindings(statement.handle)
            keepStatement(key, statement)
        }
        for (index, value) in values.enumerated() {
            try check(unsafe bind(value, at: Int32(index + 1), of: statement.handle))
        }
        while true {
            let status = unsafe sqlite3_step(statement.handle)
            if status == SQLITE_DONE { return }
            guard status == SQLITE_ROW else {
                throw DatabaseError(code: status, message: message)
            }
            let lent = unsafe Row(statement.handle)
            if try !row(lent) { return }
        }
    }

    private func takeStatement(
        _ key: StatementKey, _ sql: StaticString
    ) throws(DatabaseError) -> Statement {
        if let cached = statements.removeValue(forKey: key) { return cached }
        var prepared: OpaquePointer?
        let status = unsafe sqlite3_prepare_v3(
            handle, UnsafeRawPointer(sql.utf8Start).assumingMemoryBound(to: CChar.self),
            Int32(sql.utf8CodeUnitCount), UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard status == SQLITE_OK, let prepared = unsafe prepared else {
            throw DatabaseError(code: status, message: message)
        }
        return unsafe Statement(owning: prepared)
    }

    private func keepStatement(_ key: StatementKey, _ statement: Statement) {
        uses += 1
        statement.lastUse = uses
        if statements.count >= Connection.statementCountMax,
            let oldest = statements.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            statements.removeValue(forKey: oldest.key)
        }
        statements[key] = statement
    }

    private func bind(_ value: Value, at index: Int32, of statement: OpaquePointer) -> Int32 {
        // SQLITE_TRANSIENT, a cast that Swift does not import: SQLite makes its own copy.
        let transient = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        switch value {
        case .null: return unsafe sqlite3_bind_null(statement, index)
        case .integer(let number): return unsafe sqlite3_bind_int64(statement, index, number)
        case .text(var text):
            return text.withUTF8 { bytes in
                // An empty text has no address, which SQLite would take for null.
                let start = unsafe UnsafeRawPointer(bytes.baseAddress)?
                    .assumingMemoryBound(to: CChar.self)
                guard let start = unsafe start else {
                    return unsafe sqlite3_bind_text(statement, index, "", 0, transient)
                }
                return unsafe sqlite3_bind_text64(
                    statement, index, start, UInt64(bytes.count), transient, UInt8(SQLITE_UTF8))
            }
        case .blob(let blob):
            if blob.isEmpty { return unsafe sqlite3_bind_zeroblob(statement, index, 0) }
            return unsafe blob.withUnsafeBytes { bytes in
                unsafe sqlite3_bind_blob64(
                    statement, index, bytes.baseAddress, UInt64(bytes.count), transient)
            }
        }
    }

    private var message: String { unsafe String(cString: sqlite3_errmsg(handle)) }

    private func check(_ status: Int32) throws(DatabaseError) {
        if status != SQLITE_OK { throw DatabaseError(code: status, message: message) }
    }
}
