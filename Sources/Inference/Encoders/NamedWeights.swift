// The tensors of an encoder by their names, wherever the file put the encoder: with and without the
// prefix of its family, and with the older names of what normalises.

internal import LinearAlgebra
internal import Weights

/// Tensors that are looked up and checked.
struct NamedWeights {
    private let weights: WeightSet
    let prefix: String

    /// - Parameter probe: a tensor that is there under one of the prefixes.
    init(_ weights: WeightSet, prefixes: [String], probe: String) throws(InferenceError) {
        self.weights = weights
        guard let prefix = prefixes.first(where: { weights[$0 + probe] != nil }) else {
            throw .missingTensor(name: probe)
        }
        self.prefix = prefix
    }

    private init(_ weights: WeightSet, prefix: String) {
        self.weights = weights
        self.prefix = prefix
    }

    /// The same tensors without a prefix, as those of heads are named.
    var withoutPrefix: NamedWeights { NamedWeights(weights, prefix: "") }

    func has(_ name: String) -> Bool { weights[prefix + name] != nil }

    /// A tensor of that shape, of floats of some kind.
    func tensor(_ name: String, _ shape: [Int]) throws(InferenceError) -> TensorView {
        let name = prefix + name
        guard let tensor = weights[name] else { throw .missingTensor(name: name) }
        if tensor.shape != shape.map(Int64.init) {
            throw .wrongTensor(
                name: name, found: "shape \(tensor.shape)", expected: "shape \(shape)")
        }
        switch tensor.type.element {
        case .float32, .float16, .bfloat16: return tensor
        default:
            throw .wrongTensor(
                name: name, found: "values of type \(tensor.type.element)",
                expected: "float32, float16 or bfloat16")
        }
    }

    /// The values of a small tensor.
    func values(_ name: String, _ shape: [Int]) throws(InferenceError) -> [Float] {
        let tensor = try tensor(name, shape)
        if tensor.firstNotFinite() != nil {
            throw .wrongTensor(
                name: prefix + name, found: "a value that is NaN or infinite",
                expected: "numbers")
        }
        return DenseLayer.floats(tensor)
    }

    func dense(_ name: String, from inputCount: Int, to outputCount: Int) throws(InferenceError)
        -> DenseLayer
    {
        DenseLayer(
            weight: try tensor(name + ".weight", [outputCount, inputCount]),
            bias: try values(name + ".bias", [outputCount]))
    }

    func norm(_ name: String, width: Int) throws(InferenceError) -> NormLayer {
        let isOld = !has(name + ".weight") && has(name + ".gamma")
        return NormLayer(
            weight: try values(name + (isOld ? ".gamma" : ".weight"), [width]),
            offset: try values(name + (isOld ? ".beta" : ".bias"), [width]))
    }
}

/// What brings rows to mean 0 and variance 1.
struct NormLayer: Sendable {
    let weight: [Float]
    let offset: [Float]
}

/// A product with a weight matrix that stays where it lies in its file.
struct DenseLayer: Sendable {
    /// One row for each output.
    let weight: TensorView
    let bias: [Float]?

    var outputCount: Int { Int(weight.shape[0]) }
    var inputCount: Int { Int(weight.shape[1]) }

    /// So many floats are converted at once: half of a processor's own cache.
    static let tileFloatCountMax = 1 << 17

    /// How many floats of scratch memory `apply` needs; 0 for weights that are used as they lie.
    var tileFloatCount: Int {
        weight.withFloats { _ in true } ?? false
            ? 0 : min(weight.elementCount, max(DenseLayer.tileFloatCountMax, inputCount))
    }

    /// Writes the product with some of the outputs' weights, without the bias.
    ///
    /// - Parameters:
    ///   - outputs: which outputs, and so which columns of `output`.
    ///   - tile: `tileFloatCount` floats at least.
    func apply(_ input: Matrix, to output: Matrix, outputs: Range<Int>, tile: FloatMemory) {
        if outputs.isEmpty { return }
        let isDone: Void? = weight.withFloats { floats in
            output.columns(outputs).setProduct(
                input,
                transposed: floats.extracting(
                    outputs.lowerBound * inputCount..<outputs.upperBound * inputCount))
        }
        if isDone != nil { return }
        let rowCountMax = max(1, tile.count / inputCount)
        var start = outputs.lowerBound
        while start < outputs.upperBound {
            let end = min(start + rowCountMax, outputs.upperBound)
            let part = Matrix(tile, rowCount: 1, columnCount: (end - start) * inputCount)
            DenseLayer.copy(weight, start * inputCount..<end * inputCount, to: part)
            output.columns(start..<end).setProduct(
                input,
                transposed: Matrix(tile, rowCount: end - start, columnCount: inputCount))
            start = end
        }
    }

    /// The bias of some of the outputs.
    func bias(_ outputs: Range<Int>) -> [Float]? {
        guard let bias else { return nil }
        return outputs.count == bias.count ? bias : Array(bias[outputs])
    }

    /// Writes some of a tensor's values, whose type was checked, into the one row of a matrix.
    static func copy(_ tensor: TensorView, _ elements: Range<Int>, to row: Matrix, at index: Int = 0)
    {
        row.withRow(index) { span in
            do throws(WeightError) {
                try tensor.copyFloats(elements, into: &span)
            } catch { preconditionFailure("the type of a tensor was checked: \(error)") }
        }
    }

    /// All values of a tensor whose type was checked.
    static func floats(_ tensor: TensorView) -> [Float] {
        do throws(WeightError) { return try tensor.floats() } catch {
            preconditionFailure("the type of a tensor was checked: \(error)")
        }
    }
}
