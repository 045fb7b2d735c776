// What an HDF5 file has in it: groups and data sets by their paths, texts that are attached to
// them, and where in the file the values lie.
//
// Read in one go, and the file is closed again: no handle outlives the call. Only hard links are
// followed, so nothing leads to another file, and each object is met once. Values are never read.

internal import CHDF5
internal import Platform
internal import Weights

/// A data set.
struct HDF5DataSet {
    let type: TensorType
    /// Where its values begin in the file; nil for a data set without values.
    let offset: Int64?
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
    private static let attributeCountMax = 4_096
    private static let dimensionCountMax: CInt = 32

    private var known: Set<UInt64> = []
    private var objectCount = 0

    /// Reads a file's description.
    static func read(_ path: String) throws(WeightError) -> HDF5Contents {
        try HDF5Library.use { () throws(WeightError) in
            guard let access = HDF5Handle(H5Pcreate(modelfs_h5_file_access())) else {
                throw .unsupported(reason: "the library for HDF5 does not work")
            }
            // Locks are not needed on what nobody writes, and not every mount has them.
            H5Pset_file_locking(access.id, false, true)
            let opened = unsafe path.withCString {
                unsafe H5Fopen($0, modelfs_h5_read_only(), access.id)
            }
            guard let file = HDF5Handle(opened) else {
                throw .malformed(reason: "no HDF5 file, or one that was cut")
            }
            guard
                let root = HDF5Handle(
                    unsafe "/".withCString { unsafe H5Gopen2(file.id, $0, modelfs_h5_default()) })
            else { throw .malformed(reason: "an HDF5 file without its root") }
            var contents = HDF5Contents()
            try contents.readGroup(root.id, path: "", depth: 0)
            return contents
        }
    }

    // MARK: Groups

    private mutating func readGroup(
        _ group: hid_t, path: String, depth: Int
    ) throws(WeightError) {
        if depth > HDF5Contents.depthMax { throw .tooManyEntries }
        try readAttributes(group, path: path)
        for name in try linkNames(group) {
            objectCount += 1
            if objectCount > HDF5Contents.objectCountMax { throw .tooManyEntries }
            let childPath = path.isEmpty ? name : path + "/" + name
            try readChild(group, name, path: childPath, depth: depth)
        }
    }

    private func linkNames(_ group: hid_t) throws(WeightError) -> [String] {
        var facts = H5G_info_t()
        guard unsafe H5Gget_info(group, &facts) >= 0,
            facts.nlinks <= UInt64(HDF5Contents.objectCountMax)
        else { throw .malformed(reason: "a group of HDF5 that cannot be read") }
        var names: [String] = []
        for index in 0..<facts.nlinks {
            let length = unsafe H5Lget_name_by_idx(
                group, ".", H5_INDEX_NAME, H5_ITER_INC, index, nil, 0, modelfs_h5_default())
            guard length >= 0, length <= 4_096 else {
                throw .malformed(reason: "a name of HDF5 that cannot be read")
            }
            let name = unsafe text(count: Int(length)) { room in
                unsafe H5Lget_name_by_idx(
                    group, ".", H5_INDEX_NAME, H5_ITER_INC, index, room.baseAddress, room.count,
                    modelfs_h5_default()) >= 0
            }
            guard let name else { throw .malformed(reason: "a name of HDF5 that is no UTF-8") }
            names.append(name)
        }
        return names
    }

    private mutating func readChild(
        _ group: hid_t, _ name: String, path: String, depth: Int
    ) throws(WeightError) {
        var link = H5L_info_t()
        let isRead = unsafe name.withCString {
            unsafe H5Lget_info(group, $0, &link, modelfs_h5_default()) >= 0
        }
        guard isRead else {
            throw .malformed(reason: "a link of HDF5 that cannot be read: \(path)")
        }
        if link.type != H5L_TYPE_HARD { return }
        let opened = unsafe name.withCString {
            unsafe H5Oopen(group, $0, modelfs_h5_default())
        }
        guard let object = HDF5Handle(opened) else {
            throw .malformed(reason: "an object of HDF5 that cannot be opened: \(path)")
        }
        var facts = H5O_info_t()
        guard unsafe H5Oget_info1(object.id, &facts) >= 0 else {
            throw .malformed(reason: "an object of HDF5 that cannot be read: \(path)")
        }
        switch facts.type {
        case H5O_TYPE_GROUP:
            // A group that was met already would lead in circles.
            if !known.insert(UInt64(facts.addr)).inserted { return }
            try readGroup(object.id, path: path, depth: depth + 1)
        case H5O_TYPE_DATASET: try readDataSet(object.id, path: path)
        default: return
        }
    }

    // MARK: Data sets

    private mutating func readDataSet(_ set: hid_t, path: String) throws(WeightError) {
        guard let space = HDF5Handle(H5Dget_space(set)), let kind = HDF5Handle(H5Dget_type(set)),
            let making = HDF5Handle(H5Dget_create_plist(set))
        else { throw .malformed(reason: "a data set of HDF5 that cannot be read: \(path)") }
        guard let element = HDF5Contents.element(kind.id) else {
            problems[path] = "values that are no numbers in the lowest byte's order"
            return
        }
        let type = TensorType(element: element, shape: try shape(space.id, path))
        guard let byteCount = type.byteCount else { throw .sizeMismatch(path) }
        if byteCount == 0 {
            dataSets[path] = HDF5DataSet(type: type, offset: nil)
            return
        }
        let layout = H5Pget_layout(making.id)
        if layout != H5D_CONTIGUOUS {
            problems[path] =
                H5Pget_nfilters(making.id) > 0
                ? "compressed values; save them without compression"
                : "values in chunks or in the header; save them contiguous, as Keras does"
            return
        }
        if H5Pget_external_count(making.id) != 0 {
            problems[path] = "values in another file"
            return
        }
        let offset = H5Dget_offset(set)
        guard offset != modelfs_h5_no_address(), let place = Int64(exactly: offset) else {
            problems[path] = "values that were never written"
            return
        }
        if H5Dget_storage_size(set) != UInt64(byteCount) { throw .sizeMismatch(path) }
        dataSets[path] = HDF5DataSet(type: type, offset: place)
    }

    private func shape(_ space: hid_t, _ path: String) throws(WeightError) -> [Int64] {
        let rank = H5Sget_simple_extent_ndims(space)
        guard rank >= 0, rank <= HDF5Contents.dimensionCountMax else {
            throw .malformed(reason: "a data set of HDF5 without a shape: \(path)")
        }
        var sizes = [hsize_t](repeating: 0, count: Int(rank))
        let found = unsafe H5Sget_simple_extent_dims(space, &sizes, nil)
        // A data set of no values at all has no dimensions, and a single value has none either.
        if H5Sget_simple_extent_type(space) == H5S_NULL { return [0] }
        guard found == rank else {
            throw .malformed(reason: "a data set of HDF5 without a shape: \(path)")
        }
        return try sizes.map { (size) throws(WeightError) in
            guard let size = Int64(exactly: size) else { throw .sizeMismatch(path) }
            return size
        }
    }

    /// Nil for a type that is none of ours.
    private static func element(_ type: hid_t) -> ElementType? {
        let size = H5Tget_size(type)
        let kind = H5Tget_class(type)
        if size > 1 && kind != H5T_ENUM && H5Tget_order(type) != H5T_ORDER_LE { return nil }
        switch kind {
        case H5T_INTEGER:
            let isSigned = H5Tget_sign(type) == H5T_SGN_2
            switch size {
            case 1: return isSigned ? .int8 : .uint8
            case 2: return isSigned ? .int16 : .uint16
            case 4: return isSigned ? .int32 : .uint32
            case 8: return isSigned ? .int64 : .uint64
            default: return nil
            }
        case H5T_FLOAT:
            var (sign, exponent, fraction) = (0, 0, 0)
            var (exponentSize, fractionSize) = (0, 0)
            guard
                unsafe H5Tget_fields(
                    type, &sign, &exponent, &exponentSize, &fraction, &fractionSize) >= 0,
                fraction == 0
            else { return nil }
            switch (size, exponentSize, fractionSize) {
            case (2, 5, 10): return .float16
            case (2, 8, 7): return .bfloat16
            case (4, 8, 23): return .float32
            case (8, 11, 52): return .float64
            default: return nil
            }
        // Truth values, as h5py writes them.
        case H5T_ENUM: return size == 1 ? .boolean : nil
        default: return nil
        }
    }

    // MARK: Attributes

    private mutating func readAttributes(_ object: hid_t, path: String) throws(WeightError) {
        var facts = H5O_info_t()
        guard unsafe H5Oget_info1(object, &facts) >= 0 else {
            throw .malformed(reason: "an object of HDF5 that cannot be read: \(path)")
        }
        if facts.num_attrs > UInt64(HDF5Contents.attributeCountMax) { throw .tooManyEntries }
        var found: [String: [String]] = [:]
        for index in 0..<facts.num_attrs {
            guard
                let attribute = HDF5Handle(
                    unsafe H5Aopen_by_idx(
                        object, ".", H5_INDEX_NAME, H5_ITER_INC, index, modelfs_h5_default(),
                        modelfs_h5_default()))
            else { throw .malformed(reason: "an attribute of HDF5 that cannot be read: \(path)") }
            let length = H5Aget_name(attribute.id, 0, nil)
            guard length >= 0, length <= 4_096 else {
                throw .malformed(reason: "a name of HDF5 that cannot be read")
            }
            let name = unsafe text(count: length) { room in
                unsafe H5Aget_name(attribute.id, room.count, room.baseAddress) >= 0
            }
            if let name, let texts = try HDF5Texts.read(attribute.id) { found[name] = texts }
        }
        if !found.isEmpty { texts[path] = found }
    }

    /// A text that a function writes into room for it and for a zero.
    private func text(
        count: Int, _ fill: (UnsafeMutableBufferPointer<CChar>) -> Bool
    ) -> String? {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: count + 1) { room in
            guard unsafe fill(room) else { return nil }
            let bytes = (0..<count).map { unsafe UInt8(bitPattern: room[$0]) }
            return String(validating: bytes, as: UTF8.self)
        }
    }
}
