// A layer of a Transformer's encoder, as `torch.nn.TransformerEncoderLayer` defines it.
//
// Attention is over the steps of one row; no step is masked. Dropout does nothing after training.

internal import LinearAlgebra

/// Self-attention and two products, each with a residual and a normalisation.
struct TransformerLayer: NetworkLayer {
    let headCount: Int
    /// Queries, keys and values, one behind the other.
    let projection: ProductLayer
    let output: ProductLayer
    let inner: ProductLayer
    let outer: ProductLayer
    let firstNorm: LayerNormLayer
    let secondNorm: LayerNormLayer
    let activation: Nonlinearity
    /// Normalised before attention and products, and not behind their residuals.
    let normalisesFirst: Bool

    private var width: Int { projection.weights.inputCount }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        if width != self.width {
            throw .shape([stepCount, width], expected: "steps of \(self.width) features")
        }
        return [stepCount, width]
    }

    func scratchCount(_ inputs: [[Int]]) -> Int {
        // More steps than this are refused for what they take, and must not overflow here.
        let steps = min(inputs.first?.first ?? 0, 1 << 20)
        return steps * max(4 * width, inner.weights.outputCount + 2 * width)
            + headCount * steps * steps
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        var value = inputs.removeLast()
        let stepCount = value.shape[0]
        if normalisesFirst {
            var normal = value.values
            firstNorm.apply(&normal)
            add(attend(normal, value.rowCount, stepCount), to: &value.values)
            normal = value.values
            secondNorm.apply(&normal)
            add(feed(normal), to: &value.values)
        } else {
            add(attend(value.values, value.rowCount, stepCount), to: &value.values)
            firstNorm.apply(&value.values)
            add(feed(value.values), to: &value.values)
            secondNorm.apply(&value.values)
        }
        return value
    }

    private func add(_ addend: [Float], to values: inout [Float]) {
        var room = values.mutableSpan
        for index in room.indices { room[index] += addend[index] }
    }

    private func feed(_ vectors: [Float]) -> [Float] {
        let count = vectors.count / width
        var hidden = inner.apply(vectors, count: count)
        activation.apply(&hidden, width: inner.weights.outputCount)
        return outer.apply(hidden, count: count)
    }

    private func attend(_ vectors: [Float], _ rowCount: Int, _ stepCount: Int) -> [Float] {
        let count = rowCount * stepCount
        let projected = projection.apply(vectors, count: count)
        var attended = [Float](repeating: 0, count: count * width)
        var scores = [Float](repeating: 0, count: stepCount * stepCount)
        let headWidth = width / headCount
        let scale = 1 / Float(headWidth).squareRoot()
        let square = MatrixExtent(rows: stepCount, columns: stepCount)
        for row in 0..<rowCount {
            for head in 0..<headCount {
                /// The queries (0), keys (1) or values (2) of this row and head.
                func part(_ number: Int) -> MatrixExtent {
                    MatrixExtent(
                        rows: stepCount, columns: headWidth, stride: 3 * width,
                        start: row * stepCount * 3 * width + number * width + head * headWidth)
                }
                var room = scores.mutableSpan
                for index in room.indices { room[index] = 0 }
                addProduct(
                    projected.span, part(0), projected.span, part(1), isRightTransposed: true,
                    scale: scale, to: &room, square)
                Nonlinearity.softmax.apply(&scores, width: stepCount)
                var result = attended.mutableSpan
                addProduct(
                    scores.span, square, projected.span, part(2), isRightTransposed: false,
                    to: &result,
                    MatrixExtent(
                        rows: stepCount, columns: headWidth, stride: width,
                        start: row * stepCount * width + head * headWidth))
            }
        }
        return output.apply(attended, count: count)
    }
}
