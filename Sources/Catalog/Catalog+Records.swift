// Records for those who keep what the catalog knows outside of its database, and the way back.
//
// The table `unkept` is filled by triggers, in the transaction of the change itself, so nothing is
// forgotten by a crash. Whoever keeps records takes them, puts them where they are safe, and then
// confirms; a change that came in between leaves the row there.

internal import Database
internal import Hashing
internal import HubAPI
internal import Platform

extension Catalog {
    /// A record that is to be kept, with what is needed to confirm it.
    package struct UnkeptRecord: Sendable {
        package let record: CatalogRecord
        let row: Value
        let change: Int64
    }

    /// Records that changed and are not kept yet, at most `countMax`.
    package func unkeptRecords(countMax: Int) throws(CatalogError) -> [UnkeptRecord] {
        try read { (connection) throws(DatabaseError) in
            var rows: [(kind: CatalogRecord.Kind, key: Value, change: Int64)] = []
            try connection.query(
                "SELECT kind, key, change FROM unkept LIMIT ?", [.integer(Int64(countMax))]
            ) { (row) throws(DatabaseError) in
                guard let kind = CatalogRecord.Kind(rawValue: UInt8(clamping: row.integer(0)))
                else { throw .unexpectedValue(column: 0) }
                let key: Value =
                    kind.isKeyedByName ? .text(row.text(1)) : .integer(row.integer(1))
                rows.append((kind, key, row.integer(2)))
            }
            var records: [UnkeptRecord] = []
            for row in rows {
                if let record = try Catalog.export(row.kind, row.key, connection) {
                    records.append(
                        UnkeptRecord(record: record, row: row.key, change: row.change))
                }
            }
            return records
        }
    }

    /// These are kept now.
    package func confirmKept(_ records: [UnkeptRecord]) throws(CatalogError) {
        try write { (connection) throws(DatabaseError) in
            for record in records {
                try connection.run(
                    "DELETE FROM unkept WHERE kind = ? AND key = ? AND change = ?",
                    [
                        .integer(Int64(record.record.kind.rawValue)), record.row,
                        .integer(record.change),
                    ])
            }
        }
    }

    /// Nothing is kept any more: all of it is to be kept again.
    package func markAllUnkept() throws(CatalogError) {
        try write { (connection) throws(DatabaseError) in
            try connection.execute(
                """
                INSERT OR IGNORE INTO unkept SELECT 1, id, 1 FROM repository;
                INSERT OR IGNORE INTO unkept SELECT 2, id, 1 FROM "commit" WHERE has_tree = 1;
                INSERT OR IGNORE INTO unkept SELECT 3, kind || '/' || name, 1 FROM organisation;
                INSERT OR IGNORE INTO unkept SELECT 4, commit_id, 1 FROM pin;
                INSERT OR IGNORE INTO unkept SELECT DISTINCT 6, kind || '/' || name, 1
                    FROM alias_change;
                """)
        }
    }

    // MARK: From rows to records

    private static func export(
        _ kind: CatalogRecord.Kind, _ key: Value, _ connection: Connection
    ) throws(DatabaseError) -> CatalogRecord? {
        switch kind {
        case .repository: try exportRepository(key, connection)
        case .commit: try exportCommit(key, connection)
        case .organisation: try exportOrganisation(key, connection)
        case .pin: try exportPin(key, connection)
        case .alias: try exportAlias(key, connection)
        }
    }

    private static func exportRepository(
        _ key: Value, _ connection: Connection
    ) throws(DatabaseError) -> CatalogRecord? {
        var writer = RecordWriter()
        let name = try connection.first(
            """
            SELECT kind || '/' || name, canonical, is_private, is_gated, is_access_granted,
                is_listed, is_used, listed_at
            FROM repository LEFT JOIN refs_listing ON refs_listing.repository = repository.id
            WHERE id = ?
            """, [key]
        ) { (row) throws(DatabaseError) in
            writer.text(row.text(1).utf8)
            writer.byte((0..<5).reduce(0) { $0 | (row.integer(2 + $1) == 0 ? 0 : 1 << $1) })
            writer.number(orNone: row.optionalInteger(7))
            return row.blob(0)
        }
        guard let name else { return nil }
        var refs = RecordWriter()
        var count = 0
        try connection.query(
            "SELECT name, kind, commit_oid, resolved_at FROM ref WHERE repository = ?", [key]
        ) { (row) throws(DatabaseError) in
            count += 1
            refs.text(row.text(0).utf8)
            refs.text(row.text(1).utf8)
            refs.text(row.blob(2))
            refs.number(row.integer(3))
        }
        writer.count(count)
        return CatalogRecord(
            kind: .repository, key: name, payload: writer.bytes + refs.bytes.dropFirst())
    }

    private static func commitKey(
        _ row: Value, _ connection: Connection
    ) throws(DatabaseError) -> (key: [UInt8], date: Int64?)? {
        try connection.first(
            """
            SELECT kind || '/' || name, oid, date FROM "commit"
            JOIN repository ON repository.id = "commit".repository WHERE "commit".id = ?
            """, [row]
        ) { (row) throws(DatabaseError) in
            (row.blob(0) + [0] + row.blob(1), row.optionalInteger(2))
        }
    }

    private static func exportCommit(
        _ key: Value, _ connection: Connection
    ) throws(DatabaseError) -> CatalogRecord? {
        guard let commit = try commitKey(key, connection) else { return nil }
        var folders: [(path: [UInt8], directory: Directory)] = []
        try connection.query("SELECT path, entries FROM directory WHERE commit_id = ?", [key]) {
            (row) throws(DatabaseError) in
            guard let directory = Directory(bytes: row.blob(1)) else { throw .corrupt }
            folders.append((row.blob(0), directory))
        }
        var writer = RecordWriter()
        writer.number(orNone: commit.date)
        writer.count(folders.count)
        for (path, directory) in folders {
            writer.text(path)
            writer.count(directory.count)
            for index in 0..<directory.count {
                let entry = directory[index]
                writer.text(entry.name)
                try export(entry.target, to: &writer, connection)
            }
        }
        return CatalogRecord(kind: .commit, key: commit.key, payload: writer.bytes)
    }

    private static func export(
        _ target: Directory.Target, to writer: inout RecordWriter, _ connection: Connection
    ) throws(DatabaseError) {
        switch target {
        case .directory(let count):
            writer.byte(1)
            writer.count(count)
        case .file(let content, let size, let modified):
            let found = try connection.first(
                "SELECT hash, xet FROM content WHERE id = ?", [.integer(content.row)]
            ) { (row) throws(DatabaseError) in (row.blob(0), row.optionalText(1)) }
            guard let found else { throw .corrupt }
            writer.byte(0)
            writer.text(found.0)
            writer.number(size)
            writer.number(modified)
            writer.text(orNone: found.1)
        }
    }

    private static func exportOrganisation(
        _ key: Value, _ connection: Connection
    ) throws(DatabaseError) -> CatalogRecord? {
        try connection.first(
            """
            SELECT kind || '/' || name, listed_at, is_truncated FROM organisation
            WHERE kind = substr(?1, 1, instr(?1, '/') - 1) AND name = substr(?1, instr(?1, '/') + 1)
            """, [key]
        ) { (row) throws(DatabaseError) in
            var writer = RecordWriter()
            writer.number(row.integer(1))
            writer.byte(row.integer(2) == 0 ? 0 : 1)
            return CatalogRecord(kind: .organisation, key: row.blob(0), payload: writer.bytes)
        }
    }

    private static func exportPin(
        _ key: Value, _ connection: Connection
    ) throws(DatabaseError) -> CatalogRecord? {
        guard let commit = try commitKey(key, connection) else { return nil }
        let pinnedAt = try connection.first(
            "SELECT pinned_at FROM pin WHERE commit_id = ?", [key]
        ) { (row) throws(DatabaseError) in row.integer(0) }
        guard let pinnedAt else {
            return CatalogRecord(kind: .pin, key: commit.key, payload: nil)
        }
        var writer = RecordWriter()
        writer.number(pinnedAt)
        return CatalogRecord(kind: .pin, key: commit.key, payload: writer.bytes)
    }

    private static func exportAlias(
        _ key: Value, _ connection: Connection
    ) throws(DatabaseError) -> CatalogRecord? {
        guard case .text(let text) = key, let name = AliasName(key: Array(text.utf8))
        else { return nil }
        let changes = try changes(of: name, connection)
        var writer = RecordWriter()
        writer.count(changes.count)
        for change in changes {
            writer.number(change.number)
            writer.number(change.changedAt.secondsSince1970)
            writer.text(change.who.utf8)
            writer.byte(change.target == nil ? 0 : 1)
            guard let target = change.target else { continue }
            writer.text(target.repository.name.utf8)
            writer.text(target.revision.utf8)
            writer.text(target.commit.bytes)
        }
        return CatalogRecord(kind: .alias, key: Array(text.utf8), payload: writer.bytes)
    }
}
