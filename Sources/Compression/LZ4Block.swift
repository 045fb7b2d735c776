// LZ4 blocks without any frame, in memory. With LZ4Frame the only importer of CLZ4.
//
// liblz4's `safe` functions never read or write outside the buffers they are given, whatever the
// input holds; this file gives them the true lengths and nothing else.

internal import CLZ4

/// LZ4 blocks: raw sequences of literals and matches, whose lengths are kept elsewhere.
package enum LZ4Block {
    /// The longest input: what liblz4 takes (`LZ4_MAX_INPUT_SIZE`).
    package static let mostInputBytes = 0x7E00_0000

    /// The room that surely suffices for the compressed form of that many bytes.
    package static func compressBound(_ byteCount: Int) -> Int {
        byteCount + byteCount / 255 + 16
    }

    /// Compresses into `destination`.
    ///
    /// - Returns: the bytes written; nil if they do not fit, or if `source` is too long.
    package static func compress(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) -> Int? {
        guard source.count <= mostInputBytes else { return nil }
        let capacity = min(destination.count, compressBound(source.count))
        let count = unsafe LZ4_compress_default(
            characters(source.baseAddress), characters(destination.baseAddress),
            CInt(source.count), CInt(capacity))
        return count > 0 ? Int(count) : nil
    }

    /// Decompresses a whole block into `destination`.
    ///
    /// - Returns: the bytes written, at most `destination.count`.
    /// - Throws: `malformedBlock`, also when the output would not fit.
    package static func decompress(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) -> Int {
        guard source.count <= mostInputBytes, destination.count <= mostInputBytes,
            source.count > 0
        else { throw .malformedBlock }
        let count = unsafe LZ4_decompress_safe(
            characters(source.baseAddress), characters(destination.baseAddress),
            CInt(source.count), CInt(destination.count))
        guard count >= 0 else { throw .malformedBlock }
        return Int(count)
    }

    /// Decompresses a block of a frame after those before it.
    ///
    /// - Parameters:
    ///   - output: holds in its first `start` bytes what was decompressed before.
    ///   - limit: the most bytes to write, within `output`.
    ///   - linked: whether the block may refer to the bytes before it.
    /// - Returns: the bytes written from `start` on.
    static func decompress(
        _ source: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer,
        from start: Int, limit: Int, linked: Bool
    ) throws(CompressionError) -> Int {
        precondition(start >= 0 && limit >= 0 && start + limit <= output.count)
        guard source.count > 0 else { throw .malformedBlock }
        // Matches reach back 65,535 bytes at most.
        let before = linked ? min(start, 65_536) : 0
        let place = unsafe output.baseAddress.map { unsafe $0 + start }
        let dictionary = unsafe place.map { unsafe $0 - before }
        let count = unsafe LZ4_decompress_safe_usingDict(
            characters(source.baseAddress), characters(place), CInt(source.count), CInt(limit),
            characters(dictionary), CInt(before))
        guard count >= 0 else { throw .malformedBlock }
        return Int(count)
    }

    private static func characters(_ pointer: UnsafeRawPointer?) -> UnsafePointer<CChar>? {
        unsafe pointer?.assumingMemoryBound(to: CChar.self)
    }

    private static func characters(
        _ pointer: UnsafeMutableRawPointer?
    ) -> UnsafeMutablePointer<CChar>? {
        unsafe pointer?.assumingMemoryBound(to: CChar.self)
    }
}
