// Chunks by their hashes, whichever content has them and in whichever layout.
//
// What is in a pack is found by its record, what lies flat by the list of its content's chunks.
// No chunk is handed out whose bytes do not have the hash: the checksums on the disk are checked
// as with every read, and then the hash itself.

internal import Database
package import Hashing
internal import Platform
internal import Xet

extension ChunkStore {
    /// Whether some content has a chunk; its bytes are not looked at.
    package func hasChunk(_ hash: Digest256, byteCount: Int) -> Bool {
        if let places = try? index.flatPlaces(of: hash, byteCount: byteCount),
            places.contains(where: { isHere($0) })
        {
            return true
        }
        return (try? index.records(hash: hash))?.contains { location in
            guard let header = recordHeader(at: location) else { return false }
            return header.kind == .chunk && header.hash == hash && header.rawByteCount == byteCount
        } ?? false
    }

    /// The bytes of a chunk that some content has; nil if none has it, or it is damaged.
    package func chunk(_ hash: Digest256, byteCount: Int) -> [UInt8]? {
        guard byteCount > 0, byteCount <= ChunkStore.blockByteCount else { return nil }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        for place in (try? index.flatPlaces(of: hash, byteCount: byteCount)) ?? [] {
            let outcome = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe try? readQuietly(place.content, at: place.chunk.start, into: buffer)
            }
            if outcome == .bytes(byteCount), XetHash.chunk(bytes).digest == hash { return bytes }
        }
        for location in (try? index.records(hash: hash)) ?? [] {
            guard let header = checkedRecord(at: location), header.kind == .chunk,
                header.hash == hash, header.rawByteCount == byteCount
            else { continue }
            let entry = RecipeEntry(
                start: 0, rawByteCount: byteCount, storedByteCount: header.storedByteCount,
                location: location)
            let isRead = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe (try? read([entry], at: location, 0..<Int64(byteCount), into: buffer))
                    ?? false
            }
            if isRead, XetHash.chunk(bytes).digest == hash { return bytes }
        }
        return nil
    }

    private func isHere(_ place: ChunkPlace) -> Bool {
        missingRanges(
            place.content.hash, size: place.content.size, in: place.chunk.start..<place.chunk.end
        ).isEmpty
    }

    /// The head of a record, checked; its payload is not looked at.
    func recordHeader(at location: RecordLocation) -> RecordHeader? {
        let buffer = recordBuffers.take()
        defer { recordBuffers.give(buffer) }
        let start = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[..<RecordHeader.byteCount])
        guard let salt = try? unsafe readRecords(at: location, into: start) else { return nil }
        return unsafe RecordHeader(
            UnsafeRawBufferPointer(start), salt: salt, offset: location.offset)
    }

    // MARK: Lists

    /// Whether the list of an incarnation's chunks is complete.
    func isListed(_ key: ContentKey, id: Int64) -> Bool {
        let last = ChunkList.index(of: key.size - 1)
        return (try? index.chunkList(last, id: id)) ?? nil != nil
    }

    /// What lists the chunks of a content while it is proven; nil if that is done, or not worth
    /// it because the content does not stay flat.
    func listerForProof(_ entry: CachedContent) -> ChunkLister? {
        let (id, isFlat, verification) = entry.state.withLock {
            ($0.id, $0.flatByteCount > 0, $0.verification)
        }
        if !isFlat || hotLimitBytes == 0 || isListed(entry.key, id: id) { return nil }
        // The list goes with the content's row, which has to be there first.
        flush()
        // What has proven the content need not be cut and hashed once more.
        let hasProven = if case .provenByChunks = verification { true } else { false }
        return ChunkLister(
            index, entry.key, id: id,
            known: hasProven ? DeliveredChunks(index, entry.key) : nil)
    }
}
