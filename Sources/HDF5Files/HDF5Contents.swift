// What an HDF5 file has in it: groups and data sets by their paths, texts that are attached to
// them, and where in the file the values lie.
//
// The format is read here, and not by libhdf5: of 2,000 bent copies of a Keras file one ended the
// process inside that library, which a model server may not bear. What is read is what Keras and
// h5py write by default, of versions 0 to 3 of the superblock; values are never read, checksums not
// checked. Each object is met once, however many names it has. What is not read says so: groups and
// attributes of many in the newer form, and data sets that lie in pieces. HDF5 File Format
// Specification 3.0.

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
    /// What another program put before an HDF5 file is searched no further than this.
    private static let userBlockByteCountMax: UInt64 = 1 << 20

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
        if try hasUserBlock(size) {
            throw bytes.wrong(
                .unsupported(reason: "HDF5 after a block of something else; save it without one"))
        }
        let (base, end, root) = try bytes.checked { () throws(WeightError) in
            guard head.remaining >= 48, try head.take(8) == HDF5Contents.magic else {
                throw .malformed(reason: "no HDF5 file")
            }
            let version = try head.uint8()
            if version > 3 { throw HDF5Contents.unsupported("version \(version) of HDF5 files") }
            if version < 2 { try head.skip(4) }
            let widths = (try head.uint8(), try head.uint8())
            if widths.0 != 8 || widths.1 != 8 {
                throw HDF5Contents.unsupported("HDF5 with places of other than 8 bytes")
            }
            // Flags and, before version 2, the widths of trees.
            try head.skip(version < 2 ? (version == 0 ? 9 : 13) : 1)
            let base = try head.uint64()
            try head.skip(8)
            let end = try head.uint64()
            if version < 2 { try head.skip(16) }
            return (base, end, try head.uint64())
        }
        if base != 0 {
            throw bytes.wrong(
                .unsupported(reason: "HDF5 with a base address; \(HDF5Bytes.advice)"))
        }
        if end > size { throw bytes.wrong(.truncated) }
        return root
    }

    private static func unsupported(_ what: String) -> WeightError {
        .unsupported(reason: "\(what); \(HDF5Bytes.advice)")
    }

    /// Whether the file does not begin with HDF5, but has it where HDF5 may also begin.
    private mutating func hasUserBlock(_ size: UInt64) throws(WeightFileError) -> Bool {
        var place: UInt64 = 0
        while place + 8 <= size && place <= HDF5Contents.userBlockByteCountMax {
            var mark = try bytes.piece(at: place, count: 8)
            let isHere = try bytes.checked { () throws(WeightError) in
                try mark.take(8) == HDF5Contents.magic
            }
            if isHere { return place > 0 }
            place = place == 0 ? 512 : place * 2
        }
        return false
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
            try bytes.charge(childPath.utf8.count)
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
                            reason: "many or long attributes in the newer form of HDF5;"
                                + " \(HDF5Bytes.advice)"))
                }
            }
            if message.kind != .attribute { continue }
            if message.isShared {
                throw bytes.wrong(HDF5Contents.unsupported("shared attributes of HDF5"))
            }
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
            problems[path] = "a named type; \(HDF5Bytes.advice)"
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
            problems[path] = "values in another file; save them in this one"
            return
        }
        let found = try bytes.checked { () throws(WeightError) in
            try HDF5Contents.place(layout.content)
        }
        switch found {
        case .elsewhere(let problem): problems[path] = problem
        case .contiguous(let offset, let count):
            if count != UInt64(byteCount) { throw bytes.wrong(.sizeMismatch(path)) }
            dataSets[path] = HDF5DataSet(type: type, offset: offset)
        }
    }

    private enum Place {
        case contiguous(offset: UInt64, byteCount: UInt64)
        /// With what is in the way of mapping them.
        case elsewhere(String)
    }

    /// Where a data set's values lie, as its layout says.
    private static func place(_ layout: HDF5Cursor) throws(WeightError) -> Place {
        var cursor = layout
        let (version, form) = (try cursor.uint8(), try cursor.uint8())
        if version < 3 {
            return .elsewhere("a place in the form of HDF5 before 1.6.3; save it with a newer h5py")
        }
        switch form {
        case 0: return .elsewhere("values in its header; save them contiguous, as Keras does")
        case 1:
            let (offset, count) = (try cursor.uint64(), try cursor.uint64())
            return offset == HDF5Bytes.nowhere
                ? .elsewhere("values that were never written")
                : .contiguous(offset: offset, byteCount: count)
        case 2: return .elsewhere("values in chunks; save them contiguous, as Keras does")
        case 3: return .elsewhere("values of other data sets; save them contiguous, as Keras does")
        default: throw .malformed(reason: "a data set of HDF5 that lies in no known way")
        }
    }
}
