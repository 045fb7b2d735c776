// A product of matrices that are parts of larger ones.
//
// The corresponding C function is `cblas_sgemm`. All extents are checked here, before C sees them.

internal import COpenBLAS

/// A matrix in row order in the memory of another.
package struct MatrixExtent: Equatable, Sendable {
    package let rowCount: Int
    package let columnCount: Int
    /// From the beginning of a row to that of the next, in values.
    package let stride: Int
    /// Of the first value, in values.
    package let start: Int

    /// Names a part: `stride` is the width of a row where nothing lies between rows.
    package init(rows rowCount: Int, columns columnCount: Int, stride: Int? = nil, start: Int = 0) {
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.stride = stride ?? columnCount
        self.start = start
    }

    /// Where its last value ends.
    var end: Int { rowCount == 0 ? start : start + (rowCount - 1) * stride + columnCount }

    var isSound: Bool {
        rowCount >= 0 && columnCount >= 0 && stride >= columnCount && start >= 0
            && [rowCount, columnCount, stride].allSatisfy { $0 <= Int(Int32.max) }
    }
}

/// Adds `left * right` to a matrix, or `left * transposed(right)`.
///
/// - Parameter scale: what each product is multiplied with.
package func addProduct(
    _ left: Span<Float>, _ leftExtent: MatrixExtent, _ right: Span<Float>,
    _ rightExtent: MatrixExtent, isRightTransposed: Bool, scale: Float = 1,
    to result: inout MutableSpan<Float>, _ resultExtent: MatrixExtent
) {
    let (inner, columns) =
        isRightTransposed
        ? (rightExtent.columnCount, rightExtent.rowCount)
        : (rightExtent.rowCount, rightExtent.columnCount)
    precondition(leftExtent.isSound && rightExtent.isSound && resultExtent.isSound)
    precondition(leftExtent.columnCount == inner)
    precondition(resultExtent.rowCount == leftExtent.rowCount)
    precondition(resultExtent.columnCount == columns)
    precondition(left.count >= leftExtent.end && right.count >= rightExtent.end)
    precondition(result.count >= resultExtent.end)
    if leftExtent.rowCount == 0 || inner == 0 || columns == 0 { return }
    unsafe left.withUnsafeBufferPointer { left in
        unsafe right.withUnsafeBufferPointer { right in
            unsafe result.withUnsafeMutableBufferPointer { result in
                guard let left = left.baseAddress, let right = right.baseAddress,
                    let result = result.baseAddress
                else { return }
                unsafe cblas_sgemm(
                    CblasRowMajor, CblasNoTrans, isRightTransposed ? CblasTrans : CblasNoTrans,
                    blasint(leftExtent.rowCount), blasint(columns), blasint(inner), scale,
                    left + leftExtent.start, blasint(leftExtent.stride), right + rightExtent.start,
                    blasint(rightExtent.stride), 1, result + resultExtent.start,
                    blasint(resultExtent.stride))
            }
        }
    }
}
