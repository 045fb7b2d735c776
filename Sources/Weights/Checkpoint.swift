// Checkpoints of PyTorch: a pickle that names storages, and the storages beside it.
//
// In an archive the pickle is the member `data.pkl`, and each storage a member `data/KEY`, stored
// as it is, so that tensors are views of the mapping. In files from before PyTorch 1.6 the pickles
// come first and the storages after them. A tensor that is not in row order is copied, in either.

package import Platform

/// A file of `torch.save`, read without running anything.
package struct Checkpoint: Sendable {
    /// The file that its tensors lie in.
    package let file: MappedFile
    /// What was saved.
    package let value: PickledValue
    /// How many bytes had to be copied into private memory.
    package let privateByteCount: Int

    /// Opens a file that `torch.save` wrote.
    package static func open(_ path: String) throws(WeightFileError) -> Checkpoint {
        try open(try MappedSource.open(path))
    }

    static func open(_ source: MappedSource) throws(WeightFileError) -> Checkpoint {
        let head = try source.run { (source) throws(WeightError) in
            try Parse { () throws(Halt) in try source.needHead(2) }
        }
        if head == [0x50, 0x4b] { return try archive(source) }
        return try CheckpointStream.open(source)
    }

    // MARK: Archives

    /// Pickles of real checkpoints take some hundred bytes for each tensor.
    static let pickleByteCountMax: Int64 = 64 << 20

    private static func archive(_ source: MappedSource) throws(WeightFileError) -> Checkpoint {
        let path = source.file.path
        let directory = try source.run { (source) throws(WeightError) in
            try ZipDirectory.parse(source)
        }
        guard
            let pickle = directory.members.first(where: {
                $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl")
            })
        else { throw .invalid(path: path, .missing("data.pkl")) }
        let prefix = String(pickle.name.dropLast("data.pkl".count))
        var members: [String: ZipMember] = [:]
        for member in directory.members { members[member.name] = member }
        let bytes = try content(pickle, countMax: pickleByteCountMax, source)
        if let member = members[prefix + "byteorder"] {
            let order = try content(member, countMax: 16, source)
            if order != Array("little".utf8) {
                throw .invalid(
                    path: path, .unsupported(reason: "values with the highest byte first"))
            }
        }
        var machine = PickleMachine(bytes)
        let item = try source.checked { () throws(WeightError) in try machine.run() }
        var places: [String: Range<Int64>] = [:]
        for key in machine.storages.keys {
            let name = "\(prefix)data/\(key)"
            guard let member = members[name] else {
                throw .invalid(path: path, .missing(name))
            }
            places[key] = try place(of: member, source)
        }
        return try made(item, machine, places, source)
    }

    private static func place(
        of member: ZipMember, _ source: MappedSource
    ) throws(WeightFileError) -> Range<Int64> {
        if !member.isStored {
            throw .invalid(path: source.file.path, .compressedMember(member.name))
        }
        return try source.run { (source) throws(WeightError) in
            try ZipDirectory.payload(of: member, source)
        }
    }

    private static func content(
        _ member: ZipMember, countMax: Int64, _ source: MappedSource
    ) throws(WeightFileError) -> [UInt8] {
        let range = try place(of: member, source)
        if Int64(range.count) > countMax {
            throw .invalid(
                path: source.file.path, .directoryTooLong(byteCount: Int64(range.count)))
        }
        return try source.run { (source) throws(WeightError) in
            try Parse { () throws(Halt) in try source.need(range) }
        }
    }

    // MARK: Tensors

    /// Makes the values of what a machine has read.
    ///
    /// - Parameter places: where the bytes of each storage lie in the file.
    static func made(
        _ item: PickleItem, _ machine: PickleMachine, _ places: [String: Range<Int64>],
        _ source: MappedSource
    ) throws(WeightFileError) -> Checkpoint {
        let storages = StorageViews(source, places)
        let value: PickledValue
        do throws(WeightError) {
            value = try PickleTree.value(of: item, in: machine) { (tensor) throws(WeightError) in
                try storages.view(tensor)
            }
        } catch {
            if let failure = storages.failure { throw failure }
            throw .invalid(path: source.file.path, error)
        }
        return Checkpoint(
            file: source.file, value: value,
            privateByteCount: machine.privateByteCount + storages.copiedByteCount)
    }
}

/// Gives tensors their places in a checkpoint's storages, and copies those that need it.
private final class StorageViews {
    private let source: MappedSource
    private let places: [String: Range<Int64>]
    private(set) var copiedByteCount = 0
    /// What went wrong with reading, when that was the file's fault and not the pickle's.
    private(set) var failure: WeightFileError?

    /// A tensor may name one value of its storage any number of times: the copies of all tensors
    /// are bounded by the size of the file, or by this where the file is small.
    private static let copiedByteCountMin = 16 << 20

    init(_ source: MappedSource, _ places: [String: Range<Int64>]) {
        self.source = source
        self.places = places
    }

    func view(_ tensor: PickledTensor) throws(WeightError) -> TensorView {
        let key = tensor.storage.key
        let type = TensorType(element: tensor.element, shape: tensor.place.shape)
        let bitCount = tensor.element.block.bitCount
        guard let storage = places[key], let byteCount = type.byteCount, bitCount % 8 == 0,
            let reach = tensor.place.reach
        else { throw .outOfRange("a tensor of storage \(key)") }
        let width = bitCount / 8
        let available = Int64(storage.count) / width
        // A storage says how many values it has, which its bytes must bear out.
        let (declared, overflows) = tensor.storage.elementCount.multipliedReportingOverflow(
            by: (tensor.storage.element?.block.bitCount ?? 8) / 8)
        if overflows || declared > Int64(storage.count) { throw .truncated }
        if reach.upperBound > min(available, declared / width) {
            throw .outOfRange("a tensor of storage \(key)")
        }
        let start = Int(storage.lowerBound + reach.lowerBound * width)
        if tensor.place.isRowOrder {
            return TensorView(
                file: source.file, bytes: start..<start + Int(byteCount), type: type)
        }
        return try copy(tensor.place, of: storage, width: Int(width), type, Int(byteCount))
    }

    private func copy(
        _ place: StridedPlace, of storage: Range<Int64>, width: Int, _ type: TensorType,
        _ byteCount: Int
    ) throws(WeightError) -> TensorView {
        let room = max(source.file.byteCount, StorageViews.copiedByteCountMin) - copiedByteCount
        if byteCount > room {
            throw .unsupported(reason: "tensors that are larger than their storages")
        }
        copiedByteCount += byteCount
        let bytes = Int(storage.lowerBound)..<Int(storage.upperBound)
        do throws(Errno) { try source.file.populate(bytes) } catch {
            failure = .unreadable(path: source.file.path, error)
            throw .truncated
        }
        let copy = source.file.withBytes { whole in
            place.copy(from: whole.extracting(bytes), width: width)
        }
        return TensorView(memory: copy, type: type)
    }
}
