// Which format a file has, by its first bytes and its directory, never by its name.

/// Recognises weight files.
package enum WeightFile {
    /// What is needed to tell the format.
    private static let headByteCount: Int64 = 16
    /// Legacy `torch.save`: a pickle of protocol 2 with this number of ten bytes at its beginning.
    static let torchStreamMagic: [UInt8] =
        [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
    static let hdf5Magic: [UInt8] = [0x89] + Array("HDF\r\n\u{1a}\n".utf8)

    /// Reads a file's layout, as far as its bytes are there; nil when it is no weight file.
    ///
    /// - Parameter limit: a longer directory is `directoryTooLong`, in bytes.
    /// - Throws: when it has a known format and breaks its rules.
    package static func parse(
        _ source: some ByteSource, limit: Int64 = .max
    ) throws(WeightError) -> Parse<WeightLayout?> {
        try Parse { () throws(Halt) in try layout(source, limit) }
    }

    private static func layout(
        _ source: some ByteSource, _ limit: Int64
    ) throws(Halt) -> WeightLayout? {
        let head = try source.needHead(headByteCount)
        if head.starts(with: GGUF.magic) {
            return try GGUF.layout(source, min(limit, GGUF.headerByteCountMax))
        }
        if head.starts(with: [0x50, 0x4b, 0x03, 0x04]) { return try archive(source, limit) }
        if head.starts(with: NumPyArray.magic) { return try array(source) }
        if head.starts(with: hdf5Magic) {
            return WeightLayout(format: .hdf5, directory: 0..<headByteCount, extents: [])
        }
        if head.starts(with: torchStreamMagic) {
            return WeightLayout(format: .torchStream, directory: 0..<headByteCount, extents: [])
        }
        return try safetensors(source, head, limit)
    }

    /// safetensors has no mark: a length that can be one, and an object's beginning.
    private static func safetensors(
        _ source: some ByteSource, _ head: [UInt8], _ limit: Int64
    ) throws(Halt) -> WeightLayout? {
        var reader = LittleEndianReader(head)
        guard head.count >= 10, head[8] == UInt8(ascii: "{"), let length = try? reader.uint64(),
            length <= UInt64(Safetensors.headerByteCountMax)
        else { return nil }
        return try Safetensors.layout(source, min(limit, Safetensors.headerByteCountMax))
    }

    private static func archive(
        _ source: some ByteSource, _ limit: Int64
    ) throws(Halt) -> WeightLayout? {
        let directory = try ZipDirectory(source, min(limit, ZipDirectory.byteCountMax))
        let names = directory.members.map(\.name)
        let format: WeightFormat
        if names.contains(where: { $0 == "data.pkl" || $0.hasSuffix("/data.pkl") }) {
            format = .torchArchive
        } else if !names.isEmpty && names.allSatisfy({ $0.hasSuffix(".npy") }) {
            format = .numpyArchive
        } else {
            return nil
        }
        return WeightLayout(
            format: format, directory: directory.bytes,
            extents: directory.members.map {
                WeightExtent(name: $0.name, bytes: $0.headerOffset..<$0.limit, type: nil)
            })
    }

    private static func array(_ source: some ByteSource) throws(Halt) -> WeightLayout {
        let array = try NumPyArray(source, at: 0, end: source.sizeBytes)
        return WeightLayout(
            format: .numpyArray, directory: 0..<array.values.lowerBound,
            extents: [WeightExtent(name: "", bytes: array.values, type: array.type)])
    }
}
