// A layer of products: each vector of the innermost dimension with a matrix, and a bias.

/// `Linear` of PyTorch, `Dense` of Keras.
struct ProductLayer: NetworkLayer {
    let weights: WeightMatrix
    /// Empty for none.
    let bias: [Float]

    init(_ weights: WeightMatrix, bias: [Float]) {
        precondition(bias.isEmpty || bias.count == weights.outputCount)
        self.weights = weights
        self.bias = bias
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let shape = try inputs.only()
        guard let last = shape.last, last == weights.inputCount else {
            throw .shape(shape, expected: "vectors of \(weights.inputCount)")
        }
        return shape.dropLast() + [weights.outputCount]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        return Activations(
            rowCount: input.rowCount, shape: input.shape.dropLast() + [weights.outputCount],
            values: apply(input.values, count: input.vectorCount))
    }

    /// Its output for vectors one after the other.
    func apply(_ vectors: [Float], count: Int) -> [Float] {
        var results = repeated(bias, width: weights.outputCount, count: count)
        weights.addProducts(vectors, count: count, to: &results)
        return results
    }
}

/// A vector again and again; zeros when it is empty.
func repeated(_ vector: [Float], width: Int, count: Int) -> [Float] {
    if vector.isEmpty { return [Float](repeating: 0, count: width * count) }
    var results: [Float] = []
    results.reserveCapacity(width * count)
    for _ in 0..<count { results += vector }
    return results
}
