// The index: rows of contents, and the segments that say which of their blocks are valid.

internal import Database
internal import Hashing
internal import Platform

/// What the index has about one content.
struct ContentRow: Equatable, Sendable {
    let id: Int64
    let validByteCount: Int64
    let flatByteCount: Int64
    /// Whether blocks without a segment row are in packs (else they are nowhere).
    let isPacked: Bool
    let verification: Verification
    let lastUse: WallTime
}

/// One segment, by its number; nil if its row is damaged.
struct LoadedSegment: Sendable {
    let index: Int
    let segment: BlockSegment?
}

extension StoreIndex {
    /// The row of a content; nil if there is none, or a damaged one.
    func row(of key: ContentKey) throws(DatabaseError) -> ContentRow? {
        try readers.withReader { (connection) throws(DatabaseError) in
            let found = try connection.first(
                """
                SELECT id, verification, verified_at, valid, flat, is_packed, last_use, checksum
                FROM content WHERE hash = ? AND size = ?
                """, [.blob(key.hash.bytes), .integer(key.size)]
            ) { (row) throws(DatabaseError) in ContentColumns(row) }
            guard let found, found.checksum == found.expectedChecksum(key) else { return nil }
            return found.row
        }
    }

    /// Segments of a content, those without a row as the content's row says.
    func segments(
        _ indices: [Int], of key: ContentKey, id: Int64, isPacked: Bool
    ) throws(DatabaseError) -> [LoadedSegment] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var loaded: [LoadedSegment] = []
            for index in indices {
                let rowKey = StoreIndex.key(id, index)
                let blockCount = key.blockCount(ofSegment: index)
                let found = try connection.first(
                    "SELECT data FROM segment WHERE key = ?", [.integer(rowKey)]
                ) { (row) throws(DatabaseError) in
                    LoadedSegment(
                        index: index,
                        segment: BlockSegment(
                            blob: row.blob(0), blockCount: blockCount, rowKey: rowKey))
                }
                let absent = LoadedSegment(
                    index: index,
                    segment: BlockSegment(blockCount: blockCount, isPacked: isPacked))
                loaded.append(found ?? absent)
            }
            return loaded
        }
    }

    /// Contents by their last use, the one longest ago first.
    ///
    /// - Parameter isFlatOnly: whether to leave out those that are all in packs.
    func leastRecentlyUsed(
        isFlatOnly: Bool, limit: Int, after offset: Int
    ) throws(DatabaseError) -> [ContentKey] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var keys: [ContentKey] = []
            let sql: StaticString =
                isFlatOnly
                ? """
                SELECT hash, size FROM content WHERE flat > 0 ORDER BY last_use LIMIT ? OFFSET ?
                """ : "SELECT hash, size FROM content ORDER BY last_use LIMIT ? OFFSET ?"
            try connection.query(sql, [.integer(Int64(limit)), .integer(Int64(offset))]) {
                (row) throws(DatabaseError) in
                if let hash = ContentHash(bytes: row.blob(0)) {
                    keys.append(ContentKey(hash: hash, size: row.integer(1)))
                }
            }
            return keys
        }
    }

    /// Contents of which all is here, and which are not proven by their own hash.
    func completeUnproven() throws(DatabaseError) -> [ContentKey] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var keys: [ContentKey] = []
            try connection.query(
                "SELECT hash, size FROM content WHERE valid = size AND verification <> 1"
            ) { (row) throws(DatabaseError) in
                if let hash = ContentHash(bytes: row.blob(0)) {
                    keys.append(ContentKey(hash: hash, size: row.integer(1)))
                }
            }
            return keys
        }
    }

    /// Contents by their ids, from the one after `id` on, for lists and checks of all.
    func contents(after id: Int64, limit: Int) throws(DatabaseError) -> [(ContentKey, Int64)] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var found: [(ContentKey, Int64)] = []
            try connection.query(
                "SELECT hash, size, id FROM content WHERE id > ? ORDER BY id LIMIT ?",
                [.integer(id), .integer(Int64(limit))]
            ) { (row) throws(DatabaseError) in
                if let hash = ContentHash(bytes: row.blob(0)) {
                    found.append((ContentKey(hash: hash, size: row.integer(1)), row.integer(2)))
                }
            }
            return found
        }
    }
}

// MARK: - Changes, on the writer's thread

extension StoreIndex {
    /// Writes a content's row; another incarnation of it is condemned.
    static func write(
        _ row: ContentRow, _ key: ContentKey, _ connection: Connection
    ) throws(DatabaseError) {
        let columns = ContentColumns(row, key)
        try condemnOthers(than: row.id, of: key, connection)
        try connection.run(
            """
            INSERT INTO content VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            ON CONFLICT (id) DO UPDATE SET
                hash = ?2, size = ?3, verification = ?4, verified_at = ?5, valid = ?6, flat = ?7,
                is_packed = ?8, last_use = ?9, checksum = ?10
            """,
            [
                .integer(row.id), .blob(key.hash.bytes), .integer(key.size),
                .integer(columns.verification), .integer(columns.verifiedAt),
                .integer(row.validByteCount), .integer(row.flatByteCount),
                .integer(row.isPacked ? 1 : 0), .integer(row.lastUse.secondsSince1970),
                .integer(columns.checksum),
            ])
    }

    private static func condemnOthers(
        than id: Int64, of key: ContentKey, _ connection: Connection
    ) throws(DatabaseError) {
        let other = try connection.first(
            "SELECT id FROM content WHERE hash = ? AND size = ? AND id <> ?",
            [.blob(key.hash.bytes), .integer(key.size), .integer(id)]
        ) { (row) throws(DatabaseError) in row.integer(0) }
        if let other { try condemn(other, connection) }
    }

    static func write(
        _ segments: [LoadedSegment], of id: Int64, _ connection: Connection
    ) throws(DatabaseError) {
        for entry in segments {
            guard let segment = entry.segment else { continue }
            let rowKey = key(id, entry.index)
            try connection.run(
                """
                INSERT INTO segment VALUES (?1, 0, ?2) ON CONFLICT (key) DO UPDATE SET data = ?2
                """,
                [.integer(rowKey), .blob(segment.blob(rowKey: rowKey))])
        }
    }

    /// Takes an incarnation out of use; what belongs to it is removed afterwards.
    static func condemn(_ id: Int64, _ connection: Connection) throws(DatabaseError) {
        try connection.run("DELETE FROM content WHERE id = ?", [.integer(id)])
        try connection.run("INSERT OR IGNORE INTO condemned VALUES (?)", [.integer(id)])
    }

    /// An incarnation that was being built is complete, and the one in use from now on.
    static func acquit(_ id: Int64, _ connection: Connection) throws(DatabaseError) {
        try connection.run("DELETE FROM condemned WHERE id = ?", [.integer(id)])
    }

    /// Incarnations that are to be removed.
    func condemned() throws(DatabaseError) -> [Int64] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var ids: [Int64] = []
            try connection.query("SELECT id FROM condemned") { (row) throws(DatabaseError) in
                ids.append(row.integer(0))
            }
            return ids
        }
    }
}

/// A row of `content` as it stands in the table.
private struct ContentColumns {
    let row: ContentRow
    let verification: Int64
    let verifiedAt: Int64
    var checksum: Int64 = 0

    init(_ row: borrowing Row) {
        verification = row.integer(1)
        verifiedAt = row.integer(2)
        checksum = row.integer(7)
        self.row = ContentRow(
            id: row.integer(0), validByteCount: row.integer(3), flatByteCount: row.integer(4),
            isPacked: row.integer(5) == 1,
            verification: ContentColumns.verification(verification, verifiedAt),
            lastUse: WallTime(secondsSince1970: max(0, row.integer(6))))
    }

    init(_ row: ContentRow, _ key: ContentKey) {
        self.row = row
        switch row.verification {
        case .none, .failed: (verification, verifiedAt) = (0, 0)
        case .proven(let date): (verification, verifiedAt) = (1, date.secondsSince1970)
        case .provenByChunks(let date): (verification, verifiedAt) = (2, date.secondsSince1970)
        }
        checksum = expectedChecksum(key)
    }

    private static func verification(_ number: Int64, _ seconds: Int64) -> Verification {
        switch number {
        case 1: .proven(WallTime(secondsSince1970: seconds))
        case 2: .provenByChunks(WallTime(secondsSince1970: seconds))
        default: .none
        }
    }

    /// Over all that must not be believed when a bit of it has flipped.
    func expectedChecksum(_ key: ContentKey) -> Int64 {
        var bytes = key.hash.bytes
        let numbers = [
            key.size, verification, verifiedAt, row.validByteCount, row.flatByteCount,
            row.isPacked ? 1 : 0,
        ]
        for number in numbers { appendNumber(UInt64(bitPattern: number), to: &bytes) }
        return Int64(bitPattern: rowChecksum(bytes[...], rowKey: row.id))
    }
}
