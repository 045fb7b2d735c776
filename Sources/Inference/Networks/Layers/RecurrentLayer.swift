// Layers with a memory that goes along a sequence: LSTM, GRU and the simple one.
//
// The products of all steps with the input's weights are made at once; what is left for each step
// is the product of the memory with its own.

/// One recurrent layer in one direction.
struct RecurrentLayer: NetworkLayer {
    enum Cell: Equatable, Sendable {
        /// Gates in the order input, forget, cell, output.
        case lstm
        /// Gates in the order update, reset, new (Keras), or reset, update, new (PyTorch).
        case gru(resetsAfterProduct: Bool, updateFirst: Bool)
        case simple

        var gateCount: Int {
            switch self {
            case .lstm: 4
            case .gru: 3
            case .simple: 1
            }
        }
    }

    let cell: Cell
    /// Takes a step's features, gives all gates.
    let input: ProductLayer
    /// Takes the memory, gives all gates.
    let memory: ProductLayer
    let activation: Nonlinearity
    let gateActivation: Nonlinearity
    /// From the last step to the first; what is given for each step stands in that order.
    let goesBackwards: Bool
    let givesSequence: Bool

    private var unitCount: Int { memory.weights.inputCount }

    init(
        _ cell: Cell, input: ProductLayer, memory: ProductLayer, activation: Nonlinearity = .tanh,
        gateActivation: Nonlinearity = .sigmoid, goesBackwards: Bool, givesSequence: Bool
    ) {
        precondition(input.weights.outputCount == memory.weights.outputCount)
        precondition(memory.weights.outputCount == memory.weights.inputCount * cell.gateCount)
        self.cell = cell
        self.input = input
        self.memory = memory
        self.activation = activation
        self.gateActivation = gateActivation
        self.goesBackwards = goesBackwards
        self.givesSequence = givesSequence
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        if width != input.weights.inputCount {
            throw .shape(
                [stepCount, width], expected: "steps of \(input.weights.inputCount) features")
        }
        return givesSequence ? [stepCount, unitCount] : [unitCount]
    }

    func scratchCount(_ inputs: [[Int]]) -> Int {
        (inputs.first?.first ?? 0) * memory.weights.outputCount + 4 * memory.weights.outputCount
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let value = inputs[0]
        let (rowCount, stepCount, units) = (value.rowCount, value.shape[0], unitCount)
        let width = memory.weights.outputCount
        let products = input.apply(value.values, count: rowCount * stepCount)
        var output = Activations(
            rowCount: rowCount, shape: givesSequence ? [stepCount, units] : [units])
        var state = State(count: rowCount * units)
        var gates = [Float](repeating: 0, count: rowCount * width)
        for turn in 0..<stepCount {
            let step = goesBackwards ? stepCount - 1 - turn : turn
            for row in 0..<rowCount {
                let from = (row * stepCount + step) * width
                for column in 0..<width { gates[row * width + column] = products[from + column] }
            }
            advance(&state, gates, rowCount)
            if !givesSequence { continue }
            for row in 0..<rowCount {
                let to = (row * stepCount + turn) * units
                for unit in 0..<units {
                    output.values[to + unit] = state.memory[row * units + unit]
                }
            }
        }
        if !givesSequence { output.values = state.memory }
        return output
    }

    /// What is kept from step to step.
    private struct State {
        var memory: [Float]
        var cell: [Float]

        init(count: Int) {
            memory = [Float](repeating: 0, count: count)
            cell = memory
        }
    }

    /// - Parameter gates: what the input adds to each gate.
    private func advance(_ state: inout State, _ gates: [Float], _ rowCount: Int) {
        let recurrent = memory.apply(state.memory, count: rowCount)
        switch cell {
        case .simple:
            for index in state.memory.indices {
                state.memory[index] = activation(gates[index] + recurrent[index])
            }
        case .lstm: advanceLSTM(&state, gates, recurrent, rowCount)
        case .gru(let resetsAfterProduct, let updateFirst):
            advanceGRU(
                &state, gates, recurrent, rowCount, resetsAfterProduct: resetsAfterProduct,
                updateFirst: updateFirst)
        }
    }

    private func advanceLSTM(
        _ state: inout State, _ gates: [Float], _ recurrent: [Float], _ rowCount: Int
    ) {
        let units = unitCount
        for row in 0..<rowCount {
            for unit in 0..<units {
                func gate(_ number: Int) -> Float {
                    let place = row * 4 * units + number * units + unit
                    return gates[place] + recurrent[place]
                }
                let place = row * units + unit
                let kept = gateActivation(gate(1)) * state.cell[place]
                state.cell[place] = kept + gateActivation(gate(0)) * activation(gate(2))
                state.memory[place] = gateActivation(gate(3)) * activation(state.cell[place])
            }
        }
    }

    private func advanceGRU(
        _ state: inout State, _ gates: [Float], _ recurrent: [Float], _ rowCount: Int,
        resetsAfterProduct: Bool, updateFirst: Bool
    ) {
        let units = unitCount
        var reset = [Float](repeating: 0, count: rowCount * units)
        var update = reset
        for row in 0..<rowCount {
            for unit in 0..<units {
                let first = row * 3 * units + unit
                let values = (
                    gateActivation(gates[first] + recurrent[first]),
                    gateActivation(gates[first + units] + recurrent[first + units])
                )
                let place = row * units + unit
                (update[place], reset[place]) = updateFirst ? values : (values.1, values.0)
            }
        }
        var products = recurrent
        if !resetsAfterProduct {
            var remembered = state.memory
            for index in remembered.indices { remembered[index] *= reset[index] }
            products = memory.apply(remembered, count: rowCount)
        }
        for row in 0..<rowCount {
            for unit in 0..<units {
                let last = row * 3 * units + 2 * units + unit
                let place = row * units + unit
                let product = products[last] * (resetsAfterProduct ? reset[place] : 1)
                let new = activation(gates[last] + product)
                state.memory[place] =
                    update[place] * state.memory[place] + (1 - update[place]) * new
            }
        }
    }
}

/// A recurrent layer once along a sequence and once against it.
struct BidirectionalLayer: NetworkLayer {
    enum Merge: Equatable, Sendable {
        case concatenate, sum, product, average
    }

    let forward: RecurrentLayer
    let backward: RecurrentLayer
    let merge: Merge

    init(_ forward: RecurrentLayer, _ backward: RecurrentLayer, _ merge: Merge) {
        precondition(!forward.goesBackwards && backward.goesBackwards)
        self.forward = forward
        self.backward = backward
        self.merge = merge
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let shape = try forward.outputShape(inputs)
        let other = try backward.outputShape(inputs)
        return try merged.outputShape([shape, other])
    }

    private var merged: any NetworkLayer {
        switch merge {
        case .concatenate: ConcatenateLayer()
        case .sum: CombineLayer(.sum)
        case .product: CombineLayer(.product)
        case .average: CombineLayer(.average)
        }
    }

    func scratchCount(_ inputs: [[Int]]) -> Int {
        forward.scratchCount(inputs) + backward.scratchCount(inputs)
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let inputs = inputs
        let along = forward.forward(inputs)
        var against = backward.forward(inputs)
        if backward.givesSequence { reverseSteps(&against) }
        return merged.forward([along, against])
    }
}

/// Puts the steps of each row in the opposite order.
func reverseSteps(_ value: inout Activations) {
    let (stepCount, width) = (value.shape[0], value.shape[1])
    for row in 0..<value.rowCount {
        for step in 0..<stepCount / 2 {
            let low = (row * stepCount + step) * width
            let high = (row * stepCount + stepCount - 1 - step) * width
            for column in 0..<width { value.values.swapAt(low + column, high + column) }
        }
    }
}
