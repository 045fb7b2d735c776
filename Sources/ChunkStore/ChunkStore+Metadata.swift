// Small things that the owner of the store wants to outlive its own database: trees, refs, pins.
//
// To the store they are bytes with a kind and a key. They lie in packs like everything else, so
// that whoever has the packs has them too. A later payload under the same key replaces the one
// before. What is longer than a part is kept in several. The payload of a record:
//
//     bytes   what
//     1       kind, of the owner's choice
//     2       length of the key
//     2       number of this part
//     2       parts of the whole
//     ...     key
//     ...     the part's bytes

internal import Compression
internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

/// Something to be kept under a kind and a key.
package struct MetadataItem: Equatable, Sendable {
    /// Of the owner's choice; 255 is the store's own.
    package let kind: UInt8
    /// Up to 1,024 bytes.
    package let key: [UInt8]
    package let payload: [UInt8]

    package init(kind: UInt8, key: [UInt8], payload: [UInt8]) {
        self.kind = kind
        self.key = key
        self.payload = payload
    }
}

/// A part of an item as it lies in a pack.
struct MetadataPart: Equatable, Sendable {
    static let keyByteCountMax = 1_024
    static let byteCountMax = 512 << 10

    let kind: UInt8
    let key: [UInt8]
    let number: Int
    let count: Int
    let bytes: [UInt8]

    var payload: [UInt8] {
        var payload = [kind]
        for value in [key.count, number, count] {
            payload += [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
        }
        return payload + key + bytes
    }

    init(kind: UInt8, key: [UInt8], number: Int, count: Int, bytes: [UInt8]) {
        self.kind = kind
        self.key = key
        self.number = number
        self.count = count
        self.bytes = bytes
    }

    init?(_ payload: [UInt8]) {
        guard payload.count >= 7 else { return nil }
        func value(_ place: Int) -> Int { Int(payload[place]) | Int(payload[place + 1]) << 8 }
        let keyEnd = 7 + value(1)
        guard keyEnd <= payload.count, value(3) < value(5) else { return nil }
        self.init(
            kind: payload[0], key: Array(payload[7..<keyEnd]), number: value(3), count: value(5),
            bytes: Array(payload[keyEnd...]))
    }

    /// The parts of an item; nil if its key or its payload is too long.
    static func parts(of item: MetadataItem) -> [MetadataPart]? {
        let count = max(1, (item.payload.count + byteCountMax - 1) / byteCountMax)
        guard item.key.count <= keyByteCountMax, count <= 1_024 else { return nil }
        return (0..<count).map { number in
            let start = number * byteCountMax
            let end = min(item.payload.count, start + byteCountMax)
            return MetadataPart(
                kind: item.kind, key: item.key, number: number, count: count,
                bytes: Array(item.payload[start..<end]))
        }
    }
}

extension ChunkStore {
    /// Keeps items, all or none of them; they are on the disk when this returns.
    ///
    /// - Throws: `invalidRange` for a key of more than 1 KiB or a payload of more than 512 MiB;
    ///   failures of the disk or the index.
    package func keep(_ items: [MetadataItem]) throws(StoreError) {
        var added: [(part: MetadataPart, record: NewRecord)] = []
        defer { packs.commit(added.map(\.record.location)) }
        let batch = RecordBatch()
        for item in items {
            guard let parts = MetadataPart.parts(of: item) else { throw .invalidRange }
            for part in parts {
                let payload = part.payload
                unsafe payload.withUnsafeBytes { bytes in
                    unsafe batch.add(
                        .metadata, .stored, hash: Digest256(0, 0, 0, 0),
                        rawByteCount: bytes.count, bytes)
                }
                for location in try append(batch) {
                    let record = NewRecord(
                        location: location, storedByteCount: payload.count, rawByteCount: 0,
                        hash: nil, uses: 1)
                    added.append((part, record))
                }
            }
        }
        try packs.synchronize()
        if packs.areLost(added.map(\.record.location)) { throw .disk(.inputOutput) }
        let rows = added
        try changeMetadata { (connection) throws(DatabaseError) in
            var byteCount: Int64 = 0
            for item in items {
                byteCount -= Int64(
                    try StoreIndex.release(metadata: item.kind, item.key, connection))
            }
            for (part, record) in rows {
                try StoreIndex.insert(part, record, connection)
                byteCount += Int64(record.byteCount)
            }
            return byteCount
        }
    }

    /// Forgets what was kept under a kind and a key.
    package func forget(_ kind: UInt8, key: [UInt8]) throws(StoreError) {
        try forget(kind, keys: [key])
    }

    /// Forgets what was kept under several keys, in one commit.
    func forget(_ kind: UInt8, keys: [[UInt8]]) throws(StoreError) {
        try changeMetadata { (connection) throws(DatabaseError) in
            var freed: Int64 = 0
            for key in keys {
                freed += Int64(try StoreIndex.release(metadata: kind, key, connection))
            }
            return -freed
        }
        punchHoles()
    }

    private func changeMetadata(
        _ job: @escaping @Sendable (Connection) throws(DatabaseError) -> Int64
    ) throws(StoreError) {
        do throws(DatabaseError) { addPacked(try index.writer.perform(job)) } catch {
            noteFailure(error)
            throw StoreError(error)
        }
    }

    /// Calls `body` for every item of a kind that can be read whole.
    package func forEachItem(
        _ kind: UInt8, _ body: (MetadataItem) -> Void
    ) throws(StoreError) {
        let rows: [StoreIndex.MetadataRow]
        do throws(DatabaseError) { rows = try index.metadata(kind) } catch {
            noteFailure(error)
            throw StoreError(error)
        }
        var parts: [MetadataPart] = []
        for row in rows {
            if row.part == 0 { parts = [] }
            guard let part = packs.payload(at: row.record, .metadata).flatMap({ MetadataPart($0) }),
                part.kind == kind,
                part.key == row.key, part.number == row.part, part.number == parts.count
            else {
                counters.checksumFailures.add()
                continue
            }
            parts.append(part)
            if parts.count == part.count {
                body(
                    MetadataItem(kind: kind, key: row.key, payload: parts.flatMap(\.bytes)))
            }
        }
    }
}

extension StoreIndex {
    struct MetadataRow: Sendable {
        let key: [UInt8]
        let part: Int
        let record: RecordLocation
    }

    /// All parts of a kind, by key and number.
    func metadata(_ kind: UInt8) throws(DatabaseError) -> [MetadataRow] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var rows: [MetadataRow] = []
            try connection.query(
                "SELECT key, part, record FROM metadata WHERE kind = ? ORDER BY key, part",
                [.integer(Int64(kind))]
            ) { (row) throws(DatabaseError) in
                rows.append(
                    MetadataRow(
                        key: row.blob(0), part: Int(row.integer(1)),
                        record: RecordLocation(rawValue: row.integer(2))))
            }
            return rows
        }
    }

    static func insert(
        _ part: MetadataPart, _ record: NewRecord, _ connection: Connection
    ) throws(DatabaseError) {
        try insert(record, connection)
        try connection.run(
            "INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)",
            [
                .integer(Int64(part.kind)), .blob(part.key), .integer(Int64(part.number)),
                .integer(record.location.rawValue),
            ])
    }

    /// Forgets an item; returns the bytes that became free.
    static func release(
        metadata kind: UInt8, _ key: [UInt8], _ connection: Connection
    ) throws(DatabaseError) -> Int {
        var records: [RecordLocation] = []
        try connection.query(
            "SELECT record FROM metadata WHERE kind = ? AND key = ?",
            [.integer(Int64(kind)), .blob(key)]
        ) { (row) throws(DatabaseError) in
            records.append(RecordLocation(rawValue: row.integer(0)))
        }
        var freed = 0
        for record in records { freed += try release(record, connection) }
        try connection.run(
            "DELETE FROM metadata WHERE kind = ? AND key = ?",
            [.integer(Int64(kind)), .blob(key)])
        return freed
    }
}
