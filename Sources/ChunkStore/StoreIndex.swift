// The index in SQLite: which contents there are, where their bytes lie, and which are valid.
//
// Owns the schema and, with its extensions, every statement of the module. Rows carry checksums of
// their own, since SQLite does not notice flipped bits: a damaged row is as good as none. Those
// that decide about giving space back have a tag, a sum modulo the prime 251, which no single
// flipped bit leaves as it is; what fails it is left alone, and counted anew by `collectGarbage`.
// Commits wait for the disk (`Durability.commit`), which costs little at a few a second.
//
// An incarnation is one layout of a content, by a number that is never used again: it has its own
// segments, recipe and flat file. A change of layout builds the next incarnation beside the one in
// use and exchanges them in one transaction. Incarnations that are being built or taken apart are
// `condemned`: what a crash leaves of them is removed at the next start.

internal import Database
internal import Hashing
internal import Platform

/// The statements of the store.
final class StoreIndex: Sendable {
    /// Segments of one content: 2^20 of 64 MiB are 64 TiB.
    static let segmentCountMax: Int64 = 1 << 20

    static let schema: [SchemaStep] = [
        """
        CREATE TABLE content (
            id INTEGER PRIMARY KEY,          -- its incarnation
            hash BLOB NOT NULL,
            size INTEGER NOT NULL,
            verification INTEGER NOT NULL,   -- 1: proven, 2: by its chunks
            verified_at INTEGER NOT NULL,
            valid INTEGER NOT NULL,          -- bytes that can be read
            flat INTEGER NOT NULL,           -- those of them in the flat file
            is_packed INTEGER NOT NULL,      -- 1: blocks without a segment row are in packs
            last_use INTEGER NOT NULL,
            checksum INTEGER NOT NULL,
            UNIQUE (hash, size)
        );
        CREATE INDEX content_by_use ON content (last_use);
        CREATE INDEX content_flat_by_use ON content (last_use) WHERE flat > 0;
        CREATE TABLE segment (
            key INTEGER PRIMARY KEY,         -- incarnation << 20 | number of the segment
            record INTEGER NOT NULL,         -- where a copy lies in a pack, 0: nowhere
            data BLOB NOT NULL
        );
        CREATE TABLE recipe (
            key INTEGER PRIMARY KEY,         -- as above
            record INTEGER NOT NULL,         -- where a copy lies in a pack
            data BLOB NOT NULL
        );
        CREATE TABLE record (
            id INTEGER PRIMARY KEY,          -- pack << 32 | offset
            length INTEGER NOT NULL,
            raw INTEGER NOT NULL,            -- of a chunk its decoded length, else 0
            hash INTEGER,                    -- of a chunk 64 bits of its hash; null: not shared
            uses INTEGER NOT NULL,
            tag INTEGER NOT NULL             -- (id + length + raw + uses) % 251
        );
        CREATE INDEX record_by_hash ON record (hash) WHERE hash IS NOT NULL;
        CREATE TABLE hole (                  -- space of dead records that is not given back yet
            first INTEGER PRIMARY KEY, end INTEGER NOT NULL,
            tag INTEGER NOT NULL             -- (first + end) % 251
        );
        CREATE INDEX hole_by_end ON hole (end);
        CREATE TABLE metadata (
            kind INTEGER NOT NULL, key BLOB NOT NULL, part INTEGER NOT NULL,
            record INTEGER NOT NULL, PRIMARY KEY (kind, key, part)
        ) WITHOUT ROWID;
        CREATE TABLE condemned (id INTEGER PRIMARY KEY);
        CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE total (                 -- sums over all; the last is minus the others
            id INTEGER PRIMARY KEY CHECK (id = 1), flat INTEGER NOT NULL,
            packed INTEGER NOT NULL, raw INTEGER NOT NULL, negated INTEGER NOT NULL
        );
        INSERT INTO total VALUES (1, 0, 0, 0, 0);
        CREATE TRIGGER content_inserted AFTER INSERT ON content WHEN new.flat > 0 BEGIN
            UPDATE total SET flat = flat + new.flat, negated = negated - new.flat;
        END;
        CREATE TRIGGER content_updated AFTER UPDATE OF flat ON content
            WHEN new.flat <> old.flat BEGIN
            UPDATE total SET flat = flat + new.flat - old.flat,
                negated = negated - new.flat + old.flat;
        END;
        CREATE TRIGGER content_deleted AFTER DELETE ON content WHEN old.flat > 0 BEGIN
            UPDATE total SET flat = flat - old.flat, negated = negated + old.flat;
        END;
        """,
        """
        CREATE TABLE chunk_list (            -- the chunks of contents that lie flat
            key INTEGER PRIMARY KEY,         -- as of a segment
            data BLOB NOT NULL
        );
        CREATE TABLE flat_chunk (            -- in which lists a chunk is
            hash INTEGER NOT NULL,           -- 48 bits of its hash
            key INTEGER NOT NULL,            -- of the list
            PRIMARY KEY (hash, key)
        ) WITHOUT ROWID;
        """,
        deliverySchema,
        deliveryIndexSchema,
    ]

    let writer: DatabaseWriter
    /// When the thread that writes the database last showed that it is alive.
    var writerHeartbeat: MonotonicInstant { writer.heartbeat }
    let readers: DatabaseReaders

    init(
        path: String, files: any StoreFiles = DiskFiles(), scheduling: Scheduling = .system
    ) throws(DatabaseError) {
        writer = try DatabaseWriter(
            path: path, schema: StoreIndex.schema, durability: .commit, vfs: files.databaseVFS,
            scheduling: scheduling, keepsRoom: files.databaseVFS == nil)
        readers = DatabaseReaders(path: path, vfs: files.databaseVFS, scheduling: scheduling)
    }

    func close() {
        writer.close()
        readers.close()
    }

    /// What is asked once, when the cache is opened.
    struct Opening: Sendable {
        let flatByteCount: Int64
        let packedByteCount: Int64
        let newestID: Int64
        let cacheID: CacheID?
        /// Above every pack's number that was ever used.
        let nextPack: Int
        /// The highest number of a delivery.
        let newestDelivery: Int64
        /// When a content was last used, in seconds since 1970.
        let newestUse: Int64
        /// The pack to go on with, if the cache was closed in order.
        let tail: (pack: Int, offset: Int)?
    }

    func opening() throws(DatabaseError) -> Opening {
        try writer.perform { (connection) throws(DatabaseError) in
            func number(_ sql: StaticString) throws(DatabaseError) -> Int64 {
                try connection.first(sql) { (row) throws(DatabaseError) in row.integer(0) } ?? 0
            }
            // An incarnation in use is never condemned: a bit of the number has flipped.
            try connection.run("DELETE FROM condemned WHERE id IN (SELECT id FROM content)")
            let tail = try StoreIndex.setting("tail", connection)
            let newest = max(
                try number("SELECT max(id) FROM content"),
                max(
                    try number("SELECT max(id) FROM condemned"),
                    try number("SELECT max(key) FROM recipe") / StoreIndex.segmentCountMax,
                    try number("SELECT max(key) FROM segment") / StoreIndex.segmentCountMax,
                    try number("SELECT max(key) FROM chunk_list") / StoreIndex.segmentCountMax))
            try StoreIndex.mendTotals(connection)
            let named = try StoreIndex.setting("next pack", connection).map {
                littleEndian($0[...])
            }
            let used = try number("SELECT max(id) FROM record") >> 32
            return Opening(
                flatByteCount: max(0, try number("SELECT flat FROM total")),
                packedByteCount: max(0, try number("SELECT packed FROM total")),
                newestID: newest,
                cacheID: try StoreIndex.setting("cache", connection).flatMap { CacheID(bytes: $0) },
                nextPack: max(Int(truncatingIfNeeded: named ?? 1), Int(used) + 1),
                newestDelivery: try StoreIndex.newestDelivery(connection),
                newestUse: try number("SELECT max(last_use) FROM content"),
                tail: tail.flatMap { bytes in
                    if bytes.count != 16 { return nil }
                    return (Int(littleEndian(bytes[..<8])), Int(littleEndian(bytes[8...])))
                })
        }
    }

    /// Forgets the tail, before all that is committed from now on: a crash leaves packs whose ends
    /// are not known.
    ///
    /// Nobody waits for the disk here: as long as a remembered tail is the pack's end, nothing was
    /// appended to it.
    func forgetTail() {
        writer.submit { (connection) throws(DatabaseError) in
            try connection.run("DELETE FROM setting WHERE name = 'tail'")
        }
    }

    /// Counts the sums anew if a bit of them has flipped: they decide about eviction.
    private static func mendTotals(_ connection: Connection) throws(DatabaseError) {
        let isSound = try connection.first(
            "SELECT flat + packed + raw + negated = 0 AND min(flat, packed, raw) >= 0 FROM total"
        ) { (row) throws(DatabaseError) in row.integer(0) == 1 }
        if isSound == true { return }
        try connection.execute(
            """
            INSERT OR REPLACE INTO total
                SELECT 1, (SELECT coalesce(sum(flat), 0) FROM content),
                    coalesce(sum(length), 0), coalesce(sum(raw), 0), 0 FROM record;
            UPDATE total SET negated = -(flat + packed + raw);
            """)
    }

    /// First and last key of an incarnation's segments or recipe.
    static func keyRange(_ id: Int64) -> [Value] {
        [.integer(id * segmentCountMax), .integer(id * segmentCountMax + segmentCountMax - 1)]
    }

    static func key(_ id: Int64, _ segment: Int) -> Int64 { id * segmentCountMax + Int64(segment) }

    // MARK: Settings

    static func setting(
        _ name: String, _ connection: Connection
    ) throws(DatabaseError) -> [UInt8]? {
        try connection.first("SELECT value FROM setting WHERE name = ?", [.text(name)]) {
            (row) throws(DatabaseError) in row.blob(0)
        }
    }

    static func set(
        _ name: String, _ value: [UInt8], _ connection: Connection
    ) throws(DatabaseError) {
        try connection.run(
            """
            INSERT INTO setting VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2
            """, [.text(name), .blob(value)])
    }

    /// Remembers that a pack's number is in use, before the pack is there.
    func setNextPack(_ number: Int) throws(DatabaseError) {
        var bytes: [UInt8] = []
        appendNumber(UInt64(number), to: &bytes)
        let value = bytes
        try writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.set("next pack", value, connection)
        }
    }
}
