// One folder of one commit, as it is stored and as it is searched: a sorted table of entries in
// one buffer, so a lookup is a binary search without decoding, and ten thousand files cost no
// object each.
//
// Layout, little-endian, version 1:
//
//     u32 count | u32 subdirectory count | count x u32 offset of a record | records
//     record: u8 kind | u8 unused | u16 name length | name
//             file:      + i64 content row | i64 size in bytes | i64 mtime in seconds
//             directory: + u32 number of its subdirectories
//
// The offsets are sorted by name, bytewise, which is also the order in which `ls` sees them.

/// The entries of a folder.
package struct Directory: Sendable {
    /// What stands under a name.
    package enum Target: Equatable, Sendable {
        case file(ContentID, sizeBytes: Int64, modified: Int64)
        case directory(subdirectoryCount: Int)
    }

    /// A name and what stands under it.
    package struct Entry: Sendable {
        package let name: ArraySlice<UInt8>
        package let target: Target
    }

    /// The stored form.
    package let bytes: [UInt8]
    /// How many entries there are.
    package let count: Int
    /// How many of them are directories.
    package let subdirectoryCount: Int

    private static let headerByteCount = 8
    private static let recordHeaderByteCount = 4
    private static let fileKind: UInt8 = 0
    private static let directoryKind: UInt8 = 1

    /// Reads the stored form; nil when it is cut off or otherwise not of the documented form.
    package init?(bytes: [UInt8]) {
        guard bytes.count >= Directory.headerByteCount else { return nil }
        let count = Int(Directory.load(UInt32.self, bytes, at: 0))
        guard bytes.count >= Directory.headerByteCount + 4 * count else { return nil }
        self.bytes = bytes
        self.count = count
        subdirectoryCount = Int(Directory.load(UInt32.self, bytes, at: 4))
        var directoryCount = 0
        var last: ArraySlice<UInt8>?
        for index in 0..<count {
            guard let entry = record(at: index) else { return nil }
            // A search relies on the order.
            if let last, !last.lexicographicallyPrecedes(entry.name) { return nil }
            if case .directory = entry.target { directoryCount += 1 }
            last = entry.name
        }
        if directoryCount != subdirectoryCount { return nil }
    }

    /// Lays out entries, whose names must be distinct.
    package init(_ entries: [(name: [UInt8], target: Target)]) {
        let sorted = entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
        var offsets: [UInt8] = []
        var records: [UInt8] = []
        var subdirectoryCount = 0
        let recordsStart = Directory.headerByteCount + 4 * sorted.count
        for entry in sorted {
            Directory.store(UInt32(recordsStart + records.count), &offsets)
            let isFile: Bool
            if case .file = entry.target { isFile = true } else { isFile = false }
            records.append(isFile ? Directory.fileKind : Directory.directoryKind)
            records.append(0)
            Directory.store(UInt16(entry.name.count), &records)
            records += entry.name
            switch entry.target {
            case .file(let content, let size, let modified):
                Directory.store(content.row, &records)
                Directory.store(size, &records)
                Directory.store(modified, &records)
            case .directory(let count):
                subdirectoryCount += 1
                Directory.store(UInt32(count), &records)
            }
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(recordsStart + records.count)
        Directory.store(UInt32(sorted.count), &bytes)
        Directory.store(UInt32(subdirectoryCount), &bytes)
        bytes += offsets
        bytes += records
        self.bytes = bytes
        self.count = sorted.count
        self.subdirectoryCount = subdirectoryCount
    }

    /// The entry at a position in name order.
    package subscript(index: Int) -> Entry {
        guard let entry = record(at: index) else {
            preconditionFailure("a directory is checked when it is read")
        }
        return entry
    }

    /// What stands under `name`; nil when nothing does.
    package func find(_ name: [UInt8]) -> Target? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            let entry = self[middle]
            if entry.name.elementsEqual(name) { return entry.target }
            if entry.name.lexicographicallyPrecedes(name) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return nil
    }

    private func record(at index: Int) -> Entry? {
        let offset = Directory.headerByteCount + 4 * index
        let start = Int(Directory.load(UInt32.self, bytes, at: offset))
        let nameStart = start + Directory.recordHeaderByteCount
        guard nameStart <= bytes.count else { return nil }
        let nameLength = Int(Directory.load(UInt16.self, bytes, at: start + 2))
        let rest = nameStart + nameLength
        if bytes[start] == Directory.fileKind {
            guard rest + 24 <= bytes.count else { return nil }
            return Entry(
                name: bytes[nameStart..<rest],
                target: .file(
                    ContentID(row: Directory.load(Int64.self, bytes, at: rest)),
                    sizeBytes: Directory.load(Int64.self, bytes, at: rest + 8),
                    modified: Directory.load(Int64.self, bytes, at: rest + 16)))
        }
        guard bytes[start] == Directory.directoryKind, rest + 4 <= bytes.count else { return nil }
        return Entry(
            name: bytes[nameStart..<rest],
            target: .directory(
                subdirectoryCount: Int(Directory.load(UInt32.self, bytes, at: rest))))
    }

    private static func load<Number: FixedWidthInteger>(
        _ type: Number.Type, _ bytes: [UInt8], at offset: Int
    ) -> Number {
        var value: Number = 0
        for index in stride(from: MemoryLayout<Number>.size - 1, through: 0, by: -1) {
            value = value << 8 | Number(truncatingIfNeeded: bytes[offset + index])
        }
        return value
    }

    private static func store(_ value: some FixedWidthInteger, _ bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
