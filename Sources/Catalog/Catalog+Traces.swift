// Traces of revisions: what was first touched in which order, for the next start to be ready.
//
// They are worth nothing without the rows that they name, so they are not put into the packs.

internal import Database
package import Platform

extension Catalog {
    /// Traces of so many revisions are kept, those that were recorded last.
    private static let traceCountMax = 256

    /// The order in which a revision was touched in earlier runs; nil when none is known.
    package func trace(of commit: CommitID) throws(CatalogError) -> TouchTrace? {
        try read { (connection) throws(DatabaseError) in
            try Catalog.trace(of: commit, connection)
        }
    }

    private static func trace(
        of commit: CommitID, _ connection: Connection
    ) throws(DatabaseError) -> TouchTrace? {
        let bytes = try connection.first(
            "SELECT extents FROM trace WHERE commit_id = ?", [.integer(commit.row)]
        ) { (row) throws(DatabaseError) in row.blob(0) }
        return bytes.flatMap { TouchTrace(bytes: $0) }
    }

    /// Keeps what a run has touched so far.
    ///
    /// - Parameters:
    ///   - earlier: the order of the runs before, which still counts where this one has seen less
    ///     than half as much: a run that finds everything in memory sends few reads.
    ///   - now: when it was recorded.
    package func record(
        _ traces: [CommitID: TouchTrace], earlier: [CommitID: TouchTrace], at now: WallTime
    ) throws(CatalogError) {
        try write { (connection) throws(DatabaseError) in
            for (commit, trace) in traces {
                let old = earlier[commit] ?? TouchTrace()
                let isTelling = trace.byteCount >= old.byteCount / 2
                let merged = isTelling ? trace.followed(by: old) : old.followed(by: trace)
                try connection.run(
                    """
                    INSERT INTO trace VALUES (?, ?, ?) ON CONFLICT (commit_id)
                    DO UPDATE SET extents = excluded.extents, recorded_at = excluded.recorded_at
                    """,
                    [
                        .integer(commit.row), .blob(merged.bytes),
                        .integer(now.secondsSince1970),
                    ])
            }
            try connection.run(
                """
                DELETE FROM trace WHERE commit_id NOT IN
                    (SELECT commit_id FROM trace ORDER BY recorded_at DESC LIMIT ?)
                """, [.integer(Int64(Catalog.traceCountMax))])
        }
    }
}
