// Tensors taken from a set of weights by name, each checked for its shape and its values.
//
// Matrices stay where they lie; vectors, which are small, are copied as floats.

internal import Weights

/// Gives layers their tensors.
struct TensorShelf: Sendable {
    private let weights: WeightSet
    private let prefix: String

    /// More than any layer's vector; a longer one is a matrix by mistake.
    private static let vectorCountMax = 4 << 20

    init(_ weights: WeightSet, prefix: String = "") {
        self.weights = weights
        self.prefix = prefix
    }

    /// Whether there is a tensor of that name.
    func has(_ name: String) -> Bool { weights[prefix + name] != nil }

    /// The shape of a tensor.
    func shape(_ name: String) throws(InferenceError) -> [Int] {
        try tensor(name).shape.map { Int($0) }
    }

    /// The values of a tensor that is no matrix to multiply with.
    ///
    /// - Parameter count: how many there have to be; nil for any number.
    func vector(_ name: String, count: Int?) throws(InferenceError) -> [Float] {
        let tensor = try finite(name)
        if let count, tensor.elementCount != count {
            throw wrong(name, tensor, expected: "\(count) values")
        }
        if tensor.elementCount > TensorShelf.vectorCountMax {
            throw wrong(name, tensor, expected: "at most \(TensorShelf.vectorCountMax) values")
        }
        do throws(WeightError) { return try tensor.floats() } catch {
            throw wrong(name, tensor, expected: "numbers")
        }
    }

    /// A matrix to multiply with; nil dimensions may have any length.
    ///
    /// - Parameter isWindow: the tensor has a dimension more in front, for the steps of a window,
    ///   which is taken together with the inputs'.
    func matrix(
        _ name: String, inputs: Int?, outputs: Int?, order: WeightMatrix.Order
    ) throws(InferenceError) -> WeightMatrix {
        let tensor = try finite(name)
        let expected = order == .outputsFirst ? [outputs, inputs] : [inputs, outputs]
        let shape = tensor.shape.map { Int($0) }
        let fits =
            shape.count == 2 && zip(shape, expected).allSatisfy { $1 == nil || $0 == $1 }
            && !shape.contains(0)
        if !fits {
            let words = expected.map { $0.map { String($0) } ?? "any" }.joined(separator: " × ")
            throw wrong(name, tensor, expected: words)
        }
        let (first, second) = (shape[0], shape[1])
        return WeightMatrix(
            tensor, inputCount: order == .outputsFirst ? second : first,
            outputCount: order == .outputsFirst ? first : second, order: order)
    }

    /// A tensor of several dimensions, all but the last taken as the inputs of a matrix.
    func matrix(_ name: String, foldedFrom shape: [Int]) throws(InferenceError) -> WeightMatrix {
        let tensor = try finite(name)
        if tensor.shape.map({ Int($0) }) != shape || shape.isEmpty || shape.contains(0) {
            throw wrong(
                name, tensor, expected: shape.map { String($0) }.joined(separator: " × "))
        }
        return WeightMatrix(
            tensor, inputCount: shape.dropLast().reduce(1, *), outputCount: shape.last ?? 1,
            order: .inputsFirst)
    }

    private func tensor(_ name: String) throws(InferenceError) -> TensorView {
        guard let tensor = weights[prefix + name] else {
            throw .missingTensor(name: prefix + name)
        }
        return tensor
    }

    private func finite(_ name: String) throws(InferenceError) -> TensorView {
        let tensor = try tensor(name)
        if !tensor.hasFloats { throw wrong(name, tensor, expected: "numbers") }
        if let place = tensor.firstNotFinite() {
            throw .wrongTensor(
                name: prefix + name, found: "NaN or infinite at value \(place)",
                expected: "finite numbers")
        }
        return tensor
    }

    private func wrong(
        _ name: String, _ tensor: TensorView, expected: String
    ) -> InferenceError {
        let shape = tensor.shape.map { String($0) }.joined(separator: " × ")
        return .wrongTensor(
            name: prefix + name, found: "\(tensor.type.element) of shape \(shape)",
            expected: expected)
    }
}
