// From records back to rows: how a catalog that was lost is made anew.
//
// The new database has an epoch of its own, so whatever the kernel kept of the old one is stale.
// Times of contents come with the records, because they must never change. Records of repositories
// come first and pins last, since those refer to the ones before.

internal import Database
internal import Hashing
internal import HubAPI
internal import Platform

extension Catalog {
    /// Puts one record into the database; it counts as kept.
    ///
    /// - Returns: false when it cannot be read, or tells of something that is not there.
    package func restore(_ record: CatalogRecord) throws(CatalogError) -> Bool {
        guard let payload = record.payload else { return true }
        let isRestored = try write { (connection) throws(DatabaseError) in
            try Catalog.restore(record, payload, connection)
        }
        memory.withLock { memory in
            memory.changeCount += 1
            memory.commits.removeAll()
            memory.contents.removeAll()
        }
        return isRestored
    }

    /// Everything that was restored is kept already.
    package func confirmRestored() throws(CatalogError) {
        try write { (connection) throws(DatabaseError) in
            try connection.run("DELETE FROM unkept")
        }
    }

    private static func restore(
        _ record: CatalogRecord, _ payload: [UInt8], _ connection: Connection
    ) throws(DatabaseError) -> Bool {
        switch record.kind {
        case .repository:
            guard let id = repository(record.key), let found = try? RepositoryPayload(payload)
            else { return false }
            try restore(id, found, connection)
        case .commit:
            guard let found = try? CommitPayload(payload),
                let commit = try commit(record.key, connection)
            else { return false }
            try restore(commit, found, connection)
        case .organisation:
            guard let (kind, name) = owner(record.key), var reader = try? RecordReader(payload),
                let listedAt = try? reader.number(), let isTruncated = try? reader.byte()
            else { return false }
            try connection.run(
                "INSERT OR REPLACE INTO organisation VALUES (?, ?, ?, ?)",
                [
                    .text(kind.rawValue), .text(name), .integer(listedAt),
                    .integer(Int64(isTruncated)),
                ])
        case .pin:
            guard var reader = try? RecordReader(payload), let pinnedAt = try? reader.number(),
                let commit = try commit(record.key, connection)
            else { return false }
            try connection.run(
                "INSERT OR REPLACE INTO pin VALUES (?, ?)",
                [.integer(commit.row), .integer(pinnedAt)])
        case .alias:
            guard let name = AliasName(key: record.key),
                let changes = try? aliasChanges(payload, name.kind)
            else { return false }
            for change in changes { try insert(change, of: name, connection) }
        }
        return true
    }

    /// `model/org/name`.
    private static func repository(_ key: [UInt8]) -> RepositoryID? {
        guard let (kind, name) = owner(key) else { return nil }
        return RepositoryID(kind: kind, name: name)
    }

    private static func owner(_ key: [UInt8]) -> (kind: RepositoryKind, name: String)? {
        let text = String(decoding: key, as: UTF8.self)
        guard let slash = text.firstIndex(of: "/"),
            let kind = RepositoryKind(rawValue: String(text[..<slash]))
        else { return nil }
        return (kind, String(text[text.index(after: slash)...]))
    }

    /// The commit that a key names, made if it is not known; nil when its repository is not.
    private static func commit(
        _ key: [UInt8], _ connection: Connection
    ) throws(DatabaseError) -> CommitID? {
        guard let cut = key.firstIndex(of: 0), let id = repository(Array(key[..<cut])),
            let oid = GitObjectID(bytes: key[(cut + 1)...]),
            let row = try row(of: id, connection)
        else { return nil }
        return try upsertCommit(oid, row, date: nil, connection)
    }

    private static func restore(
        _ id: RepositoryID, _ found: RepositoryPayload, _ connection: Connection
    ) throws(DatabaseError) {
        let row = try upsert(
            id, canonical: RepositoryID(kind: id.kind, name: found.canonical) ?? id,
            isPrivate: found.flags & 1 != 0, isGated: found.flags & 2 != 0, connection)
        try connection.run(
            "UPDATE repository SET is_access_granted = ?, is_listed = ?, is_used = ? WHERE id = ?",
            [
                found.flags & 4 != 0 ? 1 : 0, found.flags & 8 != 0 ? 1 : 0,
                found.flags & 16 != 0 ? 1 : 0, .integer(row.row),
            ])
        if let listedAt = found.refsListedAt {
            try connection.run(
                "INSERT OR REPLACE INTO refs_listing VALUES (?, ?)",
                [.integer(row.row), .integer(listedAt)])
        }
        for ref in found.refs {
            _ = try upsertCommit(ref.commit, row, date: nil, connection)
            try setRef(
                ref.name, of: row, kind: ref.kind, ref.commit,
                at: WallTime(secondsSince1970: ref.resolvedAt), connection)
        }
    }

    private static func restore(
        _ commit: CommitID, _ found: CommitPayload, _ connection: Connection
    ) throws(DatabaseError) {
        for folder in found.folders {
            var listed: [(name: [UInt8], target: Directory.Target)] = []
            for (name, target) in folder.entries {
                switch target {
                case .folder(let count):
                    listed.append((name, .directory(subdirectoryCount: count)))
                case .file(let content):
                    let path =
                        folder.path.isEmpty ? name : folder.path + [UInt8(ascii: "/")] + name
                    listed.append(
                        (name, try upsertContent(content, commit, path: path, connection)))
                }
            }
            try insert(Directory(listed), commit, path: folder.path, connection)
        }
        try connection.run(
            "UPDATE \"commit\" SET has_tree = 1, date = coalesce(date, ?) WHERE id = ?",
            [.integer(orNull: found.date), .integer(commit.row)])
    }
}
