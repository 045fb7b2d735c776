// Turning the bytes of a content into chunks in packs, and into a recipe.
//
// Bytes are fed in order. They are cut by content and hashed, unless that was done before
// (ChunkGuide.swift), and looked for in the index; a chunk that is not there is coded and
// appended. Where bytes are missing the chunk under way ends, and the next run begins a new one:
// those edges are cut anew when the content is packed again with its neighbours. The recipe comes
// out in segments; each brings the records that it needs.

internal import Compression
internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

/// Packs one content.
final class Packer {
    /// A chunk of the recipe whose record may not be in a pack yet.
    private struct Place {
        let start: Int64
        let rawByteCount: Int
        let storedByteCount: Int
        let record: Record
        let hash: Digest256

        var end: Int64 { start + Int64(rawByteCount) }
    }

    private enum Record {
        case known(RecordLocation)
        /// The record with this number among the new ones of the segment.
        case new(Int)
    }

    private let store: ChunkStore
    private let buffers: PackingBuffers
    private let key: ContentKey
    private let incarnation: Int64
    private let emit: (RecipeChange) throws(StoreError) -> Void
    private let encoder: ChunkEncoder
    private let batch: RecordBatch
    private var guide: ChunkGuide
    private let pending: BlockBuffer
    private var pendingByteCount = 0
    /// Where the next byte lies in the content.
    private var position: Int64 = 0
    private var places: [Place] = []
    private var newRecords: [NewRecord] = []
    /// New records whose places are not known, because the batch was not written yet.
    private var unplacedFrom = 0
    private var newByHash: [Digest256: Int] = [:]
    private var shared: [RecordLocation: Int] = [:]
    private var verification = Verification.none
    /// The segment after the last one that was emitted.
    private var nextSegment = 0
    /// Room for what is appended and not yet counted by the store.
    private var reservedByteCount: Int64 = 0
    private let reach: ChunkStore.EvictionReach
    private var widths: NumberWidths

    /// - Parameters:
    ///   - incarnation: that the recipe is for.
    ///   - known: what is known of the content's chunks already.
    ///   - widths: what is known of its numbers.
    ///   - reach: how far room is made for it.
    ///   - emit: takes the recipe's segments, in order, and counts their bytes.
    init(
        _ store: ChunkStore, _ key: ContentKey, incarnation: Int64,
        known: (any KnownChunks)? = nil, widths: NumberWidths = NumberWidths(),
        reach: ChunkStore.EvictionReach,
        emit: @escaping (RecipeChange) throws(StoreError) -> Void
    ) {
        self.store = store
        buffers = store.takePackingBuffers()
        (encoder, batch, pending) = (buffers.encoder, buffers.batch, buffers.pending)
        self.key = key
        self.incarnation = incarnation
        guide = ChunkGuide(known)
        self.widths = widths
        self.reach = reach
        self.emit = emit
    }

    deinit {
        store.givePackingBuffers(buffers)
    }

    /// Takes the next bytes of the content.
    func feed(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        var rest = unsafe bytes
        while rest.count > 0 {
            let cut = unsafe guide.cut(rest, of: position)
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest[..<(cut ?? rest.count)])
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[part.count...])
            if cut != nil && pendingByteCount == 0 {
                try unsafe add(part)
                continue
            }
            unsafe UnsafeMutableRawBufferPointer(rebasing: pending.bytes[pendingByteCount...])
                .copyMemory(from: part)
            pendingByteCount += part.count
            if cut != nil { try addPending() }
        }
    }

    /// Goes on elsewhere in the content: what is between is missing.
    func skip(to next: Int64) throws(StoreError) {
        if next == position + Int64(pendingByteCount) { return }
        try addPending()
        guide.reset()
        encoder.reset()
        position = next
        try emitSegments(before: next)
    }

    /// Ends the content.
    ///
    /// - Parameter verification: of the whole, noted in the recipe's last copy.
    func finish(_ verification: Verification) throws(StoreError) {
        self.verification = verification
        try addPending()
        guide.reset()
        try emitSegments(before: .max)
    }

    /// Gives up: what was written and not emitted is dead.
    func abandon() {
        store.packs.commit(newRecords[..<unplacedFrom].map(\.location))
        newRecords = []
        unplacedFrom = 0
        store.release(reservedByteCount)
        reservedByteCount = 0
    }

    private func addPending() throws(StoreError) {
        if pendingByteCount == 0 { return }
        let chunk = unsafe UnsafeRawBufferPointer(rebasing: pending.bytes[..<pendingByteCount])
        pendingByteCount = 0
        try unsafe add(chunk)
    }

    private func add(_ chunk: UnsafeRawBufferPointer) throws(StoreError) {
        let hash = unsafe guide.hash(of: chunk, at: position)
        let (record, storedByteCount) = try unsafe record(for: chunk, hash)
        places.append(
            Place(
                start: position, rawByteCount: chunk.count, storedByteCount: storedByteCount,
                record: record, hash: hash))
        position += Int64(chunk.count)
        try emitSegments(before: position)
    }

    private func record(
        for chunk: UnsafeRawBufferPointer, _ hash: Digest256
    ) throws(StoreError) -> (Record, Int) {
        if let number = newByHash[hash] {
            newRecords[number].uses += 1
            store.counters.sharedBytes.add(Int64(chunk.count))
            return (.new(number), newRecords[number].storedByteCount)
        }
        if let found = try store.sharedRecord(hash, rawByteCount: chunk.count) {
            shared[found.location, default: 0] += 1
            store.counters.sharedBytes.add(Int64(chunk.count))
            return (.known(found.location), found.storedByteCount)
        }
        if batch.isFull { try place() }
        // A chunk that reaches from one tensor into the next is like the larger part of it.
        let width = widths.width(at: position + Int64(chunk.count / 2))
        let storedByteCount = unsafe encoder.withEncoded(chunk, width: width) { codec, payload in
            unsafe batch.add(.chunk, codec, hash: hash, rawByteCount: chunk.count, payload)
            return payload.count
        }
        let number = newRecords.count
        newRecords.append(
            NewRecord(
                location: RecordLocation(rawValue: 0), storedByteCount: storedByteCount,
                rawByteCount: chunk.count, hash: hash, uses: 1))
        newByHash[hash] = number
        return (.new(number), storedByteCount)
    }

    /// Writes the batch, which gives its records their places.
    private func place() throws(StoreError) {
        let byteCount = Int64(batch.byteCount)
        try store.makeRoom(byteCount, for: key, reach)
        reservedByteCount += byteCount
        let locations = try store.append(batch)
        for (offset, location) in locations.enumerated() {
            newRecords[unplacedFrom + offset].location = location
        }
        unplacedFrom += locations.count
    }

    /// Emits every segment that ends at or before a place of the content.
    private func emitSegments(before end: Int64) throws(StoreError) {
        while let first = places.first {
            let index = max(nextSegment, Int(first.start / RecipeSegment.contentByteCount))
            let segmentEnd = Int64(index + 1) * RecipeSegment.contentByteCount
            if end < segmentEnd { return }
            try emitSegment(index, end: segmentEnd)
        }
    }

    private func emitSegment(_ index: Int, end: Int64) throws(StoreError) {
        try place()
        let inside = places.prefix { $0.start < end }
        let segment = RecipeSegment(
            index: index,
            entries: inside.map { place in
                RecipeEntry(
                    start: place.start, rawByteCount: place.rawByteCount,
                    storedByteCount: place.storedByteCount, location: location(of: place))
            })
        let copy = RecipeCopy(
            key: key, incarnation: incarnation, verification: verification,
            chunkDigest: RecipeCopy.digest(inside.map(\.hash.indexed)),
            segment: segment)
        let payload = copy.bytes
        unsafe payload.withUnsafeBytes { bytes in
            unsafe batch.add(
                .recipe, .stored, hash: Digest256(0, 0, 0, 0), rawByteCount: bytes.count, bytes)
        }
        let written = try store.append(batch)
        guard let copyLocation = written.first else { throw .closed }
        try emit(
            RecipeChange(
                segment: segment,
                copy: NewRecord(
                    location: copyLocation, storedByteCount: payload.count, rawByteCount: 0,
                    hash: nil, uses: 1),
                newRecords: newRecords, shared: shared))
        store.release(reservedByteCount)
        reservedByteCount = 0
        nextSegment = index + 1
        // What reaches into the next segment stands there too, by a place that is known now.
        places = places.filter { $0.end > end }.map { place in
            Place(
                start: place.start, rawByteCount: place.rawByteCount,
                storedByteCount: place.storedByteCount, record: .known(location(of: place)),
                hash: place.hash)
        }
        newRecords = []
        unplacedFrom = 0
        newByHash = [:]
        shared = [:]
    }

    private func location(of place: Place) -> RecordLocation {
        switch place.record {
        case .known(let location): location
        case .new(let number): newRecords[number].location
        }
    }
}
