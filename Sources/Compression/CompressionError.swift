// What can be wrong with compressed bytes. Every case is the data's fault, never the caller's.

/// Why bytes could not be decompressed.
package enum CompressionError: Error, Equatable, Hashable, Sendable {
    /// The bytes do not begin like an LZ4 frame.
    case notAFrame
    /// A frame that uses what is not supported: another version, reserved bits, a dictionary.
    case unsupportedFrame
    /// The input ends before the frame does.
    case truncated
    /// The frame ends before the input does.
    case trailingBytes
    /// A block is longer, packed or unpacked, than its frame allows.
    case blockTooLarge
    /// A block is not valid LZ4, or a payload not what its codec makes.
    case malformedBlock
    /// The checksum of a header, a block or the content is another.
    case checksumMismatch
    /// The output is not of the length that was declared.
    case lengthMismatch
    /// The output would be longer than the caller's limit.
    case outputLimit
}
