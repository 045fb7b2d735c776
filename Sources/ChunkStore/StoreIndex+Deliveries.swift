// The index: how the bytes of contents came.

internal import Database
internal import Hashing
internal import Xet

extension StoreIndex {
    static let deliverySchema: SchemaStep = """
        CREATE TABLE delivery (              -- bytes that came together, DeliveryBook.swift
            id INTEGER PRIMARY KEY, hash BLOB NOT NULL, size INTEGER NOT NULL,
            first INTEGER NOT NULL, end INTEGER NOT NULL,
            xorb BLOB NOT NULL, chunk INTEGER NOT NULL, -- of the first chunk; none: empty
            data BLOB NOT NULL,              -- of each chunk hash and length, 35 bytes
            checksum INTEGER NOT NULL
        );
        CREATE INDEX delivery_by_content ON delivery (hash, size, first);
        """

    static let deliveryIndexSchema: SchemaStep =
        "CREATE INDEX delivery_by_xorb ON delivery (xorb) WHERE xorb <> x''"
    /// Runs of one xorb that are looked at: in more contents its chunks are the same.
    private static let runCountMax: Int64 = 64

    /// The highest number of an entry, after those of contents that are gone were removed.
    static func newestDelivery(_ connection: Connection) throws(DatabaseError) -> Int64 {
        try connection.run(
            """
            DELETE FROM delivery WHERE NOT EXISTS (SELECT 1 FROM content
                WHERE content.hash = delivery.hash AND content.size = delivery.size)
            """)
        return try connection.first("SELECT max(id) FROM delivery") {
            (row) throws(DatabaseError) in row.integer(0)
        } ?? 0
    }

    static func write(
        _ changes: DeliveryChanges, _ connection: Connection
    ) throws(DatabaseError) {
        // A removal may be of an entry that stands in the same changes.
        for row in changes.added { try insert(row, connection) }
        for number in changes.removed {
            try connection.run("DELETE FROM delivery WHERE id = ?", [.integer(number)])
        }
    }

    static func insert(_ row: DeliveryRow, _ connection: Connection) throws(DatabaseError) {
        let first = row.run?.chunks.first
        let columns = DeliveryColumns(
            number: row.number, first: row.range.lowerBound, end: row.range.upperBound,
            xorb: first?.xorb.bytes ?? [], chunk: Int64(first?.index ?? 0),
            data: row.run?.entries ?? [])
        try connection.run(
            "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .integer(row.number), .blob(row.key.hash.bytes), .integer(row.key.size),
                .integer(columns.first), .integer(columns.end), .blob(columns.xorb),
                .integer(columns.chunk), .blob(columns.data),
                .integer(columns.checksum(row.key)),
            ])
    }

    static func removeDeliveries(
        of key: ContentKey, _ connection: Connection
    ) throws(DatabaseError) {
        try connection.run(
            "DELETE FROM delivery WHERE hash = ? AND size = ?",
            [.blob(key.hash.bytes), .integer(key.size)])
    }

    /// The chunks of the entry that has a byte; nil if none has, or it has no names.
    func deliveredRun(of key: ContentKey, at offset: Int64) throws(DatabaseError) -> ChunkRun? {
        try readers.withReader { (connection) throws(DatabaseError) in
            var found: ChunkRun?
            try connection.query(
                """
                SELECT id, first, end, xorb, chunk, data, checksum FROM delivery
                WHERE hash = ? AND size = ? AND first <= ? AND end > ? ORDER BY first DESC LIMIT 1
                """,
                [
                    .blob(key.hash.bytes), .integer(key.size), .integer(offset), .integer(offset),
                ]
            ) { (row) throws(DatabaseError) in
                let columns = DeliveryColumns(row)
                found = columns.isSound(key, row) ? columns.run : nil
            }
            return found
        }
    }

    /// Chunks of a xorb, each run with the content that it came with.
    func deliveredRuns(
        ofXorb xorb: XetHash
    ) throws(DatabaseError) -> [(key: ContentKey, run: ChunkRun)] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var found: [(key: ContentKey, run: ChunkRun)] = []
            try connection.query(
                """
                SELECT id, first, end, xorb, chunk, data, checksum, hash, size FROM delivery
                WHERE xorb = ? AND xorb <> x'' LIMIT ?
                """, [.blob(xorb.bytes), .integer(StoreIndex.runCountMax)]
            ) { (row) throws(DatabaseError) in
                guard let hash = ContentHash(bytes: row.blob(7)) else { return }
                let key = ContentKey(hash: hash, size: row.integer(8))
                let columns = DeliveryColumns(row)
                if columns.isSound(key, row), let run = columns.run { found.append((key, run)) }
            }
            return found
        }
    }

    /// The entries of a content, in the order in which they begin; a damaged one has no names.
    static func forEachDelivery(
        of key: ContentKey, _ connection: Connection, _ body: (DeliveryRow) -> Void
    ) throws(DatabaseError) {
        try connection.query(
            """
            SELECT id, first, end, xorb, chunk, data, checksum FROM delivery
            WHERE hash = ? AND size = ? ORDER BY first, id
            """, [.blob(key.hash.bytes), .integer(key.size)]
        ) { (row) throws(DatabaseError) in
            let columns = DeliveryColumns(row)
            body(
                DeliveryRow(
                    number: columns.number, key: key,
                    range: columns.first..<max(columns.first, columns.end),
                    run: columns.isSound(key, row) ? columns.run : nil))
        }
    }
}

/// One row of the table.
private struct DeliveryColumns {
    let number: Int64
    let first: Int64
    let end: Int64
    let xorb: [UInt8]
    let chunk: Int64
    let data: [UInt8]

    init(number: Int64, first: Int64, end: Int64, xorb: [UInt8], chunk: Int64, data: [UInt8]) {
        self.number = number
        self.first = first
        self.end = end
        self.xorb = xorb
        self.chunk = chunk
        self.data = data
    }

    /// Reads the columns of a query: these six, and the checksum.
    init(_ row: borrowing Row) {
        self.init(
            number: row.integer(0), first: row.integer(1), end: row.integer(2),
            xorb: row.blob(3), chunk: row.integer(4), data: row.blob(5))
    }

    func isSound(_ key: ContentKey, _ row: borrowing Row) -> Bool {
        checksum(key) == row.integer(6)
    }

    var run: ChunkRun? {
        guard let xorb = XetHash(bytes: xorb), let index = Int(exactly: chunk),
            let run = ChunkRun(entries: data, fileOffset: first, xorb: xorb, firstIndex: index),
            run.fileRange.upperBound == end
        else { return nil }
        return run
    }

    func checksum(_ key: ContentKey) -> Int64 {
        var bytes = key.hash.bytes
        for value in [key.size, first, end, chunk] {
            appendNumber(UInt64(bitPattern: value), to: &bytes)
        }
        bytes += xorb + data
        return Int64(bitPattern: rowChecksum(bytes[...], rowKey: number))
    }
}
