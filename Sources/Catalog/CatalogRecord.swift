// What the catalog says of one thing, as bytes that can be kept outside of its database.
//
// Numbers are little-endian; a text or a list has its length (4 bytes) before it. The first byte of
// a payload is the version of its form, 1. An optional value has a byte before it, 0 or 1.
//
//     kind             key                  payload after the version
//     1 repository     kind/name            canonical name; 1 byte of flags; optional 8: when its
//                                           refs were listed; list of refs: name, kind (text, may
//                                           be empty), 20: commit, 8: when it was resolved
//     2 commit         kind/name NUL oid    optional 8: its date; list of folders: path, list of
//                                           entries: name, 1: 0 file or 1 folder, then of a file
//                                           hash, 8: size, 8: mtime, optional text: Xet hash, and
//                                           of a folder 4: number of its folders
//     3 owner          kind/name            8: when it was listed, 1: whether the list was cut
//     4 pin            as of a commit       8: when it was pinned
//     6 alias          kind/name            list of changes: 8: number, 8: when, who, 1: 0 taken
//                                           away or 1 set, then repository, revision, 20: commit
//
// A record that cannot be read is left out: what it told is asked of the Hub again.

/// A record of the catalog.
package struct CatalogRecord: Equatable, Sendable {
    /// What a record is about.
    package enum Kind: UInt8, CaseIterable, Sendable {
        case repository = 1
        case commit = 2
        case organisation = 3
        case pin = 4
        // 5 is the item that names the catalog itself.
        case alias = 6

        /// Whether its rows are found by a name, and not by a number.
        var isKeyedByName: Bool {
            switch self {
            case .organisation, .alias: true
            case .repository, .commit, .pin: false
            }
        }
    }

    package let kind: Kind
    /// Up to 250 bytes, since names are at most 193 and ids 20.
    package let key: [UInt8]
    /// Nil when there is nothing to be kept any more.
    package let payload: [UInt8]?

    package init(kind: Kind, key: [UInt8], payload: [UInt8]?) {
        self.kind = kind
        self.key = key
        self.payload = payload
    }
}

/// Writes the values of a payload.
struct RecordWriter {
    private(set) var bytes: [UInt8] = [RecordWriter.version]

    static let version: UInt8 = 1

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func count(_ value: Int) {
        for shift in stride(from: 0, to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func number(_ value: Int64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Int64(shift)))
        }
    }

    mutating func number(orNone value: Int64?) {
        byte(value == nil ? 0 : 1)
        if let value { number(value) }
    }

    mutating func text(_ value: some Collection<UInt8>) {
        count(value.count)
        bytes += value
    }

    mutating func text(orNone value: String?) {
        byte(value == nil ? 0 : 1)
        if let value { text(value.utf8) }
    }
}

/// The payload is cut off, or not of a form that is known.
struct UnreadableRecord: Error {}

/// Reads what `RecordWriter` wrote.
struct RecordReader {
    private var rest: ArraySlice<UInt8>

    init(_ payload: [UInt8]) throws(UnreadableRecord) {
        rest = payload[...]
        if try byte() != RecordWriter.version { throw UnreadableRecord() }
    }

    private mutating func take(_ count: Int) throws(UnreadableRecord) -> ArraySlice<UInt8> {
        if count < 0 || count > rest.count { throw UnreadableRecord() }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func byte() throws(UnreadableRecord) -> UInt8 {
        try take(1).reduce(0) { $1 | $0 }
    }

    mutating func count() throws(UnreadableRecord) -> Int {
        try take(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    mutating func number() throws(UnreadableRecord) -> Int64 {
        try take(8).reversed().reduce(0) { $0 << 8 | Int64($1) }
    }

    mutating func numberOrNone() throws(UnreadableRecord) -> Int64? {
        try byte() == 0 ? nil : try number()
    }

    mutating func bytes(_ count: Int) throws(UnreadableRecord) -> [UInt8] {
        Array(try take(count))
    }

    mutating func bytes() throws(UnreadableRecord) -> [UInt8] {
        try bytes(try count())
    }

    mutating func text() throws(UnreadableRecord) -> String {
        guard let text = String(validating: try bytes(), as: UTF8.self)
        else { throw UnreadableRecord() }
        return text
    }

    mutating func textOrNone() throws(UnreadableRecord) -> String? {
        try byte() == 0 ? nil : try text()
    }
}
