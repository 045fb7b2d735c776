// Layers that compute nothing: they choose values, or give them another shape.

/// The same values in another shape.
struct ReshapeLayer: NetworkLayer {
    /// Nil for one dimension, however many values there are.
    let shape: [Int]?

    init(to shape: [Int]?) {
        self.shape = shape
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let given = try inputs.only()
        let count = given.reduce(1, *)
        guard let shape else { return [count] }
        // One dimension may be left open, as -1.
        var known = 1
        for length in shape where length >= 0 {
            let (product, overflows) = known.multipliedReportingOverflow(by: length)
            known = overflows ? Int.max : product
        }
        let open = shape.count { $0 < 0 }
        let fits = open == 0 ? known == count : open == 1 && known > 0 && count % known == 0
        if !fits { throw LayerFlaw("\(LayerFlaw.inWords(given)) values do not fit \(shape)") }
        return shape.map { $0 < 0 ? count / known : $0 }
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        var value = inputs.removeLast()
        // The shape was agreed to, so this cannot fail.
        value.shape = (try? outputShape([value.shape])) ?? [value.width]
        return value
    }
}

/// Some of the last dimension's values, in a given order.
struct SelectLayer: NetworkLayer {
    let columns: [Int]

    init(_ columns: [Int]) {
        self.columns = columns
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let shape = try inputs.only()
        guard let last = shape.last, columns.allSatisfy({ (0..<last).contains($0) })
        else { throw .shape(shape, expected: "vectors with \((columns.max() ?? 0) + 1) values") }
        return shape.dropLast() + [columns.count]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        var output = Activations(
            rowCount: input.rowCount, shape: input.shape.dropLast() + [columns.count])
        for vector in 0..<input.vectorCount {
            for (place, column) in columns.enumerated() {
                output.values[vector * columns.count + place] =
                    input.values[vector * input.lastCount + column]
            }
        }
        return output
    }
}

/// Two dimensions exchanged: a sequence of features as a sequence of steps.
struct TransposeLayer: NetworkLayer {
    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        return [width, stepCount]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        let (stepCount, width) = (input.shape[0], input.shape[1])
        var output = Activations(rowCount: input.rowCount, shape: [width, stepCount])
        for row in 0..<input.rowCount {
            let start = row * stepCount * width
            for step in 0..<stepCount {
                for column in 0..<width {
                    output.values[start + column * stepCount + step] =
                        input.values[start + step * width + column]
                }
            }
        }
        return output
    }
}

/// A vector again and again, as a sequence.
struct RepeatLayer: NetworkLayer {
    let count: Int

    init(count: Int) {
        self.count = count
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let shape = try inputs.only()
        if shape.count != 1 { throw .shape(shape, expected: "one vector") }
        return [count] + shape
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        var values: [Float] = []
        values.reserveCapacity(input.values.count * count)
        for row in 0..<input.rowCount {
            for _ in 0..<count {
                values += input.values[row * input.width..<(row + 1) * input.width]
            }
        }
        return Activations(rowCount: input.rowCount, shape: [count] + input.shape, values: values)
    }
}
