// One row of a result, lent to the closure that reads it.
//
// Columns are numbered from 0. Text and blobs are copied out, except by `bytes`, which lends the
// memory of SQLite for as long as the row is lent.

internal import CSQLite3

/// A row of a running query; it cannot be kept.
@safe
package struct Row: ~Copyable {
    private let statement: OpaquePointer

    init(_ statement: OpaquePointer) {
        unsafe self.statement = statement
    }

    /// Whether the column is null.
    package func isNull(_ column: Int) -> Bool {
        unsafe sqlite3_column_type(statement, Int32(column)) == SQLITE_NULL
    }

    /// The column as an integer; 0 if it is null.
    package func integer(_ column: Int) -> Int64 {
        unsafe sqlite3_column_int64(statement, Int32(column))
    }

    /// The column as an integer, or nil if it is null.
    package func optionalInteger(_ column: Int) -> Int64? {
        isNull(column) ? nil : integer(column)
    }

    /// The column as text, with invalid UTF-8 repaired; empty if it is null.
    package func text(_ column: Int) -> String {
        guard let start = unsafe sqlite3_column_text(statement, Int32(column)) else { return "" }
        let count = Int(unsafe sqlite3_column_bytes(statement, Int32(column)))
        return unsafe String(
            decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// The column as text, or nil if it is null.
    package func optionalText(_ column: Int) -> String? {
        isNull(column) ? nil : text(column)
    }

    /// A copy of the column's bytes; empty if it is null.
    package func blob(_ column: Int) -> [UInt8] {
        let lent = bytes(column)
        return unsafe lent.withUnsafeBytes { unsafe [UInt8]($0) }
    }

    /// A copy of the column's bytes, or nil if it is null.
    package func optionalBlob(_ column: Int) -> [UInt8]? {
        isNull(column) ? nil : blob(column)
    }

    /// The column's bytes without a copy, lent for as long as the row is.
    @_lifetime(borrow self)
    package func bytes(_ column: Int) -> RawSpan {
        guard let start = unsafe sqlite3_column_blob(statement, Int32(column)) else {
            return RawSpan()
        }
        let count = Int(unsafe sqlite3_column_bytes(statement, Int32(column)))
        let span = unsafe RawSpan(_unsafeStart: start, byteCount: count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}
