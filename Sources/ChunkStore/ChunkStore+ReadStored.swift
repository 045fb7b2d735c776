// Reading chunks that lie in packs as they are: their bytes go from the page cache straight to
// where they are wanted, in one call for neighbours, and are checked there.

internal import Compression
internal import Hashing
internal import Platform

extension RecipeEntry {
    /// Whether the payload is the chunk itself, and all of it is wanted.
    ///
    /// A chunk that is coded takes fewer bytes than it has.
    func isStoredWhole(in range: Range<Int64>) -> Bool {
        storedByteCount == rawByteCount && range.lowerBound <= start && end <= range.upperBound
    }

    /// From the end of the payload to that of the record.
    fileprivate var paddingByteCount: Int {
        recordByteCount - RecordHeader.byteCount - storedByteCount
    }
}

extension ChunkStore {
    /// Neighbours in one call: two buffers each.
    static let storedRunCountMax = FileDescriptor.bufferCountMax / 2

    /// Reads neighbouring records of stored chunks that are wanted whole; false if one is damaged.
    func readStored(
        _ run: ArraySlice<RecipeEntry>, at location: RecordLocation, _ range: Range<Int64>,
        into target: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        let buffer = recordBuffers.take()
        defer { recordBuffers.give(buffer) }
        // A header with the padding before it, then the payload in its place, and so on.
        var parts: [UnsafeMutableRawBufferPointer] = unsafe []
        unsafe parts.reserveCapacity(2 * run.count)
        var used = 0
        var gap = RecordHeader.byteCount
        for entry in run {
            let first = Int(entry.start - range.lowerBound)
            unsafe parts.append(
                UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[used..<used + gap]))
            unsafe parts.append(
                UnsafeMutableRawBufferPointer(
                    rebasing: target[first..<first + entry.rawByteCount]))
            used += gap
            gap = entry.paddingByteCount + RecordHeader.byteCount
        }
        guard let salt = try unsafe readRecords(at: location, into: parts) else { return false }
        var place = location.offset
        for (number, entry) in run.enumerated() {
            let header = unsafe UnsafeRawBufferPointer(
                rebasing: parts[2 * number].suffix(RecordHeader.byteCount))
            guard
                let found = unsafe RecordHeader(header, salt: salt, offset: place),
                found.isChunk(of: entry), found.codec == .stored,
                unsafe xxh3(UnsafeRawBufferPointer(parts[2 * number + 1])) == found.payloadChecksum
            else { return false }
            place += entry.recordByteCount
        }
        return true
    }
}
