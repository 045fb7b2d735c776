// Copies in packs of what the index knows about flat files.
//
// Without them a lost index would cost every flat file. A copy is made of a content that is
// complete and proven, since it does not change any more. The payload of its record:
//
//     bytes     what
//     1         length of the content's hash, 20 or 32
//     20, 32    the content's hash
//     8         its size
//     8         its incarnation, which is in the name of its file
//     8         number of the segment
//     8         blocks of the segment
//     the rest  the segment as in the index (BlockSegment.swift), with the key 0

internal import Compression
internal import Database
internal import Hashing
internal import Platform

/// A segment of a flat content, as a pack keeps it.
struct FlatMapCopy: Equatable, Sendable {
    let key: ContentKey
    let incarnation: Int64
    let index: Int
    let segment: BlockSegment

    init(key: ContentKey, incarnation: Int64, index: Int, segment: BlockSegment) {
        self.key = key
        self.incarnation = incarnation
        self.index = index
        self.segment = segment
    }

    /// The payload of a record of kind `flatMap`.
    var bytes: [UInt8] {
        let hash = key.hash.bytes
        var bytes: [UInt8] = [UInt8(hash.count)] + hash
        appendNumber(UInt64(bitPattern: key.size), to: &bytes)
        appendNumber(UInt64(bitPattern: incarnation), to: &bytes)
        appendNumber(UInt64(index), to: &bytes)
        appendNumber(UInt64(segment.blockCount), to: &bytes)
        return bytes + segment.blob(rowKey: 0)
    }

    /// Nil for a payload that is not of this form.
    init?(_ bytes: ArraySlice<UInt8>) {
        guard let length = bytes.first, bytes.count > 1 + Int(length) + 32,
            let hash = ContentHash(bytes: bytes.dropFirst().prefix(Int(length)))
        else { return nil }
        let rest = bytes.dropFirst(1 + Int(length))
        func number(_ place: Int) -> UInt64 { littleEndian(rest.dropFirst(8 * place).prefix(8)) }
        guard let size = Int64(exactly: number(0)), size <= ContentKey.sizeMax,
            number(2) < UInt64(StoreIndex.segmentCountMax)
        else { return nil }
        key = ContentKey(hash: hash, size: size)
        incarnation = Int64(bitPattern: number(1))
        index = Int(number(2))
        guard index * BlockSegment.blockCountMax < key.blockCount else { return nil }
        let blockCount = key.blockCount(ofSegment: index)
        guard number(3) == UInt64(blockCount),
            let segment = BlockSegment(
                blob: Array(rest.dropFirst(32)), blockCount: blockCount, rowKey: 0)
        else { return nil }
        self.segment = segment
    }
}

extension ChunkStore {
    /// On the cooler's thread: keeps a copy of a proven flat content's segments.
    func keepFlatMap(_ key: ContentKey) throws(StoreError) {
        let entry = try loaded(key, blocks: 0..<0)
        let id = entry.state.withLock { state in
            state.flatByteCount == key.size && state.verification.isProven ? state.id : nil
        }
        guard let id else { return }
        let batch = RecordBatch()
        let most = BlockSegment.blockCountMax
        let segmentCount = (key.blockCount + most - 1) / most
        for first in stride(from: 0, to: segmentCount, by: 64) {
            let indices = Array(first..<min(first + 64, segmentCount))
            do throws(DatabaseError) {
                let missing = try index.segmentsWithoutCopy(indices, id: id)
                let rows = try index.segments(missing, of: key, id: id, isPacked: false)
                for row in rows {
                    guard let segment = row.segment else { continue }
                    let copy = FlatMapCopy(
                        key: key, incarnation: id, index: row.index, segment: segment)
                    unsafe copy.bytes.withUnsafeBytes { bytes in
                        unsafe batch.add(
                            .flatMap, .stored, hash: Digest256(0, 0, 0, 0),
                            rawByteCount: bytes.count, bytes)
                    }
                }
                try commit(batch, rows.filter { $0.segment != nil }.map(\.index), of: id)
            } catch {
                noteFailure(error)
                throw StoreError(error)
            }
        }
    }

    private func commit(
        _ batch: RecordBatch, _ indices: [Int], of id: Int64
    ) throws(DatabaseError) {
        let sizes = batch.entries.map(\.header.storedByteCount)
        guard !sizes.isEmpty, let locations = try? append(batch) else { return }
        defer { packs.commit(locations) }
        guard (try? packs.synchronize()) != nil, !packs.areLost(locations) else { return }
        let records = zip(locations, sizes).map { location, size in
            NewRecord(
                location: location, storedByteCount: size, rawByteCount: 0, hash: nil, uses: 1)
        }
        let used = try index.writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.addCopies(records, of: indices, id: id, connection)
        }
        addPacked(used)
    }
}

extension StoreIndex {
    /// Those of the segments that have a row without a copy in a pack.
    func segmentsWithoutCopy(_ indices: [Int], id: Int64) throws(DatabaseError) -> [Int] {
        guard let first = indices.first, let last = indices.last else { return [] }
        return try readers.withReader { (connection) throws(DatabaseError) in
            var found: [Int] = []
            try connection.query(
                "SELECT key FROM segment WHERE key BETWEEN ? AND ? AND record = 0",
                [.integer(StoreIndex.key(id, first)), .integer(StoreIndex.key(id, last))]
            ) { (row) throws(DatabaseError) in
                found.append(Int(row.integer(0) % StoreIndex.segmentCountMax))
            }
            return found
        }
    }

    /// Tells segments where their copies are; returns the bytes that came into the index.
    static func addCopies(
        _ records: [NewRecord], of indices: [Int], id: Int64, _ connection: Connection
    ) throws(DatabaseError) -> Int64 {
        var byteCount: Int64 = 0
        for (record, index) in zip(records, indices) {
            try connection.run(
                "UPDATE segment SET record = ? WHERE key = ? AND record = 0",
                [.integer(record.location.rawValue), .integer(key(id, index))])
            // The content was dropped meanwhile: its copy is dead where it lies.
            if connection.changes == 0 { continue }
            try insert(record, connection)
            byteCount += Int64(record.byteCount)
        }
        return byteCount
    }
}
