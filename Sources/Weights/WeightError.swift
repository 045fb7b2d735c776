// What can be wrong with a weight file; facts, and one sentence for each.

package import JSON
package import Platform

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
    /// A pickle that wants to run code: by which of its operations, and what it names.
    case code(operation: String, name: String)
    /// A member of an archive that is compressed, so that nothing in it can be mapped.
    case compressedMember(String)
    /// Something of that name is not in the file.
    case missing(String)
    /// A tensor with a value that is NaN or infinite.
    case notFinite(String)
    /// A file that an index names is not beside it.
    case missingShard(String)
}

extension WeightError: JSONFailure {
    package init(_ fault: JSONFault) { self = .malformed(reason: fault.reason) }
}

extension WeightError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncated: "it ends too early; it was not written or copied to its end"
        case .directoryTooLong(let count):
            "its directory of \(count) bytes is longer than any that is real"
        case .tooManyEntries: "it has more entries than any file that is real"
        case .malformed(let reason): "it is damaged: \(reason)"
        case .unknownElementType(let name): "it has values of the unknown type '\(name)'"
        case .outOfRange(let name): "the place of '\(name)' is not within the file"
        case .overlap(let name): "the place of '\(name)' overlaps another's"
        case .hole(let name): "there are bytes before '\(name)' that belong to nothing"
        case .sizeMismatch(let name):
            "the place of '\(name)' is not as long as its shape and type say"
        case .duplicate(let name): "'\(name)' stands in it twice"
        case .unsupported(let reason): "not supported: \(reason)"
        case .code(let operation, let name):
            "it would run code (\(operation) of '\(name)'), which a model file never may here;"
                + " save the weights alone, as safetensors or as a state dict"
        case .compressedMember(let name):
            "its member '\(name)' is compressed and cannot be mapped; save it uncompressed"
                + " (torch.save and numpy.savez do)"
        case .missing(let name): "it has no '\(name)'"
        case .notFinite(let name): "'\(name)' has values that are NaN or infinite"
        case .missingShard(let name): "it names '\(name)', which is not beside it"
        }
    }
}

/// Why a weight file cannot be opened: which file, and what is wrong.
package enum WeightFileError: Error, Equatable, Sendable {
    /// It cannot be read, or a part of it cannot.
    case unreadable(path: String, Errno)
    /// It is not what it should be.
    case invalid(path: String, WeightError)

    /// The file.
    package var path: String {
        switch self {
        case .unreadable(let path, _), .invalid(let path, _): path
        }
    }
}

extension WeightFileError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadable(let path, let error): "\(path) cannot be read: \(error)"
        case .invalid(let path, let error): "\(path): \(error)"
        }
    }
}
