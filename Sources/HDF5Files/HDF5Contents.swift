// What an HDF5 file has in it: groups and data sets by their paths, texts that are attached to
// them, and where in the file the values lie.
//
// The format is read here, and not by libhdf5: that library ends the process on many a damaged
// file, which a model server may not, and has no lock of its own. What is read is what Keras and
// h5py write by default, of versions 0 to 3 of the superblock; values are never read. Each object is
// met once, however many names it has. HDF5 File Format Specification 3.0.

internal import Platform
internal import Weights

/// A data set.
struct HDF5DataSet {
    let type: TensorType
    /// Where its values begin in the file; nil for a data set without values.
    let offset: UInt64?
}

/// The description of a whole file.
struct HDF5Contents {
    /// Attributes of texts, by the path of their object and their name; the root's path is empty.
    private(set) var texts: [String: [String: [String]]] = [:]
    /// By their paths, without a `/` at the beginning.
    private(set) var dataSets: [String: HDF5DataSet] = [:]
    /// Data sets that cannot be mapped, with what is in the way.
    private(set) var problems: [String: String] = [:]

    /// A network of a thousand layers has some ten thousand objects.
    private static let objectCountMax = 200_000
    private static let depthMax = 32
    private static let magic: [UInt8] = [0x89] + Array("HDF\r\n\u{1a}\n".utf8)

    private var bytes: HDF5Bytes
    private var known: Set<UInt64> = []
    private var objectCount = 0

    /// Reads a file's description.
    init(_ file: MappedFile) throws(WeightFileError) {
        bytes = HDF5Bytes(file)
        let root = try rootPlace()
        known.insert(root)
        try readObject(at: root, path: "", depth: 0)
    }

    /// Where the root's header lies, as the superblock says.
    private mutating func rootPlace() throws(WeightFileError) -> UInt64 {
        let size = UInt64(bytes.file.byteCount)
        var head = try bytes.piece(at: 0, count: min(size, 96))
        let (base, end, root) = try bytes.checked { () throws(WeightError) in
            guard head.remaining >= 48, try head.take(8) == HDF5Contents.magic else {
                throw .malformed(reason: "no HDF5 file")
            }
            let version = try head.uint8()
            if version > 3 { throw .unsupported(reason: "version \(version) of HDF5 files") }
            if version < 2 { try head.skip(4) }
            let widths = (try head.uint8(), try head.uint8())
            if widths.0 != 8 || widths.1 != 8 {
                throw .unsupported(reason: "HDF5 with places of other than 8 bytes")
            }
            // Flags and, before version 2, the widths of trees.
            try head.skip(version < 2 ? (version == 0 ? 9 : 13) : 1)
            let base = try head.uint64()
            try head.skip(8)
            let end = try head.uint64()
            if version < 2 { try head.skip(16) }
            return (base, end, try head.uint64())
        }
        if base != 0 { throw bytes.wrong(.unsupported(reason: "HDF5 with a block before it")) }
        if end > size { throw bytes.wrong(.truncated) }
        return root
    }

    // MARK: Objects

    private mutating func readObject(
        at place: UInt64, path: String, depth: Int
    ) throws(WeightFileError) {
        objectCount += 1
        if objectCount > HDF5Contents.objectCountMax || depth > HDF5Contents.depthMax {
            throw bytes.wrong(.tooManyEntries)
        }
        let messages = try bytes.messages(at: place)
        try readTexts(messages, path: path)
        if messages.contains(where: { $0.kind == .layout }) {
            try readDataSet(messages, path: path)
            return
        }
        for link in try bytes.links(messages) where known.insert(link.place).inserted {
            let childPath = path.isEmpty ? link.name : path + "/" + link.name
            try readObject(at: link.place, path: childPath, depth: depth + 1)
        }
    }

    private mutating func readTexts(
        _ messages: [HDF5Message], path: String
    ) throws(WeightFileError) {
        var found: [String: [String]] = [:]
        for message in messages {
            var content = message.content
            if message.kind == .attributeInfo {
                let isElsewhere = try bytes.checked { () throws(WeightError) in
                    try content.skip(1)
                    if try content.uint8() & 1 != 0 { try content.skip(2) }
                    return try content.uint64() != HDF5Bytes.nowhere
                }
                if isElsewhere {
                    throw bytes.wrong(
                        .unsupported(
                            reason: "many attributes in the newer form of HDF5; save it without"
                                + " libver='latest'"))
                }
            }
            if message.kind != .attribute || message.isShared { continue }
            if let attribute = try bytes.texts(message) { found[attribute.name] = attribute.texts }
        }
        if !found.isEmpty { texts[path] = found }
    }

    private mutating func readDataSet(
        _ messages: [HDF5Message], path: String
    ) throws(WeightFileError) {
        func first(_ kind: HDF5Message.Kind) -> HDF5Message? {
            messages.first { $0.kind == kind }
        }
        guard let kind = first(.dataType), let space = first(.dataspace),
            let layout = first(.layout)
        else { throw bytes.wrong(.malformed(reason: "a data set of HDF5 without a type or shape")) }
        if kind.isShared || space.isShared || layout.isShared {
            problems[path] = "a type that is kept elsewhere"
            return
        }
        var (kindBytes, spaceBytes) = (kind.content, space.content)
        let (valueType, shape) = try bytes.checked { () throws(WeightError) in
            (try HDF5Type(&kindBytes), try HDF5Shape.read(&spaceBytes))
        }
        guard case .number(let element) = valueType else {
            problems[path] = "values that are no numbers with the lowest byte first"
            return
        }
        let type = TensorType(element: element, shape: shape)
        guard let byteCount = type.byteCount else { throw bytes.wrong(.sizeMismatch(path)) }
        if byteCount == 0 {
            dataSets[path] = HDF5DataSet(type: type, offset: nil)
            return
        }
        if first(.filters) != nil {
            problems[path] = "compressed values; save them without compression"
            return
        }
        if first(.external) != nil {
            problems[path] = "values in another file"
            return
        }
        var place = layout.content
        let found = try bytes.checked { () throws(WeightError) -> (UInt64, UInt64)? in
            let (version, form) = (try place.uint8(), try place.uint8())
            if version < 3 || form != 1 { return nil }
            return (try place.uint64(), try place.uint64())
        }
        guard let found else {
            problems[path] =
                "values in chunks or in the header; save them contiguous, as Keras does"
            return
        }
        if found.0 == HDF5Bytes.nowhere {
            problems[path] = "values that were never written"
            return
        }
        if found.1 != UInt64(byteCount) { throw bytes.wrong(.sizeMismatch(path)) }
        dataSets[path] = HDF5DataSet(type: type, offset: found.0)
    }
}
