// The order in which parts of a revision's contents were first touched. Pure.
//
// As stored: 1 byte version (1), then for each extent 8 bytes row of the content, 4 bytes first
// unit, 4 bytes number of units, all with the lowest byte first. A unit is 1 MiB.

internal import Platform

/// A list of extents, in the order in which they were first touched.
package struct TouchTrace: Equatable, Sendable {
    /// At 16 bytes each they are 64 KiB; a model in order is one for each file.
    package static let extentCountMax = 4096
    private static let version: UInt8 = 1
    private static let unitByteCount: Int64 = 1 << 20
    private static let extentByteCount = 16

    /// A part of a content, in whole units; it may reach beyond the end.
    package struct Extent: Equatable, Sendable {
        package let content: ContentID
        package let bytes: Range<Int64>

        package init(content: ContentID, bytes: Range<Int64>) {
            self.content = content
            self.bytes = bytes
        }
    }

    /// In the order in which they were first touched.
    package private(set) var extents: [Extent] = []

    package init() {}

    /// Adds an extent that was not touched before; one that goes on where the last one ends is
    /// joined to it.
    package mutating func append(_ extent: Extent) {
        if let last = extents.last, last.content == extent.content,
            last.bytes.upperBound == extent.bytes.lowerBound
        {
            extents[extents.count - 1] = Extent(
                content: last.content, bytes: last.bytes.lowerBound..<extent.bytes.upperBound)
        } else if extents.count < TouchTrace.extentCountMax {
            extents.append(extent)
        }
    }

    /// All bytes of its extents together.
    package var byteCount: Int64 { extents.reduce(0) { $0 + Int64($1.bytes.count) } }

    /// This order where it says something, and then what only another one has.
    package func followed(by other: TouchTrace) -> TouchTrace {
        var merged = self
        var seen: [ContentID: RangeSet] = [:]
        for extent in extents { seen[extent.content, default: RangeSet()].insert(extent.bytes) }
        for extent in other.extents {
            let known = seen[extent.content] ?? RangeSet()
            for gap in known.gaps(in: extent.bytes) {
                merged.append(Extent(content: extent.content, bytes: gap))
            }
        }
        return merged
    }

    // MARK: As stored

    /// As the catalog keeps it.
    package var bytes: [UInt8] {
        var bytes = [TouchTrace.version]
        bytes.reserveCapacity(1 + extents.count * TouchTrace.extentByteCount)
        let unit = TouchTrace.unitByteCount
        for extent in extents {
            append(UInt64(bitPattern: extent.content.row), 8, to: &bytes)
            append(UInt64(clamping: extent.bytes.lowerBound / unit), 4, to: &bytes)
            append(UInt64(clamping: Int64(extent.bytes.count) / unit), 4, to: &bytes)
        }
        return bytes
    }

    /// Nil when the bytes are no trace.
    package init?(bytes: [UInt8]) {
        guard bytes.first == TouchTrace.version,
            (bytes.count - 1) % TouchTrace.extentByteCount == 0,
            bytes.count <= 1 + TouchTrace.extentCountMax * TouchTrace.extentByteCount
        else { return nil }
        let unit = TouchTrace.unitByteCount
        for start in stride(from: 1, to: bytes.count, by: TouchTrace.extentByteCount) {
            let row = Int64(bitPattern: TouchTrace.number(bytes[start..<start + 8]))
            let first = Int64(TouchTrace.number(bytes[start + 8..<start + 12]))
            let count = Int64(TouchTrace.number(bytes[start + 12..<start + 16]))
            if row <= 0 || count == 0 { return nil }
            extents.append(
                Extent(
                    content: ContentID(row: row), bytes: first * unit..<(first + count) * unit))
        }
    }

    private func append(_ value: UInt64, _ byteCount: Int, to bytes: inout [UInt8]) {
        for index in 0..<byteCount {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
