// The index in SQLite: which contents there are, and which of their blocks are valid.
//
// Owns the schema and every statement of the module. Rows carry checksums of their own, since
// SQLite does not notice flipped bits: a damaged row is as good as none. Commits wait for the disk
// (`Durability.commit`), which costs little at a few commits a second.

internal import Database
internal import Hashing
internal import Platform

/// What the index has about one content.
struct ContentRow: Equatable, Sendable {
    let id: Int64
    let validByteCount: Int64
    let verification: Verification
    let lastUse: WallTime
}

/// One segment, by its number; nil if its row is damaged.
struct LoadedSegment: Sendable {
    let index: Int
    let segment: BlockSegment?
    let validByteCount: Int64
}

/// The statements of the store.
final class StoreIndex: Sendable {
    /// Segments of one content: 2^20 of 128 MiB are 128 TiB.
    static let segmentCountMax: Int64 = 1 << 20

    private static let schema: [SchemaStep] = [
        """
        CREATE TABLE content (
            id INTEGER PRIMARY KEY,
            hash BLOB NOT NULL,
            size INTEGER NOT NULL,
            verification INTEGER NOT NULL,
            verified_at INTEGER NOT NULL,
            last_use INTEGER NOT NULL,
            checksum INTEGER NOT NULL,
            UNIQUE (hash, size)
        );
        CREATE INDEX content_by_use ON content (last_use);
        CREATE TABLE segment (
            key INTEGER PRIMARY KEY, -- content << 20 | number of the segment
            valid INTEGER NOT NULL,  -- bytes
            data BLOB NOT NULL
        );
        CREATE TABLE total (id INTEGER PRIMARY KEY CHECK (id = 1), valid INTEGER NOT NULL);
        INSERT INTO total VALUES (1, 0);
        CREATE TRIGGER segment_inserted AFTER INSERT ON segment BEGIN
            UPDATE total SET valid = valid + new.valid;
        END;
        CREATE TRIGGER segment_updated AFTER UPDATE OF valid ON segment BEGIN
            UPDATE total SET valid = valid + new.valid - old.valid;
        END;
        CREATE TRIGGER segment_deleted AFTER DELETE ON segment BEGIN
            UPDATE total SET valid = valid - old.valid;
        END;
        """
    ]

    let writer: DatabaseWriter
    private let readers: DatabaseReaders

    init(path: String) throws(DatabaseError) {
        writer = try DatabaseWriter(path: path, schema: StoreIndex.schema, durability: .commit)
        readers = DatabaseReaders(path: path)
    }

    func close() {
        writer.close()
        readers.close()
    }

    /// Sums that are asked for once, when the cache is opened.
    func totals() throws(DatabaseError) -> (validByteCount: Int64, newestID: Int64) {
        try readers.withReader { (connection) throws(DatabaseError) in
            let valid = try connection.first("SELECT valid FROM total") {
                (row) throws(DatabaseError) in row.integer(0)
            }
            let newest = try connection.first("SELECT max(id) FROM content") {
                (row) throws(DatabaseError) in row.integer(0)
            }
            return (max(0, valid ?? 0), newest ?? 0)
        }
    }

    /// The row of a content; nil if there is none, or a damaged one.
    func row(of key: ContentKey) throws(DatabaseError) -> ContentRow? {
        try readers.withReader { (connection) throws(DatabaseError) in
            try connection.snapshot { () throws(DatabaseError) in
                let found = try connection.first(
                    """
                    SELECT id, verification, verified_at, last_use, checksum FROM content
                    WHERE hash = ? AND size = ?
                    """, [.blob(key.hash.bytes), .integer(key.size)]
                ) { (row) throws(DatabaseError) in
                    ContentColumns(
                        id: row.integer(0), verification: row.integer(1),
                        verifiedAt: row.integer(2), lastUse: row.integer(3),
                        checksum: row.integer(4))
                }
                guard let found, found.checksum == found.expectedChecksum(key) else { return nil }
                let valid = try connection.first(
                    "SELECT sum(valid) FROM segment WHERE key BETWEEN ? AND ?",
                    StoreIndex.keyRange(found.id)
                ) { (row) throws(DatabaseError) in row.integer(0) }
                return ContentRow(
                    id: found.id, validByteCount: min(key.size, max(0, valid ?? 0)),
                    verification: found.decodedVerification,
                    lastUse: WallTime(secondsSince1970: found.lastUse))
            }
        }
    }

    /// Segments of a content, empty ones for those without a row.
    func segments(
        _ indices: [Int], of key: ContentKey, id: Int64
    ) throws(DatabaseError) -> [LoadedSegment] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var loaded: [LoadedSegment] = []
            for index in indices {
                let rowKey = id * StoreIndex.segmentCountMax + Int64(index)
                let blockCount = key.blockCount(ofSegment: index)
                let found = try connection.first(
                    "SELECT valid, data FROM segment WHERE key = ?", [.integer(rowKey)]
                ) { (row) throws(DatabaseError) in
                    LoadedSegment(
                        index: index,
                        segment: BlockSegment(
                            blob: row.blob(1), blockCount: blockCount, rowKey: rowKey),
                        validByteCount: row.integer(0))
                }
                loaded.append(
                    found
                        ?? LoadedSegment(
                            index: index, segment: BlockSegment(blockCount: blockCount),
                            validByteCount: 0))
            }
            return loaded
        }
    }

    /// Contents by their last use, the one longest ago first.
    func leastRecentlyUsed(limit: Int, after offset: Int) throws(DatabaseError) -> [ContentKey] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var keys: [ContentKey] = []
            try connection.query(
                "SELECT hash, size FROM content ORDER BY last_use LIMIT ? OFFSET ?",
                [.integer(Int64(limit)), .integer(Int64(offset))]
            ) { (row) throws(DatabaseError) in
                if let hash = ContentHash(bytes: row.blob(0)) {
                    keys.append(ContentKey(hash: hash, size: row.integer(1)))
                }
            }
            return keys
        }
    }

    /// First and last key of a content's segments.
    static func keyRange(_ id: Int64) -> [Value] {
        [.integer(id * segmentCountMax), .integer(id * segmentCountMax + segmentCountMax - 1)]
    }
}

// MARK: - Changes, on the writer's thread

extension StoreIndex {
    /// Writes one content's row and the segments that have changed.
    static func write(_ snapshot: CommitSnapshot, _ connection: Connection) throws(DatabaseError) {
        let row = ContentColumns(snapshot.row, snapshot.key)
        // Another incarnation of the same content, left by a crash between two commits.
        let stale = try connection.first(
            "SELECT id FROM content WHERE hash = ? AND size = ? AND id <> ?",
            [.blob(snapshot.key.hash.bytes), .integer(snapshot.key.size), .integer(row.id)]
        ) { (row) throws(DatabaseError) in row.integer(0) }
        if let stale { try delete(stale, connection) }
        try connection.run(
            """
            INSERT INTO content VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (id) DO UPDATE SET
                hash = ?2, size = ?3, verification = ?4, verified_at = ?5, last_use = ?6,
                checksum = ?7
            """,
            [
                .integer(row.id), .blob(snapshot.key.hash.bytes), .integer(snapshot.key.size),
                .integer(row.verification), .integer(row.verifiedAt), .integer(row.lastUse),
                .integer(row.checksum),
            ])
        for entry in snapshot.segments {
            guard let segment = entry.segment else { continue }
            let rowKey = row.id * segmentCountMax + Int64(entry.index)
            try connection.run(
                """
                INSERT INTO segment VALUES (?1, ?2, ?3)
                ON CONFLICT (key) DO UPDATE SET valid = ?2, data = ?3
                """,
                [
                    .integer(rowKey), .integer(entry.validByteCount),
                    .blob(segment.blob(rowKey: rowKey)),
                ])
        }
    }

    /// Removes an incarnation.
    static func delete(_ id: Int64, _ connection: Connection) throws(DatabaseError) {
        try connection.run("DELETE FROM segment WHERE key BETWEEN ? AND ?", keyRange(id))
        try connection.run("DELETE FROM content WHERE id = ?", [.integer(id)])
    }
}

/// A row of `content` as it stands in the table.
private struct ContentColumns {
    let id: Int64
    let verification: Int64
    let verifiedAt: Int64
    let lastUse: Int64
    var checksum: Int64 = 0

    init(id: Int64, verification: Int64, verifiedAt: Int64, lastUse: Int64, checksum: Int64) {
        self.id = id
        self.verification = verification
        self.verifiedAt = verifiedAt
        self.lastUse = lastUse
        self.checksum = checksum
    }

    init(_ row: ContentRow, _ key: ContentKey) {
        id = row.id
        lastUse = row.lastUse.secondsSince1970
        switch row.verification {
        case .none, .failed: (verification, verifiedAt) = (0, 0)
        case .proven(let date): (verification, verifiedAt) = (1, date.secondsSince1970)
        }
        checksum = expectedChecksum(key)
    }

    var decodedVerification: Verification {
        verification == 1 ? .proven(WallTime(secondsSince1970: verifiedAt)) : .none
    }

    /// Over all that must not be believed when a bit of it has flipped.
    func expectedChecksum(_ key: ContentKey) -> Int64 {
        var bytes = key.hash.bytes
        for number in [key.size, verification, verifiedAt] {
            append(UInt64(bitPattern: number), to: &bytes)
        }
        return Int64(bitPattern: rowChecksum(bytes[...], rowKey: id))
    }
}
