// What can be wrong with what a Xet server sends or a xorb file holds.

package import Compression

/// Why Xet data was refused.
///
/// The values are facts for the log; none of it is a caller's mistake.
package enum XetError: Error, Equatable, Hashable, Sendable {
    /// A chunk header of another version.
    case unsupportedChunkVersion(UInt8)
    /// A compression scheme that is not defined.
    case unknownScheme(UInt8)
    /// A chunk header whose lengths, packed and unpacked, are beyond the limits or are zero.
    case chunkLengths(packed: Int, unpacked: Int)
    /// A payload that does not decode to what its header says.
    case malformedChunk(CompressionError)
    /// The bytes end within a chunk, or before the last chunk that was announced.
    case truncated
    /// There are bytes after the last chunk that was announced.
    case trailingBytes
    /// More chunks than a xorb may have.
    case tooManyChunks
    /// A footer that is not one, or that contradicts itself or its chunks.
    case malformedFooter
    /// A xorb whose chunks do not give its name.
    case xorbHashMismatch
    /// An answer that is not the JSON that was expected; says which part.
    case malformedAnswer(String)
    /// An answer longer than the limit in bytes.
    case answerTooLong(Int)
    /// A reconstruction that contradicts itself; says how.
    case inconsistentReconstruction(String)
    /// A term whose chunks do not have the length that was announced.
    case termLength(expected: UInt64, found: UInt64)
}
