// What flows between the layers of a network: a value of one shape for each row of a block.

/// The values of a block of rows, in row order.
struct Activations: Equatable, Sendable {
    var rowCount: Int
    /// Of one row, the outermost dimension first: `[features]`, or `[steps, features]`.
    var shape: [Int]
    var values: [Float]

    init(rowCount: Int, shape: [Int], values: [Float]) {
        precondition(values.count == rowCount * shape.reduce(1, *))
        self.rowCount = rowCount
        self.shape = shape
        self.values = values
    }

    init(rowCount: Int, shape: [Int], filledWith value: Float = 0) {
        self.rowCount = rowCount
        self.shape = shape
        values = [Float](repeating: value, count: rowCount * shape.reduce(1, *))
    }

    /// How many values a row has.
    var width: Int { shape.reduce(1, *) }
    /// The length of the innermost dimension.
    var lastCount: Int { shape.last ?? 1 }
    /// How many vectors of the innermost dimension there are, over all rows.
    var vectorCount: Int { lastCount == 0 ? 0 : values.count / lastCount }
}

/// Why a layer cannot take what it is given; said when a network is built.
struct LayerFlaw: Error, Equatable {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }

    static func shape(_ shape: [Int], expected: String) -> LayerFlaw {
        LayerFlaw("it takes \(expected), and is given \(inWords(shape))")
    }

    static func inWords(_ shape: [Int]) -> String {
        shape.isEmpty ? "one value" : shape.map(String.init).joined(separator: " × ")
    }
}

/// A layer of a network: a function of one or several values.
///
/// Made once with its weights, called by any number of threads.
protocol NetworkLayer: Sendable {
    /// In which shape it gives what it makes of these shapes.
    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int]

    /// REQUIRES: the inputs have the shapes that `outputShape` agreed to, and equally many rows.
    func forward(_ inputs: consuming [Activations]) -> Activations

    /// The most values of a row that it holds at one time, besides inputs and output.
    func scratchCount(_ inputs: [[Int]]) -> Int
}

extension NetworkLayer {
    func scratchCount(_ inputs: [[Int]]) -> Int { 0 }
}

extension [[Int]] {
    /// The shape of the only input.
    func only() throws(LayerFlaw) -> [Int] {
        if count != 1 { throw LayerFlaw("it takes one value, and is given \(count)") }
        return self[0]
    }

    /// The steps and features of the only input.
    func onlySequence() throws(LayerFlaw) -> (stepCount: Int, width: Int) {
        let shape = try only()
        if shape.count != 2 { throw .shape(shape, expected: "a sequence (steps × features)") }
        return (shape[0], shape[1])
    }
}
