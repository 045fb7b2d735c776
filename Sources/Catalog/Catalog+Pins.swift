// What a repository or a commit is made of, and which commits are pinned: for the cache's commands.

internal import Database
package import Hashing
package import HubAPI
package import Platform

extension Catalog {
    /// A content by what it is known by everywhere.
    package struct ContentName: Hashable, Sendable {
        package let hash: ContentHash
        package let sizeBytes: Int64

        package init(hash: ContentHash, sizeBytes: Int64) {
            self.hash = hash
            self.sizeBytes = sizeBytes
        }
    }

    /// The repositories of which a tree is known, by name.
    package func repositoriesWithTrees() throws(CatalogError) -> [RepositoryID] {
        try read { (connection) throws(DatabaseError) in
            var found: [RepositoryID] = []
            try connection.query(
                """
                SELECT kind, name FROM repository
                WHERE id IN (SELECT repository FROM "commit" WHERE has_tree = 1)
                ORDER BY kind, name
                """
            ) { (row) throws(DatabaseError) in
                if let kind = RepositoryKind(rawValue: row.text(0)),
                    let id = RepositoryID(kind: kind, name: row.text(1))
                {
                    found.append(id)
                }
            }
            return found
        }
    }

    /// The commits of a repository whose trees are known, the newest known last.
    package func commitsWithTrees(of id: RepositoryID) throws(CatalogError) -> [KnownCommit] {
        let rows = try read { (connection) throws(DatabaseError) in
            var rows: [CommitID] = []
            guard let row = try Catalog.row(of: id, connection) else { return rows }
            try connection.query(
                "SELECT id FROM \"commit\" WHERE repository = ? AND has_tree = 1 ORDER BY id",
                [.integer(row.row)]
            ) { (row) throws(DatabaseError) in rows.append(CommitID(row: row.integer(0))) }
            return rows
        }
        var commits: [KnownCommit] = []
        for row in rows {
            if let commit = try commit(row) { commits.append(commit) }
        }
        return commits
    }

    /// The refs that lead to a commit now, by name; the default branch has the empty name.
    package func refNames(of commit: KnownCommit) throws(CatalogError) -> [String] {
        try read { (connection) throws(DatabaseError) in
            var names: [String] = []
            guard let row = try Catalog.row(of: commit.repository, connection) else { return names }
            try connection.query(
                "SELECT name FROM ref WHERE repository = ? AND commit_oid = ? ORDER BY name",
                [.integer(row.row), .blob(commit.oid.bytes)]
            ) { (row) throws(DatabaseError) in
                // A commit that was asked for by its whole id has that for a name too.
                if row.text(0) != commit.oid.hex { names.append(row.text(0)) }
            }
            return names
        }
    }

    /// The contents of a commit, each once.
    package func contents(of commit: CommitID) throws(CatalogError) -> Set<ContentName> {
        try read { (connection) throws(DatabaseError) in
            var found: Set<ContentName> = []
            try connection.query(
                """
                SELECT hash, size FROM content_source
                JOIN content ON content.id = content_source.content WHERE commit_id = ?
                """, [.integer(commit.row)]
            ) { (row) throws(DatabaseError) in found.insert(try Catalog.contentName(row)) }
            return found
        }
    }

    /// The row of a content; nil when it was never seen.
    package func contentID(of name: ContentName) throws(CatalogError) -> ContentID? {
        try read { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT id FROM content WHERE hash = ? AND size = ?",
                [.blob(name.hash.bytes), .integer(name.sizeBytes)]
            ) { (row) throws(DatabaseError) in ContentID(row: row.integer(0)) }
        }
    }

    /// The rows of the contents with a hash: one, unless a listing lied about a size.
    package func contentIDs(of hash: ContentHash) throws(CatalogError) -> [ContentID] {
        try read { (connection) throws(DatabaseError) in
            var rows: [ContentID] = []
            try connection.query(
                "SELECT id FROM content WHERE hash = ?", [.blob(hash.bytes)]
            ) { (row) throws(DatabaseError) in rows.append(ContentID(row: row.integer(0))) }
            return rows
        }
    }

    /// Whether a commit other than those given has the content too.
    package func isShared(
        _ name: ContentName, besides commits: Set<CommitID>
    ) throws(CatalogError) -> Bool {
        try read { (connection) throws(DatabaseError) in
            var isShared = false
            try connection.query(
                """
                SELECT commit_id FROM content_source
                JOIN content ON content.id = content_source.content WHERE hash = ? AND size = ?
                """, [.blob(name.hash.bytes), .integer(name.sizeBytes)]
            ) { (row) throws(DatabaseError) in
                isShared = isShared || !commits.contains(CommitID(row: row.integer(0)))
            }
            return isShared
        }
    }

    private static func contentName(
        _ row: borrowing Row
    ) throws(DatabaseError) -> ContentName {
        guard let hash = ContentHash(bytes: row.blob(0)) else { throw .unexpectedValue(column: 0) }
        return ContentName(hash: hash, sizeBytes: row.integer(1))
    }

    // MARK: Pins

    /// Notes that a commit is pinned, or no longer.
    package func setPinned(
        _ commit: CommitID, _ isPinned: Bool, at now: WallTime
    ) throws(CatalogError) {
        try write { (connection) throws(DatabaseError) in
            if isPinned {
                try connection.run(
                    "INSERT INTO pin VALUES (?, ?) ON CONFLICT DO NOTHING",
                    [.integer(commit.row), .integer(now.secondsSince1970)])
            } else {
                try connection.run(
                    "DELETE FROM pin WHERE commit_id = ?", [.integer(commit.row)])
            }
        }
    }

    /// All pinned commits.
    package func pinnedCommits() throws(CatalogError) -> [CommitID] {
        try read { (connection) throws(DatabaseError) in
            var rows: [CommitID] = []
            try connection.query("SELECT commit_id FROM pin ORDER BY commit_id") {
                (row) throws(DatabaseError) in rows.append(CommitID(row: row.integer(0)))
            }
            return rows
        }
    }
}
