// Matrices of floats in memory of our own, and views of parts of them.
//
// A view keeps its memory alive and checks its bounds when it is made, so that the products and
// steps here are safe to call. Who lets several threads write views of the same memory sees to it
// that their parts are apart.

internal import CShims

/// Memory for floats, aligned for vectors; its values are whatever was there before.
@safe
package final class FloatMemory: @unchecked Sendable {
    // Sendable because only the views' users write, who share it out among them.

    package let count: Int
    fileprivate let base: UnsafeMutablePointer<Float>
    private static let alignment = 64

    package init(count: Int) {
        self.count = count
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: max(count, 1) * MemoryLayout<Float>.stride,
            alignment: FloatMemory.alignment)
        unsafe base = memory.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit {
        unsafe UnsafeMutableRawPointer(base).deallocate()
    }
}

/// A part of memory as rows of floats.
@safe
package struct Matrix: @unchecked Sendable {
    // Sendable because it only says which part of the memory is meant.

    package let rowCount: Int
    package let columnCount: Int
    /// From the beginning of a row to that of the next one.
    package let rowStride: Int
    private let memory: FloatMemory
    private let start: Int

    /// The first values of the memory, row after row.
    package init(_ memory: FloatMemory, rowCount: Int, columnCount: Int) {
        self.init(
            memory, start: 0, rowCount: rowCount, columnCount: columnCount,
            rowStride: columnCount)
    }

    /// New memory, zero everywhere.
    package init(zeros rowCount: Int, _ columnCount: Int) {
        self.init(
            FloatMemory(count: rowCount * columnCount), rowCount: rowCount,
            columnCount: columnCount)
        fill(0)
    }

    /// - Parameter start: where in the memory the first row begins.
    package init(
        _ memory: FloatMemory, start: Int, rowCount: Int, columnCount: Int, rowStride: Int
    ) {
        precondition(start >= 0 && rowCount >= 0 && columnCount >= 0 && rowStride >= columnCount)
        precondition(
            rowCount == 0 || start + (rowCount - 1) * rowStride + columnCount <= memory.count)
        self.memory = memory
        self.start = start
        self.rowCount = rowCount
        self.columnCount = columnCount
        self.rowStride = rowStride
    }

    /// Some of its rows.
    package func rows(_ range: Range<Int>) -> Matrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= rowCount)
        return Matrix(
            memory, start: range.isEmpty ? 0 : start + range.lowerBound * rowStride,
            rowCount: range.count, columnCount: columnCount, rowStride: rowStride)
    }

    /// Some of its columns.
    package func columns(_ range: Range<Int>) -> Matrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= columnCount)
        return Matrix(
            memory, start: rowCount == 0 ? 0 : start + range.lowerBound, rowCount: rowCount,
            columnCount: range.count, rowStride: rowStride)
    }

    /// A value.
    package subscript(row: Int, column: Int) -> Float {
        get {
            precondition(row >= 0 && row < rowCount && column >= 0 && column < columnCount)
            return unsafe base[row * rowStride + column]
        }
        nonmutating set {
            precondition(row >= 0 && row < rowCount && column >= 0 && column < columnCount)
            unsafe base[row * rowStride + column] = newValue
        }
    }

    /// Writes one value everywhere.
    package func fill(_ value: Float) {
        for row in 0..<rowCount {
            unsafe (base + row * rowStride).update(repeating: value, count: columnCount)
        }
    }

    /// Writes a row from values elsewhere.
    package func setRow(_ row: Int, _ values: Span<Float>) {
        precondition(row >= 0 && row < rowCount && values.count == columnCount)
        unsafe values.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress else { return }
            unsafe (base + row * rowStride).update(from: from, count: columnCount)
        }
    }

    /// Lends a row for writing.
    package func withRow<Result, Failure: Error>(
        _ row: Int, _ body: (inout MutableSpan<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(row >= 0 && row < rowCount)
        let room = unsafe UnsafeMutableBufferPointer(
            start: base + row * rowStride, count: columnCount)
        var span = unsafe room.mutableSpan
        return try body(&span)
    }

    /// A copy of a row.
    package func array(row: Int) -> [Float] {
        precondition(row >= 0 && row < rowCount)
        return unsafe Array(
            UnsafeBufferPointer(start: base + row * rowStride, count: columnCount))
    }

    /// Where its first value is; whoever takes it keeps the view meanwhile.
    @unsafe
    var base: UnsafeMutablePointer<Float> { unsafe memory.base + start }
}
