// Layers that make a sequence for a Transformer of a row's features.

/// A vector for each feature: its value times one vector, plus another.
struct FeatureTokensLayer: NetworkLayer {
    let featureCount: Int
    let width: Int
    /// `featureCount * width` values.
    let weights: [Float]
    /// As many, or none.
    let bias: [Float]

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let shape = try inputs.only()
        if shape != [featureCount] { throw .shape(shape, expected: "\(featureCount) features") }
        return [featureCount, width]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        var output = Activations(rowCount: input.rowCount, shape: [featureCount, width])
        var room = output.values.mutableSpan
        for index in input.values.indices {
            let feature = index % featureCount * width
            let value = input.values[index]
            for column in 0..<width {
                let addend = bias.isEmpty ? 0 : bias[feature + column]
                room[index * width + column] = value * weights[feature + column] + addend
            }
        }
        return output
    }
}

/// A learnt vector before the first step, or behind the last.
struct ClassTokenLayer: NetworkLayer {
    let token: [Float]
    let isLast: Bool

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        if width != token.count {
            throw .shape([stepCount, width], expected: "steps of \(token.count) features")
        }
        return [stepCount + 1, width]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        var values: [Float] = []
        values.reserveCapacity(input.values.count + input.rowCount * token.count)
        for row in 0..<input.rowCount {
            if !isLast { values += token }
            values += input.values[row * input.width..<(row + 1) * input.width]
            if isLast { values += token }
        }
        return Activations(
            rowCount: input.rowCount, shape: [input.shape[0] + 1, token.count], values: values)
    }
}

/// A vector added to each step, by its place.
struct PositionLayer: NetworkLayer {
    /// One vector behind the other, for as many steps as there may be.
    let vectors: [Float]
    let width: Int

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        if width != self.width || stepCount * width > vectors.count {
            throw .shape(
                [stepCount, width],
                expected: "at most \(vectors.count / self.width) steps of \(self.width) features")
        }
        return [stepCount, width]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        var value = inputs.removeLast()
        let rowWidth = value.width
        var room = value.values.mutableSpan
        var index = 0
        while index < room.count {
            for place in 0..<rowWidth { room[index + place] += vectors[place] }
            index += rowWidth
        }
        return value
    }
}
