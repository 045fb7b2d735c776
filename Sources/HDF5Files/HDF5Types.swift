// What a value is, and how many there are.
//
// HDF5 File Format Specification 3.0, sections IV.A.2.b and IV.A.2.d.

internal import Weights

/// The type of a data set's or an attribute's values.
enum HDF5Type {
    case number(ElementType)
    /// Texts of one length, in bytes.
    case text(byteCount: Int)
    /// Texts of a length each, which lie elsewhere.
    case variableText
    case other

    init(_ cursor: inout HDF5Cursor) throws(WeightError) {
        let kind = try cursor.uint8() & 0x0f
        let bits = try cursor.number(3)
        let byteCount = Int(try cursor.number(4))
        switch kind {
        case 0: self = HDF5Type.whole(bits, byteCount)
        case 1:
            // The highest byte first, or an order of its own.
            if bits & 0x41 != 0 {
                self = .other
                return
            }
            try cursor.skip(5)
            let exponentByteCount = try cursor.uint8()
            let fractionPlace = try cursor.uint8()
            let fraction = try cursor.uint8()
            self =
                fractionPlace == 0
                ? HDF5Type.float(byteCount, exponentByteCount, fraction) : .other
        case 3: self = .text(byteCount: byteCount)
        // Truth values, as h5py writes them.
        case 8: self = byteCount == 1 ? .number(.boolean) : .other
        case 9: self = bits & 0x0f == 1 ? .variableText : .other
        default: self = .other
        }
    }

    private static func whole(_ bits: UInt64, _ byteCount: Int) -> HDF5Type {
        let isSigned = bits & 8 != 0
        if bits & 1 != 0 && byteCount > 1 { return .other }
        return switch byteCount {
        case 1: .number(isSigned ? .int8 : .uint8)
        case 2: .number(isSigned ? .int16 : .uint16)
        case 4: .number(isSigned ? .int32 : .uint32)
        case 8: .number(isSigned ? .int64 : .uint64)
        default: .other
        }
    }

    /// - Parameters:
    ///   - exponent: how many bits the exponent has.
    ///   - fraction: how many bits the fraction has.
    private static func float(_ byteCount: Int, _ exponent: UInt8, _ fraction: UInt8) -> HDF5Type {
        switch (byteCount, exponent, fraction) {
        case (2, 5, 10): .number(.float16)
        case (2, 8, 7): .number(.bfloat16)
        case (4, 8, 23): .number(.float32)
        case (8, 11, 52): .number(.float64)
        default: .other
        }
    }
}

/// The dimensions of a data set or an attribute, the outermost first.
enum HDF5Shape {
    private static let dimensionCountMax = 32

    static func read(_ cursor: inout HDF5Cursor) throws(WeightError) -> [Int64] {
        let (version, rank) = (try cursor.uint8(), Int(try cursor.uint8()))
        guard version == 1 || version == 2 else {
            throw .malformed(reason: "a shape of HDF5 that is none")
        }
        if rank > dimensionCountMax { throw .tooManyEntries }
        if version == 1 {
            try cursor.skip(6)
        } else {
            try cursor.skip(1)
            // Type 2 has no values at all.
            if try cursor.uint8() == 2 { return [0] }
        }
        var shape: [Int64] = []
        for _ in 0..<rank {
            guard let size = Int64(exactly: try cursor.uint64()) else {
                throw .malformed(reason: "a shape of HDF5 that is none")
            }
            shape.append(size)
        }
        return shape
    }
}
