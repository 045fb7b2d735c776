// Layers that make one vector, or fewer, of a sequence.

/// One vector of all steps.
struct GlobalPoolingLayer: NetworkLayer {
    enum How: Equatable, Sendable {
        case mean, maximum, first, last
    }

    let how: How
    let keepsDimension: Bool

    init(_ how: How, keepsDimension: Bool = false) {
        self.how = how
        self.keepsDimension = keepsDimension
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        if stepCount == 0 { throw LayerFlaw("a sequence without steps") }
        return keepsDimension ? [1, width] : [width]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        let (stepCount, width) = (input.shape[0], input.shape[1])
        var output = Activations(
            rowCount: input.rowCount, shape: keepsDimension ? [1, width] : [width])
        for row in 0..<input.rowCount {
            for column in 0..<width {
                let start = row * stepCount * width + column
                func value(_ step: Int) -> Float { input.values[start + step * width] }
                output.values[row * width + column] =
                    switch how {
                    case .first: value(0)
                    case .last: value(stepCount - 1)
                    case .mean: (0..<stepCount).reduce(0) { $0 + value($1) } / Float(stepCount)
                    case .maximum: (0..<stepCount).reduce(-.infinity) { larger($0, value($1)) }
                    }
            }
        }
        return output
    }
}

/// The largest or the mean of neighbouring steps.
struct WindowPoolingLayer: NetworkLayer {
    let isMaximum: Bool
    let window: StepWindow

    init(isMaximum: Bool, _ window: StepWindow) {
        self.isMaximum = isMaximum
        self.window = window
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] {
        let (stepCount, width) = try inputs.onlySequence()
        return [try window.outputCount(stepCount), width]
    }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        let input = inputs[0]
        let (stepCount, width) = (input.shape[0], input.shape[1])
        // The shape was agreed to, so this cannot fail.
        let outputCount = (try? window.outputCount(stepCount)) ?? 0
        var output = Activations(rowCount: input.rowCount, shape: [outputCount, width])
        for row in 0..<input.rowCount {
            for step in 0..<outputCount {
                let taken = (0..<window.width).map { window.step($0, of: step, stepCount) }
                    .filter { (0..<stepCount).contains($0) }
                for column in 0..<width {
                    let values = taken.map { input.values[(row * stepCount + $0) * width + column] }
                    output.values[(row * outputCount + step) * width + column] =
                        isMaximum
                        ? values.reduce(-.infinity, larger)
                        : values.reduce(0, +) / Float(values.count)
                }
            }
        }
        return output
    }
}

/// A window that goes over a sequence.
struct StepWindow: Equatable, Sendable {
    enum Padding: Equatable, Sendable {
        /// Only whole windows.
        case none
        /// A window for each `stride` steps, with nothing before the first and behind the last.
        case same
        /// As `same`, with all that is missing before the first step.
        case causal
    }

    var width: Int
    var stride: Int
    var dilation = 1
    var padding: Padding

    private var reach: Int { (width - 1) * dilation + 1 }

    /// How many windows there are.
    func outputCount(_ stepCount: Int) throws(LayerFlaw) -> Int {
        switch padding {
        case .same, .causal: return (stepCount + stride - 1) / stride
        case .none:
            if stepCount < reach {
                throw LayerFlaw("\(stepCount) steps are fewer than its window of \(reach)")
            }
            return (stepCount - reach) / stride + 1
        }
    }

    /// Which step a window has at one of its places; outside of the sequence for padding.
    func step(_ place: Int, of window: Int, _ stepCount: Int) -> Int {
        window * stride + place * dilation - before(stepCount)
    }

    private func before(_ stepCount: Int) -> Int {
        switch padding {
        case .none: 0
        case .causal: reach - 1
        case .same:
            max(0, ((stepCount + stride - 1) / stride - 1) * stride + reach - stepCount) / 2
        }
    }
}

/// The larger of two; NaN when one of them is.
func larger(_ left: Float, _ right: Float) -> Float {
    left.isNaN || left > right ? left : right
}
