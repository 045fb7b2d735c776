// Files that are one pickle: those of `pickle.dump`, and of `joblib.dump` without compression.

internal import Platform

/// Reads pickles of plain values, of arrays and of scalers.
package enum PickleFile {
    /// Scalers take some kilobytes.
    package static let byteCountMax: Int64 = 64 << 20

    private static let compressions: [(magic: [UInt8], name: String)] = [
        ([0x78], "zlib"), ([0x1f, 0x8b], "gzip"), (Array("BZh".utf8), "bzip2"),
        ([0xfd] + Array("7zXZ".utf8), "xz"), ([0x5d, 0x00], "lzma"),
        ([0x04, 0x22, 0x4d, 0x18], "LZ4"),
    ]

    /// Opens a file, and reads all of it into private memory.
    package static func open(_ path: String) throws(WeightFileError) -> PickledValue {
        let source = try MappedSource.open(path)
        let bytes = try source.run { (source) throws(WeightError) in
            if source.sizeBytes > byteCountMax {
                throw .directoryTooLong(byteCount: source.sizeBytes)
            }
            return try Parse { () throws(Halt) in try source.need(0..<source.sizeBytes) }
        }
        return try source.checked { () throws(WeightError) in try value(bytes) }
    }

    /// Reads the pickle that the bytes are.
    package static func value(_ bytes: [UInt8]) throws(WeightError) -> PickledValue {
        if let compression = compressions.first(where: { bytes.starts(with: $0.magic) }) {
            throw .unsupported(
                reason: "a pickle that is compressed (\(compression.name)); save it again with"
                    + " compress=0")
        }
        var machine = PickleMachine(bytes)
        let item = try machine.run()
        return try PickleTree.value(of: item, in: machine) { (_) throws(WeightError) in
            throw .unsupported(reason: "a tensor in a plain pickle; save it with torch.save")
        }
    }
}
