// A matrix of weights where it lies in its file, and products with it.
//
// Floats are multiplied with as they lie. Other types, and floats on no multiple of four bytes, are
// turned into floats tile by tile. Nothing is kept of either.

internal import LinearAlgebra
internal import Weights

/// A matrix of weights.
struct WeightMatrix: Sendable {
    /// Which dimension is the outer one in the file.
    enum Order: Equatable, Sendable {
        /// A row for each output, as PyTorch keeps it.
        case outputsFirst
        /// A row for each input, as Keras keeps it.
        case inputsFirst
    }

    let inputCount: Int
    let outputCount: Int
    let order: Order
    private let view: TensorView

    /// How many floats a tile has: 256 KiB, which stay in the cache.
    private static let tileCount = 64 << 10

    /// - Parameter view: has `inputCount * outputCount` values of a type with `hasFloats`.
    init(_ view: TensorView, inputCount: Int, outputCount: Int, order: Order) {
        precondition(view.hasFloats && view.elementCount == inputCount * outputCount)
        self.view = view
        self.inputCount = inputCount
        self.outputCount = outputCount
        self.order = order
    }

    /// Adds the products of vectors with this matrix to `results`.
    ///
    /// - Parameters:
    ///   - vectors: `inputCount` values each.
    ///   - results: `outputCount` values for each vector.
    func addProducts(_ vectors: [Float], count: Int, to results: inout [Float]) {
        precondition(vectors.count >= count * inputCount)
        precondition(results.count >= count * outputCount)
        if count == 0 || inputCount == 0 || outputCount == 0 { return }
        let isDone: Bool? = view.withFloats { floats in
            multiply(vectors, count, floats, rows: 0..<outerCount, &results)
            return true
        }
        if isDone != true { addTiles(vectors, count, &results) }
    }

    private var outerCount: Int { order == .outputsFirst ? outputCount : inputCount }
    private var innerCount: Int { order == .outputsFirst ? inputCount : outputCount }

    private func addTiles(_ vectors: [Float], _ count: Int, _ results: inout [Float]) {
        let step = max(1, WeightMatrix.tileCount / innerCount)
        var tile = [Float](repeating: 0, count: min(step, outerCount) * innerCount)
        var first = 0
        while first < outerCount {
            let rows = first..<min(first + step, outerCount)
            var span = tile.mutableSpan
            // The type was looked at when the matrix was made.
            try? view.copyFloats(
                rows.lowerBound * innerCount..<rows.upperBound * innerCount, into: &span)
            multiply(vectors, count, tile.span, rows: rows, &results)
            first = rows.upperBound
        }
    }

    /// Multiplies with some rows of the outer dimension.
    private func multiply(
        _ vectors: [Float], _ count: Int, _ floats: Span<Float>, rows: Range<Int>,
        _ results: inout [Float]
    ) {
        var room = results.mutableSpan
        switch order {
        case .outputsFirst:
            addProduct(
                vectors.span, MatrixExtent(rows: count, columns: inputCount), floats,
                MatrixExtent(rows: rows.count, columns: inputCount), isRightTransposed: true,
                to: &room,
                MatrixExtent(
                    rows: count, columns: rows.count, stride: outputCount, start: rows.lowerBound))
        case .inputsFirst:
            addProduct(
                vectors.span,
                MatrixExtent(
                    rows: count, columns: rows.count, stride: inputCount, start: rows.lowerBound),
                floats, MatrixExtent(rows: rows.count, columns: outputCount),
                isRightTransposed: false, to: &room,
                MatrixExtent(rows: count, columns: outputCount))
        }
    }

    /// Writes a row of the outer dimension as floats, such as a word's vector.
    func copyRow(_ row: Int, to place: Int, of destination: inout MutableSpan<Float>) {
        let elements = row * innerCount..<(row + 1) * innerCount
        let isDone: Bool? = view.withFloats { floats in
            for (offset, element) in elements.enumerated() {
                destination[place + offset] = floats[element]
            }
            return true
        }
        if isDone == true { return }
        var values = [Float](repeating: 0, count: innerCount)
        var span = values.mutableSpan
        // The type was looked at when the matrix was made.
        try? view.copyFloats(elements, into: &span)
        for (offset, value) in values.enumerated() { destination[place + offset] = value }
    }
}
