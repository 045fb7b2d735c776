// The schema's version, and the steps from one to the next.
//
// `PRAGMA user_version` counts the steps taken. Steps are only ever appended. A file that has
// taken more steps than are known here was written by a newer program, and is left alone. The
// number says nothing about a step that was changed after it was taken, or about a definition in
// which a bit has flipped; so the definitions are compared with those that the steps make.

/// One step of a schema, from a version to the next.
package struct SchemaStep: Sendable, ExpressibleByStringLiteral {
    let apply: @Sendable (Connection) throws(DatabaseError) -> Void

    /// A step in code.
    package init(_ apply: @escaping @Sendable (Connection) throws(DatabaseError) -> Void) {
        self.apply = apply
    }

    /// A step in SQL, of any number of statements.
    package init(stringLiteral sql: String) {
        self.init { (connection) throws(DatabaseError) in try connection.execute(sql) }
    }
}

extension Connection {
    /// How many steps the file has taken.
    package func schemaVersion() throws(DatabaseError) -> Int {
        try first("PRAGMA user_version") { (row) throws(DatabaseError) in Int(row.integer(0)) } ?? 0
    }

    /// Takes the steps that are missing, each in a transaction of its own.
    ///
    /// - Throws: `newerVersion` when the file has taken more steps than there are; `otherSchema`
    ///   when its tables are not those that the steps it has taken make.
    package func migrate(_ steps: [SchemaStep]) throws(DatabaseError) {
        let version = try schemaVersion()
        if version > steps.count { throw .newerVersion(found: version, known: steps.count) }
        let model = try Connection(path: ":memory:")
        for step in steps[..<max(0, version)] { try step.apply(model) }
        if try model.definitions() != definitions() { throw .otherSchema }
        for index in version..<steps.count {
            try transaction { () throws(DatabaseError) in
                try steps[index].apply(self)
                try execute("PRAGMA user_version = \(index + 1)")
            }
        }
    }

    /// What defines the tables, their indices and triggers, without comments and spaces.
    private func definitions() throws(DatabaseError) -> [String] {
        var definitions: [String] = []
        try query(
            """
            SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'
            ORDER BY type, name
            """
        ) { (row) throws(DatabaseError) in
            var words = [row.text(0), row.text(1)]
            for line in row.text(2).split(separator: "\n") {
                let code = line.firstRange(of: "--").map { line[..<$0.lowerBound] } ?? line
                words += code.split(separator: " ").map(String.init)
            }
            definitions.append(words.joined(separator: " "))
        }
        return definitions
    }
}
