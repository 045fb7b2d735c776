// Products of matrices, by OpenBLAS: the only module that knows it.
//
// One product runs on the thread that asks for it, unless the program says otherwise: who has
// several threads gives each a part of the work, which costs no waiting within a product.

internal import CShims
internal import COpenBLAS
internal import Platform

/// How many threads a product may take; the program says it once, before the first product.
package func setProductThreads(_ count: Int) {
    openblas_set_num_threads(CInt(count))
}

extension Matrix {
    /// Becomes `left` times the transpose of `weight`, as layers have it: each row of `weight` is
    /// what one output takes of the inputs.
    ///
    /// - Parameters:
    ///   - left: as many rows as this, each as long as those of `weight`.
    ///   - weight: row after row, one for each column of this.
    ///   - adds: whether the product is added to what is here.
    package func setProduct(_ left: Matrix, transposed weight: Span<Float>, adds: Bool = false) {
        let depth = left.columnCount
        precondition(left.rowCount == rowCount && weight.count == columnCount * depth)
        unsafe weight.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            unsafe multiply(left, start, depth, CblasTrans, adds: adds)
        }
    }

    /// Becomes `left` times the transpose of `right`.
    package func setProduct(_ left: Matrix, transposed right: Matrix, adds: Bool = false) {
        precondition(
            left.rowCount == rowCount && right.rowCount == columnCount
                && left.columnCount == right.columnCount)
        unsafe multiply(left, right.base, right.rowStride, CblasTrans, adds: adds)
    }

    /// Becomes `left` times `right`.
    package func setProduct(_ left: Matrix, _ right: Matrix, adds: Bool = false) {
        precondition(
            left.rowCount == rowCount && right.columnCount == columnCount
                && left.columnCount == right.rowCount)
        unsafe multiply(left, right.base, right.rowStride, CblasNoTrans, adds: adds)
    }

    /// Becomes `left` times `right`, which lies row after row, one for each column of `left`: as
    /// Keras keeps its kernels.
    package func setProduct(_ left: Matrix, _ right: Span<Float>, adds: Bool = false) {
        precondition(
            left.rowCount == rowCount && right.count == left.columnCount * columnCount)
        unsafe right.withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            unsafe multiply(left, start, columnCount, CblasNoTrans, adds: adds)
        }
    }

    private func multiply(
        _ left: Matrix, _ right: UnsafePointer<Float>, _ rightStride: Int,
        _ order: CBLAS_TRANSPOSE, adds: Bool
    ) {
        if rowCount == 0 || columnCount == 0 { return }
        if left.columnCount == 0 {
            if !adds { fill(0) }
            return
        }
        unsafe cblas_sgemm(
            CblasRowMajor, CblasNoTrans, order, blasint(rowCount), blasint(columnCount),
            blasint(left.columnCount), 1, left.base, blasint(left.rowStride), right,
            blasint(rightStride), adds ? 1 : 0, base, blasint(rowStride))
    }
}

extension Span where Element == Float {
    /// The sum of the products of both, which are equally long.
    package func dot(_ other: Span<Float>) -> Float {
        precondition(count == other.count)
        return unsafe withUnsafeBufferPointer { left in
            unsafe other.withUnsafeBufferPointer { right in
                guard let a = left.baseAddress, let b = right.baseAddress else { return 0 }
                return unsafe modelfs_dot(Processor.hasWideVectors ? 1 : 0, a, b, left.count)
            }
        }
    }
}
