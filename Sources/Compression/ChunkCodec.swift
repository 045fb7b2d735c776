// How the bytes of a chunk are encoded: as they are, or as an LZ4 block of them, grouped or not.
//
// The payload is a bare LZ4 block; its lengths and checksum are kept by whoever stores it. Xet's
// wire format has the same codecs but `lz4GroupedBy2`, with frames in the place of blocks (module
// Xet); `LZ4Frame.onlyBlock` turns one into the other without decoding.

/// The encoding of a chunk's payload.
///
/// The numbers are written to disk and never change.
package enum ChunkCodec: UInt8, Sendable, CaseIterable {
    /// The bytes themselves.
    case stored = 0
    /// An LZ4 block: for text, code, tables, and weights with many zeros.
    case lz4 = 1
    /// Bytes grouped by four, then an LZ4 block: for fp32 and 32-bit integers.
    case lz4GroupedBy4 = 2
    /// Bytes grouped by two, then an LZ4 block: for bf16.
    case lz4GroupedBy2 = 3

    /// The grouping before compression.
    package var groups: ByteGroups? {
        switch self {
        case .stored, .lz4: nil
        case .lz4GroupedBy4: .four
        case .lz4GroupedBy2: .two
        }
    }

    /// Encodes a chunk of at most `CodecScratch.mostChunkBytes`.
    ///
    /// - Returns: the payload's length; nil if it does not fit `destination`, whose length is
    ///   therefore the most that the caller finds worth its decoding.
    package func encode(
        _ chunk: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
        scratch: borrowing CodecScratch
    ) -> Int? {
        if self == .stored {
            guard chunk.count <= destination.count else { return nil }
            unsafe destination.copyMemory(from: chunk)
            return chunk.count
        }
        guard let groups else { return unsafe LZ4Block.compress(chunk, into: destination) }
        let grouped = unsafe scratch.first(chunk.count)
        unsafe groups.group(chunk, into: grouped)
        return unsafe LZ4Block.compress(UnsafeRawBufferPointer(grouped), into: destination)
    }

    /// Decodes a payload into exactly `chunk.count` bytes.
    ///
    /// - Parameter chunk: the room for the result, at most `CodecScratch.mostChunkBytes`. What it
    ///   holds after an error is undefined.
    package func decode(
        _ payload: UnsafeRawBufferPointer, into chunk: UnsafeMutableRawBufferPointer,
        scratch: borrowing CodecScratch
    ) throws(CompressionError) {
        guard chunk.count <= CodecScratch.mostChunkBytes else { throw .outputLimit }
        if self == .stored {
            guard payload.count == chunk.count else { throw .lengthMismatch }
            unsafe chunk.copyMemory(from: payload)
            return
        }
        guard let groups else {
            let count = try unsafe LZ4Block.decompress(payload, into: chunk)
            if count != chunk.count { throw .lengthMismatch }
            return
        }
        let grouped = unsafe scratch.first(chunk.count)
        let count = try unsafe LZ4Block.decompress(payload, into: grouped)
        if count != chunk.count { throw .lengthMismatch }
        unsafe groups.ungroup(UnsafeRawBufferPointer(grouped), into: chunk)
    }
}
