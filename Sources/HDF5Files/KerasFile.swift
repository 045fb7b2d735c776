// A Keras file: the network's configuration as it wrote it, and its weights, mapped where they lie.
//
// `model.save("x.h5")` writes the attribute `model_config` and a group `model_weights`, in which
// `layer_names` and each layer's `weight_names` tell the order; `save_weights("x.h5")` of Keras 2
// writes the same without the configuration, in the root. `save_weights("x.weights.h5")` of
// Keras 3 numbers what it writes: that has no layers here, and `tensors` alone.

package import Platform
package import Weights

/// A layer, and its weights in the order in which Keras sets them.
package struct KerasLayer: Sendable {
    package let name: String
    /// By their whole names, such as `dense/kernel:0`.
    package let weights: [(name: String, tensor: TensorView)]

    /// The weight whose name ends so, without `:0`: such as `kernel` or `moving_mean`.
    package subscript(weight: String) -> TensorView? {
        weights.first { KerasLayer.lastPart($0.name) == weight }?.tensor
    }

    /// `kernel` of `dense/kernel:0`.
    package static func lastPart(_ name: String) -> String {
        let last = name.split(separator: "/").last ?? ""
        return String(last.prefix { $0 != ":" })
    }
}

/// An `.h5` file of Keras.
package struct KerasFile: Sendable {
    /// The file that its tensors lie in.
    package let file: MappedFile
    /// JSON; nil where the file has weights alone.
    package let modelConfig: String?
    /// Such as `3.15.1`; nil where the file does not say.
    package let kerasVersion: String?
    /// In the order in which Keras names them, those without weights included.
    package let layers: [KerasLayer]
    /// All data sets by their paths, such as `model_weights/dense/dense/kernel:0`.
    package let tensors: WeightSet

    /// Opens a file.
    package static func open(_ path: String) throws(WeightFileError) -> KerasFile {
        let file: MappedFile
        do throws(Errno) { file = try MappedFile(path) } catch {
            throw .unreadable(path: path, error)
        }
        let contents = try HDF5Contents(file)
        do throws(WeightError) { return try KerasFile(file, contents) } catch {
            throw .invalid(path: path, error)
        }
    }

    private init(_ file: MappedFile, _ contents: HDF5Contents) throws(WeightError) {
        self.file = file
        let root = contents.texts[""] ?? [:]
        var tensors: [String: TensorView] = [:]
        for (path, set) in contents.dataSets {
            tensors[path] = try KerasFile.view(set, in: file, path)
        }
        try KerasFile.checkApart(tensors)
        self.tensors = WeightSet(tensors)
        modelConfig = root["model_config"]?.first
        let folder = contents.texts["model_weights"] == nil ? "" : "model_weights"
        let top = contents.texts[folder] ?? [:]
        kerasVersion = (root["keras_version"] ?? top["keras_version"])?.first
        let prefix = folder.isEmpty ? "" : folder + "/"
        layers = try KerasFile.names("layer_names", top).map { (layer) throws(WeightError) in
            let names = KerasFile.names("weight_names", contents.texts[prefix + layer] ?? [:])
            let weights = try names.map { (name) throws(WeightError) in
                let path = "\(prefix)\(layer)/\(name)"
                if let problem = contents.problems[path] {
                    throw .unsupported(reason: "'\(path)' has \(problem)")
                }
                guard let tensor = tensors[path] else { throw .missing(path) }
                return (name: name, tensor: tensor)
            }
            return KerasLayer(name: layer, weights: weights)
        }
        if tensors.isEmpty, let problem = contents.problems.min(by: { $0.key < $1.key }) {
            throw .unsupported(reason: "'\(problem.key)' has \(problem.value)")
        }
    }

    private static func view(
        _ set: HDF5DataSet, in file: MappedFile, _ path: String
    ) throws(WeightError) -> TensorView {
        guard let byteCount = set.type.byteCount else { throw .sizeMismatch(path) }
        guard byteCount <= Int64(file.byteCount),
            let place = Int(exactly: set.offset ?? 0), place <= file.byteCount - Int(byteCount)
        else { throw .outOfRange(path) }
        return TensorView(file: file, bytes: place..<place + Int(byteCount), type: set.type)
    }

    /// No two data sets of a file that is whole share bytes, unless they are one.
    private static func checkApart(_ tensors: [String: TensorView]) throws(WeightError) {
        let sorted = tensors.filter { !$0.value.bytes.isEmpty }.sorted {
            ($0.value.bytes.lowerBound, $0.key) < ($1.value.bytes.lowerBound, $1.key)
        }
        for (left, right) in zip(sorted, sorted.dropFirst())
        where left.value.bytes != right.value.bytes
            && right.value.bytes.lowerBound < left.value.bytes.upperBound
        {
            throw .overlap(right.key)
        }
    }

    /// Names that may be cut into several attributes, `NAME0`, `NAME1` and so on.
    private static func names(_ name: String, _ texts: [String: [String]]) -> [String] {
        if let whole = texts[name] { return whole }
        var names: [String] = []
        var index = 0
        while let part = texts["\(name)\(index)"] {
            names += part
            index += 1
        }
        return names
    }
}
