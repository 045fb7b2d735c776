// What can go wrong with a database, by what its user can do about it.

internal import CSQLite3

/// A failure of SQLite, sorted by what the caller can do.
package enum DatabaseError: Error, Equatable, Sendable {
    /// The file could not be opened or created; the code is SQLite's extended one.
    case cannotOpen(path: String, code: Int32)
    /// The file was written by a newer program: steps found, steps known here.
    case newerVersion(found: Int, known: Int)
    /// The tables are not those that this program's version of the schema has.
    case otherSchema
    /// Another connection held its lock for longer than the busy timeout.
    case busy
    /// The disk is full.
    case full
    /// The file or its disk is read-only.
    case readOnly
    /// The disk failed; the code is SQLite's extended one.
    case inputOutput(code: Int32)
    /// The file is damaged, or is no database.
    case corrupt
    /// A constraint of the schema was broken; the code is SQLite's extended one.
    case constraint(code: Int32)
    /// The writer has been closed.
    case closed
    /// The writer's queue is at its limit.
    case queueFull
    /// A value of a row is not what the reader of the row needs; by column.
    case unexpectedValue(column: Int)
    /// Anything else, which is a mistake in this program: a code and SQLite's own sentence.
    case failed(code: Int32, message: String)

    /// Whether the file itself is unusable, so that it has to be rebuilt.
    package var meansDamaged: Bool { self == .corrupt || self == .otherSchema }
}

extension DatabaseError {
    /// Sorts SQLite's extended result code.
    init(code: Int32, message: @autoclosure () -> String) {
        switch code & 0xff {
        case SQLITE_BUSY, SQLITE_LOCKED: self = .busy
        case SQLITE_FULL: self = .full
        case SQLITE_READONLY: self = .readOnly
        case SQLITE_IOERR: self = .inputOutput(code: code)
        case SQLITE_CORRUPT, SQLITE_NOTADB: self = .corrupt
        case SQLITE_CONSTRAINT: self = .constraint(code: code)
        case SQLITE_CANTOPEN: self = .cannotOpen(path: message(), code: code)
        default: self = .failed(code: code, message: message())
        }
    }
}

extension DatabaseError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cannotOpen(let path, let code): "cannot open \(path) (SQLite code \(code))"
        case .newerVersion(let found, let known):
            "the database has version \(found), this program knows up to \(known)"
        case .otherSchema:
            "the tables are not those of this version of the program, or are damaged"
        case .busy: "the database is locked by another process"
        case .full: "the disk is full"
        case .readOnly: "the database is read-only"
        case .inputOutput(let code): "the disk failed under the database (SQLite code \(code))"
        case .corrupt: "the database is damaged"
        case .constraint(let code): "a constraint was broken (SQLite code \(code))"
        case .closed: "the database is closed"
        case .queueFull: "too many changes wait for the database"
        case .unexpectedValue(let column): "column \(column) of a row has a wrong value"
        case .failed(let code, let message): "\(message) (SQLite code \(code))"
        }
    }
}
