// What networks do between products, row by row: activations, softmax, normalisation.

internal import CShims
internal import Platform

/// A function that is applied to every value.
package enum Activation: Equatable, Sendable {
    /// With the error function.
    case gelu
    /// With the hyperbolic tangent in its place.
    case geluTanh
    case relu, silu, tanh, sigmoid, identity, selu, softplus, hardSigmoid, exponential
    /// Below zero `slope` times (e^x − 1).
    case elu(slope: Float)
    /// Below zero `slope` times x.
    case leakyReLU(slope: Float)

    fileprivate var number: CInt {
        switch self {
        case .gelu: CInt(MODELFS_GELU)
        case .geluTanh: CInt(MODELFS_GELU_TANH)
        case .relu: CInt(MODELFS_RELU)
        case .silu: CInt(MODELFS_SILU)
        case .tanh: CInt(MODELFS_TANH)
        case .sigmoid: CInt(MODELFS_SIGMOID)
        case .identity: CInt(MODELFS_IDENTITY)
        case .elu: CInt(MODELFS_ELU)
        case .selu: CInt(MODELFS_SELU)
        case .softplus: CInt(MODELFS_SOFTPLUS)
        case .leakyReLU: CInt(MODELFS_LEAKY_RELU)
        case .hardSigmoid: CInt(MODELFS_HARD_SIGMOID)
        case .exponential: CInt(MODELFS_EXPONENTIAL)
        }
    }

    fileprivate var slope: Float {
        switch self {
        case .elu(let slope), .leakyReLU(let slope): slope
        default: 0
        }
    }
}

/// Which form of the loops runs; tests compare both.
private func form(_ isWide: Bool) -> CInt { isWide ? 1 : 0 }

extension Matrix {
    /// Adds `bias` to each row, one value for each column, and applies the activation.
    package func activate(
        _ activation: Activation, bias: [Float]? = nil, isWide: Bool = Processor.hasWideVectors
    ) {
        precondition(bias == nil || bias?.count == columnCount)
        unsafe withOptionalPointer(bias) { bias in
            unsafe modelfs_activate(
                form(isWide), activation.number, activation.slope, base, rowCount, columnCount,
                rowStride, bias)
        }
    }

    /// Each row becomes its softmax, after it was multiplied by `scale`.
    package func softmax(scale: Float = 1, isWide: Bool = Processor.hasWideVectors) {
        unsafe modelfs_softmax(
            form(isWide), base, rowCount, columnCount, rowStride, scale, nil, 0)
    }

    /// The same, with something added to each row first that depends only on how far a column is
    /// from the row.
    ///
    /// - Parameters:
    ///   - distances: what is added, by distance.
    ///   - origin: the index there for the first column of the first row; for each next column it
    ///     is one more, for each next row one less.
    package func softmax(
        scale: Float, distances: [Float], origin: Int, isWide: Bool = Processor.hasWideVectors
    ) {
        if rowCount == 0 || columnCount == 0 { return }
        precondition(
            origin - (rowCount - 1) >= 0 && origin + columnCount <= distances.count)
        unsafe withOptionalPointer(distances) { distances in
            unsafe modelfs_softmax(
                form(isWide), base, rowCount, columnCount, rowStride, scale,
                distances.map { unsafe $0 + origin }, -1)
        }
    }

    /// Adds `bias` and `residual` to each row, brings it to mean 0 and variance 1, and then
    /// multiplies by `weight` and adds `offset`, column by column.
    package func normalize(
        bias: [Float]? = nil, residual: Matrix? = nil, weight: [Float], offset: [Float],
        epsilon: Float, isWide: Bool = Processor.hasWideVectors
    ) {
        precondition(bias == nil || bias?.count == columnCount)
        precondition(weight.count == columnCount && offset.count == columnCount)
        if let residual {
            precondition(
                residual.rowCount == rowCount && residual.columnCount == columnCount)
        }
        unsafe withOptionalPointer(bias) { bias in
            unsafe weight.withUnsafeBufferPointer { weight in
                unsafe offset.withUnsafeBufferPointer { offset in
                    unsafe modelfs_layer_norm(
                        form(isWide), base, rowCount, columnCount, rowStride, bias,
                        residual?.base, residual?.rowStride ?? 0, weight.baseAddress,
                        offset.baseAddress, epsilon)
                }
            }
        }
    }

    /// Adds `scale` times a row of another matrix to a row of this.
    package func add(
        _ scale: Float, row: Int, of other: Matrix, to own: Int = 0,
        isWide: Bool = Processor.hasWideVectors
    ) {
        precondition(row >= 0 && row < other.rowCount && own >= 0 && own < rowCount)
        precondition(other.columnCount == columnCount)
        unsafe modelfs_add_scaled(
            form(isWide), other.base + row * other.rowStride, columnCount, scale,
            base + own * rowStride)
    }

    /// Becomes, in a row, the larger of its values and those of a row of another matrix.
    package func maximize(
        row: Int, of other: Matrix, in own: Int = 0, isWide: Bool = Processor.hasWideVectors
    ) {
        precondition(row >= 0 && row < other.rowCount && own >= 0 && own < rowCount)
        precondition(other.columnCount == columnCount)
        unsafe modelfs_maximum(
            form(isWide), other.base + row * other.rowStride, columnCount,
            base + own * rowStride)
    }
}

private func withOptionalPointer(
    _ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void
) {
    guard let values else { return body(nil) }
    unsafe values.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}
