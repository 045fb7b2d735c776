// The functions between products, value by value, and the two that look at a whole vector.

internal import Glibc

/// An activation function.
enum Nonlinearity: Equatable, Sendable {
    case identity
    /// Below the threshold the slope, above it the value, at most the limit.
    case rectifier(slope: Float, threshold: Float, limit: Float?)
    case elu(alpha: Float)
    case selu
    case gelu
    /// GELU by way of tanh, as it is sometimes approximated.
    case geluByTanh
    case silu
    case mish
    case tanh
    case sigmoid
    /// Sigmoid as a line, cut off at 0 and 1.
    case hardSigmoid(slope: Float)
    case hardSilu
    case softplus
    case softsign
    case exponential
    case softmax
    case logSoftmax

    static let relu = Nonlinearity.rectifier(slope: 0, threshold: 0, limit: nil)

    /// Applies it to vectors of that width, one after the other, where they are.
    func apply(_ values: inout [Float], width: Int) {
        switch self {
        case .identity: return
        case .softmax, .logSoftmax: applyToVectors(&values, width: width)
        default:
            var room = values.mutableSpan
            for index in room.indices { room[index] = self(room[index]) }
        }
    }

    /// Its value at one place; not for the two that need a vector.
    func callAsFunction(_ x: Float) -> Float {
        switch self {
        case .identity, .softmax, .logSoftmax: x
        case .rectifier(let slope, let threshold, let limit):
            x < threshold ? slope * (x - threshold) : min(x, limit ?? .infinity)
        case .elu(let alpha): x > 0 ? x : alpha * expm1f(x)
        case .selu: 1.050_701 * (x > 0 ? x : 1.673_263_2 * expm1f(x))
        case .gelu: 0.5 * x * (1 + erff(x * 0.707_106_77))
        case .geluByTanh: 0.5 * x * (1 + tanhf(0.797_884_56 * (x + 0.044_715 * x * x * x)))
        case .silu: x * Nonlinearity.logistic(x)
        case .mish: x * tanhf(Nonlinearity.softplus(x))
        case .tanh: tanhf(x)
        case .sigmoid: Nonlinearity.logistic(x)
        case .hardSigmoid(let slope): min(max(slope * x + 0.5, 0), 1)
        case .hardSilu: x * min(max(x / 6 + 0.5, 0), 1)
        case .softplus: Nonlinearity.softplus(x)
        case .softsign: x / (1 + abs(x))
        case .exponential: expf(x)
        }
    }

    static func logistic(_ x: Float) -> Float { 1 / (1 + expf(-x)) }

    private static func softplus(_ x: Float) -> Float { max(x, 0) + log1pf(expf(-abs(x))) }

    private func applyToVectors(_ values: inout [Float], width: Int) {
        if width == 0 { return }
        var room = values.mutableSpan
        var start = 0
        while start < room.count {
            var largest = -Float.infinity
            for index in start..<start + width { largest = max(largest, room[index]) }
            var sum: Float = 0
            for index in start..<start + width { sum += expf(room[index] - largest) }
            let shift = largest + logf(sum)
            for index in start..<start + width {
                room[index] =
                    self == .logSoftmax ? room[index] - shift : expf(room[index] - largest) / sum
            }
            start += width
        }
    }
}

/// A layer that is an activation function.
struct NonlinearityLayer: NetworkLayer {
    let function: Nonlinearity

    init(_ function: Nonlinearity) {
        self.function = function
    }

    func outputShape(_ inputs: [[Int]]) throws(LayerFlaw) -> [Int] { try inputs.only() }

    func forward(_ inputs: consuming [Activations]) -> Activations {
        var value = inputs.removeLast()
        let width = value.lastCount
        function.apply(&value.values, width: width)
        return value
    }
}
