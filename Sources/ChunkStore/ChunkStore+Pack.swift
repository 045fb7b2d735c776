// Appending to packs, and finding chunks that are in one already.

internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// Packs a small content that is whole in memory; the caller has the result committed.
    func packSmall(
        _ key: ContentKey, incarnation: Int64, _ bytes: [UInt8], _ verification: Verification
    ) throws(StoreError) -> RecipeChange {
        var change: RecipeChange?
        let packer = Packer(self, key, incarnation: incarnation, reach: .inUse) {
            (made) throws(StoreError) in
            change = made
        }
        defer { packer.abandon() }
        try unsafe bytes.span.bytes.withUnsafeBytes { (bytes) throws(StoreError) in
            try unsafe packer.feed(bytes)
        }
        try packer.finish(verification)
        guard let change else { throw .closed }
        return change
    }

    /// Writes a batch into the pack under way.
    func append(_ batch: RecordBatch) throws(StoreError) -> [RecordLocation] {
        try packs.append(batch) { (number) throws(StoreError) in
            do throws(DatabaseError) { try index.setNextPack(number + 1) } catch {
                noteFailure(error)
                throw StoreError(error)
            }
        }
    }

    /// A record that holds a chunk, read and checked; nil if there is none.
    func sharedRecord(
        _ hash: Digest256, rawByteCount: Int
    ) throws(StoreError) -> (location: RecordLocation, storedByteCount: Int)? {
        let candidates: [RecordLocation]
        do throws(DatabaseError) { candidates = try index.records(hash: hash) } catch {
            noteFailure(error)
            throw StoreError(error)
        }
        for location in candidates {
            guard let header = checkedRecord(at: location) else {
                counters.checksumFailures.add()
                markDamaged(location)
                continue
            }
            if header.kind == .chunk && header.hash == hash
                && header.rawByteCount == rawByteCount
            {
                return (location, header.storedByteCount)
            }
        }
        return nil
    }

    /// The header of a record whose payload was read and found right.
    func checkedRecord(at location: RecordLocation) -> RecordHeader? {
        let buffer = recordBuffers.take()
        defer { recordBuffers.give(buffer) }
        let start = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[..<RecordHeader.byteCount])
        guard let salt = try? unsafe readRecords(at: location, into: start),
            let header = unsafe RecordHeader(
                UnsafeRawBufferPointer(start), salt: salt, offset: location.offset),
            header.storedByteCount <= ChunkStore.recordReadByteCount
        else { return nil }
        let payload = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[..<header.storedByteCount])
        let place = RecordLocation(rawValue: location.rawValue + Int64(RecordHeader.byteCount))
        guard let _ = try? unsafe readRecords(at: place, into: payload),
            unsafe xxh3(UnsafeRawBufferPointer(payload)) == header.payloadChecksum
        else { return nil }
        return header
    }
}
