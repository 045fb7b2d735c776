// Refs and commits: what a revision's name stood for, and when that was asked.

internal import Database
package import Hashing
package import HubAPI
package import Platform

extension Catalog {
    /// A ref as it was last listed.
    package struct ListedRef: Sendable {
        package let name: RevisionName
        package let kind: RefInfo.Kind
        package let commit: GitObjectID
    }

    /// What `revision` (nil: the default branch) stood for when it was last resolved.
    package func resolution(
        of revision: RevisionName?, in id: RepositoryID
    ) throws(CatalogError) -> Resolution? {
        try read { (connection) throws(DatabaseError) in
            guard let row = try Catalog.row(of: id, connection) else { return nil }
            return try connection.first(
                "SELECT commit_oid, resolved_at FROM ref WHERE repository = ? AND name = ?",
                [.integer(row.row), .text(revision?.name ?? "")]
            ) { (row) throws(DatabaseError) in
                guard let oid = GitObjectID(bytes: row.blob(0))
                else { throw .unexpectedValue(column: 0) }
                return Resolution(
                    commit: oid, resolvedAt: WallTime(secondsSince1970: row.integer(1)))
            }
        }
    }

    /// The commit that a name of a repository most likely stands for, as long as no tree of the
    /// repository is known: the default branch's, if that and its date were told by a listing.
    ///
    /// Nil as well where its tree must not be asked for yet, or another name is the repository's.
    package func likelyCommit(
        of revision: RevisionName?, in id: RepositoryID
    ) throws(CatalogError) -> KnownCommit? {
        guard let known = try repository(id), known.canonical == id,
            !known.isGated || known.isAccessGranted,
            let resolution = try resolution(of: nil, in: id), try !hasTree(of: known),
            let commit = try commit(resolution.commit, in: id), commit.date != nil
        else { return nil }
        // Digits name a commit, and a pull request's is another one.
        if let revision, revision.name.hasPrefix("refs/") { return nil }
        if let oid = revision.flatMap({ GitObjectID(hex: $0.name) }), oid != commit.oid {
            return nil
        }
        return commit
    }

    private func hasTree(of repository: KnownRepository) throws(CatalogError) -> Bool {
        try read { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT 1 FROM \"commit\" WHERE repository = ? AND has_tree = 1 LIMIT 1",
                [.integer(repository.row.row)]
            ) { (_) throws(DatabaseError) in true } ?? false
        }
    }

    /// When any revision of a repository was last asked for under that name, if it ever was.
    package func resolutionTime(in id: RepositoryID) throws(CatalogError) -> WallTime? {
        try read { (connection) throws(DatabaseError) in
            guard let row = try Catalog.row(of: id, connection) else { return nil }
            return try connection.first(
                "SELECT max(resolved_at) FROM ref WHERE repository = ?", [.integer(row.row)]
            ) { (row) throws(DatabaseError) in
                row.optionalInteger(0).map { WallTime(secondsSince1970: $0) }
            } ?? nil
        }
    }

    /// The one known commit that begins with these digits; nil when there is none or several.
    package func commit(
        beginning digits: String, in id: RepositoryID
    ) throws(CatalogError) -> GitObjectID? {
        let found = try read { (connection) throws(DatabaseError) in
            var found: [GitObjectID] = []
            guard let row = try Catalog.row(of: id, connection) else { return found }
            try connection.query(
                """
                SELECT oid FROM "commit" WHERE repository = ? AND lower(hex(oid)) LIKE ? LIMIT 2
                """,
                [.integer(row.row), .text(digits + "%")]
            ) { (row) throws(DatabaseError) in
                if let oid = GitObjectID(bytes: row.blob(0)) { found.append(oid) }
            }
            return found
        }
        return found.count == 1 ? found[0] : nil
    }

    /// A commit by its hash, if it was ever seen in that repository.
    package func commit(
        _ oid: GitObjectID, in id: RepositoryID
    ) throws(CatalogError) -> KnownCommit? {
        let found = try read { (connection) throws(DatabaseError) in
            guard let row = try Catalog.row(of: id, connection) else { return nil as CommitID? }
            return try connection.first(
                "SELECT id FROM \"commit\" WHERE repository = ? AND oid = ?",
                [.integer(row.row), .blob(oid.bytes)]
            ) { (row) throws(DatabaseError) in CommitID(row: row.integer(0)) }
        }
        return try found.flatMap { (id) throws(CatalogError) in try commit(id) }
    }

    /// A commit by its row.
    package func commit(_ id: CommitID) throws(CatalogError) -> KnownCommit? {
        let (known, changeCount) = memory.withLock {
            ($0.commits.value(for: id.row), $0.changeCount)
        }
        if let known { return known }
        let found = try read { (connection) throws(DatabaseError) in
            try connection.first(
                """
                SELECT oid, kind, name, date, has_tree FROM "commit"
                JOIN repository ON repository.id = "commit".repository WHERE "commit".id = ?
                """, [.integer(id.row)]
            ) { (row) throws(DatabaseError) in
                guard let oid = GitObjectID(bytes: row.blob(0)),
                    let kind = RepositoryKind(rawValue: row.text(1)),
                    let repository = RepositoryID(kind: kind, name: row.text(2))
                else { throw .unexpectedValue(column: 0) }
                return KnownCommit(
                    id: id, oid: oid, repository: repository,
                    date: row.optionalInteger(3).map { WallTime(secondsSince1970: $0) },
                    hasTree: row.integer(4) != 0)
            }
        }
        if let found {
            memory.withLock { memory in
                if memory.changeCount == changeCount { memory.commits.insert(found, for: id.row) }
            }
        }
        return found
    }

    /// Records all refs of a repository; those that are gone are forgotten.
    package func record(
        refs: [RefInfo], of id: RepositoryID, at now: WallTime
    ) throws(CatalogError) {
        let changed = try write { (connection) throws(DatabaseError) in
            guard let row = try Catalog.row(of: id, connection) else { return false }
            let before = try Catalog.listedRefs(row, connection)
            try connection.run(
                "DELETE FROM ref WHERE repository = ? AND kind IS NOT NULL", [.integer(row.row)])
            // A name that git would not allow cannot be asked for later either.
            for ref in refs where RevisionName(ref.name) != nil {
                _ = try Catalog.upsertCommit(ref.commit, row, date: nil, connection)
                try Catalog.setRef(
                    ref.name, of: row, kind: ref.kind, ref.commit, at: now, connection)
            }
            try connection.run(
                """
                INSERT INTO refs_listing VALUES (?1, ?2)
                ON CONFLICT DO UPDATE SET listed_at = ?2
                """, [.integer(row.row), .integer(now.secondsSince1970)])
            let after = try Catalog.listedRefs(row, connection)
            return !before.elementsEqual(after) { $0.name == $1.name && $0.commit == $1.commit }
        }
        if changed {
            try markListingChanged(of: id)
            try markChanged(rows(of: .versions(id)))
        }
    }

    /// The refs of a repository and when they were listed; nil if they never were.
    package func refs(
        of id: RepositoryID
    ) throws(CatalogError) -> (listedAt: WallTime, refs: [ListedRef])? {
        try read { (connection) throws(DatabaseError) in
            guard let row = try Catalog.row(of: id, connection) else { return nil }
            guard let listedAt = try Catalog.refsTime(of: row, connection) else { return nil }
            return (listedAt, try Catalog.listedRefs(row, connection))
        }
    }

    /// When the refs of a repository were last listed, if they ever were.
    package func refsTime(of id: RepositoryID) throws(CatalogError) -> WallTime? {
        try read { (connection) throws(DatabaseError) in
            guard let row = try Catalog.row(of: id, connection) else { return nil }
            return try Catalog.refsTime(of: row, connection)
        }
    }

    /// The refs that are known without asking: those that were listed, and those that somebody
    /// looked at.
    ///
    /// Commits are no refs.
    package func shownRefs(of id: RepositoryID) throws(CatalogError) -> [RevisionName] {
        try read { (connection) throws(DatabaseError) in
            var names: [RevisionName] = []
            guard let row = try Catalog.row(of: id, connection) else { return names }
            try connection.query(
                "SELECT name, kind IS NOT NULL FROM ref WHERE repository = ? ORDER BY name",
                [.integer(row.row)]
            ) { (row) throws(DatabaseError) in
                guard let name = RevisionName(row.text(0)),
                    row.integer(1) != 0 || !name.looksLikeCommit
                else { return }
                names.append(name)
            }
            return names
        }
    }

    // MARK: Rows

    private static func refsTime(
        of row: RepositoryRow, _ connection: Connection
    ) throws(DatabaseError) -> WallTime? {
        try connection.first(
            "SELECT listed_at FROM refs_listing WHERE repository = ?", [.integer(row.row)]
        ) { (row) throws(DatabaseError) in WallTime(secondsSince1970: row.integer(0)) }
    }

    /// Whether a ref of that name is about to be shown beside its repository for the first time.
    static func isShownFirst(
        _ name: String, of row: RepositoryRow, _ connection: Connection
    ) throws(DatabaseError) -> Bool {
        guard let revision = RevisionName(name), !revision.looksLikeCommit else { return false }
        return try connection.first(
            "SELECT 1 FROM ref WHERE repository = ? AND name = ?",
            [.integer(row.row), .text(name)]
        ) { (_) throws(DatabaseError) in true } == nil
    }

    static func setRef(
        _ name: String, of row: RepositoryRow, kind: RefInfo.Kind?, _ oid: GitObjectID,
        at now: WallTime, _ connection: Connection
    ) throws(DatabaseError) {
        try connection.run(
            """
            INSERT INTO ref VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET commit_oid = excluded.commit_oid,
                resolved_at = excluded.resolved_at, kind = coalesce(excluded.kind, kind)
            """,
            [
                .integer(row.row), .text(name), .text(orNull: kind?.rawValue), .blob(oid.bytes),
                .integer(now.secondsSince1970),
            ])
    }

    static func upsertCommit(
        _ oid: GitObjectID, _ row: RepositoryRow, date: WallTime?, _ connection: Connection
    ) throws(DatabaseError) -> CommitID {
        // A date that is known stays: files were given it as their time.
        try connection.run(
            """
            INSERT INTO "commit" (repository, oid, date) VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET date = coalesce(date, excluded.date)
            """,
            [.integer(row.row), .blob(oid.bytes), .integer(orNull: date?.secondsSince1970)])
        let id = try connection.first(
            "SELECT id FROM \"commit\" WHERE repository = ? AND oid = ?",
            [.integer(row.row), .blob(oid.bytes)]
        ) { (row) throws(DatabaseError) in CommitID(row: row.integer(0)) }
        guard let id else { throw .corrupt }
        return id
    }

    private static func listedRefs(
        _ row: RepositoryRow, _ connection: Connection
    ) throws(DatabaseError) -> [ListedRef] {
        var refs: [ListedRef] = []
        try connection.query(
            """
            SELECT name, kind, commit_oid FROM ref
            WHERE repository = ? AND kind IS NOT NULL ORDER BY name
            """, [.integer(row.row)]
        ) { (row) throws(DatabaseError) in
            guard let name = RevisionName(row.text(0)),
                let kind = RefInfo.Kind(rawValue: row.text(1)),
                let oid = GitObjectID(bytes: row.blob(2))
            else { return }
            refs.append(ListedRef(name: name, kind: kind, commit: oid))
        }
        return refs
    }
}
