// The parts of an LZ4 frame, read one after the other, each only if it is there in full.

internal import Hashing

/// What a frame's header says (LZ4 Frame Format Description 1.6.2, "Frame Descriptor").
struct FrameHeader {
    /// Whether blocks refer to the bytes before them.
    let linked: Bool
    let blockChecksums: Bool
    let contentChecksum: Bool
    /// The most bytes that a block holds, packed or unpacked: 64 KiB to 4 MiB.
    let mostBlockBytes: Int
    /// The length of the whole content in bytes, if the frame tells.
    let contentSize: UInt64?
}

/// A block of a frame: LZ4, or the bytes themselves.
@safe
struct FrameBlock {
    // Borrowed from the frame that is read.
    let bytes: UnsafeRawBufferPointer
    let stored: Bool
}

/// A place in a frame.
@safe
struct FrameReader {
    // Borrowed for the time of one call of LZ4Frame.
    private let bytes: UnsafeRawBufferPointer
    private let count: Int
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        unsafe self.bytes = bytes
        count = bytes.count
    }

    /// Whether all of the frame's bytes were read.
    var isAtEnd: Bool { offset == count }

    /// Reads the magic number and the frame descriptor.
    mutating func header() throws(CompressionError) -> FrameHeader {
        guard try word() == 0x184D_2204 else { throw .notAFrame }
        let start = offset
        let flags = try byte()
        let sizes = try byte()
        // Version 1, no dictionary id, reserved bits zero, a block size that is defined.
        guard flags >> 6 == 1, flags & 0b11 == 0, sizes & 0b1000_1111 == 0, sizes >> 4 >= 4
        else { throw .unsupportedFrame }
        var contentSize: UInt64?
        if flags & 0b1000 != 0 {
            contentSize = UInt64(try word()) | UInt64(try word()) << 32
        }
        let described = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
        let checksum = unsafe UInt8(truncatingIfNeeded: xxh32(described) >> 8)
        guard try byte() == checksum else { throw .checksumMismatch }
        return FrameHeader(
            linked: flags & 0b10_0000 == 0, blockChecksums: flags & 0b1_0000 != 0,
            contentChecksum: flags & 0b100 != 0,
            // 4 to 7 stand for 64 KiB, 256 KiB, 1 MiB and 4 MiB.
            mostBlockBytes: 1 << (8 + 2 * Int(sizes >> 4)), contentSize: contentSize)
    }

    /// Reads the next block; nil at the end mark.
    mutating func block(_ header: FrameHeader) throws(CompressionError) -> FrameBlock? {
        let length = try word()
        if length == 0 { return nil }
        let count = Int(length & 0x7FFF_FFFF)
        guard count <= header.mostBlockBytes else { throw .blockTooLarge }
        guard count <= self.count - offset else { throw .truncated }
        let block = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
        offset += count
        if header.blockChecksums {
            let checksum = unsafe xxh32(block)
            guard try word() == checksum else { throw .checksumMismatch }
        }
        return unsafe FrameBlock(bytes: block, stored: length >> 31 == 1)
    }

    /// Reads a little-endian number of 32 bits.
    mutating func word() throws(CompressionError) -> UInt32 {
        guard self.count - offset >= 4 else { throw .truncated }
        defer { offset += 4 }
        return UInt32(
            littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    private mutating func byte() throws(CompressionError) -> UInt8 {
        guard count > offset else { throw .truncated }
        defer { offset += 1 }
        return unsafe bytes[offset]
    }
}
