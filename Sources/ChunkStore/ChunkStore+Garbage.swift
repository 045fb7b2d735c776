// Counting all uses of records anew, for what flipped bits in the index have left behind.
//
// Every recipe says what it uses, every copy is used once. What nothing uses is removed; what has a
// wrong count gets the right one. It looks at the whole index, so it is a command and no habit.

internal import Database
internal import Platform
internal import Synchronization

extension ChunkStore {
    /// Gives back what an earlier run left behind, and what is dead in packs.
    ///
    /// - Returns: the bytes by which the cache became smaller.
    /// - Throws: failures of the index.
    @discardableResult
    package func collectGarbage() throws(StoreError) -> Int64 {
        flush()
        let before = usedByteCount
        // Nothing is packed meanwhile, or it would seem unused.
        cooler.pause()
        defer { cooler.resume() }
        removeLeftovers()
        reapCondemned()
        flush()
        do throws(DatabaseError) {
            try index.writer.perform { (connection) throws(DatabaseError) in
                try StoreIndex.removeOrphans(connection)
                try StoreIndex.recountUses(connection)
            }
            let packed = try index.writer.perform { (connection) throws(DatabaseError) in
                try connection.first("SELECT packed FROM total") { (row) throws(DatabaseError) in
                    row.integer(0)
                }
            }
            packedUsed.store(packed ?? 0, ordering: .relaxed)
        } catch {
            noteFailure(error)
            throw StoreError(error)
        }
        punchHoles()
        return before - usedByteCount
    }
}

extension StoreIndex {
    /// Removes segments, recipes and lists of incarnations that no content has.
    static func removeOrphans(_ connection: Connection) throws(DatabaseError) {
        try connection.execute(
            """
            DELETE FROM recipe WHERE key >> 20 NOT IN (SELECT id FROM content)
                AND key >> 20 NOT IN (SELECT id FROM condemned);
            DELETE FROM segment WHERE key >> 20 NOT IN (SELECT id FROM content)
                AND key >> 20 NOT IN (SELECT id FROM condemned);
            DELETE FROM chunk_list WHERE key >> 20 NOT IN (SELECT id FROM content)
                AND key >> 20 NOT IN (SELECT id FROM condemned);
            DELETE FROM flat_chunk WHERE key NOT IN (SELECT key FROM chunk_list);
            DELETE FROM hole;
            """)
    }

    /// Counts the uses of every record, and removes those that have none.
    static func recountUses(_ connection: Connection) throws(DatabaseError) {
        try connection.execute(
            "CREATE TEMP TABLE used (id INTEGER PRIMARY KEY, uses INTEGER NOT NULL)")
        defer { try? connection.execute("DROP TABLE temp.used") }
        try connection.execute(
            """
            INSERT OR IGNORE INTO temp.used SELECT record, 1 FROM recipe WHERE record <> 0;
            INSERT OR IGNORE INTO temp.used SELECT record, 1 FROM segment WHERE record <> 0;
            INSERT OR IGNORE INTO temp.used SELECT record, 1 FROM metadata;
            """)
        try connection.query("SELECT key, data FROM recipe") { (row) throws(DatabaseError) in
            let key = row.integer(0)
            let segment = RecipeSegment(
                blob: row.blob(1)[...], index: Int(key % segmentCountMax), key: key)
            for entry in segment?.ownEntries ?? [] {
                try connection.run(
                    """
                    INSERT INTO temp.used VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET
                        uses = uses + 1
                    """, [.integer(entry.location.rawValue)])
            }
        }
        try connection.execute(
            """
            UPDATE record SET uses =
                coalesce((SELECT u.uses FROM temp.used u WHERE u.id = record.id), 0);
            UPDATE record SET tag = (id + length + raw + uses) % 251;
            """)
        var unused: [(RecordLocation, Int64, Int64)] = []
        try connection.query("SELECT id, length, raw FROM record WHERE uses = 0") {
            (row) throws(DatabaseError) in
            unused.append(
                (RecordLocation(rawValue: row.integer(0)), row.integer(1), row.integer(2)))
        }
        for (location, byteCount, raw) in unused {
            try remove(location, byteCount: byteCount, rawByteCount: raw, connection)
        }
        // The sums are wrong now by as much as the counts were.
        try connection.execute(
            """
            UPDATE total SET flat = (SELECT coalesce(sum(flat), 0) FROM content),
                packed = (SELECT coalesce(sum(length), 0) FROM record),
                raw = (SELECT coalesce(sum(raw), 0) FROM record);
            UPDATE total SET negated = -(flat + packed + raw);
            """)
    }
}
