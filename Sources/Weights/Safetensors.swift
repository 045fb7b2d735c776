// safetensors: a header in JSON, then the tensors' bytes.
//
//     u64 length of the header, the lowest byte first | header | tensors
//
// The header is an object of tensors, `{"dtype", "shape", "data_offsets": [begin, end]}`, counted
// from its end, and perhaps `__metadata__`, an object of strings. As in the official library, it
// begins with `{`, is at most 100 MB long, and the tensors fill the rest of the file without a
// hole. https://huggingface.co/docs/safetensors

internal import JSON

/// Reads the header of a safetensors file.
package enum Safetensors {
    /// The official library's limit.
    package static let headerByteCountMax: Int64 = 100_000_000
    /// The shortest header is `{}`.
    private static let headerByteCountMin: Int64 = 2
    private static let metadataName = "__metadata__"

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
        if source.sizeBytes < 8 + headerByteCountMin { throw .wrong(.truncated) }
        // Whether it can be a header at all is seen before all of it is asked for.
        let head = try source.need(0..<9)
        var reader = LittleEndianReader(head)
        guard let length = try? reader.uint64(), head.last == UInt8(ascii: "{") else {
            throw .malformed("no header of safetensors")
        }
        if length > UInt64(limit) {
            throw .wrong(.directoryTooLong(byteCount: Int64(clamping: length)))
        }
        let end = 8 + Int64(length)
        if end > source.sizeBytes { throw .wrong(.truncated) }
        let header = try source.need(8..<end)
        do throws(WeightError) {
            let tensors = try tensors(header, dataStart: end, sizeBytes: source.sizeBytes)
            return WeightLayout(format: .safetensors, directory: 0..<end, extents: tensors)
        } catch {
            throw .wrong(error)
        }
    }

    private static func tensors(
        _ header: [UInt8], dataStart: Int64, sizeBytes: Int64
    ) throws(WeightError) -> [WeightExtent] {
        var tensors: [WeightExtent] = []
        var names: Set<String> = []
        var reader = JSONReader<WeightError>(header)
        try reader.object { (reader, name) throws(WeightError) in
            if !names.insert(name).inserted { throw .duplicate(name) }
            if name == metadataName {
                try reader.object { (reader, _) throws(WeightError) in _ = try reader.string() }
            } else {
                tensors.append(try tensor(name, &reader, dataStart))
            }
        }
        try reader.end()
        tensors.sort {
            ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
        }
        var position = dataStart
        for tensor in tensors {
            if tensor.bytes.lowerBound < position { throw .overlap(tensor.name) }
            if tensor.bytes.lowerBound > position { throw .hole(before: tensor.name) }
            position = tensor.bytes.upperBound
            if position > sizeBytes { throw .outOfRange(tensor.name) }
        }
        if position != sizeBytes { throw .hole(before: "the end of the file") }
        return tensors
    }

    private static func tensor(
        _ name: String, _ reader: inout JSONReader<WeightError>, _ dataStart: Int64
    ) throws(WeightError) -> WeightExtent {
        var element: ElementType?
        var shape: [Int64]?
        var offsets: [Int64] = []
        try reader.object { (reader, field) throws(WeightError) in
            switch field {
            case "dtype":
                let letters = try reader.string()
                guard let known = ElementType(safetensors: letters) else {
                    throw .unknownElementType(letters)
                }
                element = known
            case "shape": shape = try counts(&reader)
            case "data_offsets": offsets = try counts(&reader)
            default: try reader.skip()
            }
        }
        guard let element, let shape, offsets.count == 2 else {
            throw .malformed(reason: "a tensor without its type, shape or place: \(name)")
        }
        let (begin, beginOverflows) = dataStart.addingReportingOverflow(offsets[0])
        let (end, endOverflows) = dataStart.addingReportingOverflow(offsets[1])
        if beginOverflows || endOverflows || begin > end { throw .outOfRange(name) }
        let type = TensorType(element: element, shape: shape)
        guard type.byteCount == end - begin else { throw .sizeMismatch(name) }
        return WeightExtent(name: name, bytes: begin..<end, type: type)
    }

    private static func counts(
        _ reader: inout JSONReader<WeightError>
    ) throws(WeightError) -> [Int64] {
        var counts: [Int64] = []
        try reader.array { (reader) throws(WeightError) in
            if counts.count == dimensionCountMax { throw .tooManyEntries }
            counts.append(try reader.count())
        }
        return counts
    }

    /// NumPy allows 64 dimensions.
    private static let dimensionCountMax = 64
}
