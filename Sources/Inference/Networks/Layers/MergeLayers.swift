// Layers with several inputs: they put values behind each other, or make one of each of theirs.
//
// Shapes are checked when a graph is built; what runs takes them for granted.

/// Values put one behind the other, in one dimension.
struct ConcatenateLayer: NetworkLayer {
    /// Counted from the innermost, which is 0.
    let dimensionFromLast: Int

    init(dimensionFromLast: Int = 0) {
        self.dimensionFromLast = dimensionFromLast
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        guard var shape = inputs.first, dimensionFromLast < shape.count else {
            throw LayerFlaw("it takes values with \(dimensionFromLast + 1) dimensions")
        }
        let axis = shape.count - 1 - dimensionFromLast
        for other in inputs.dropFirst() {
            var same = other
            if other.count == shape.count { same[axis] = shape[axis] }
            if same != shape {
                throw LayerFlaw(
                    "\(LayerFlaw.inWords(shape)) and \(LayerFlaw.inWords(other)) cannot be joined")
            }
            shape[axis] += other[axis]
        }
        return shape
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let inputs = inputs
        let axis = inputs[0].shape.count - 1 - dimensionFromLast
        var shape = inputs[0].shape
        shape[axis] = inputs.reduce(0) { $0 + $1.shape[axis] }
        let outer = inputs[0].rowCount * shape[..<axis].reduce(1, *)
        var values: [Float] = []
        values.reserveCapacity(inputs[0].rowCount * shape.reduce(1, *))
        for part in 0..<outer {
            for input in inputs {
                let count = input.shape[axis...].reduce(1, *)
                values += input.values[part * count..<(part + 1) * count]
            }
        }
        return Activations(rowCount: inputs[0].rowCount, shape: shape, values: values)
    }
}

/// Values of one shape, put together place by place.
struct CombineLayer: NetworkLayer {
    enum How: Equatable, Sendable {
        case sum, difference, product, average, maximum, minimum
    }

    let how: How

    init(_ how: How) {
        self.how = how
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        guard let shape = inputs.first else { throw LayerFlaw("it takes two values, or more") }
        if how == .difference && inputs.count != 2 { throw LayerFlaw("it takes two values") }
        // What has one value where others have many is used for each of them.
        var widest = shape
        for other in inputs.dropFirst() {
            guard other.count == shape.count else {
                throw .shape(other, expected: LayerFlaw.inWords(shape))
            }
            for axis in widest.indices where widest[axis] != other[axis] {
                if widest[axis] != 1 && other[axis] != 1 {
                    throw .shape(other, expected: LayerFlaw.inWords(shape))
                }
                widest[axis] = max(widest[axis], other[axis])
            }
        }
        return widest
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let inputs = inputs
        let shapes = inputs.map(\.shape)
        // The shape was agreed to, so this cannot fail.
        let shape = (try? outputShape(shapes)) ?? shapes[0]
        var value = spread(inputs[0], to: shape)
        for input in inputs.dropFirst() {
            let other = spread(input, to: shape)
            for index in value.values.indices {
                value.values[index] = combine(value.values[index], other.values[index])
            }
        }
        if how == .average {
            for index in value.values.indices { value.values[index] /= Float(inputs.count) }
        }
        return value
    }

    private func combine(_ left: Float, _ right: Float) -> Float {
        switch how {
        case .sum, .average: left + right
        case .difference: left - right
        case .product: left * right
        case .maximum: larger(left, right)
        case .minimum: -larger(-left, -right)
        }
    }

    private func spread(_ value: Activations, to shape: [Int]) -> Activations {
        if value.shape == shape { return value }
        var output = Activations(rowCount: value.rowCount, shape: shape)
        for index in output.values.indices {
            var (rest, from, stride) = (index, 0, 1)
            for axis in shape.indices.reversed() {
                let coordinate = rest % shape[axis]
                rest /= shape[axis]
                from += value.shape[axis] == 1 ? 0 : coordinate * stride
                stride *= value.shape[axis]
            }
            output.values[index] = value.values[from + rest * stride]
        }
        return output
    }
}
