// LZ4 frames (LZ4 Frame Format Description 1.6.2), whole and in memory.
//
// The reader is a parser of its own over the block functions, rather than liblz4's frame
// functions, so that its bounds can be seen here: it reads only inside the frame, writes only
// inside the output, allocates nothing, and every block advances it by at least five bytes. It
// takes all that the format has but dictionaries and skippable frames, and exactly one frame.
//
// The writer makes what Xet's own client makes: one independent block, no checksums.
//
//     04 22 4d 18 | flags 60 | block size 40 or 50 | header checksum 82 or fb |
//     u32 length of the block, high bit set if stored | block | u32 0

internal import Hashing

/// LZ4 frames: blocks with lengths and checksums, as files and Xet chunks hold them.
package enum LZ4Frame {
    /// What a frame of one block adds to it: header 7, length 4, end 4.
    package static let overheadByteCount = 15

    /// The longest input of `encode`: one block of the larger size that it writes.
    package static let mostInputBytes = 262_144

    /// Decompresses exactly one frame that fills `frame` and fits `output`.
    ///
    /// - Returns: the bytes written.
    package static func decode(
        _ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) -> Int {
        var reader = unsafe FrameReader(frame)
        let header = try reader.header()
        var written = 0
        while let block = try reader.block(header) {
            let room = min(header.mostBlockBytes, output.count - written)
            if !block.stored {
                written += try unsafe LZ4Block.decompress(
                    block.bytes, into: output, from: written, limit: room, linked: header.linked)
            } else if unsafe block.bytes.count <= room {
                unsafe UnsafeMutableRawBufferPointer(rebasing: output[written...])
                    .copyMemory(from: block.bytes)
                written += unsafe block.bytes.count
            } else {
                throw .outputLimit
            }
        }
        if let size = header.contentSize, size != UInt64(written) { throw .lengthMismatch }
        if header.contentChecksum {
            let content = unsafe UnsafeRawBufferPointer(rebasing: output[..<written])
            let checksum = unsafe xxh32(content)
            guard try reader.word() == checksum else { throw .checksumMismatch }
        }
        guard reader.isAtEnd else { throw .trailingBytes }
        return written
    }

    /// Where the only block of a frame lies, if the frame is of the kind that `encode` writes:
    /// one block and no checksum, so that nothing is lost when the frame is left off.
    ///
    /// - Returns: the block's place in `frame` and whether it is stored; nil for other frames,
    ///   which may be valid all the same.
    package static func onlyBlock(
        of frame: UnsafeRawBufferPointer
    ) -> (range: Range<Int>, stored: Bool)? {
        do throws(CompressionError) {
            var reader = unsafe FrameReader(frame)
            let header = try reader.header()
            guard !header.blockChecksums, !header.contentChecksum, header.contentSize == nil,
                let block = try reader.block(header)
            else { return nil }
            let end = reader.offset
            guard try reader.block(header) == nil, reader.isAtEnd else { return nil }
            return unsafe ((end - block.bytes.count)..<end, block.stored)
        } catch {
            return nil
        }
    }

    /// Compresses into a frame of one block, as Xet's own client does.
    ///
    /// - Parameter source: at most `mostInputBytes`.
    /// - Returns: the frame's length; nil if it does not fit `destination`. With a destination
    ///   shorter than the source, that tells that compression does not pay.
    package static func encode(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) -> Int? {
        precondition(source.count <= mostInputBytes)
        guard destination.count > overheadByteCount else { return nil }
        let room = unsafe UnsafeMutableRawBufferPointer(
            rebasing: destination[11..<(destination.count - 4)])
        guard let count = unsafe LZ4Block.compress(source, into: room) else { return nil }
        // A block that grew would have to be stored; who asks for a frame wants compression.
        guard count < max(source.count, 2) else { return nil }
        let small = source.count <= 65_536
        unsafe destination.copyBytes(from: [
            0x04, 0x22, 0x4d, 0x18, 0x60, small ? 0x40 : 0x50, small ? 0x82 : 0xfb,
        ])
        unsafe destination.storeBytes(
            of: UInt32(count).littleEndian, toByteOffset: 7, as: UInt32.self)
        unsafe destination.storeBytes(of: 0, toByteOffset: 11 + count, as: UInt32.self)
        return count + overheadByteCount
    }
}
