// A layer that takes whole numbers and gives the vector of each.

/// `Embedding`.
struct EmbeddingLayer: NetworkLayer {
    /// A row for each number.
    let table: WeightMatrix

    init(_ table: WeightMatrix) {
        precondition(table.order == .inputsFirst)
        self.table = table
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        try inputs.only() + [table.outputCount]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        var output = Activations(
            rowCount: input.rowCount, shape: input.shape + [table.outputCount])
        var room = output.values.mutableSpan
        for (index, value) in input.values.enumerated() {
            guard let number = Int(exactly: value), (0..<table.inputCount).contains(number) else {
                // There is no such vector: the row comes out as no number, which is an error.
                for column in 0..<table.outputCount {
                    room[index * table.outputCount + column] = .nan
                }
                continue
            }
            table.copyRow(number, to: index * table.outputCount, of: &room)
        }
        return output
    }
}
