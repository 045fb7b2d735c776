// A layer of products with windows that go over a sequence.

/// `Conv1D`: each window's values in one vector, times a matrix.
struct ConvolutionLayer: NetworkLayer {
    let window: StepWindow
    /// Features of a step.
    let width: Int
    let products: ProductLayer

    /// - Parameter products: takes `window.width * width` values, the first step's first.
    init(_ window: StepWindow, width: Int, _ products: ProductLayer) {
        precondition(products.weights.inputCount == window.width * width)
        self.window = window
        self.width = width
        self.products = products
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        if width != self.width {
            throw .shape([stepCount, width], expected: "steps of \(self.width) features")
        }
        return [try window.outputCount(stepCount), products.weights.outputCount]
    }

    func scratchCount(_ inputs: [[Int]]) -> Int {
        (inputs.first?.first ?? 0) * products.weights.inputCount
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        let stepCount = input.shape[0]
        // The shape was agreed to, so this cannot fail.
        let outputCount = (try? window.outputCount(stepCount)) ?? 0
        let vectorCount = input.rowCount * outputCount
        var vectors = [Float](repeating: 0, count: vectorCount * window.width * width)
        var place = 0
        for row in 0..<input.rowCount {
            for output in 0..<outputCount {
                for part in 0..<window.width {
                    let step = window.step(part, of: output, stepCount)
                    if (0..<stepCount).contains(step) {
                        let start = (row * stepCount + step) * width
                        for column in 0..<width {
                            vectors[place + column] = input.values[start + column]
                        }
                    }
                    place += width
                }
            }
        }
        return Activations(
            rowCount: input.rowCount, shape: [outputCount, products.weights.outputCount],
            values: products.apply(vectors, count: vectorCount))
    }
}
