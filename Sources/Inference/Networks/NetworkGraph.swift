// A network as a graph of layers, in an order in which each comes behind those it takes from.
//
// Shapes are found when the graph is built, so that what does not fit is said when a model is
// opened and not at its first row. Rows go through in blocks, so that what is held of them is
// bounded however many there are; a value is dropped when its last user has had it.

/// Layers, and who takes whose output.
struct NetworkGraph: Sendable {
    /// The place of a node, in the order of the graph.
    typealias Place = Int

    private struct Node: Sendable {
        /// Nil for an input.
        let layer: (any NetworkLayer)?
        let sources: [Place]
        let shape: [Int]
    }

    private var nodes: [Node] = []
    private(set) var inputs: [Place] = []
    private(set) var outputs: [Place] = []
    private var scratchCountMax = 0

    /// A model has some hundred layers.
    static let nodeCountMax = 20_000
    /// What is held for a block of rows: 2 Mi values, 8 MiB.
    static let blockValueCount = 2 << 20
    /// More rows make products no faster.
    static let blockRowCountMax = 512
    /// A row may not need more than this, 256 MiB.
    static let rowValueCountMax = 64 << 20

    /// The shape of what a node gives.
    func shape(of place: Place) -> [Int] { nodes[place].shape }

    /// Adds an input of that shape.
    mutating func addInput(shape: [Int]) -> Place {
        nodes.append(Node(layer: nil, sources: [], shape: shape))
        inputs.append(nodes.count - 1)
        return nodes.count - 1
    }

    /// Adds a layer.
    ///
    /// - Throws: when the layer cannot take what its sources give.
    mutating func add(_ layer: any NetworkLayer, from sources: [Place]) throws(LayerFlaw) -> Place {
        if nodes.count >= NetworkGraph.nodeCountMax { throw LayerFlaw("there are too many layers") }
        let shapes = sources.map { nodes[$0].shape }
        let shape = try layer.outputShape(shapes)
        let count = shape.reduce(1, *)
        let held = layer.scratchCount(shapes)
        if count + held > NetworkGraph.rowValueCountMax {
            throw LayerFlaw("a row would take \(count + held) values in it")
        }
        scratchCountMax = max(scratchCountMax, held)
        nodes.append(Node(layer: layer, sources: sources, shape: shape))
        return nodes.count - 1
    }

    /// Says what the network gives, after the last layer.
    mutating func setOutputs(_ outputs: [Place]) {
        self.outputs = outputs
    }

    /// How many rows go through at a time.
    private var blockRowCount: Int {
        let held = nodes.reduce(0) { $0 + $1.shape.reduce(1, *) } + scratchCountMax
        return min(
            NetworkGraph.blockRowCountMax, max(1, NetworkGraph.blockValueCount / max(held, 1)))
    }

    /// Computes the outputs, one after the other, for rows of inputs, one after the other.
    ///
    /// - Parameter rows: for each row the values of all inputs.
    /// - Returns: for each row the values of all outputs.
    func evaluate(_ rows: [Float], rowCount: Int) -> [Float] {
        let inputWidth = inputs.reduce(0) { $0 + nodes[$1].shape.reduce(1, *) }
        precondition(rows.count == rowCount * inputWidth)
        var results: [Float] = []
        results.reserveCapacity(
            rowCount * outputs.reduce(0) { $0 + nodes[$1].shape.reduce(1, *) })
        var first = 0
        while first < rowCount {
            let count = min(blockRowCount, rowCount - first)
            let block = rows[first * inputWidth..<(first + count) * inputWidth]
            append(evaluateBlock(block, rowCount: count, inputWidth), to: &results)
            first += count
        }
        return results
    }

    private func append(_ block: [Activations], to results: inout [Float]) {
        for row in 0..<(block.first?.rowCount ?? 0) {
            for output in block {
                results += output.values[row * output.width..<(row + 1) * output.width]
            }
        }
    }

    private func evaluateBlock(
        _ rows: ArraySlice<Float>, rowCount: Int, _ inputWidth: Int
    ) -> [Activations] {
        var useCounts = [Int](repeating: 0, count: nodes.count)
        for node in nodes { for source in node.sources { useCounts[source] += 1 } }
        for output in outputs { useCounts[output] += 1 }
        var values = [Activations?](repeating: nil, count: nodes.count)
        var start = rows.startIndex
        for input in inputs {
            var value = Activations(rowCount: rowCount, shape: nodes[input].shape)
            let width = value.width
            for row in 0..<rowCount {
                let from = start + row * inputWidth
                for column in 0..<width { value.values[row * width + column] = rows[from + column] }
            }
            values[input] = value
            start += width
        }
        for (place, node) in nodes.enumerated() {
            guard let layer = node.layer else { continue }
            var taken: [Activations] = []
            for source in node.sources {
                useCounts[source] -= 1
                // The last user has the value alone, and may work in its memory.
                let value = useCounts[source] == 0 ? values[source].take() : values[source]
                if let value { taken.append(value) }
            }
            values[place] = layer.forward(taken)
        }
        return outputs.compactMap { values[$0] }
    }
}
