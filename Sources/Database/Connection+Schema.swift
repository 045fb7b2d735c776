// The schema's version, and the steps from one to the next.
//
// `PRAGMA user_version` counts the steps taken. Steps are only ever appended. A file that has
// taken more steps than are known here was written by a newer program, and is left alone.

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
    /// - Throws: `newerVersion` when the file has taken more steps than there are.
    package func migrate(_ steps: [SchemaStep]) throws(DatabaseError) {
        let version = try schemaVersion()
        if version > steps.count { throw .newerVersion(found: version, known: steps.count) }
        for index in version..<steps.count {
            try transaction { () throws(DatabaseError) in
                try steps[index].apply(self)
                try execute("PRAGMA user_version = \(index + 1)")
            }
        }
    }
}
