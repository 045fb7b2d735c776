// A tensor where it lies: a range of a mapped file, its type and its shape. Copies nothing.
//
// Assumes that whoever made it has checked the range against the file and against the type. The
// values lie in row order without gaps, the lowest byte first. What does not lie so in its file
// (a transposed tensor of PyTorch, an array inside a pickle) was copied into private memory, once,
// when the file was opened, and `privateByteCount` tells how much that is.

package import Platform

/// A tensor in a mapped file.
package struct TensorView: Sendable {
    /// What holds the bytes.
    package enum Storage: Sendable {
        /// A file, which stays mapped as long as a view of it is there.
        case file(MappedFile)
        /// Memory of this process.
        case memory(PrivateBytes)
    }

    /// What holds its values.
    package let storage: Storage
    /// Where its values lie in the storage.
    package let bytes: Range<Int>
    package let type: TensorType

    /// - Parameters:
    ///   - file: the file.
    ///   - bytes: lies within the file, and is as long as the type says.
    ///   - type: a type whose values take whole bytes.
    package init(file: MappedFile, bytes: Range<Int>, type: TensorType) {
        precondition(bytes.lowerBound >= 0 && bytes.upperBound <= file.byteCount)
        precondition(type.byteCount == Int64(bytes.count))
        storage = .file(file)
        self.bytes = bytes
        self.type = type
    }

    /// A tensor whose values lie in private memory, all of it.
    package init(memory: PrivateBytes, type: TensorType) {
        precondition(type.byteCount == Int64(memory.byteCount))
        storage = .memory(memory)
        bytes = 0..<memory.byteCount
        self.type = type
    }

    /// The outermost dimension first.
    package var shape: [Int64] { type.shape }

    /// How many values it has; the type was checked, so it is a number.
    package var elementCount: Int { Int(type.elementCount ?? 0) }

    /// The file that it lies in; nil when it lies in private memory.
    package var file: MappedFile? {
        guard case .file(let file) = storage else { return nil }
        return file
    }

    /// How many bytes of private memory it takes.
    package var privateByteCount: Int { file == nil ? bytes.count : 0 }

    /// Its values' bytes, lent for the one call.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch storage {
        case .file(let file):
            try file.withBytes { whole throws(Failure) in try body(whole.extracting(bytes)) }
        case .memory(let memory):
            try memory.withBytes { whole throws(Failure) in try body(whole.extracting(bytes)) }
        }
    }

    /// The same values in another shape.
    ///
    /// - Returns: nil when the shape has another number of values.
    package func reshaped(to shape: [Int64]) -> TensorView? {
        let type = TensorType(element: type.element, shape: shape)
        if type.byteCount != Int64(bytes.count) { return nil }
        return TensorView(storage: storage, bytes: bytes, type: type)
    }

    /// Some of the outermost dimension's entries, such as rows of a matrix.
    ///
    /// - Parameter rows: lie within the outermost dimension; the tensor has one at least.
    package func rows(_ rows: Range<Int>) -> TensorView {
        let count = Int(shape[0])
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count)
        let stride = count == 0 ? 0 : bytes.count / count
        let start = bytes.lowerBound + rows.lowerBound * stride
        let type = TensorType(
            element: type.element, shape: [Int64(rows.count)] + shape.dropFirst())
        return TensorView(
            storage: storage, bytes: start..<start + rows.count * stride, type: type)
    }

    private init(storage: Storage, bytes: Range<Int>, type: TensorType) {
        self.storage = storage
        self.bytes = bytes
        self.type = type
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

    /// How many bytes its tensors take, each for itself.
    package var byteCount: Int64 { tensors.values.reduce(0) { $0 + Int64($1.bytes.count) } }

    /// How many of those bytes are copies in private memory.
    package var privateByteCount: Int64 {
        tensors.values.reduce(0) { $0 + Int64($1.privateByteCount) }
    }

    /// The files that its tensors lie in, each once, in the order of their paths.
    package var files: [MappedFile] {
        var known: [ObjectIdentifier: MappedFile] = [:]
        for tensor in tensors.values {
            if let file = tensor.file { known[ObjectIdentifier(file)] = file }
        }
        return known.values.sorted { $0.path < $1.path }
    }

    /// The first tensor with a value that is NaN or infinite, in the order of the files; nil when
    /// there is none.
    ///
    /// It reads every value.
    package func firstNotFinite() -> String? {
        let sorted = tensors.sorted {
            ($0.value.file?.path ?? "", $0.value.bytes.lowerBound, $0.key)
                < ($1.value.file?.path ?? "", $1.value.bytes.lowerBound, $1.key)
        }
        return sorted.first { $0.value.firstNotFinite() != nil }?.key
    }

    /// Those whose names begin so, by the rest of their names.
    package func under(_ prefix: String) -> WeightSet {
        var found: [String: TensorView] = [:]
        for (name, tensor) in tensors where name.hasPrefix(prefix) {
            found[String(name.dropFirst(prefix.count))] = tensor
        }
        return WeightSet(found)
    }
}
