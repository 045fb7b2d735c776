// Recipes: of which chunks a content consists.
//
// A recipe is kept in segments of 64 MiB of the content. An entry is a chunk: where it lies in the
// content, its lengths, and where its record is. A chunk that reaches over the end of its segment
// stands in the next one too, so that each segment alone tells all about its bytes; it counts as
// a use only where it starts. In the index and in packs a segment is one blob:
//
//     bytes        what
//     1            version of this form, 1
//     varint       number of entries
//     each entry   varint  bytes of the content between the end of the entry before and this one
//                  varint  raw length
//                  varint  stored length
//                  zigzag  location minus the end of the record before
//     8            XXH3-64 of all the above, followed by a key (8 bytes)
//
// The first entry counts from the segment's start (a chunk that began before it has a negative
// distance, so that varint is zigzag as well) and from location 0. Consecutive chunks in one pack
// take about 7 bytes each.

internal import Hashing

/// A chunk in its place in a content.
struct RecipeEntry: Equatable, Sendable {
    /// Where the chunk starts in the content.
    let start: Int64
    let rawByteCount: Int
    let storedByteCount: Int
    let location: RecordLocation

    var end: Int64 { start + Int64(rawByteCount) }
    var recordByteCount: Int { RecordHeader.recordByteCount(storedByteCount) }
}

/// The chunks of 64 MiB of a content, by their starts.
struct RecipeSegment: Equatable, Sendable {
    /// Bytes of a content that one segment tells about: 1,024 chunks of the usual 64 KiB.
    static let contentByteCount: Int64 = 64 << 20
    private static let version: UInt8 = 1
    /// No chunk but a content's last is under 8 KiB, and few contents have several ends.
    private static let entryCountMax = 65_536

    let index: Int
    var entries: [RecipeEntry]

    /// The content's bytes that this segment tells about.
    var start: Int64 { Int64(index) * RecipeSegment.contentByteCount }

    /// Entries that start in this segment, and so are used by it.
    var ownEntries: [RecipeEntry] { entries.filter { $0.start >= start } }

    init(index: Int, entries: [RecipeEntry]) {
        self.index = index
        self.entries = entries
    }

    /// The entries that cover a range; nil if some of it is not covered.
    func entries(covering range: Range<Int64>) -> ArraySlice<RecipeEntry>? {
        let first = partition { $0.end > range.lowerBound }
        var last = first
        var reached = range.lowerBound
        while last < entries.count && reached < range.upperBound {
            if entries[last].start > reached { return nil }
            reached = entries[last].end
            last += 1
        }
        return reached >= range.upperBound ? entries[first..<last] : nil
    }

    /// The first entry for which the predicate holds, when it holds for all after it.
    private func partition(_ holds: (RecipeEntry) -> Bool) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if holds(entries[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The blob, with the key that its checksum covers.
    func blob(key: Int64) -> [UInt8] {
        var blob: [UInt8] = [RecipeSegment.version]
        blob.reserveCapacity(16 + 9 * entries.count)
        appendVarint(UInt64(entries.count), to: &blob)
        var position = start
        var next: Int64 = 0
        for entry in entries {
            appendVarint(zigzag(entry.start - position), to: &blob)
            appendVarint(UInt64(entry.rawByteCount), to: &blob)
            appendVarint(UInt64(entry.storedByteCount), to: &blob)
            appendVarint(zigzag(entry.location.rawValue - next), to: &blob)
            position = entry.end
            next = entry.location.rawValue + Int64(entry.recordByteCount)
        }
        appendNumber(rowChecksum(blob[...], rowKey: key), to: &blob)
        return blob
    }

    /// Nil for a blob that is damaged or has another key.
    init?(blob: ArraySlice<UInt8>, index: Int, key: Int64) {
        guard blob.count >= 10, blob.first == RecipeSegment.version,
            littleEndian(blob.suffix(8)) == rowChecksum(blob.dropLast(8), rowKey: key)
        else { return nil }
        var reader = VarintReader(blob.dropFirst().dropLast(8))
        guard let count = reader.next(), count <= UInt64(RecipeSegment.entryCountMax)
        else { return nil }
        var entries: [RecipeEntry] = []
        entries.reserveCapacity(Int(count))
        var position = Int64(index) * RecipeSegment.contentByteCount
        var next: Int64 = 0
        for _ in 0..<count {
            guard let gap = reader.next(), let raw = reader.next(), let stored = reader.next(),
                let distance = reader.next(), raw <= UInt64(ChunkStore.blockByteCount),
                stored <= UInt64(ChunkStore.blockByteCount)
            else { return nil }
            let entry = RecipeEntry(
                start: position &+ unzigzag(gap), rawByteCount: Int(raw),
                storedByteCount: Int(stored),
                location: RecordLocation(rawValue: next &+ unzigzag(distance)))
            entries.append(entry)
            position = entry.start &+ Int64(raw)
            next = entry.location.rawValue &+ Int64(entry.recordByteCount)
        }
        self.init(index: index, entries: entries)
    }

    /// Sorts entries into segments; one that reaches over an end stands in both.
    static func segments(of entries: [RecipeEntry]) -> [RecipeSegment] {
        var segments: [RecipeSegment] = []
        for entry in entries {
            let first = Int(entry.start / contentByteCount)
            let last = Int((entry.end - 1) / contentByteCount)
            for index in first...last {
                if segments.last?.index == index {
                    segments[segments.count - 1].entries.append(entry)
                } else {
                    segments.append(RecipeSegment(index: index, entries: [entry]))
                }
            }
        }
        return segments
    }
}

// MARK: - Numbers of variable length

/// Seven bits a byte, lowest first, the high bit set on all but the last.
func appendVarint(_ number: UInt64, to bytes: inout [UInt8]) {
    var rest = number
    while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
    }
    bytes.append(UInt8(rest))
}

/// Small numbers of either sign as small numbers without one.
func zigzag(_ number: Int64) -> UInt64 {
    UInt64(bitPattern: number << 1 ^ number >> 63)
}

/// Undoes `zigzag`.
func unzigzag(_ number: UInt64) -> Int64 {
    Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1)
}

/// Reads numbers of variable length one after another.
struct VarintReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    /// The next bytes as they are; nil if there are not so many.
    mutating func next(byteCount: Int) -> ArraySlice<UInt8>? {
        guard rest.count >= byteCount else { return nil }
        defer { rest = rest.dropFirst(byteCount) }
        return rest.prefix(byteCount)
    }

    /// Nil at the end, and for a number of more than 64 bits.
    mutating func next() -> UInt64? {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst() {
            if shift == 63 && byte > 1 { return nil }
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return number }
            shift += 7
            if shift > 63 { return nil }
        }
        return nil
    }
}
