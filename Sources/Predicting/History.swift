// What was predicted lately, in a database of its own: bounded in rows and in bytes of each.
//
// Written behind the answer, in groups; a database that fails costs the history and no prediction.
// It holds what was asked: the file is readable by its owner alone, and there is none with
// `--history off`.

internal import Database
internal import Glibc
internal import Platform
internal import Telemetry

/// The predictions of late.
final class History: Sendable {
    /// One prediction, or one table.
    struct Entry: Equatable, Sendable {
        var id: Int64 = 0
        var time: WallTime
        var commit: String
        /// `predict`, `batch`, `similarity`, `nearest`.
        var kind: String
        /// JSON, cut to its limit.
        var input: String
        var output: String
        var microseconds: Int64
    }

    /// Longer inputs and outputs are not kept whole.
    static let textByteCountMax = 4096
    /// What one request of the history gets at most.
    static let pageRowCountMax = 1000

    private static let schema: [SchemaStep] = [
        """
        CREATE TABLE predictions (
            id INTEGER PRIMARY KEY,
            time INTEGER NOT NULL,
            "commit" TEXT NOT NULL,
            kind TEXT NOT NULL,
            input TEXT NOT NULL,
            output TEXT NOT NULL,
            microseconds INTEGER NOT NULL
        ) STRICT
        """
    ]

    /// How many predictions are kept.
    let rowCountMax: Int
    private let writer: DatabaseWriter
    private let readers: DatabaseReaders
    private let log: Log

    init(path: String, rowCountMax: Int, log: Log) throws(DatabaseError) {
        self.rowCountMax = rowCountMax
        self.log = log
        // Made before SQLite does, for its owner alone.
        if let made = try? FileDescriptor.open(path, O_RDWR | O_CREAT, mode: 0o600) {
            _ = fchmod(made.rawValue, 0o600)
        }
        writer = try DatabaseWriter(path: path, schema: History.schema)
        readers = DatabaseReaders(path: path)
    }

    /// Commits what waits, and closes the file.
    func close() {
        writer.close()
        readers.close()
    }

    /// Notes predictions; the oldest beyond the limit go.
    func add(_ entries: [Entry]) {
        if entries.isEmpty { return }
        let limit = Int64(rowCountMax)
        let log = log
        writer.submit { (connection) throws(DatabaseError) in
            for entry in entries {
                try connection.run(
                    """
                    INSERT INTO predictions (time, "commit", kind, input, output, microseconds)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                    """,
                    [
                        .integer(entry.time.secondsSince1970), .text(entry.commit),
                        .text(entry.kind), .text(entry.input), .text(entry.output),
                        .integer(entry.microseconds),
                    ])
            }
            try connection.run(
                "DELETE FROM predictions WHERE id <= (SELECT max(id) FROM predictions) - ?1",
                [.integer(limit)])
        } completion: { error in
            if let error { log.warning("the history was not written", ["reason": "\(error)"]) }
        }
    }

    /// The newest predictions, newest first.
    ///
    /// - Parameter before: only those with a smaller id; nil for all.
    func newest(_ count: Int, before: Int64? = nil) throws(DatabaseError) -> [Entry] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var entries: [Entry] = []
            try connection.query(
                """
                SELECT id, time, "commit", kind, input, output, microseconds FROM predictions
                WHERE id < ?1 ORDER BY id DESC LIMIT ?2
                """,
                [
                    .integer(before ?? .max),
                    .integer(Int64(min(count, History.pageRowCountMax))),
                ]
            ) { (row) throws(DatabaseError) in
                entries.append(
                    Entry(
                        id: row.integer(0), time: WallTime(secondsSince1970: row.integer(1)),
                        commit: row.text(2), kind: row.text(3), input: row.text(4),
                        output: row.text(5), microseconds: row.integer(6)))
            }
            return entries
        }
    }

    /// Waits until what was added is there.
    func flush() {
        writer.flush()
    }

    /// A text as it is kept.
    static func cut(_ text: String) -> String {
        if text.utf8.count <= textByteCountMax { return text }
        var kept = text.prefix(textByteCountMax)
        while kept.utf8.count > textByteCountMax { kept = kept.dropLast(kept.count / 8 + 1) }
        return kept + "…"
    }
}

extension History.Entry {
    var json: JSONValue {
        .members([
            "id": .count(id), "time": .string(time.iso8601), "commit": .string(commit),
            "kind": .string(kind), "input": .string(input), "output": .string(output),
            "milliseconds": .number(Double(microseconds) / 1000),
        ])
    }
}
