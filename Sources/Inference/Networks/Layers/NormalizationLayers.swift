// Layers that bring values to a common scale.

internal import Glibc

/// A factor and an addend for each feature: batch normalisation, as it is after training, and other
/// layers with fixed numbers.
struct AffineLayer: NetworkLayer {
    let scale: [Float]
    let offset: [Float]

    init(scale: [Float], offset: [Float]) {
        precondition(scale.count == offset.count)
        self.scale = scale
        self.offset = offset
    }

    /// Batch normalisation with what was seen in training.
    static func batch(
        mean: [Float], variance: [Float], gamma: [Float], beta: [Float], epsilon: Double
    ) -> AffineLayer {
        var scale: [Float] = []
        var offset: [Float] = []
        for index in mean.indices {
            let factor =
                (gamma.isEmpty ? 1 : Double(gamma[index]))
                / (Double(variance[index]) + epsilon).squareRoot()
            scale.append(Float(factor))
            let shift = beta.isEmpty ? 0 : Double(beta[index])
            offset.append(Float(shift - Double(mean[index]) * factor))
        }
        return AffineLayer(scale: scale, offset: offset)
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let shape = try inputs.only()
        if scale.count != 1 && shape.last != scale.count {
            throw .shape(shape, expected: "vectors of \(scale.count)")
        }
        return shape
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        var value = inputs.removeLast()
        let width = value.lastCount
        let isSingle = scale.count == 1
        var room = value.values.mutableSpan
        var index = 0
        while index < room.count {
            for column in 0..<width {
                let place = isSingle ? 0 : column
                room[index + column] = room[index + column] * scale[place] + offset[place]
            }
            index += width
        }
        return value
    }
}

/// Each vector brought to mean 0 and variance 1, then scaled: `LayerNorm`.
struct LayerNormLayer: NetworkLayer {
    let width: Int
    /// Empty for ones.
    let gamma: [Float]
    /// Empty for zeros.
    let beta: [Float]
    let epsilon: Float

    init(width: Int, gamma: [Float], beta: [Float], epsilon: Float) {
        self.width = width
        self.gamma = gamma
        self.beta = beta
        self.epsilon = epsilon
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let shape = try inputs.only()
        if shape.last != width { throw .shape(shape, expected: "vectors of \(width)") }
        return shape
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        var value = inputs.removeLast()
        apply(&value.values)
        return value
    }

    /// Normalises vectors one after the other, where they are.
    func apply(_ values: inout [Float]) {
        var room = values.mutableSpan
        var start = 0
        while start < room.count {
            var sum: Float = 0
            for index in start..<start + width { sum += room[index] }
            let mean = sum / Float(width)
            var squares: Float = 0
            for index in start..<start + width {
                let distance = room[index] - mean
                squares += distance * distance
            }
            let factor = 1 / (squares / Float(width) + epsilon).squareRoot()
            for column in 0..<width {
                var normal = (room[start + column] - mean) * factor
                if !gamma.isEmpty { normal *= gamma[column] }
                if !beta.isEmpty { normal += beta[column] }
                room[start + column] = normal
            }
            start += width
        }
    }
}
