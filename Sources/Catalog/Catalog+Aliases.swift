// Aliases: names of this machine's own for revisions, and every change of them.
//
// An alias is what its newest change says, so there is no second place that could contradict the
// history. A change names a commit and never a ref: what was promoted stays what it was, whatever
// the Hub does. Changes are numbered for each alias, and the oldest beyond a limit are forgotten.

internal import Database
package import Hashing
package import HubAPI
package import Platform

/// The name of an alias, and under which kind of repositories it stands.
package struct AliasName: Hashable, Sendable {
    /// The most that a name may have: with its `@` it is a name of a directory's entry.
    package static let byteCountMax = 96

    package let kind: RepositoryKind
    /// Without the `@` that it has in a mount.
    package let name: String

    /// Nil when the name is none: letters, digits, `.`, `_` and `-`, the first of them no `.`.
    package init?(kind: RepositoryKind, name: String) {
        let letters = name.utf8
        let isPlain = letters.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain, !letters.isEmpty, letters.count <= AliasName.byteCountMax,
            letters.first != UInt8(ascii: ".")
        else { return nil }
        self.kind = kind
        self.name = name
    }

    /// Read from the key of a record: `model/prod`.
    init?(key: [UInt8]) {
        let text = String(decoding: key, as: UTF8.self)
        guard let slash = text.firstIndex(of: "/"),
            let kind = RepositoryKind(rawValue: String(text[..<slash]))
        else { return nil }
        self.init(kind: kind, name: String(text[text.index(after: slash)...]))
    }

    var key: String { "\(kind.rawValue)/\(name)" }
}

/// What an alias stands for.
package struct AliasTarget: Equatable, Sendable {
    /// By its canonical name.
    package let repository: RepositoryID
    /// As it was named when the alias was set, such as `v1.0`; empty for the default branch.
    package let revision: String
    package let commit: GitObjectID

    package init(repository: RepositoryID, revision: String, commit: GitObjectID) {
        self.repository = repository
        self.revision = revision
        self.commit = commit
    }
}

/// One change of an alias.
package struct AliasChange: Equatable, Sendable {
    /// Counts from 1, for each alias.
    package let number: Int64
    package let changedAt: WallTime
    /// Who asked for it, such as `alice`.
    package let who: String
    /// Nil when the alias was taken away.
    package let target: AliasTarget?

    package init(number: Int64, changedAt: WallTime, who: String, target: AliasTarget?) {
        self.number = number
        self.changedAt = changedAt
        self.who = who
        self.target = target
    }
}

extension Catalog {
    /// Changes of one alias that are remembered.
    package static let aliasChangeCountMax: Int64 = 256

    /// What an alias stands for now; nil when there is none of that name.
    package func alias(_ name: AliasName) throws(CatalogError) -> AliasTarget? {
        try read { (connection) throws(DatabaseError) in
            let newest = try connection.first(
                """
                SELECT number, changed_at, who, repository, revision, commit_oid
                FROM alias_change WHERE kind = ? AND name = ? ORDER BY number DESC LIMIT 1
                """, [.text(name.kind.rawValue), .text(name.name)]
            ) { (row) throws(DatabaseError) in try Catalog.change(row, name.kind) }
            return newest?.target
        }
    }

    /// The changes of an alias, the oldest that is remembered first.
    package func changes(of name: AliasName) throws(CatalogError) -> [AliasChange] {
        try read { (connection) throws(DatabaseError) in
            try Catalog.changes(of: name, connection)
        }
    }

    static func changes(
        of name: AliasName, _ connection: Connection
    ) throws(DatabaseError) -> [AliasChange] {
        var changes: [AliasChange] = []
        try connection.query(
            """
            SELECT number, changed_at, who, repository, revision, commit_oid
            FROM alias_change WHERE kind = ? AND name = ? ORDER BY number
            """, [.text(name.kind.rawValue), .text(name.name)]
        ) { (row) throws(DatabaseError) in changes.append(try change(row, name.kind)) }
        return changes
    }

    /// All aliases that ever were, by kind and name, also those that were taken away.
    package func aliasNames() throws(CatalogError) -> [AliasName] {
        try read { (connection) throws(DatabaseError) in
            var names: [AliasName] = []
            try connection.query(
                "SELECT DISTINCT kind, name FROM alias_change ORDER BY kind, name"
            ) { (row) throws(DatabaseError) in
                if let kind = RepositoryKind(rawValue: row.text(0)),
                    let name = AliasName(kind: kind, name: row.text(1))
                {
                    names.append(name)
                }
            }
            return names
        }
    }

    /// The names of the aliases that stand for something now.
    package func aliasNames(of kind: RepositoryKind) throws(CatalogError) -> [String] {
        try read { (connection) throws(DatabaseError) in
            var names: [String] = []
            try connection.query(
                """
                SELECT name FROM alias_change AS newest
                WHERE kind = ?1 AND commit_oid IS NOT NULL AND number =
                    (SELECT max(number) FROM alias_change WHERE kind = ?1 AND name = newest.name)
                ORDER BY name
                """, [.text(kind.rawValue)]
            ) { (row) throws(DatabaseError) in names.append(row.text(0)) }
            return names
        }
    }

    /// Has an alias stand for something else from now on, or for nothing.
    ///
    /// - Parameter expected: the number of its newest change as the caller saw it, 0 for none.
    /// - Returns: the change; nil when somebody else changed the alias meanwhile.
    package func setAlias(
        _ name: AliasName, to target: AliasTarget?, by who: String, at now: WallTime,
        expecting expected: Int64
    ) throws(CatalogError) -> AliasChange? {
        let made = try write { (connection) throws(DatabaseError) -> AliasChange? in
            let newest = try connection.first(
                "SELECT coalesce(max(number), 0) FROM alias_change WHERE kind = ? AND name = ?",
                [.text(name.kind.rawValue), .text(name.name)]
            ) { (row) throws(DatabaseError) in row.integer(0) }
            guard newest == expected else { return nil }
            let change = AliasChange(
                number: expected + 1, changedAt: now, who: who, target: target)
            try Catalog.insert(change, of: name, connection)
            try connection.run(
                "DELETE FROM alias_change WHERE kind = ? AND name = ? AND number <= ?",
                [
                    .text(name.kind.rawValue), .text(name.name),
                    .integer(change.number - Catalog.aliasChangeCountMax),
                ])
            return change
        }
        if made != nil { try markChanged(try rows(of: .repositories(name.kind))) }
        return made
    }

    static func insert(
        _ change: AliasChange, of name: AliasName, _ connection: Connection
    ) throws(DatabaseError) {
        let target = change.target
        try connection.run(
            "INSERT OR REPLACE INTO alias_change VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .text(name.kind.rawValue), .text(name.name), .integer(change.number),
                .integer(change.changedAt.secondsSince1970), .text(change.who),
                .text(orNull: target?.repository.name), .text(orNull: target?.revision),
                .blob(orNull: target?.commit.bytes),
            ])
    }

    private static func change(
        _ row: borrowing Row, _ kind: RepositoryKind
    ) throws(DatabaseError) -> AliasChange {
        var target: AliasTarget?
        if let repository = row.optionalText(3) {
            guard let id = RepositoryID(kind: kind, name: repository),
                let commit = GitObjectID(bytes: row.blob(5))
            else { throw .unexpectedValue(column: 5) }
            target = AliasTarget(repository: id, revision: row.text(4), commit: commit)
        }
        return AliasChange(
            number: row.integer(0), changedAt: WallTime(secondsSince1970: row.integer(1)),
            who: row.text(2), target: target)
    }
}
