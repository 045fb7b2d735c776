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
            // Inputs of embeddings are checked with the row; what a layer made may be anything.
            let number = min(max(Int(value.isFinite ? value : 0), 0), table.inputCount - 1)
            var vector = room.extracting(
                index * table.outputCount..<(index + 1) * table.outputCount)
            table.copyRow(number, into: &vector)
        }
        return output
    }
}
