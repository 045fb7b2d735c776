// GGUF: a header of named values and tensor places, then the tensors' bytes.
//
//     "GGUF" | u32 version | u64 tensor count | u64 value count
//     values:  string key | u32 kind | value           string: u64 length | bytes
//     tensors: string name | u32 dimension count | u64 each | u32 type | u64 place
//     space up to a multiple of `general.alignment` (32 without it) | tensors
//
// Versions 2 and 3, the lowest byte first. Dimensions stand innermost first, and places are counted
// from the first tensor. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

/// Reads the header of a GGUF file.
package enum GGUF {
    /// Vocabularies take some megabytes; nothing else in a header is long.
    package static let headerByteCountMax: Int64 = 64 << 20

    static let magic: [UInt8] = Array("GGUF".utf8)
    /// What is asked for first, and how much more each time that it was not enough: a vocabulary
    /// is met by the second or third.
    private static let firstByteCount: Int64 = 256 << 10
    private static let growth: Int64 = 4

    /// Reads a file's layout, as far as its bytes are there.
    ///
    /// - Parameter limit: a longer header is `directoryTooLong`, in bytes.
    package static func parse(
        _ source: some ByteSource, limit: Int64 = headerByteCountMax
    ) throws(WeightError) -> Parse<WeightLayout> {
        try Parse { () throws(Halt) in try layout(source, limit) }
    }

    static func layout(
        _ source: some ByteSource, _ limit: Int64
    ) throws(Halt) -> WeightLayout {
        var byteCount = min(firstByteCount, limit)
        while true {
            let head = try source.needHead(byteCount)
            do throws(WeightError) {
                var header = GGUFHeader(head)
                try header.read()
                return try header.layout(sizeBytes: source.sizeBytes)
            } catch {
                // What is cut off may be whole when more of it is there.
                if error != .truncated || byteCount >= source.sizeBytes { throw .wrong(error) }
                if byteCount >= limit { throw .wrong(.directoryTooLong(byteCount: byteCount)) }
                byteCount = min(byteCount * growth, limit)
            }
        }
    }
}

/// The header's bytes, as they are gone through; `truncated` where they end too early.
private struct GGUFHeader {
    private struct Tensor {
        let name: String
        let type: TensorType
        let place: UInt64
    }

    private static let tensorCountMax: UInt64 = 1 << 20
    private static let valueCountMax: UInt64 = 1 << 16
    /// Twice what the reference implementation takes.
    private static let dimensionCountMax: UInt32 = 8
    private static let nestingMax = 4
    private static let alignmentDefault: UInt64 = 32
    private static let alignmentMax: UInt64 = 1 << 20
    private static let stringKind: UInt32 = 8
    private static let arrayKind: UInt32 = 9

    private var reader: LittleEndianReader
    private var tensors: [Tensor] = []
    private var alignment = GGUFHeader.alignmentDefault

    init(_ bytes: [UInt8]) {
        reader = LittleEndianReader(bytes)
    }

    mutating func read() throws(WeightError) {
        guard try bytes(4).elementsEqual(GGUF.magic) else {
            throw .malformed(reason: "no header of GGUF")
        }
        let version = try uint32()
        guard version == 2 || version == 3 else {
            throw .unsupported(reason: "version \(version) of GGUF")
        }
        let (tensorCount, valueCount) = (try uint64(), try uint64())
        if tensorCount > GGUFHeader.tensorCountMax || valueCount > GGUFHeader.valueCountMax {
            throw .tooManyEntries
        }
        for _ in 0..<valueCount {
            let key = try string()
            let kind = try uint32()
            if key == "general.alignment" {
                guard kind == 4 else { throw .malformed(reason: "an alignment that is no u32") }
                alignment = UInt64(try uint32())
            } else {
                try skipValue(kind, depth: 0)
            }
        }
        guard alignment.nonzeroBitCount == 1, alignment <= GGUFHeader.alignmentMax else {
            throw .malformed(reason: "an alignment that is no power of two")
        }
        var names: Set<String> = []
        for _ in 0..<tensorCount {
            let tensor = try tensor()
            if !names.insert(tensor.name).inserted { throw .duplicate(tensor.name) }
            tensors.append(tensor)
        }
    }

    func layout(sizeBytes: Int64) throws(WeightError) -> WeightLayout {
        let end = UInt64(reader.position)
        let start = (end + alignment - 1) / alignment * alignment
        var extents: [WeightExtent] = []
        for tensor in tensors {
            guard let byteCount = tensor.type.byteCount else { throw .sizeMismatch(tensor.name) }
            let (first, overflows) = start.addingReportingOverflow(tensor.place)
            if overflows || first > UInt64(sizeBytes)
                || UInt64(byteCount) > UInt64(sizeBytes) - first
            {
                throw .outOfRange(tensor.name)
            }
            if tensor.place % alignment != 0 {
                throw .malformed(reason: "a tensor that is not aligned: \(tensor.name)")
            }
            extents.append(
                WeightExtent(
                    name: tensor.name, bytes: Int64(first)..<Int64(first) + byteCount,
                    type: tensor.type))
        }
        do throws(Halt) {
            return WeightLayout(
                format: .gguf, directory: 0..<Int64(end),
                extents: try sortedWithoutOverlap(extents))
        } catch {
            guard case .wrong(let error) = error else { throw .truncated }
            throw error
        }
    }

    private mutating func tensor() throws(WeightError) -> Tensor {
        let name = try string()
        let dimensionCount = try uint32()
        if dimensionCount > GGUFHeader.dimensionCountMax { throw .tooManyEntries }
        var shape: [Int64] = []
        for _ in 0..<dimensionCount {
            guard let dimension = Int64(exactly: try uint64()) else { throw .sizeMismatch(name) }
            shape.append(dimension)
        }
        let number = try uint32()
        guard let element = ElementType(gguf: number) else {
            throw .unknownElementType("\(number)")
        }
        // Blocks lie along the innermost dimension, which stands first in the file.
        if let innermost = shape.first, innermost % element.block.elementCount != 0 {
            throw .sizeMismatch(name)
        }
        return Tensor(
            name: name, type: TensorType(element: element, shape: shape.reversed()),
            place: try uint64())
    }

    private mutating func skipValue(_ kind: UInt32, depth: Int) throws(WeightError) {
        if let byteCount = try GGUFHeader.byteCount(ofKind: kind) {
            _ = try bytes(byteCount)
        } else if kind == GGUFHeader.stringKind {
            try skipString()
        } else {
            if depth == GGUFHeader.nestingMax { throw .malformed(reason: "arrays in arrays") }
            let element = try uint32()
            let count = try uint64()
            if let byteCount = try GGUFHeader.byteCount(ofKind: element) {
                let (total, overflows) = count.multipliedReportingOverflow(by: UInt64(byteCount))
                _ = try bytes(overflows ? Int.max : Int(clamping: total))
            } else {
                var left = count
                while left > 0 {
                    try skipValue(element, depth: depth + 1)
                    left -= 1
                }
            }
        }
    }

    /// Nil for strings and arrays.
    private static func byteCount(ofKind kind: UInt32) throws(WeightError) -> Int? {
        switch kind {
        case 0, 1, 7: 1
        case 2, 3: 2
        case 4, 5, 6: 4
        case 10, 11, 12: 8
        case stringKind, arrayKind: nil
        default: throw .malformed(reason: "a value of an unknown kind")
        }
    }

    // MARK: Bytes

    private mutating func bytes(_ count: Int) throws(WeightError) -> ArraySlice<UInt8> {
        do throws(LittleEndianReader.Ended) { return try reader.take(count) } catch {
            throw .truncated
        }
    }

    private mutating func uint32() throws(WeightError) -> UInt32 {
        do throws(LittleEndianReader.Ended) { return try reader.uint32() } catch {
            throw .truncated
        }
    }

    private mutating func uint64() throws(WeightError) -> UInt64 {
        do throws(LittleEndianReader.Ended) { return try reader.uint64() } catch {
            throw .truncated
        }
    }

    private mutating func skipString() throws(WeightError) {
        _ = try bytes(Int(clamping: try uint64()))
    }

    private mutating func string() throws(WeightError) -> String {
        let text = try bytes(Int(clamping: try uint64()))
        guard let text = String(validating: text, as: UTF8.self) else {
            throw .malformed(reason: "a name that is no UTF-8")
        }
        return text
    }
}
