// Repositories and their owners: what the Hub said of them, and what the user has looked at.

internal import Database
internal import Hashing
package import HubAPI
package import Platform

extension Catalog {
    /// An owner's repositories, as last listed.
    package struct OrganisationListing: Sendable {
        package let listedAt: WallTime
        /// Whether there are more than were listed.
        package let isTruncated: Bool
        /// In the order of their names.
        package let repositories: [RepositoryID]
    }

    /// The repository of that name, if it was ever seen.
    package func repository(_ id: RepositoryID) throws(CatalogError) -> KnownRepository? {
        try read { (connection) throws(DatabaseError) in
            try connection.first(
                """
                SELECT id, canonical, is_private, is_gated, is_access_granted, is_used
                FROM repository
                WHERE kind = ? AND name = ?
                """, [.text(id.kind.rawValue), .text(id.name)]
            ) { (row) throws(DatabaseError) in
                KnownRepository(
                    row: RepositoryRow(row: row.integer(0)), id: id,
                    canonical: RepositoryID(kind: id.kind, name: row.text(1)) ?? id,
                    isPrivate: row.integer(2) != 0, isGated: row.integer(3) != 0,
                    isAccessGranted: row.integer(4) != 0, isUsed: row.integer(5) != 0)
            }
        }
    }

    /// Records what an answer about a revision said, of the id that was asked and of the canonical
    /// one.
    ///
    /// - Parameter revision: the name that was asked for; nil for the default branch.
    package func record(
        _ info: RevisionInfo, asked id: RepositoryID, revision: RevisionName?, at now: WallTime
    ) throws(CatalogError) {
        // Where the Hub does not date a commit, its files get the time at which it was seen.
        let date = info.lastModified ?? now
        let newlyShown = try write { (connection) throws(DatabaseError) in
            var newlyShown: [(id: RepositoryID, isOwnerNew: Bool)] = []
            for asked in Set([id, info.canonicalID]) {
                let row = try Catalog.upsert(
                    asked, canonical: info.canonicalID, isPrivate: info.isPrivate,
                    isGated: info.isGated, connection)
                _ = try Catalog.upsertCommit(info.commit, row, date: date, connection)
                let name = revision?.name ?? ""
                let isShownFirst = try Catalog.isShownFirst(name, of: row, connection)
                try Catalog.setRef(name, of: row, kind: nil, info.commit, at: now, connection)
                // An alias is a link to its canonical name, so both are used.
                let isUsedFirst = try Catalog.markUsed(asked, connection)
                if isShownFirst || isUsedFirst { newlyShown.append((asked, isUsedFirst)) }
            }
            return newlyShown
        }
        forgetCommits()
        for shown in newlyShown {
            try markListingChanged(of: shown.id, isOwnerNew: shown.isOwnerNew)
        }
    }

    /// Their dates may have become known.
    private func forgetCommits() {
        memory.withLock { memory in
            memory.changeCount += 1
            memory.commits.removeAll()
        }
    }

    /// Records an owner's repositories.
    package func record(
        listing: [ListedRepository], of organisation: String, kind: RepositoryKind,
        isTruncated: Bool, at now: WallTime
    ) throws(CatalogError) {
        let changed = try write { (connection) throws(DatabaseError) in
            try connection.run(
                """
                INSERT INTO organisation VALUES (?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET listed_at = excluded.listed_at,
                    is_truncated = excluded.is_truncated
                """,
                [
                    .text(kind.rawValue), .text(organisation), .integer(now.secondsSince1970),
                    isTruncated ? 1 : 0,
                ])
            var changed = false
            var listed: Set<String> = []
            for item in listing where item.id.organisation == organisation {
                listed.insert(item.id.name)
                let row = try Catalog.upsert(
                    item.id, canonical: item.id, isPrivate: item.isPrivate, isGated: item.isGated,
                    connection)
                changed = try Catalog.setListed(row, true, connection) || changed
                guard let oid = item.commit else { continue }
                _ = try Catalog.upsertCommit(oid, row, date: item.lastModified, connection)
                try Catalog.setRef("", of: row, kind: nil, oid, at: now, connection)
            }
            for row in try Catalog.unlisted(organisation, kind, except: listed, connection) {
                changed = try Catalog.setListed(row, false, connection) || changed
            }
            return changed
        }
        forgetCommits()
        if changed {
            try markChanged(
                rows(of: .repositories(kind)) + rows(of: .organisation(kind, organisation)))
        }
    }

    /// The owner's repositories, if they were ever listed.
    package func listing(
        of organisation: String, kind: RepositoryKind
    ) throws(CatalogError) -> OrganisationListing? {
        try read { (connection) throws(DatabaseError) in
            let header = try connection.first(
                "SELECT listed_at, is_truncated FROM organisation WHERE kind = ? AND name = ?",
                [.text(kind.rawValue), .text(organisation)]
            ) { (row) throws(DatabaseError) in (row.integer(0), row.integer(1) != 0) }
            guard let header else { return nil }
            return OrganisationListing(
                listedAt: WallTime(secondsSince1970: header.0), isTruncated: header.1,
                repositories: try Catalog.repositories(of: organisation, kind, connection))
        }
    }

    /// When the owner's repositories were last listed, if they ever were.
    package func listingTime(
        of organisation: String, kind: RepositoryKind
    ) throws(CatalogError) -> WallTime? {
        try read { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT listed_at FROM organisation WHERE kind = ? AND name = ?",
                [.text(kind.rawValue), .text(organisation)]
            ) { (row) throws(DatabaseError) in WallTime(secondsSince1970: row.integer(0)) }
        }
    }

    /// Whether a repository of that owner was ever seen.
    package func isOwner(_ name: String, kind: RepositoryKind) throws(CatalogError) -> Bool {
        try read { (connection) throws(DatabaseError) in
            try connection.first(
                """
                SELECT 1 FROM repository
                WHERE kind = ?1 AND name > ?2 || '/' AND name < ?2 || '0' LIMIT 1
                """, [.text(kind.rawValue), .text(name)]
            ) { (_) throws(DatabaseError) in true } ?? false
        }
    }

    /// Remembers that somebody has looked at a repository.
    package func recordUse(of id: RepositoryID) throws(CatalogError) {
        let changed = try write { (connection) throws(DatabaseError) in
            try Catalog.markUsed(id, connection)
        }
        if changed { try markListingChanged(of: id) }
    }

    /// Owners and legacy repositories that were looked at, for the root of a mount.
    ///
    /// An owner was looked at when a repository of theirs was, or when theirs were listed.
    package func usedNames(
        of kind: RepositoryKind
    ) throws(CatalogError) -> (organisations: [String], legacy: [RepositoryID]) {
        try read { (connection) throws(DatabaseError) in
            var organisations: Set<String> = []
            var legacy: [RepositoryID] = []
            try connection.query(
                """
                SELECT name, is_used FROM repository
                WHERE kind = ? AND (is_used = 1 OR is_listed = 1) ORDER BY name
                """, [.text(kind.rawValue)]
            ) { (row) throws(DatabaseError) in
                guard let id = RepositoryID(kind: kind, name: row.text(0)) else { return }
                if let organisation = id.organisation {
                    organisations.insert(organisation)
                } else if row.integer(1) != 0 {
                    legacy.append(id)
                }
            }
            return (organisations.sorted(), legacy)
        }
    }

    /// Remembers that the Hub let this user read a gated repository.
    package func recordAccess(to id: RepositoryID) throws(CatalogError) {
        try write { (connection) throws(DatabaseError) in
            try connection.run(
                "UPDATE repository SET is_access_granted = 1 WHERE kind = ? AND name = ?",
                [.text(id.kind.rawValue), .text(id.name)])
        }
    }

    /// The directories that show this repository's name list something else now.
    ///
    /// - Parameter isOwnerNew: whether its owner may be shown for the first time too.
    func markListingChanged(
        of id: RepositoryID, isOwnerNew: Bool = true
    ) throws(CatalogError) {
        var changed: [Int64] = []
        if isOwnerNew || id.organisation == nil {
            changed += try rows(of: .repositories(id.kind))
        }
        if let organisation = id.organisation {
            changed += try rows(of: .organisation(id.kind, organisation))
        }
        try markChanged(changed)
    }

    // MARK: Rows

    static func upsert(
        _ id: RepositoryID, canonical: RepositoryID, isPrivate: Bool, isGated: Bool,
        _ connection: Connection
    ) throws(DatabaseError) -> RepositoryRow {
        try connection.run(
            """
            INSERT INTO repository (kind, name, canonical, is_private, is_gated)
            VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (kind, name) DO UPDATE SET canonical = excluded.canonical,
                is_private = excluded.is_private, is_gated = excluded.is_gated
            """,
            [
                .text(id.kind.rawValue), .text(id.name), .text(canonical.name),
                isPrivate ? 1 : 0, isGated ? 1 : 0,
            ])
        guard let row = try row(of: id, connection) else { throw .corrupt }
        return row
    }

    static func row(
        of id: RepositoryID, _ connection: Connection
    ) throws(DatabaseError) -> RepositoryRow? {
        try connection.first(
            "SELECT id FROM repository WHERE kind = ? AND name = ?",
            [.text(id.kind.rawValue), .text(id.name)]
        ) { (row) throws(DatabaseError) in RepositoryRow(row: row.integer(0)) }
    }

    /// True when the repository was not marked before.
    private static func markUsed(
        _ id: RepositoryID, _ connection: Connection
    ) throws(DatabaseError) -> Bool {
        try connection.run(
            "UPDATE repository SET is_used = 1 WHERE kind = ? AND name = ? AND is_used = 0",
            [.text(id.kind.rawValue), .text(id.name)])
        return connection.changes > 0
    }

    private static func setListed(
        _ row: RepositoryRow, _ isListed: Bool, _ connection: Connection
    ) throws(DatabaseError) -> Bool {
        try connection.run(
            "UPDATE repository SET is_listed = ?1 WHERE id = ?2 AND is_listed <> ?1",
            [isListed ? 1 : 0, .integer(row.row)])
        return connection.changes > 0
    }

    private static func unlisted(
        _ organisation: String, _ kind: RepositoryKind, except listed: Set<String>,
        _ connection: Connection
    ) throws(DatabaseError) -> [RepositoryRow] {
        var rows: [RepositoryRow] = []
        try connection.query(
            """
            SELECT id, name FROM repository
            WHERE kind = ?1 AND is_listed = 1 AND name > ?2 || '/' AND name < ?2 || '0'
            """, [.text(kind.rawValue), .text(organisation)]
        ) { (row) throws(DatabaseError) in
            if !listed.contains(row.text(1)) { rows.append(RepositoryRow(row: row.integer(0))) }
        }
        return rows
    }

    /// The owner's repositories that were ever listed or looked at, in the order of their names.
    package func knownRepositories(
        of organisation: String, kind: RepositoryKind
    ) throws(CatalogError) -> [RepositoryID] {
        try read { (connection) throws(DatabaseError) in
            try Catalog.repositories(of: organisation, kind, withPrefetched: true, connection)
        }
    }

    private static func repositories(
        of organisation: String, _ kind: RepositoryKind, withPrefetched: Bool = false,
        _ connection: Connection
    ) throws(DatabaseError) -> [RepositoryID] {
        var found: [RepositoryID] = []
        // `0` follows `/` in ASCII, so the bounds hold exactly what begins with "organisation/".
        try connection.query(
            """
            SELECT name FROM repository
            WHERE kind = ?1 AND name > ?2 || '/' AND name < ?2 || '0'
                AND (is_listed = 1 OR is_used = 1 OR (?3 AND EXISTS (
                    SELECT 1 FROM "commit"
                    WHERE "commit".repository = repository.id AND has_tree = 1)))
            ORDER BY name
            """, [.text(kind.rawValue), .text(organisation), .integer(withPrefetched ? 1 : 0)]
        ) { (row) throws(DatabaseError) in
            if let id = RepositoryID(kind: kind, name: row.text(0)) { found.append(id) }
        }
        return found
    }
}
