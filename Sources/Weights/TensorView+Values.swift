// The values of a tensor as numbers: floats lent as they lie, or any type turned into floats.
//
// Weights of half the width are turned into floats tile by tile, by whoever multiplies with them,
// so that no second copy of a model is ever in memory. The loops are C (CShims, floats.h).

internal import CShims
internal import Platform

extension TensorView {
    /// Whether `copyFloats` can read its type.
    package var hasFloats: Bool { ElementKind(type.element) != nil }

    /// Its values, lent as they lie.
    ///
    /// - Returns: nil, without calling `body`, when they are of another type than float32, or do
    ///   not lie on a multiple of 4 bytes; `copyFloats` reads those.
    package func withFloats<Result, Failure: Error>(
        _ body: (Span<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        if type.element != .float32 { return nil }
        return try withBytes { bytes throws(Failure) in
            try unsafe bytes.withUnsafeBytes { buffer throws(Failure) in
                let start = buffer.baseAddress
                let alignment = UInt(MemoryLayout<Float>.alignment)
                if UInt(bitPattern: start) % alignment != 0 { return nil }
                let floats = unsafe UnsafeBufferPointer(
                    start: start?.assumingMemoryBound(to: Float.self), count: elementCount)
                return try unsafe body(floats.span)
            }
        }
    }

    /// Writes some of its values, counted in row order, as floats.
    ///
    /// - Parameters:
    ///   - elements: lie within the tensor.
    ///   - destination: as long as `elements`, or longer.
    /// - Throws: `unsupported` for types that are no numbers of whole bytes; see `hasFloats`.
    package func copyFloats(
        _ elements: Range<Int>, into destination: inout MutableSpan<Float>
    ) throws(WeightError) {
        guard let kind = ElementKind(type.element) else {
            throw .unsupported(reason: "values of type \(type.element) as numbers")
        }
        precondition(elements.lowerBound >= 0 && elements.upperBound <= elementCount)
        precondition(destination.count >= elements.count)
        let width = Int(type.element.block.bitCount) / 8
        withBytes { bytes in
            let part = bytes.extracting(
                elements.lowerBound * width..<elements.upperBound * width)
            kind.convert(part, count: elements.count, into: &destination)
        }
    }

    /// All of its values as floats in an array, for tensors that are small.
    package func floats() throws(WeightError) -> [Float] {
        var values = [Float](repeating: 0, count: elementCount)
        var span = values.mutableSpan
        try copyFloats(0..<elementCount, into: &span)
        return values
    }

    /// All of its values as doubles in an array; float64 and integers keep their digits.
    package func doubles() throws(WeightError) -> [Double] {
        switch type.element {
        case .float64: loaded(Double.self) { $0 }
        case .int64: loaded(Int64.self) { Double($0) }
        case .uint64: loaded(UInt64.self) { Double($0) }
        case .int32: loaded(Int32.self) { Double($0) }
        case .uint32: loaded(UInt32.self) { Double($0) }
        default: try floats().map(Double.init)
        }
    }

    /// The place of the first value that is NaN or infinite; nil when there is none.
    package func firstNotFinite() -> Int? {
        let kind: ElementKind? = ElementKind(type.element)
        guard let kind else { return nil }
        let place = withBytes { kind.firstNotFinite($0, count: elementCount) }
        return place < elementCount ? place : nil
    }

    private func loaded<Value: BitwiseCopyable>(
        _: Value.Type, _ number: (Value) -> Double
    ) -> [Double] {
        withBytes { bytes in
            (0..<elementCount).map { index in
                number(
                    unsafe bytes.unsafeLoadUnaligned(
                        fromByteOffset: index * MemoryLayout<Value>.size, as: Value.self))
            }
        }
    }
}

/// The types that the loops know, by the numbers of CShims.
struct ElementKind {
    private let number: CInt

    /// Nil for a type that is no number of whole bytes.
    init?(_ element: ElementType) {
        switch element {
        case .float32: number = CInt(MODELFS_FLOAT32)
        case .float16: number = CInt(MODELFS_FLOAT16)
        case .bfloat16: number = CInt(MODELFS_BFLOAT16)
        case .float64: number = CInt(MODELFS_FLOAT64)
        case .int8: number = CInt(MODELFS_INT8)
        case .uint8, .boolean: number = CInt(MODELFS_UINT8)
        case .int16: number = CInt(MODELFS_INT16)
        case .uint16: number = CInt(MODELFS_UINT16)
        case .int32: number = CInt(MODELFS_INT32)
        case .uint32: number = CInt(MODELFS_UINT32)
        case .int64: number = CInt(MODELFS_INT64)
        case .uint64: number = CInt(MODELFS_UINT64)
        default: return nil
        }
    }

    func convert(_ bytes: RawSpan, count: Int, into destination: inout MutableSpan<Float>) {
        convert(bytes, count: count, into: &destination, isWide: Processor.hasWideVectors)
    }

    /// `convert` in one of its two forms; the wide one only where there are wide vectors.
    func convert(
        _ bytes: RawSpan, count: Int, into destination: inout MutableSpan<Float>, isWide: Bool
    ) {
        precondition(destination.count >= count)
        unsafe destination.withUnsafeMutableBufferPointer { room in
            unsafe bytes.withUnsafeBytes { source in
                guard let input = source.baseAddress, let output = room.baseAddress else { return }
                unsafe modelfs_to_floats(isWide ? 1 : 0, number, input, count, output)
            }
        }
    }

    /// The place of the first value that is no number; `count` when there is none.
    func firstNotFinite(_ bytes: RawSpan, count: Int) -> Int {
        unsafe bytes.withUnsafeBytes { source in
            guard let input = source.baseAddress else { return count }
            let isWide: CInt = Processor.hasWideVectors ? 1 : 0
            return unsafe Int(modelfs_first_not_finite(isWide, number, input, count))
        }
    }
}
