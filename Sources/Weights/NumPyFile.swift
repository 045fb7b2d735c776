// `.npy` and `.npz` files opened as views.
//
// An archive's members must be stored as they are, as `numpy.savez` writes them; a compressed one
// cannot be mapped. Arrays whose first dimension is the innermost are copied into row order.

internal import Platform

/// Opens files of NumPy.
enum NumPyFile {
    /// The arrays of an archive by their names without `.npy`; a single array has no name.
    static func open(_ source: MappedSource) throws(WeightFileError) -> WeightSet {
        let head = try source.run { (source) throws(WeightError) in
            try Parse { () throws(Halt) in try source.needHead(6) }
        }
        if head == NumPyArray.magic {
            let array = try source.run { (source) throws(WeightError) in
                try NumPyArray.parse(source)
            }
            return WeightSet(["": try view(array, source)])
        }
        let directory = try source.run { (source) throws(WeightError) in
            try ZipDirectory.parse(source)
        }
        var tensors: [String: TensorView] = [:]
        for member in directory.members where member.name.hasSuffix(".npy") {
            if !member.isStored {
                throw .invalid(path: source.file.path, .compressedMember(member.name))
            }
            let place = try source.run { (source) throws(WeightError) in
                try ZipDirectory.payload(of: member, source)
            }
            let array = try source.run { (source) throws(WeightError) in
                try NumPyArray.parse(source, at: place.lowerBound, end: place.upperBound)
            }
            tensors[String(member.name.dropLast(4))] = try view(array, source)
        }
        return WeightSet(tensors)
    }

    private static func view(
        _ array: NumPyArray, _ source: MappedSource
    ) throws(WeightFileError) -> TensorView {
        let bytes = Int(array.values.lowerBound)..<Int(array.values.upperBound)
        let shape = array.type.shape
        let place = StridedPlace(
            offset: 0, shape: shape, strides: StridedPlace.columnOrder(shape))
        if !array.isColumnMajor || place.isRowOrder {
            return TensorView(file: source.file, bytes: bytes, type: array.type)
        }
        do throws(Errno) { try source.file.populate(bytes) } catch {
            throw .unreadable(path: source.file.path, error)
        }
        let width = Int(array.type.element.block.bitCount) / 8
        let copy = source.file.withBytes { whole in
            place.copy(from: whole.extracting(bytes), width: width)
        }
        return TensorView(memory: copy, type: array.type)
    }
}
