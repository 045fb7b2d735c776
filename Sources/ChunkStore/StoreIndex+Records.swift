// The index: records in packs, recipes that use them, and the space that dead ones leave.

internal import Database
internal import Hashing
internal import Platform

/// A record that was written to a pack and is not in the index yet.
struct NewRecord: Sendable {
    var location: RecordLocation
    /// Bytes of its payload.
    let storedByteCount: Int
    /// Bytes of the chunk decoded; 0 for a record that is none.
    let rawByteCount: Int
    /// Of a chunk; nil for a record that is not shared.
    let hash: Digest256?
    /// How many recipes, or how many places in one, use it.
    var uses: Int

    /// Bytes of the whole record.
    var byteCount: Int { RecordHeader.recordByteCount(storedByteCount) }
}

/// What one segment of a recipe brings into the index.
struct RecipeChange: Sendable {
    let segment: RecipeSegment
    /// A copy of it in a pack.
    let copy: NewRecord
    let newRecords: [NewRecord]
    /// Records that the index has already, with the number of uses more.
    let shared: [RecordLocation: Int]
}

/// A range of a pack that holds nothing any more.
struct Hole: Sendable {
    /// Its row in the index as it was read; a row that has grown since is another hole.
    let row: (first: Int64, end: Int64)
    let first: RecordLocation
    let end: RecordLocation
}

extension StoreIndex {
    /// Records that may hold a chunk; the caller compares the whole hash.
    func records(hash: Digest256) throws(DatabaseError) -> [RecordLocation] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var found: [RecordLocation] = []
            try connection.query(
                // The tag makes SQLite look at the row, and not at the index of hashes alone.
                """
                SELECT id FROM record
                WHERE hash = ? AND tag = (id + length + raw + uses) % 251 LIMIT 4
                """, [.integer(hash.indexed)]
            ) { (row) throws(DatabaseError) in
                found.append(RecordLocation(rawValue: row.integer(0)))
            }
            return found
        }
    }

    /// Segments of a recipe; nil stands for one that is damaged or not there.
    func recipe(_ indices: [Int], id: Int64) throws(DatabaseError) -> [RecipeSegment?] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var segments: [RecipeSegment?] = []
            for index in indices {
                let key = StoreIndex.key(id, index)
                let found = try connection.first(
                    "SELECT data FROM recipe WHERE key = ?", [.integer(key)]
                ) { (row) throws(DatabaseError) in
                    RecipeSegment(blob: row.blob(0)[...], index: index, key: key)
                }
                segments.append(found ?? nil)
            }
            return segments
        }
    }
}

// MARK: - Changes, on the writer's thread

extension StoreIndex {
    /// Adds a segment of a recipe with the records that it uses.
    ///
    /// - Throws: `sharedRecordIsGone`; the caller's transaction has to be undone then.
    static func add(
        _ change: RecipeChange, of id: Int64, _ connection: Connection
    ) throws(DatabaseError) {
        for (location, uses) in change.shared {
            try connection.run(
                "UPDATE record SET uses = uses + ?1, tag = (tag + ?1) % 251 WHERE id = ?2",
                [.integer(Int64(uses)), .integer(location.rawValue)])
            if connection.changes == 0 { throw .sharedRecordIsGone }
        }
        for record in change.newRecords { try insert(record, connection) }
        try insert(change.copy, connection)
        let key = key(id, change.segment.index)
        try connection.run(
            "INSERT OR REPLACE INTO recipe VALUES (?, ?, ?)",
            [
                .integer(key), .integer(change.copy.location.rawValue),
                .blob(change.segment.blob(key: key)),
            ])
    }

    static func insert(_ record: NewRecord, _ connection: Connection) throws(DatabaseError) {
        try connection.run(
            """
            INSERT OR REPLACE INTO record
            VALUES (?1, ?2, ?3, ?4, ?5, (?1 + ?2 + ?3 + ?5) % 251)
            """,
            [
                .integer(record.location.rawValue), .integer(Int64(record.byteCount)),
                .integer(Int64(record.rawByteCount)),
                .integer(orNull: record.hash?.indexed), .integer(Int64(record.uses)),
            ])
        try connection.run(
            "UPDATE total SET packed = packed + ?1, raw = raw + ?2, negated = negated - ?1 - ?2",
            [.integer(Int64(record.byteCount)), .integer(Int64(record.rawByteCount))])
    }

    /// Ends one use of a record; the last one makes its space a hole.
    ///
    /// - Returns: the bytes that became free.
    static func release(
        _ location: RecordLocation, _ connection: Connection
    ) throws(DatabaseError) -> Int {
        // 250 is minus one.
        try connection.run(
            "UPDATE record SET uses = uses - 1, tag = (tag + 250) % 251 WHERE id = ?",
            [.integer(location.rawValue)])
        let left = try connection.first(
            """
            SELECT length, raw FROM record
            WHERE id = ? AND uses <= 0 AND tag = (id + length + raw + uses) % 251
            """,
            [.integer(location.rawValue)]
        ) { (row) throws(DatabaseError) in (row.integer(0), row.integer(1)) }
        guard let (length, raw) = left else { return 0 }
        try remove(location, byteCount: length, rawByteCount: raw, connection)
        return Int(length)
    }

    static func remove(
        _ location: RecordLocation, byteCount: Int64, rawByteCount: Int64,
        _ connection: Connection
    ) throws(DatabaseError) {
        try connection.run("DELETE FROM record WHERE id = ?", [.integer(location.rawValue)])
        try connection.run(
            "UPDATE total SET packed = packed - ?1, raw = raw - ?2, negated = negated + ?1 + ?2",
            [.integer(byteCount), .integer(rawByteCount)])
        let end = location.rawValue + byteCount
        // Neighbouring holes are one, so that their common pages can be given back.
        try connection.run(
            "UPDATE hole SET end = ?1, tag = (tag + ?1 - end) % 251 WHERE end = ?2",
            [.integer(end), .integer(location.rawValue)])
        if connection.changes == 0 {
            try connection.run(
                "INSERT OR REPLACE INTO hole VALUES (?1, ?2, (?1 + ?2) % 251)",
                [.integer(location.rawValue), .integer(end)])
        }
    }

    /// Takes apart one segment of a condemned incarnation's recipe.
    ///
    /// - Returns: the bytes that became free; nil when there is no segment left.
    static func releaseRecipeSegment(
        of id: Int64, _ connection: Connection
    ) throws(DatabaseError) -> Int? {
        let found = try connection.first(
            "SELECT key, record, data FROM recipe WHERE key BETWEEN ? AND ? LIMIT 1", keyRange(id)
        ) { (row) throws(DatabaseError) in
            (key: row.integer(0), record: row.integer(1), data: row.blob(2))
        }
        guard let found else { return nil }
        var freed = 0
        let index = Int(found.key % segmentCountMax)
        // Of a damaged row the uses stay counted, until a check of all counts them anew.
        if let segment = RecipeSegment(blob: found.data[...], index: index, key: found.key) {
            for entry in segment.ownEntries {
                freed += try release(entry.location, connection)
            }
        }
        if found.record != 0 {
            freed += try release(RecordLocation(rawValue: found.record), connection)
        }
        try connection.run("DELETE FROM recipe WHERE key = ?", [.integer(found.key)])
        return freed
    }

    /// Removes the rest of a condemned incarnation, after its recipe.
    ///
    /// - Returns: the bytes that became free.
    static func removeCondemned(
        _ id: Int64, _ connection: Connection
    ) throws(DatabaseError) -> Int {
        var copies: [RecordLocation] = []
        try connection.query(
            "SELECT record FROM segment WHERE key BETWEEN ? AND ? AND record <> 0", keyRange(id)
        ) { (row) throws(DatabaseError) in
            copies.append(RecordLocation(rawValue: row.integer(0)))
        }
        var freed = 0
        for copy in copies { freed += try release(copy, connection) }
        try connection.run("DELETE FROM segment WHERE key BETWEEN ? AND ?", keyRange(id))
        try connection.run("DELETE FROM condemned WHERE id = ?", [.integer(id)])
        return freed
    }

    /// Keeps a record from being shared, since it was found damaged.
    static func markDamaged(
        _ location: RecordLocation, _ connection: Connection
    ) throws(DatabaseError) {
        try connection.run(
            "UPDATE record SET hash = NULL WHERE id = ?", [.integer(location.rawValue)])
    }
}

// MARK: - Holes

extension StoreIndex {
    /// Holes that are not given back yet, each as wide as the dead space around it.
    ///
    /// - Parameter settledEnd: up to where a pack has no records but those of the index.
    func holes(settledEnd: (Int) -> Int?) throws(DatabaseError) -> [Hole] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var holes: [Hole] = []
            try connection.query(
                "SELECT first, end FROM hole WHERE tag = (first + end) % 251 LIMIT 1000"
            ) { (row) throws(DatabaseError) in
                holes.append(
                    Hole(
                        row: (row.integer(0), row.integer(1)),
                        first: RecordLocation(rawValue: row.integer(0)),
                        end: RecordLocation(rawValue: row.integer(1))))
            }
            var widened: [Hole] = []
            for hole in holes {
                let end = settledEnd(hole.first.pack)
                widened.append(
                    try end.map { (end) throws(DatabaseError) in
                        try StoreIndex.widen(hole, until: end, connection)
                    } ?? hole)
            }
            return widened
        }
    }

    private static func widen(
        _ hole: Hole, until limit: Int, _ connection: Connection
    ) throws(DatabaseError) -> Hole {
        let pack = hole.first.pack
        let before = try connection.first(
            """
            SELECT id + length, tag = (id + length + raw + uses) % 251 FROM record
            WHERE id < ? ORDER BY id DESC LIMIT 1
            """, [.integer(hole.first.rawValue)]
        ) { (row) throws(DatabaseError) in Neighbour(row) }
        let after = try connection.first(
            """
            SELECT id, tag = (id + length + raw + uses) % 251 FROM record
            WHERE id >= ? ORDER BY id LIMIT 1
            """, [.integer(hole.first.rawValue)]
        ) { (row) throws(DatabaseError) in Neighbour(row) }
        var first = RecordLocation(pack: pack, offset: PackHeader.byteCount)
        var end = RecordLocation(pack: pack, offset: limit)
        // Of a damaged row it is not known where its record is, so the hole stays as it was.
        if let before {
            if !before.isSound { first = hole.first }
            if before.isSound && before.edge.pack == pack { first = before.edge }
        }
        if let after {
            if !after.isSound { end = hole.end }
            if after.isSound && after.edge.pack == pack { end = after.edge }
        }
        return Hole(row: hole.row, first: first, end: end)
    }

    /// The edge of a living record beside a hole.
    private struct Neighbour {
        let edge: RecordLocation
        let isSound: Bool

        init(_ row: borrowing Row) {
            edge = RecordLocation(rawValue: row.integer(0))
            isSound = row.integer(1) == 1
        }
    }

    /// Forgets holes that were given back, and says which packs have no record any more.
    func removeHoles(_ holes: [Hole]) throws(DatabaseError) -> [Int] {
        try writer.perform { (connection) throws(DatabaseError) in
            var packs: Set<Int> = []
            for hole in holes {
                try connection.run(
                    "DELETE FROM hole WHERE first = ? AND end = ? OR first >= ? AND end <= ?",
                    [
                        .integer(hole.row.first), .integer(hole.row.end),
                        .integer(hole.first.rawValue),
                        .integer(hole.end.rawValue),
                    ])
                packs.insert(hole.first.pack)
            }
            var empty: [Int] = []
            for pack in packs.sorted() {
                let isUsed = try connection.first(
                    "SELECT 1 FROM record WHERE id >= ? AND id < ? LIMIT 1",
                    [.integer(Int64(pack) << 32), .integer(Int64(pack + 1) << 32)]
                ) { (_) throws(DatabaseError) in true }
                if isUsed == nil { empty.append(pack) }
            }
            return empty
        }
    }
}

extension DatabaseError {
    /// A record that was to be shared was removed meanwhile: SQLite has no such code.
    static let sharedRecordIsGone = DatabaseError.constraint(code: 0)
}

extension RecipeChange {
    /// Where the records that it brings are.
    var locations: [RecordLocation] { newRecords.map(\.location) + [copy.location] }

    /// Bytes of the records that it brings.
    var newByteCount: Int64 {
        Int64(copy.byteCount) + newRecords.reduce(0) { $0 + Int64($1.byteCount) }
    }
}

extension Digest256 {
    /// The 64 bits by which the index finds a chunk.
    var indexed: Int64 { Int64(bitPattern: words.0) }
}
