// The directory of a zip archive: which members it has, and where they lie.
//
// Read from the end of the file: the end record, where it is a zip64 archive the larger one before
// it, then the directory that these name. A member's own header stands before its bytes and may be
// of another length than the directory tells, so the exact place of the bytes takes a second look
// (`payload`). Nothing is decompressed here. PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16.

/// A member of a zip archive.
package struct ZipMember: Equatable, Sendable {
    package let name: String
    /// Where its own header begins.
    package let headerOffset: Int64
    /// Its bytes in the archive.
    package let storedByteCount: Int64
    /// Its bytes when they are decompressed.
    package let plainByteCount: Int64
    /// Whether its bytes lie in the archive as they are.
    package let isStored: Bool
    /// Where the next member or the directory begins, at the latest.
    package let limit: Int64
}

/// What a zip archive's directory says.
package struct ZipDirectory: Equatable, Sendable {
    /// A directory of a million members with names of 20 bytes.
    package static let byteCountMax: Int64 = 64 << 20

    /// Where the directory itself lies.
    package let bytes: Range<Int64>
    /// In the order of the file.
    package let members: [ZipMember]

    /// Reads the directory, as far as its bytes are there.
    ///
    /// - Parameter limit: a longer directory is `directoryTooLong`, in bytes.
    package static func parse(
        _ source: some ByteSource, limit: Int64 = byteCountMax
    ) throws(WeightError) -> Parse<ZipDirectory> {
        try Parse { () throws(Halt) in try ZipDirectory(source, limit) }
    }

    /// Where a member's bytes lie, which its own header tells.
    package static func payload(
        of member: ZipMember, _ source: some ByteSource
    ) throws(WeightError) -> Parse<Range<Int64>> {
        try Parse { () throws(Halt) in
            let start = member.headerOffset
            var reader = LittleEndianReader(try source.need(start..<start + localByteCount))
            let lengths = try read { () throws(LittleEndianReader.Ended) in
                let isHeader = try reader.uint32() == localMark
                try reader.skip(22)
                return (isHeader, Int64(try reader.uint16()), Int64(try reader.uint16()))
            }
            if !lengths.0 { throw .malformed("a member without its header: \(member.name)") }
            let first = start + localByteCount + lengths.1 + lengths.2
            let end = first + member.storedByteCount
            if end > member.limit { throw .wrong(.overlap(member.name)) }
            return first..<end
        }
    }

    static let localMark: UInt32 = 0x0403_4b50
    private static let localByteCount: Int64 = 30
    private static let entryMark: UInt32 = 0x0201_4b50
    private static let entryByteCount: Int64 = 46
    private static let endMark: UInt32 = 0x0605_4b50
    private static let endByteCount: Int64 = 22
    private static let locatorMark: UInt32 = 0x0706_4b50
    private static let locatorByteCount: Int64 = 20
    private static let largeEndMark: UInt32 = 0x0606_4b50
    private static let largeEndByteCount: Int64 = 56
    private static let commentByteCountMax: Int64 = 65_535
    private static let memberCountMax: UInt64 = 1 << 20

    private struct Place {
        var count: UInt64
        var offset: UInt64
        var byteCount: UInt64
        /// Where the records after the directory begin.
        var end: Int64
    }

    init(_ source: some ByteSource, _ limit: Int64) throws(Halt) {
        let place = try ZipDirectory.place(source)
        guard let start = Int64(exactly: place.offset),
            let length = Int64(exactly: place.byteCount), start <= place.end,
            length <= place.end - start
        else { throw .malformed("a directory that is not in the archive") }
        if length > limit { throw .wrong(.directoryTooLong(byteCount: length)) }
        if place.count > ZipDirectory.memberCountMax { throw .wrong(.tooManyEntries) }
        if Int64(place.count) * ZipDirectory.entryByteCount > length { throw .wrong(.truncated) }
        bytes = start..<start + length
        let directory = try source.need(bytes)
        var members: [ZipMember] = []
        var reader = LittleEndianReader(directory)
        for _ in 0..<place.count {
            members.append(try ZipDirectory.member(&reader, directoryStart: start))
        }
        self.members = try ZipDirectory.ordered(members, directoryStart: start)
    }

    // MARK: The records at the end

    private static func place(_ source: some ByteSource) throws(Halt) -> Place {
        let tailCount = min(source.sizeBytes, endByteCount + commentByteCountMax)
        let tailStart = source.sizeBytes - tailCount
        let tail = try source.need(tailStart..<source.sizeBytes)
        guard let index = endIndex(tail) else { throw .malformed("no end of a zip archive") }
        let endStart = tailStart + Int64(index)
        var reader = LittleEndianReader(tail, at: index + 4)
        let place = try read { () throws(LittleEndianReader.Ended) in
            let (disk, directoryDisk) = (try reader.uint16(), try reader.uint16())
            let (here, all) = (try reader.uint16(), try reader.uint16())
            let byteCount = try reader.uint32()
            let offset = try reader.uint32()
            let isSpread = disk != directoryDisk || here != all
            return (
                Place(
                    count: UInt64(all), offset: UInt64(offset), byteCount: UInt64(byteCount),
                    end: endStart),
                isSpread: isSpread,
                isLarge: all == .max || byteCount == .max || offset == .max
            )
        }
        if place.isSpread { throw .wrong(.unsupported(reason: "an archive in several parts")) }
        if !place.isLarge { return place.0 }
        return try largePlace(source, endStart: endStart)
    }

    /// The end record is the last whose comment ends where the file ends.
    private static func endIndex(_ tail: [UInt8]) -> Int? {
        let shortest = Int(endByteCount)
        if tail.count < shortest { return nil }
        for index in stride(from: tail.count - shortest, through: 0, by: -1)
        where tail[index] == 0x50 {
            var reader = LittleEndianReader(tail, at: index)
            guard let mark = try? reader.uint32(), mark == endMark,
                (try? reader.skip(16)) != nil, let comment = try? reader.uint16(),
                reader.remainingCount == Int(comment)
            else { continue }
            return index
        }
        return nil
    }

    private static func largePlace(
        _ source: some ByteSource, endStart: Int64
    ) throws(Halt) -> Place {
        let locatorStart = endStart - locatorByteCount
        if locatorStart < 0 { throw .wrong(.truncated) }
        var locator = LittleEndianReader(try source.need(locatorStart..<endStart))
        let (mark, found) = try read { () throws(LittleEndianReader.Ended) in
            let mark = try locator.uint32()
            try locator.skip(4)
            return (mark, try locator.uint64())
        }
        guard mark == locatorMark, let start = Int64(exactly: found),
            start <= locatorStart - largeEndByteCount
        else { throw .malformed("a zip64 archive without its end") }
        var reader = LittleEndianReader(try source.need(start..<start + largeEndByteCount))
        let (endMark, place) = try read { () throws(LittleEndianReader.Ended) in
            let mark = try reader.uint32()
            try reader.skip(28)
            let count = try reader.uint64()
            let byteCount = try reader.uint64()
            return (
                mark,
                Place(
                    count: count, offset: try reader.uint64(), byteCount: byteCount, end: start)
            )
        }
        if endMark != largeEndMark { throw .malformed("a zip64 archive without its end") }
        return place
    }

    // MARK: Members

    private static func member(
        _ reader: inout LittleEndianReader, directoryStart: Int64
    ) throws(Halt) -> ZipMember {
        try read(&reader) { (reader) throws(LittleEndianReader.Ended) in
            let mark = try reader.uint32()
            try reader.skip(4)
            let (flags, method) = (try reader.uint16(), try reader.uint16())
            try reader.skip(8)
            var stored = UInt64(try reader.uint32())
            var plain = UInt64(try reader.uint32())
            let (nameCount, extraCount) = (Int(try reader.uint16()), Int(try reader.uint16()))
            let commentCount = Int(try reader.uint16())
            try reader.skip(8)
            var offset = UInt64(try reader.uint32())
            let name = try reader.take(nameCount)
            let extra = LittleEndianReader(Array(try reader.take(extraCount)))
            try reader.skip(commentCount)
            try widen(extra, plain: &plain, stored: &stored, offset: &offset)
            guard mark == entryMark, flags & 1 == 0,
                let name = String(validating: name, as: UTF8.self),
                let start = Int64(exactly: offset), let storedCount = Int64(exactly: stored),
                let plainCount = Int64(exactly: plain)
            else { return nil }
            return ZipMember(
                name: name, headerOffset: start, storedByteCount: storedCount,
                plainByteCount: plainCount, isStored: method == 0, limit: directoryStart)
        }
    }

    /// Numbers that do not fit their fields stand in the extra field 1, in this order.
    private static func widen(
        _ extra: LittleEndianReader, plain: inout UInt64, stored: inout UInt64,
        offset: inout UInt64
    ) throws(LittleEndianReader.Ended) {
        var extra = extra
        while extra.remainingCount >= 4 {
            let kind = try extra.uint16()
            let field = try extra.take(Int(try extra.uint16()))
            if kind != 1 { continue }
            var numbers = LittleEndianReader(Array(field))
            if plain == UInt64(UInt32.max) { plain = try numbers.uint64() }
            if stored == UInt64(UInt32.max) { stored = try numbers.uint64() }
            if offset == UInt64(UInt32.max) { offset = try numbers.uint64() }
        }
    }

    private static func ordered(
        _ members: [ZipMember], directoryStart: Int64
    ) throws(Halt) -> [ZipMember] {
        let sorted = members.sorted { $0.headerOffset < $1.headerOffset }
        var names: Set<String> = []
        var ordered: [ZipMember] = []
        for (index, member) in sorted.enumerated() {
            let limit =
                index + 1 < sorted.count ? sorted[index + 1].headerOffset : directoryStart
            if !names.insert(member.name).inserted { throw .wrong(.duplicate(member.name)) }
            let (headerEnd, overflows) = member.headerOffset.addingReportingOverflow(localByteCount)
            if overflows || headerEnd > directoryStart || headerEnd > limit
                || member.storedByteCount > limit - headerEnd
            {
                let isOutside = overflows || headerEnd > directoryStart
                throw .wrong(isOutside ? .outOfRange(member.name) : .overlap(member.name))
            }
            if member.isStored && member.plainByteCount != member.storedByteCount {
                throw .wrong(.sizeMismatch(member.name))
            }
            ordered.append(
                ZipMember(
                    name: member.name, headerOffset: member.headerOffset,
                    storedByteCount: member.storedByteCount,
                    plainByteCount: member.plainByteCount, isStored: member.isStored,
                    limit: limit))
        }
        return ordered
    }

    // MARK: Bytes that end too early

    private static func read<Value>(
        _ body: () throws(LittleEndianReader.Ended) -> Value
    ) throws(Halt) -> Value {
        do throws(LittleEndianReader.Ended) { return try body() } catch {
            throw .wrong(.truncated)
        }
    }

    private static func read<Value>(
        _ reader: inout LittleEndianReader,
        _ body: (inout LittleEndianReader) throws(LittleEndianReader.Ended) -> Value?
    ) throws(Halt) -> Value {
        let value: Value?
        do throws(LittleEndianReader.Ended) { value = try body(&reader) } catch {
            throw .wrong(.truncated)
        }
        guard let value else { throw .malformed("a member that is encrypted or has no name") }
        return value
    }
}
