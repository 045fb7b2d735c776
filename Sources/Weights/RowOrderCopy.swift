// Values that lie otherwise than in row order, copied into row order.
//
// This is for the few tensors that a library saved as it held them: transposed, cut out of larger
// ones, or with the first dimension innermost. The others are never copied.

internal import Platform

/// Where the values of a tensor lie among those of its storage, all counted in values.
struct StridedPlace: Equatable {
    let offset: Int64
    let shape: [Int64]
    /// How far apart neighbours are, for each dimension.
    let strides: [Int64]

    /// The range of values that are touched; nil when a number is negative or does not fit.
    var reach: Range<Int64>? {
        if offset < 0 || shape.count != strides.count { return nil }
        var last = offset
        for (count, stride) in zip(shape, strides) {
            if count < 0 || stride < 0 { return nil }
            // A tensor without values touches none.
            if count == 0 { return offset..<offset }
            let (step, stepOverflows) = (count - 1).multipliedReportingOverflow(by: stride)
            let (next, overflows) = last.addingReportingOverflow(step)
            if stepOverflows || overflows { return nil }
            last = next
        }
        return last == .max ? nil : offset..<last + 1
    }

    /// Whether the values lie in row order without gaps, so that nothing has to be copied.
    var isRowOrder: Bool {
        if shape.contains(0) { return true }
        var expected: Int64 = 1
        for (count, stride) in zip(shape, strides).reversed() where count > 1 {
            if stride != expected { return false }
            expected = expected.multipliedReportingOverflow(by: count).partialValue
        }
        return true
    }

    /// Strides of values in row order; their product fits.
    static func rowOrder(_ shape: [Int64]) -> [Int64] {
        var stride: Int64 = 1
        return shape.reversed().map { count in
            defer { stride = stride.multipliedReportingOverflow(by: max(count, 1)).partialValue }
            return stride
        }.reversed()
    }

    /// Strides of values whose first dimension is the innermost.
    static func columnOrder(_ shape: [Int64]) -> [Int64] {
        rowOrder(shape.reversed()).reversed()
    }

    /// Copies the values into row order.
    ///
    /// REQUIRES: `reach` lies within the storage, and the values' bytes can be counted.
    ///
    /// - Parameter width: the bytes of a value: 1, 2, 4, 8 or 16.
    func copy(from storage: RawSpan, width: Int) -> PrivateBytes {
        let count = shape.reduce(1) { $0 * Int($1) }
        return PrivateBytes(byteCount: count * width) { room throws(Never) in
            if count == 0 { return }
            switch width {
            case 1: gather(UInt8.self, storage, &room)
            case 2: gather(UInt16.self, storage, &room)
            case 4: gather(UInt32.self, storage, &room)
            case 8: gather(UInt64.self, storage, &room)
            default: gather(SIMD2<UInt64>.self, storage, &room)
            }
        }
    }

    private func gather<Value: BitwiseCopyable>(
        _: Value.Type, _ storage: RawSpan, _ room: inout MutableRawSpan
    ) {
        let width = MemoryLayout<Value>.size
        precondition((reach?.upperBound ?? .max) * Int64(width) <= Int64(storage.byteCount))
        let innerCount = Int(shape.last ?? 1)
        let innerStep = Int(strides.last ?? 1) * width
        let outer = Array(shape.dropLast().map { Int($0) })
        let steps = Array(strides.dropLast().map { Int($0) * width })
        var indices = [Int](repeating: 0, count: outer.count)
        var start = Int(offset) * width
        var target = 0
        while true {
            var source = start
            for _ in 0..<innerCount {
                let value = unsafe storage.unsafeLoadUnaligned(
                    fromByteOffset: source, as: Value.self)
                room.storeBytes(of: value, toByteOffset: target, as: Value.self)
                source += innerStep
                target += width
            }
            // The next row: the last of the outer indices that is not at its end goes on.
            var dimension = outer.count - 1
            while dimension >= 0 {
                indices[dimension] += 1
                start += steps[dimension]
                if indices[dimension] < outer[dimension] { break }
                start -= steps[dimension] * outer[dimension]
                indices[dimension] = 0
                dimension -= 1
            }
            if dimension < 0 { return }
        }
    }
}
