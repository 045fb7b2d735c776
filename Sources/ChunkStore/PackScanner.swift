// Going through a pack from its start to its end, record by record.
//
// Dead space is zeros, or was never written. A record that is damaged is stepped over: the next
// header is looked for at every multiple of eight bytes. A header counts only with its checksum,
// which covers its place, so payloads that look like headers are not taken for such.

internal import Hashing
internal import Platform

/// A record that a scan has found.
///
/// Its payload was not read.
struct FoundRecord: Sendable {
    let location: RecordLocation
    let header: RecordHeader
}

/// Finds the records of one pack.
struct PackScanner: ~Copyable {
    private static let windowByteCount = 1 << 20

    private let pack: PackFile
    private let size: Int
    private let window = BlockBuffer(byteCount: PackScanner.windowByteCount)
    private var windowStart = 0
    private var windowCount = 0
    private var offset = PackHeader.byteCount

    init(_ pack: PackFile) throws(StoreError) {
        self.pack = pack
        do throws(Errno) { size = Int(try pack.file.size()) } catch { throw StoreError(error) }
    }

    /// The next record, or nil at the end of the pack.
    mutating func next() throws(StoreError) -> FoundRecord? {
        while offset + RecordHeader.byteCount <= size {
            try fill()
            let start = offset - windowStart
            let bytes = unsafe UnsafeRawBufferPointer(
                rebasing: window.bytes[start..<start + RecordHeader.byteCount])
            if let header = unsafe RecordHeader(bytes, salt: pack.salt, offset: offset) {
                let location = RecordLocation(pack: pack.number, offset: offset)
                offset += header.recordByteCount
                return FoundRecord(location: location, header: header)
            }
            offset += RecordHeader.alignment
        }
        return nil
    }

    /// Has the header at the offset in the window.
    private mutating func fill() throws(StoreError) {
        if offset >= windowStart && offset + RecordHeader.byteCount <= windowStart + windowCount {
            return
        }
        windowStart = offset
        windowCount = min(PackScanner.windowByteCount, size - offset)
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: window.bytes[..<windowCount])
        do throws(Errno) {
            _ = try unsafe pack.file.read(into: target, at: Int64(offset))
        } catch {
            throw StoreError(error)
        }
    }
}
