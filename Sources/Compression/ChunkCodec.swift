// How the bytes of a chunk are encoded: as they are, as an LZ4 block of them, grouped or not, or
// with their top bytes as codes.
//
// The payload is bare; its lengths and checksum are kept by whoever stores it. Xet's wire format
// has a part of these codecs, with LZ4 frames in the place of blocks (module Xet).

/// The encoding of a chunk's payload.
///
/// The numbers are written to disk and never change.
package enum ChunkCodec: UInt8, Sendable, CaseIterable {
    /// The bytes themselves.
    case stored = 0
    /// An LZ4 block: for text, code, tables, and weights with many zeros.
    case lz4 = 1
    /// Bytes grouped by two, then an LZ4 block: for 16-bit numbers that repeat.
    case lz4GroupedBy2 = 2
    /// Bytes grouped by four, then an LZ4 block: for 32-bit integers.
    case lz4GroupedBy4 = 3
    /// Top bytes of 16-bit numbers as codes: for bf16.
    case topBytesOf2 = 4
    /// Top bytes of 32-bit numbers as codes: for fp32.
    case topBytesOf4 = 5
    /// The same of those whose lower halves are zeros: for fp32 made from bf16.
    case topBytesOf2In4 = 6

    /// The grouping before compression.
    package var groups: ByteGroups? {
        switch self {
        case .lz4GroupedBy2: .two
        case .lz4GroupedBy4: .four
        case .stored, .lz4, .topBytesOf2, .topBytesOf4, .topBytesOf2In4: nil
        }
    }

    /// The numbers whose top bytes become codes.
    private var topBytes: TopBytes? {
        switch self {
        case .stored, .lz4, .lz4GroupedBy2, .lz4GroupedBy4: nil
        case .topBytesOf2: .two
        case .topBytesOf4: .four
        case .topBytesOf2In4: .twoInFour
        }
    }

    /// Encodes a chunk of at most `CodecScratch.mostChunkBytes`.
    ///
    /// - Parameter scratch: of the chunk's length at least; undefined afterwards.
    /// - Returns: the payload's length; nil if it does not fit `destination`, whose length is
    ///   therefore the most that the caller finds worth its decoding.
    package func encode(
        _ chunk: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
        scratch: UnsafeMutableRawBufferPointer
    ) -> Int? {
        if self == .stored {
            guard chunk.count <= destination.count else { return nil }
            unsafe destination.copyMemory(from: chunk)
            return chunk.count
        }
        if let topBytes { return unsafe topBytes.encode(chunk, into: destination) }
        guard let groups else { return unsafe LZ4Block.compress(chunk, into: destination) }
        let grouped = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[..<chunk.count])
        unsafe groups.group(chunk, into: grouped)
        return unsafe LZ4Block.compress(UnsafeRawBufferPointer(grouped), into: destination)
    }

    /// Decodes a payload into exactly `chunk.count` bytes.
    ///
    /// - Parameters:
    ///   - chunk: the room for the result, at most `CodecScratch.mostChunkBytes`. What it holds
    ///     after an error is undefined.
    ///   - scratch: of the chunk's length at least; undefined afterwards.
    package func decode(
        _ payload: UnsafeRawBufferPointer, into chunk: UnsafeMutableRawBufferPointer,
        scratch: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) {
        guard chunk.count <= CodecScratch.mostChunkBytes else { throw .outputLimit }
        if self == .stored {
            guard payload.count == chunk.count else { throw .lengthMismatch }
            unsafe chunk.copyMemory(from: payload)
            return
        }
        if let topBytes { return try unsafe topBytes.decode(payload, into: chunk) }
        guard let groups else {
            let count = try unsafe LZ4Block.decompress(payload, into: chunk)
            if count != chunk.count { throw .lengthMismatch }
            return
        }
        let grouped = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[..<chunk.count])
        let count = try unsafe LZ4Block.decompress(payload, into: grouped)
        if count != chunk.count { throw .lengthMismatch }
        unsafe groups.ungroup(UnsafeRawBufferPointer(grouped), into: chunk)
    }
}
