// Encoding chunks for a xorb, and decoding their payloads.

package import Compression

/// Which schemes an encoder may use.
///
/// The names are those of the official client's setting.
package enum CompressionPolicy: String, Sendable, CaseIterable {
    /// Everything stored.
    case none
    /// LZ4 where it makes the chunk shorter.
    case lz4
    /// Grouped LZ4 where it makes the chunk shorter.
    case grouped = "bg4-lz4"
    /// What a sample suggests, where it makes the chunk shorter.
    case auto
}

extension ChunkHeader {
    /// Decodes a payload of this header.
    ///
    /// - Parameters:
    ///   - payload: `payloadByteCount` bytes.
    ///   - chunk: room for exactly `chunkByteCount` bytes; undefined after an error.
    package func decode(
        _ payload: UnsafeRawBufferPointer, into chunk: UnsafeMutableRawBufferPointer,
        scratch: borrowing CodecScratch
    ) throws(XetError) {
        precondition(payload.count == payloadByteCount && chunk.count == chunkByteCount)
        do throws(CompressionError) {
            switch scheme {
            case .stored:
                unsafe chunk.copyMemory(from: payload)
            case .lz4:
                try unsafe Self.decodeFrame(payload, into: chunk)
            case .lz4GroupedBy4:
                try unsafe scratch.withBuffer(chunk.count) { grouped throws(CompressionError) in
                    try unsafe Self.decodeFrame(payload, into: grouped)
                    unsafe ByteGroups.four.ungroup(
                        UnsafeRawBufferPointer(grouped), into: chunk)
                }
            }
        } catch {
            throw .malformedChunk(error)
        }
    }

    /// Encodes a chunk, header and payload, as the policy allows; stored if nothing is shorter.
    ///
    /// - Parameters:
    ///   - chunk: 1 to `GearChunker.maximumByteCount` bytes.
    ///   - destination: room for at least `byteCount` more bytes than the chunk.
    /// - Returns: the header that was written; it tells the bytes taken.
    package static func encode(
        _ chunk: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
        policy: CompressionPolicy, scratch: borrowing CodecScratch
    ) throws(XetError) -> ChunkHeader {
        precondition(destination.count >= chunk.count + byteCount)
        // A payload must be shorter than the chunk, or the chunk is stored.
        let room = unsafe UnsafeMutableRawBufferPointer(
            rebasing: destination[byteCount..<(byteCount + max(chunk.count, 1) - 1)])
        var scheme = unsafe Self.scheme(for: chunk, policy: policy, scratch: scratch)
        var payloadByteCount: Int?
        switch scheme {
        case .stored:
            break
        case .lz4:
            payloadByteCount = unsafe LZ4Frame.encode(chunk, into: room)
        case .lz4GroupedBy4:
            payloadByteCount = unsafe scratch.withBuffer(chunk.count) { grouped in
                unsafe ByteGroups.four.group(chunk, into: grouped)
                return unsafe LZ4Frame.encode(UnsafeRawBufferPointer(grouped), into: room)
            }
        }
        if payloadByteCount == nil {
            scheme = .stored
            unsafe UnsafeMutableRawBufferPointer(rebasing: destination[byteCount...])
                .copyMemory(from: chunk)
        }
        let header = try ChunkHeader(
            scheme: scheme, payloadByteCount: payloadByteCount ?? chunk.count,
            chunkByteCount: chunk.count)
        unsafe destination.storeBytes(of: header.word.littleEndian, as: UInt64.self)
        return header
    }

    private static func decodeFrame(
        _ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) {
        let count = try unsafe LZ4Frame.decode(frame, into: output)
        if count != output.count { throw .lengthMismatch }
    }

    private static func scheme(
        for chunk: UnsafeRawBufferPointer, policy: CompressionPolicy,
        scratch: borrowing CodecScratch
    ) -> ChunkScheme {
        switch policy {
        case .none: return .stored
        case .lz4: return .lz4
        case .grouped: return .lz4GroupedBy4
        case .auto:
            let codec = unsafe ChunkCodec.predicted(for: chunk, scratch: scratch)
            if codec == .stored { return .stored }
            // Xet has no grouping by two; by four does as well for 16-bit numbers.
            return codec.groups == nil ? .lz4 : .lz4GroupedBy4
        }
    }
}
