// A tensor where it lies: a range of a mapped file, its type and its shape. Copies nothing.
//
// Assumes that whoever made it has checked the range against the file and against the type. The
// values lie in row order without gaps, the lowest byte first.

package import Platform

/// A tensor in a mapped file.
package struct TensorView: Sendable {
    /// The file, which stays mapped as long as a view of it is there.
    package let file: MappedFile
    /// Where its values lie in the file.
    package let bytes: Range<Int>
    package let type: TensorType

    /// - Parameters:
    ///   - file: the file.
    ///   - bytes: lies within the file, and is as long as the type says.
    ///   - type: a type whose values take whole bytes.
    package init(file: MappedFile, bytes: Range<Int>, type: TensorType) {
        precondition(bytes.lowerBound >= 0 && bytes.upperBound <= file.byteCount)
        precondition(type.byteCount == Int64(bytes.count))
        self.file = file
        self.bytes = bytes
        self.type = type
    }

    /// The outermost dimension first.
    package var shape: [Int64] { type.shape }

    /// Its values' bytes, lent for the one call.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try file.withBytes { whole throws(Failure) in try body(whole.extracting(bytes)) }
    }
}

/// The tensors of a model by their names, from one file or from several shards.
package struct WeightSet: Sendable {
    /// By the names that the files give them.
    package private(set) var tensors: [String: TensorView]

    package init(_ tensors: [String: TensorView] = [:]) {
        self.tensors = tensors
    }

    /// The tensor of that name; nil for none.
    package subscript(name: String) -> TensorView? {
        get { tensors[name] }
        set { tensors[name] = newValue }
    }

    /// How many bytes of files its tensors take.
    package var byteCount: Int64 { tensors.values.reduce(0) { $0 + Int64($1.bytes.count) } }
}
