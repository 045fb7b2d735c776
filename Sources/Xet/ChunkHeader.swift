// The eight bytes before every chunk of a xorb, and its limits.
//
//     [0]     version, 0
//     [1..3]  length of the payload, little-endian
//     [4]     compression scheme
//     [5..7]  length of the chunk when it is decoded, little-endian
//
// No header can begin with "XETBLOB", which begins a footer.

/// How a chunk's payload is encoded on the wire.
package enum ChunkScheme: UInt8, Sendable, CaseIterable {
    /// The bytes themselves.
    case stored = 0
    /// An LZ4 frame.
    case lz4 = 1
    /// Bytes grouped by four, then an LZ4 frame.
    case lz4GroupedBy4 = 2
}

/// A chunk's header, within the limits of the format.
package struct ChunkHeader: Equatable, Hashable, Sendable {
    /// The length of a header in bytes.
    package static let byteCount = 8

    /// The longest payload in bytes: twice the longest chunk, as the official reader takes it.
    package static let mostPayloadBytes = 2 * GearChunker.maximumByteCount

    /// How the payload is encoded.
    package let scheme: ChunkScheme
    /// The payload's length in bytes: 1 to `mostPayloadBytes`.
    package let payloadByteCount: Int
    /// The decoded length in bytes: 1 to `GearChunker.maximumByteCount`.
    package let chunkByteCount: Int

    /// The bytes that header and payload take together.
    package var packedByteCount: Int { Self.byteCount + payloadByteCount }

    /// Checks lengths against the limits.
    package init(
        scheme: ChunkScheme, payloadByteCount: Int, chunkByteCount: Int
    ) throws(XetError) {
        guard (1...Self.mostPayloadBytes).contains(payloadByteCount),
            (1...GearChunker.maximumByteCount).contains(chunkByteCount),
            scheme != .stored || payloadByteCount == chunkByteCount
        else { throw .chunkLengths(packed: payloadByteCount, unpacked: chunkByteCount) }
        self.scheme = scheme
        self.payloadByteCount = payloadByteCount
        self.chunkByteCount = chunkByteCount
    }

    /// Reads the first eight bytes of `bytes`, which has at least so many.
    package init(reading bytes: UnsafeRawBufferPointer) throws(XetError) {
        let word = UInt64(littleEndian: unsafe bytes.loadUnaligned(as: UInt64.self))
        let version = UInt8(truncatingIfNeeded: word)
        guard version == 0 else { throw .unsupportedChunkVersion(version) }
        let number = UInt8(truncatingIfNeeded: word >> 32)
        guard let scheme = ChunkScheme(rawValue: number) else { throw .unknownScheme(number) }
        try self.init(
            scheme: scheme, payloadByteCount: Int(word >> 8 & 0xFF_FFFF),
            chunkByteCount: Int(word >> 40))
    }

    /// The eight bytes as a little-endian number.
    package var word: UInt64 {
        UInt64(payloadByteCount) << 8 | UInt64(scheme.rawValue) << 32
            | UInt64(chunkByteCount) << 40
    }
}
