// Records on their way into a pack: put together in memory, written in one piece.

internal import Compression
internal import Hashing
internal import Platform

/// A buffer of records that are not yet in a pack.
@safe
final class RecordBatch {
    /// A batch is written when it has so many bytes; a write of 1 MiB costs little for its size.
    static let fullByteCount = 1 << 20

    /// A record of the batch, by its place in the batch.
    struct Entry {
        let start: Int
        let header: RecordHeader
    }

    private(set) var entries: [Entry] = []
    private(set) var byteCount = 0
    private let buffer: UnsafeMutableRawBufferPointer

    init() {
        // The last record may begin just below the mark.
        let most = RecordHeader.recordByteCount(RecordHeader.payloadByteCountMax)
        unsafe buffer = .allocate(
            byteCount: RecordBatch.fullByteCount + most, alignment: RecordHeader.alignment)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    var isFull: Bool { byteCount >= RecordBatch.fullByteCount }
    var isEmpty: Bool { entries.isEmpty }

    /// Copies a payload into the batch.
    func add(
        _ kind: RecordKind, _ codec: ChunkCodec, hash: Digest256, rawByteCount: Int,
        _ payload: UnsafeRawBufferPointer
    ) {
        precondition(!isFull && payload.count <= RecordHeader.payloadByteCountMax)
        let header = unsafe RecordHeader(
            kind: kind, codec: codec, storedByteCount: payload.count, rawByteCount: rawByteCount,
            hash: hash, payloadChecksum: xxh3(payload))
        let start = byteCount + RecordHeader.byteCount
        let end = byteCount + header.recordByteCount
        unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start..<start + payload.count])
            .copyMemory(from: payload)
        for index in start + payload.count..<end { unsafe buffer[index] = 0 }
        entries.append(Entry(start: byteCount, header: header))
        byteCount = end
    }

    /// Writes the headers for a place in a pack, and lends the bytes.
    func withBytes<Result, Failure: Error>(
        salt: UInt64, offset: Int, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        for entry in entries {
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer[entry.start..<entry.start + RecordHeader.byteCount])
            unsafe entry.header.write(into: target, salt: salt, offset: offset + entry.start)
        }
        return try unsafe body(UnsafeRawBufferPointer(rebasing: buffer[..<byteCount]))
    }

    /// Empties the batch for the next records.
    func removeAll() {
        entries.removeAll(keepingCapacity: true)
        byteCount = 0
    }
}
