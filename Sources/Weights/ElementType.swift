// What one value of a tensor is, over all formats, and how many bytes values take.
//
// Values of the quantised types of GGUF come in blocks, and those of 4 and 6 bits share bytes, so
// the size is told for a block of elements and not for one.

/// The type of one value.
package enum ElementType: Equatable, Hashable, Sendable {
    case boolean
    case uint8, uint16, uint32, uint64
    case int8, int16, int32, int64
    case float4E2M1, float6E2M3, float6E3M2
    case float8E4M3, float8E5M2, float8E8M0, float8E4M3FNUZ, float8E5M2FNUZ
    case float16, bfloat16, float32, float64
    case complex64, complex128
    case quantized(Quantization)

    /// Values that are stored together, and in how many bits.
    package var block: (elementCount: Int64, bitCount: Int64) {
        switch self {
        case .float4E2M1: (1, 4)
        case .float6E2M3, .float6E3M2: (1, 6)
        case .boolean, .uint8, .int8, .float8E4M3, .float8E5M2, .float8E8M0, .float8E4M3FNUZ,
            .float8E5M2FNUZ:
            (1, 8)
        case .uint16, .int16, .float16, .bfloat16: (1, 16)
        case .uint32, .int32, .float32: (1, 32)
        case .uint64, .int64, .float64, .complex64: (1, 64)
        case .complex128: (1, 128)
        case .quantized(let kind):
            (kind.block.elementCount, 8 * kind.block.byteCount)
        }
    }
}

/// The block types of GGUF, with the numbers that files use.
///
/// Source: `GGMLQuantizationType` and `GGML_QUANT_SIZES` of the Python package gguf 0.19.
package enum Quantization: UInt32, CaseIterable, Sendable {
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q8_1 = 9
    case q2K = 10
    case q3K = 11
    case q4K = 12
    case q5K = 13
    case q6K = 14
    case q8K = 15
    case iq2XXS = 16
    case iq2XS = 17
    case iq3XXS = 18
    case iq1S = 19
    case iq4NL = 20
    case iq3S = 21
    case iq2S = 22
    case iq4XS = 23
    case iq1M = 29
    case tq1_0 = 34
    case tq2_0 = 35
    case mxfp4 = 39
    case nvfp4 = 40
    case q1_0 = 41

    /// How many values a block has, and in how many bytes.
    package var block: (elementCount: Int64, byteCount: Int64) {
        switch self {
        case .q4_0, .iq4NL: (32, 18)
        case .q4_1: (32, 20)
        case .q5_0: (32, 22)
        case .q5_1: (32, 24)
        case .q8_0: (32, 34)
        case .q8_1: (32, 40)
        case .mxfp4: (32, 17)
        case .nvfp4: (64, 36)
        case .q1_0: (128, 18)
        case .q2K: (256, 84)
        case .q3K, .iq3S: (256, 110)
        case .q4K: (256, 144)
        case .q5K: (256, 176)
        case .q6K: (256, 210)
        case .q8K: (256, 292)
        case .iq2XXS, .tq2_0: (256, 66)
        case .iq2XS: (256, 74)
        case .iq3XXS: (256, 98)
        case .iq1S: (256, 50)
        case .iq2S: (256, 82)
        case .iq4XS: (256, 136)
        case .iq1M: (256, 56)
        case .tq1_0: (256, 54)
        }
    }
}

extension ElementType {
    /// By the name that a safetensors header uses; nil for a name that is not known.
    ///
    /// Source: `Dtype` of safetensors 0.8.
    package init?(safetensors name: String) {
        guard let type = ElementType.safetensorsNames[name] else { return nil }
        self = type
    }

    private static let safetensorsNames: [String: ElementType] = [
        "BOOL": .boolean, "U8": .uint8, "I8": .int8, "U16": .uint16, "I16": .int16,
        "U32": .uint32, "I32": .int32, "U64": .uint64, "I64": .int64, "F4": .float4E2M1,
        "F6_E2M3": .float6E2M3, "F6_E3M2": .float6E3M2, "F8_E4M3": .float8E4M3,
        "F8_E5M2": .float8E5M2, "F8_E8M0": .float8E8M0, "F8_E4M3FNUZ": .float8E4M3FNUZ,
        "F8_E5M2FNUZ": .float8E5M2FNUZ, "F16": .float16, "BF16": .bfloat16, "F32": .float32,
        "F64": .float64, "C64": .complex64,
    ]

    /// By the number that a GGUF file uses; nil for a number that is not known.
    package init?(gguf number: UInt32) {
        switch number {
        case 0: self = .float32
        case 1: self = .float16
        case 24: self = .int8
        case 25: self = .int16
        case 26: self = .int32
        case 27: self = .int64
        case 28: self = .float64
        case 30: self = .bfloat16
        default:
            guard let kind = Quantization(rawValue: number) else { return nil }
            self = .quantized(kind)
        }
    }

    /// By NumPy's letters, the highest byte last; nil for other orders and for other types.
    package init?(numpy letters: String) {
        guard let type = ElementType.numpyLetters[letters] else { return nil }
        self = type
    }

    private static let numpyLetters: [String: ElementType] = [
        "|b1": .boolean, "|u1": .uint8, "|i1": .int8, "<u2": .uint16, "<i2": .int16,
        "<u4": .uint32, "<i4": .int32, "<u8": .uint64, "<i8": .int64, "<f2": .float16,
        "<f4": .float32, "<f8": .float64, "<c8": .complex64, "<c16": .complex128,
    ]
}
