// Nodes: looked up by row, made when a name is first shown to the kernel, never removed while the
// database lives, so that an id which the kernel kept is always known again.

internal import Database
internal import HubAPI
internal import Platform

extension Catalog {
    /// A name below a directory, and what it is.
    package struct Child: Sendable {
        package let name: [UInt8]
        package let kind: NamedNode.Kind

        package init(name: [UInt8], kind: NamedNode.Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// The node of a row; nil when there is none.
    package func node(_ row: Int64) throws(CatalogError) -> NamedNode? {
        let (known, changeCount) = memory.withLock { ($0.nodes.value(for: row), $0.changeCount) }
        if let known { return known }
        let found = try read { (connection) throws(DatabaseError) in
            try connection.first(
                """
                SELECT id, parent, kind, commit_id, repository_kind, detail, changed
                FROM node WHERE id = ?
                """, [.integer(row)]
            ) { (row) throws(DatabaseError) in try Catalog.decodeNode(row) }
        }
        if let found {
            memory.withLock { memory in
                if memory.changeCount == changeCount { memory.nodes.insert(found, for: row) }
            }
        }
        return found
    }

    /// The name under which a node stands in its directory.
    package func name(of row: Int64) throws(CatalogError) -> [UInt8]? {
        try read { (connection) throws(DatabaseError) in
            try connection.first("SELECT name FROM node WHERE id = ?", [.integer(row)]) {
                (row) throws(DatabaseError) in row.blob(0)
            }
        }
    }

    /// The nodes of names below a directory, made where they are new.
    ///
    /// One transaction for all.
    package func children(
        of parent: Int64, _ wanted: [Child]
    ) throws(CatalogError) -> [NamedNode] {
        var nodes = [NamedNode?](repeating: nil, count: wanted.count)
        let changeCount = memory.withLock { memory in
            for (index, child) in wanted.enumerated() {
                let key = ChildKey(parent: parent, name: child.name, kind: child.kind)
                guard let row = memory.children.value(for: key) else { continue }
                nodes[index] = memory.nodes.value(for: row)
            }
            return memory.changeCount
        }
        let unknown = nodes.indices.filter { nodes[$0] == nil }
        if unknown.isEmpty { return nodes.compactMap(\.self) }
        let asked = unknown.map { wanted[$0] }
        let found = try read { (connection) throws(DatabaseError) in
            var found: [NamedNode?] = []
            for child in asked { found.append(try Catalog.find(child, parent, connection)) }
            return found
        }
        for (index, node) in zip(unknown, found) { nodes[index] = node }
        let missing = unknown.filter { nodes[$0] == nil }
        if !missing.isEmpty {
            let now = scheduling.wallNanoseconds
            let new = missing.map { wanted[$0] }
            let made = try write { (connection) throws(DatabaseError) in
                var made: [NamedNode] = []
                for child in new {
                    made.append(try Catalog.insert(child, parent, now: now, connection))
                }
                return made
            }
            for (index, node) in zip(missing, made) { nodes[index] = node }
        }
        let complete = nodes.compactMap(\.self)
        memory.withLock { memory in
            for (child, node) in zip(wanted, complete) {
                if memory.changeCount == changeCount { memory.nodes.insert(node, for: node.row) }
                memory.children.insert(
                    node.row,
                    for: ChildKey(parent: parent, name: child.name, kind: child.kind))
            }
        }
        return complete
    }

    /// The node of one name below a directory, made if it is new.
    package func child(of parent: Int64, _ child: Child) throws(CatalogError) -> NamedNode {
        guard let node = try children(of: parent, [child]).first else { throw .damaged }
        return node
    }

    /// A directory's listing has changed: its mtime moves, so that the kernel drops its copy.
    package func markChanged(_ rows: [Int64]) throws(CatalogError) {
        if rows.isEmpty { return }
        let now = scheduling.wallNanoseconds
        try write { (connection) throws(DatabaseError) in
            for row in rows {
                try connection.run(
                    "UPDATE node SET changed = max(changed + 1, ?) WHERE id = ?",
                    [.integer(now), .integer(row)])
            }
        }
        memory.withLock { memory in
            memory.changeCount += 1
            for row in rows { memory.nodes.remove(row) }
        }
        announceChange(of: rows)
    }

    /// The rows of all nodes of a kind that is neither a folder nor a link.
    package func rows(of kind: NamedNode.Kind) throws(CatalogError) -> [Int64] {
        let columns = Catalog.encode(kind)
        // `kind < 4` says nothing new, but lets the index of these few nodes be used.
        return try read { (connection) throws(DatabaseError) in
            var rows: [Int64] = []
            try connection.query(
                """
                SELECT id FROM node
                WHERE kind = ? AND commit_id = ? AND repository_kind = ? AND detail = ?
                    AND kind < 4
                """, columns
            ) { (row) throws(DatabaseError) in rows.append(row.integer(0)) }
            return rows
        }
    }

    // MARK: Rows

    static func insertFixedNodes(_ connection: Connection) throws(DatabaseError) {
        let now = WallTime.nowNanoseconds
        let root = Child(name: [], kind: .root)
        _ = try insert(root, NamedNode.rootRow, now: now, connection)
        for kind in RepositoryKind.allCases {
            let child = Child(name: Array(kind.plural.utf8), kind: .repositories(kind))
            let node = try insert(child, NamedNode.rootRow, now: now, connection)
            if node.row != NamedNode.row(of: kind) { throw .corrupt }
        }
    }

    private static func insert(
        _ child: Child, _ parent: Int64, now: Int64, _ connection: Connection
    ) throws(DatabaseError) -> NamedNode {
        if let known = try find(child, parent, connection) { return known }
        try connection.run(
            """
            INSERT INTO node (kind, commit_id, repository_kind, detail, parent, name, changed)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            encode(child.kind) + [.integer(parent), .blob(child.name), .integer(now)])
        return NamedNode(
            row: connection.lastInsertID, parent: parent, kind: child.kind,
            changedNanoseconds: now)
    }

    private static func find(
        _ child: Child, _ parent: Int64, _ connection: Connection
    ) throws(DatabaseError) -> NamedNode? {
        try connection.first(
            """
            SELECT id, parent, kind, commit_id, repository_kind, detail, changed FROM node
            WHERE kind = ? AND commit_id = ? AND repository_kind = ? AND detail = ?
                AND parent = ? AND name = ?
            """, encode(child.kind) + [.integer(parent), .blob(child.name)]
        ) { (row) throws(DatabaseError) in try decodeNode(row) }
    }

    /// Columns kind, commit_id, repository_kind, detail.
    private static func encode(_ kind: NamedNode.Kind) -> [Value] {
        switch kind {
        case .root: [0, 0, "", .blob([])]
        case .repositories(let kind): [1, 0, .text(kind.rawValue), .blob([])]
        case .organisation(let kind, let name):
            [2, 0, .text(kind.rawValue), .blob(Array(name.utf8))]
        case .versions(let id): [3, 0, .text(id.kind.rawValue), .blob(Array(id.name.utf8))]
        case .folder(let commit, let path): [4, .integer(commit.row), "", .blob(path)]
        case .link(let target): [5, 0, "", .blob(target)]
        }
    }

    /// Reads the columns id, parent, kind, commit_id, repository_kind, detail, changed.
    private static func decodeNode(_ row: borrowing Row) throws(DatabaseError) -> NamedNode {
        let detail = row.blob(5)
        let repositoryKind = RepositoryKind(rawValue: row.text(4))
        let name = String(decoding: detail, as: UTF8.self)
        let kind: NamedNode.Kind
        switch (row.integer(2), repositoryKind) {
        case (0, _): kind = .root
        case (1, let repositoryKind?): kind = .repositories(repositoryKind)
        case (2, let repositoryKind?): kind = .organisation(repositoryKind, name)
        case (3, let repositoryKind?):
            guard let id = RepositoryID(kind: repositoryKind, name: name)
            else { throw .unexpectedValue(column: 5) }
            kind = .versions(id)
        case (4, _): kind = .folder(CommitID(row: row.integer(3)), path: detail)
        case (5, _): kind = .link(target: detail)
        default: throw .unexpectedValue(column: 2)
        }
        return NamedNode(
            row: row.integer(0), parent: row.integer(1), kind: kind,
            changedNanoseconds: row.integer(6))
    }
}
