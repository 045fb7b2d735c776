// What can be wrong with a weight file; facts, not sentences.

/// Why a weight file cannot be used.
package enum WeightError: Error, Equatable, Sendable {
    /// The file ends before its directory does, or before a tensor does.
    case truncated
    /// The directory is longer than anybody needs, in bytes.
    case directoryTooLong(byteCount: Int64)
    /// More entries than anybody needs.
    case tooManyEntries
    /// The directory breaks the rules of its format.
    case malformed(reason: String)
    /// A type that is not known here.
    case unknownElementType(String)
    /// A tensor's place is not within the file.
    case outOfRange(String)
    /// Two tensors share bytes.
    case overlap(String)
    /// Bytes before this tensor, or at the end of the file, that belong to nothing.
    case hole(before: String)
    /// A tensor's shape and type do not give the size of its place.
    case sizeMismatch(String)
    /// A name that stands twice.
    case duplicate(String)
    /// Something that the format allows and that is not supported here.
    case unsupported(reason: String)
}
