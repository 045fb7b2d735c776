// The footer of a xorb file: its name, its chunks' names, and where they end.
//
// Version 1, all numbers little-endian u32:
//
//     "XETBLOB" 1 | xorb hash, 32
//     "XBLBHSH" 0 | n | n chunk hashes, 32 each
//     "XBLBBND" 1 | n | n ends of chunks in the file | n ends of chunks when decoded
//     n | bytes from the hashes section to the end of the footer | the same of the boundaries
//     16 bytes: a nonce of four, then zeros
//     length of all this, as the last word of the file
//
// Version 0: "XETBLOB" 0 | xorb hash | n | n ends in the file | n chunk hashes | 16 bytes, and
// the length. On the wire a xorb has no footer.

/// What a xorb file tells of itself at its end.
package struct XorbFooter: Equatable, Sendable {
    static let identifier: [UInt8] = Array("XETBLOB".utf8)
    private static let hashesIdentifier: [UInt8] = Array("XBLBHSH".utf8)
    private static let boundariesIdentifier: [UInt8] = Array("XBLBBND".utf8)

    /// Footers are at most this long: version 1 with 8,192 chunks, 92 + 40 · 8192.
    package static let mostBytes = 327_772

    /// The xorb's name.
    package let hash: XetHash
    /// The chunks' names.
    package let chunkHashes: [XetHash]
    /// Where each chunk ends in the file, its header included.
    package let packedEnds: [UInt32]
    /// Where each chunk ends when all are decoded; nil in older footers.
    package let unpackedEnds: [UInt32]?

    /// Takes the parts as they are.
    package init(
        hash: XetHash, chunkHashes: [XetHash], packedEnds: [UInt32], unpackedEnds: [UInt32]?
    ) {
        self.hash = hash
        self.chunkHashes = chunkHashes
        self.packedEnds = packedEnds
        self.unpackedEnds = unpackedEnds
    }

    /// Reads the footer at the end of a xorb's last bytes.
    ///
    /// - Parameters:
    ///   - tail: the end of the file, `mostBytes` + 4 bytes of it or all if it is shorter.
    ///   - fileByteCount: the length of the file.
    package init(tail: [UInt8], fileByteCount: UInt64) throws(XetError) {
        guard tail.count >= 4, UInt64(tail.count) <= fileByteCount else { throw .truncated }
        var lengthReader = FooterReader(tail, from: tail.count - 4)
        let length = Int(try lengthReader.word())
        guard length <= Self.mostBytes else { throw .malformedFooter }
        guard length <= tail.count - 4 else { throw .truncated }
        var reader = FooterReader(tail, from: tail.count - 4 - length)
        try reader.identifier(Self.identifier)
        let version = try reader.byte()
        let hash = try reader.hash()
        let parts: Parts
        switch version {
        case 0: parts = try Self.readVersion0(&reader)
        case 1: parts = try Self.readVersion1(&reader, footerByteCount: length)
        default: throw .malformedFooter
        }
        try reader.skip(16)
        guard reader.offset == tail.count - 4 else { throw .malformedFooter }
        self.init(
            hash: hash, chunkHashes: parts.hashes, packedEnds: parts.packedEnds,
            unpackedEnds: parts.unpackedEnds)
        try check(chunksByteCount: fileByteCount - 4 - UInt64(length))
    }

    /// The footer and its length, version 1, as the official client writes it.
    package var bytes: [UInt8] {
        let count = UInt32(chunkHashes.count)
        var bytes = Self.identifier + [1] + hash.bytes
        bytes += Self.hashesIdentifier + [0] + Self.word(count)
        for hash in chunkHashes { bytes += hash.bytes }
        bytes += Self.boundariesIdentifier + [1] + Self.word(count)
        for end in packedEnds { bytes += Self.word(end) }
        for end in unpackedEnds ?? [] { bytes += Self.word(end) }
        // 28 bytes follow the boundaries; the boundaries are 12 + 8n, the hashes 12 + 32n.
        bytes += Self.word(count) + Self.word(52 + 40 * count) + Self.word(40 + 8 * count)
        bytes += [UInt8](repeating: 0, count: 16)
        return bytes + Self.word(UInt32(bytes.count))
    }

    private struct Parts {
        var hashes: [XetHash]
        var packedEnds: [UInt32]
        var unpackedEnds: [UInt32]?
    }

    private static func readVersion0(_ reader: inout FooterReader) throws(XetError) -> Parts {
        let count = try reader.count()
        let ends = try reader.words(count)
        return Parts(hashes: try reader.hashes(count), packedEnds: ends, unpackedEnds: nil)
    }

    private static func readVersion1(
        _ reader: inout FooterReader, footerByteCount: Int
    ) throws(XetError) -> Parts {
        let start = reader.offset - 40
        let hashesOffset = footerByteCount - (reader.offset - start)
        try reader.identifier(hashesIdentifier)
        guard try reader.byte() == 0 else { throw .malformedFooter }
        let count = try reader.count()
        let hashes = try reader.hashes(count)
        let boundariesOffset = footerByteCount - (reader.offset - start)
        try reader.identifier(boundariesIdentifier)
        let version = try reader.byte()
        guard version <= 1, try reader.count() == count else { throw .malformedFooter }
        let packedEnds = try reader.words(count)
        let unpackedEnds = version == 1 ? try reader.words(count) : nil
        guard try reader.count() == count, try reader.word() == UInt32(hashesOffset),
            try reader.word() == UInt32(boundariesOffset)
        else { throw .malformedFooter }
        return Parts(hashes: hashes, packedEnds: packedEnds, unpackedEnds: unpackedEnds)
    }

    /// Ends must rise by what a chunk can have, and the last one must be where the footer begins.
    private func check(chunksByteCount: UInt64) throws(XetError) {
        var packed: UInt32 = 0
        for end in packedEnds {
            guard end > packed, end - packed > UInt32(ChunkHeader.byteCount),
                end - packed <= UInt32(ChunkHeader.byteCount + ChunkHeader.mostPayloadBytes)
            else { throw .malformedFooter }
            packed = end
        }
        guard UInt64(packed) == chunksByteCount else { throw .malformedFooter }
        var unpacked: UInt32 = 0
        for end in unpackedEnds ?? [] {
            guard end > unpacked, end - unpacked <= UInt32(GearChunker.maximumByteCount)
            else { throw .malformedFooter }
            unpacked = end
        }
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}

/// A place in a footer.
private struct FooterReader {
    private let bytes: [UInt8]
    private(set) var offset: Int

    init(_ bytes: [UInt8], from offset: Int) {
        self.bytes = bytes
        self.offset = offset
    }

    mutating func byte() throws(XetError) -> UInt8 {
        guard offset < bytes.count else { throw .malformedFooter }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func word() throws(XetError) -> UInt32 {
        var value: UInt32 = 0
        for shift in [0, 8, 16, 24] as [UInt32] { value |= UInt32(try byte()) << shift }
        return value
    }

    /// A number of chunks within the limit of a xorb.
    mutating func count() throws(XetError) -> Int {
        let count = try word()
        guard count <= ChunkStream.mostChunks else { throw .tooManyChunks }
        return Int(count)
    }

    mutating func words(_ count: Int) throws(XetError) -> [UInt32] {
        var words: [UInt32] = []
        words.reserveCapacity(count)
        for _ in 0..<count { words.append(try word()) }
        return words
    }

    mutating func hash() throws(XetError) -> XetHash {
        let start = offset
        try skip(32)
        guard let hash = XetHash(bytes: bytes[start..<offset]) else { throw .malformedFooter }
        return hash
    }

    mutating func hashes(_ count: Int) throws(XetError) -> [XetHash] {
        var hashes: [XetHash] = []
        hashes.reserveCapacity(count)
        for _ in 0..<count { hashes.append(try hash()) }
        return hashes
    }

    mutating func identifier(_ expected: [UInt8]) throws(XetError) {
        let start = offset
        try skip(expected.count)
        guard bytes[start..<offset].elementsEqual(expected) else { throw .malformedFooter }
    }

    mutating func skip(_ count: Int) throws(XetError) {
        guard count <= bytes.count - offset else { throw .malformedFooter }
        offset += count
    }
}
