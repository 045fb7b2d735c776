// Weight files opened as sets of tensors, each a view of a mapping.
//
// The format is told by the file, never by its name; only an index of shards is JSON and is known
// by ending so. Nothing of the values is read here.

internal import Platform

extension WeightSet {
    /// Opens a weight file of any format that has named tensors.
    ///
    /// These are safetensors, checkpoints of PyTorch (see `Checkpoint.weights`), `.npz` archives,
    /// a single `.npy` array (named by the empty text), and the index of shards of either of the
    /// first two, whose path ends in `.json`.
    package static func open(_ path: String) throws(WeightFileError) -> WeightSet {
        path.hasSuffix(".json") ? try shards(index: path) : try single(path)
    }

    private static func single(_ path: String) throws(WeightFileError) -> WeightSet {
        let source = try MappedSource.open(path)
        let layout = try source.run { (source) throws(WeightError) in
            try WeightFile.parse(source)
        }
        switch layout?.format {
        case .safetensors?: return try views(layout?.extents ?? [], of: source)
        case .torchArchive?, .torchStream?:
            let checkpoint = try Checkpoint.open(source)
            return try source.checked { () throws(WeightError) in try checkpoint.weights() }
        case .numpyArray?, .numpyArchive?: return try NumPyFile.open(source)
        case .gguf?: throw .invalid(path: path, .unsupported(reason: "models in GGUF files"))
        case .hdf5?:
            throw .invalid(
                path: path, .unsupported(reason: "HDF5 where another weight file belongs"))
        case nil:
            throw .invalid(
                path: path,
                .malformed(reason: "neither safetensors nor a checkpoint nor an array"))
        }
    }

    /// Opens a safetensors file.
    package static func openSafetensors(_ path: String) throws(WeightFileError) -> WeightSet {
        let source = try MappedSource.open(path)
        let layout = try source.run { (source) throws(WeightError) in
            try Safetensors.parse(source)
        }
        return try views(layout.extents, of: source)
    }

    private static func views(
        _ extents: [WeightExtent], of source: MappedSource
    ) throws(WeightFileError) -> WeightSet {
        var tensors: [String: TensorView] = [:]
        tensors.reserveCapacity(extents.count)
        for extent in extents {
            guard let type = extent.type else { continue }
            tensors[extent.name] = TensorView(
                file: source.file,
                bytes: Int(extent.bytes.lowerBound)..<Int(extent.bytes.upperBound), type: type)
        }
        return WeightSet(tensors)
    }

    // MARK: Shards

    /// Opens the files that an index names, which stand beside it.
    ///
    /// Every tensor must be in the file that the index names for it. What else the files hold is
    /// left out.
    static func shards(index path: String) throws(WeightFileError) -> WeightSet {
        let source = try MappedSource.open(path)
        let index = try source.run { (source) throws(WeightError) in
            if source.sizeBytes > Int64(SafetensorsIndex.byteCountMax) {
                throw .directoryTooLong(byteCount: source.sizeBytes)
            }
            return try Parse { () throws(Halt) in
                let json = try source.need(0..<source.sizeBytes)
                do throws(WeightError) { return try SafetensorsIndex(json: json) } catch {
                    throw .wrong(error)
                }
            }
        }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        var shards: [WeightSet] = []
        for name in index.shards {
            do throws(WeightFileError) { shards.append(try single(folder + name)) } catch {
                // A shard that is not there is said of the index, which names it.
                guard case .unreadable(_, .noEntry) = error else { throw error }
                throw .invalid(path: path, .missingShard(name))
            }
        }
        var tensors: [String: TensorView] = [:]
        tensors.reserveCapacity(index.shardOfTensor.count)
        for (name, place) in index.shardOfTensor {
            guard let tensor = shards[place][name] else {
                throw .invalid(path: folder + index.shards[place], .missing(name))
            }
            tensors[name] = tensor
        }
        return WeightSet(tensors)
    }
}
