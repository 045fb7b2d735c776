// Trees and contents: the folders of a commit, recorded once, and what their files are made of.

internal import Database
package import Hashing
package import HubAPI
internal import Platform

extension Catalog {
    /// One place from which a content can be fetched.
    package struct Source: Sendable {
        package let repository: RepositoryID
        package let commit: GitObjectID
        package let path: String
    }

    /// Records the tree of a commit, whose date is known.
    ///
    /// Does nothing if it is recorded already.
    ///
    /// - Returns: what was left out and why, for the log.
    package func record(
        tree entries: [TreeEntry], of commit: KnownCommit
    ) throws(CatalogError) -> TreeLayout {
        let layout = TreeLayout(entries)
        let date = commit.date ?? WallTime(secondsSince1970: 0)
        try write { (connection) throws(DatabaseError) in
            let isKnown = try connection.first(
                "SELECT has_tree FROM \"commit\" WHERE id = ?", [.integer(commit.id.row)]
            ) { (row) throws(DatabaseError) in row.integer(0) != 0 }
            if isKnown ?? true { return }
            for (path, names) in layout.folders {
                var listed: [(name: [UInt8], target: Directory.Target)] = []
                for (name, node) in names {
                    let full = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
                    let target: Directory.Target
                    switch node {
                    case .folder:
                        target = .directory(subdirectoryCount: layout.subdirectoryCount(of: full))
                    case .file(let index):
                        target = try Catalog.upsertContent(
                            CatalogContent(entries[index], date: date), commit.id, path: full,
                            connection)
                    }
                    listed.append((name: name, target: target))
                }
                try Catalog.insert(Directory(listed), commit.id, path: path, connection)
            }
            try connection.run(
                "UPDATE \"commit\" SET has_tree = 1 WHERE id = ?", [.integer(commit.id.row)])
        }
        memory.withLock { memory in
            memory.changeCount += 1
            memory.commits.remove(commit.id.row)
            // A tree may have named the Xet hashes of contents that are known without.
            memory.contents.removeAll()
        }
        return layout
    }

    /// A folder of a commit; nil when the commit's tree has no such folder or is not recorded.
    package func directory(
        _ commit: CommitID, path: [UInt8]
    ) throws(CatalogError) -> Directory? {
        let key = DirectoryKey(commit: commit, path: path)
        if let known = memory.withLock({ $0.directories.value(for: key) }) { return known }
        let bytes = try read { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT entries, checksum FROM directory WHERE commit_id = ? AND path = ?",
                [.integer(commit.row), .blob(path)]
            ) { (row) throws(DatabaseError) in
                let bytes = row.blob(0)
                let checksum = RowChecksum.directory(commit, path: path, bytes)
                guard row.optionalInteger(1) ?? checksum == checksum else { throw .corrupt }
                return bytes
            }
        }
        guard let bytes else { return nil }
        guard let directory = Directory(bytes: bytes) else { throw .damaged }
        memory.withLock { $0.directories.insert(directory, for: key) }
        return directory
    }

    /// A content by its row.
    package func content(_ id: ContentID) throws(CatalogError) -> Content? {
        let (known, changeCount) = memory.withLock {
            ($0.contents.value(for: id.row), $0.changeCount)
        }
        if let known { return known }
        let found = try read { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT hash, size, modified, xet, checksum FROM content WHERE id = ?",
                [.integer(id.row)]
            ) { (row) throws(DatabaseError) in
                guard let hash = ContentHash(bytes: row.blob(0))
                else { throw .unexpectedValue(column: 0) }
                let checksum = RowChecksum.content(
                    id, hash, sizeBytes: row.integer(1), modified: row.integer(2))
                guard row.optionalInteger(4) ?? checksum == checksum else { throw .corrupt }
                return Content(
                    id: id, hash: hash, sizeBytes: row.integer(1),
                    modified: WallTime(secondsSince1970: row.integer(2)),
                    xetHash: row.optionalText(3))
            }
        }
        if let found {
            memory.withLock { memory in
                if memory.changeCount == changeCount { memory.contents.insert(found, for: id.row) }
            }
        }
        return found
    }

    /// Where a content can be fetched, the newest place first; at most `countMax`.
    package func sources(
        of id: ContentID, countMax: Int = 8
    ) throws(CatalogError) -> [Source] {
        try read { (connection) throws(DatabaseError) in
            var sources: [Source] = []
            try connection.query(
                """
                SELECT repository.kind, repository.name, "commit".oid, path FROM content_source
                JOIN "commit" ON "commit".id = commit_id
                JOIN repository ON repository.id = "commit".repository
                WHERE content = ? ORDER BY commit_id DESC LIMIT ?
                """, [.integer(id.row), .integer(Int64(countMax))]
            ) { (row) throws(DatabaseError) in
                guard let kind = RepositoryKind(rawValue: row.text(0)),
                    let repository = RepositoryID(kind: kind, name: row.text(1)),
                    let oid = GitObjectID(bytes: row.blob(2))
                else { throw .unexpectedValue(column: 0) }
                sources.append(
                    Source(
                        repository: repository, commit: oid,
                        path: String(decoding: row.blob(3), as: UTF8.self)))
            }
            return sources
        }
    }

    /// How many contents are known, for `statfs`.
    package func contentCount() throws(CatalogError) -> Int64 {
        try read { (connection) throws(DatabaseError) in
            try connection.first("SELECT max(id) FROM content") {
                (row) throws(DatabaseError) in row.integer(0)
            } ?? 0
        }
    }

    /// Writes a folder, over what may have been there.
    static func insert(
        _ directory: Directory, _ commit: CommitID, path: [UInt8], _ connection: Connection
    ) throws(DatabaseError) {
        try connection.run(
            "INSERT OR REPLACE INTO directory VALUES (?, ?, ?, ?)",
            [
                .integer(commit.row), .blob(path), .blob(directory.bytes),
                .integer(RowChecksum.directory(commit, path: path, directory.bytes)),
            ])
    }

    static func upsertContent(
        _ content: CatalogContent, _ commit: CommitID, path: [UInt8], _ connection: Connection
    ) throws(DatabaseError) -> Directory.Target {
        // The size is part of the identity: a listing that lies about it makes a content of its
        // own, which never proves, and leaves the true one alone.
        try connection.run(
            """
            INSERT INTO content (hash, size, modified, xet) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET xet = coalesce(xet, excluded.xet)
            """,
            [
                .blob(content.hash.bytes), .integer(content.sizeBytes),
                .integer(content.modified), .text(orNull: content.xetHash),
            ])
        let known = try connection.first(
            "SELECT id, modified FROM content WHERE hash = ? AND size = ?",
            [.blob(content.hash.bytes), .integer(content.sizeBytes)]
        ) { (row) throws(DatabaseError) in (row.integer(0), row.integer(1)) }
        guard let known else { throw .corrupt }
        try connection.run(
            "UPDATE content SET checksum = ? WHERE id = ? AND checksum IS NULL",
            [
                .integer(
                    RowChecksum.content(
                        ContentID(row: known.0), content.hash, sizeBytes: content.sizeBytes,
                        modified: known.1)), .integer(known.0),
            ])
        try connection.run(
            "INSERT OR IGNORE INTO content_source VALUES (?, ?, ?)",
            [.integer(known.0), .integer(commit.row), .blob(path)])
        return .file(
            ContentID(row: known.0), sizeBytes: content.sizeBytes, modified: known.1)
    }
}

/// A content as a tree tells of it.
struct CatalogContent {
    let hash: ContentHash
    let sizeBytes: Int64
    /// Seconds since 1970; counts where the content is new.
    let modified: Int64
    let xetHash: String?

    init(hash: ContentHash, sizeBytes: Int64, modified: Int64, xetHash: String?) {
        self.hash = hash
        self.sizeBytes = sizeBytes
        self.modified = modified
        self.xetHash = xetHash
    }

    init(_ entry: TreeEntry, date: WallTime) {
        self.init(
            hash: entry.sha256.map(ContentHash.sha256) ?? .gitBlob(entry.oid),
            sizeBytes: entry.size, modified: date.secondsSince1970, xetHash: entry.xetHash)
    }
}
