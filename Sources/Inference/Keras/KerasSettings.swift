// The settings of one layer, with errors that name it, and its tensors.

internal import Weights

/// A layer's settings.
struct KerasSettings: Sendable {
    /// The file, for errors.
    let file: String
    let className: String
    let name: String
    private let json: JSONValue
    private let tensors: KerasTensors

    init(
        _ json: JSONValue, className: String, name: String, file: String, tensors: KerasTensors
    ) {
        self.json = json
        self.className = className
        self.name = name
        self.file = file
        self.tensors = tensors
    }

    subscript(key: String) -> JSONValue? {
        guard let value = json[key], !value.isNull else { return nil }
        return value
    }

    /// An error about this layer.
    func wrong(_ reason: String) -> InferenceError {
        .malformed(path: file, reason: "layer '\(name)' (\(className)): \(reason)")
    }

    func unsupported(_ what: String, _ supported: [String]) -> InferenceError {
        .unsupported(
            path: file, found: "layer '\(name)' (\(className)): \(what)", supported: supported)
    }

    func flag(_ key: String, orElse standard: Bool) -> Bool { self[key]?.boolean ?? standard }

    func number(_ key: String, orElse standard: Double) -> Double { self[key]?.number ?? standard }

    func count(_ key: String) throws(InferenceError) -> Int {
        guard let count = self[key]?.integer, (1...DescriptionFields.countMax).contains(count)
        else { throw wrong("\(key) has to be a whole number above 0") }
        return count
    }

    /// A number, or a list of one.
    func single(_ key: String, orElse standard: Int) throws(InferenceError) -> Int {
        guard let value = self[key] else { return standard }
        let count = value.integer ?? (value.array?.count == 1 ? value.array?[0].integer : nil)
        guard let count, (1...DescriptionFields.countMax).contains(count) else {
            throw wrong("\(key) has to be one whole number above 0")
        }
        return count
    }

    /// Whole numbers of any sign.
    func integers(_ key: String) throws(InferenceError) -> [Int]? {
        guard let value = self[key] else { return nil }
        if let single = value.integer { return [single] }
        let numbers = value.array?.compactMap(\.integer)
        guard let numbers, numbers.count == value.array?.count else {
            throw wrong("\(key) has to be a list of whole numbers")
        }
        return numbers
    }

    /// Numbers, however deep they are nested.
    func numbers(_ key: String) -> [Double]? {
        func flat(_ value: JSONValue) -> [Double] {
            value.number.map { [$0] } ?? (value.array ?? []).flatMap(flat)
        }
        return self[key].map(flat)
    }

    /// Refuses settings that change what a layer does and are not supported.
    func refuse(_ keys: [String]) throws(InferenceError) {
        for key in keys where flag(key, orElse: false) {
            throw unsupported("\(key)", ["\(key): false"])
        }
    }

    /// A layer in this one's settings, such as that which is made bidirectional.
    func inner(_ key: String = "layer") throws(InferenceError) -> KerasSettings {
        guard let layer = self[key], let kind = layer["class_name"]?.string,
            let settings = layer["config"]
        else { throw wrong("\(key) has to be a layer") }
        return KerasSettings(settings, className: kind, name: name, file: file, tensors: tensors)
    }

    /// The same layer, with only those of its tensors that are in a part of it.
    func part(_ prefix: String) -> KerasSettings {
        KerasSettings(
            json, className: className, name: name, file: file, tensors: tensors.part(prefix))
    }

    // MARK: Activations

    static let activations: [String: Nonlinearity] = [
        "linear": .identity, "relu": .relu, "elu": .elu(alpha: 1), "selu": .selu,
        "gelu": .gelu, "silu": .silu, "swish": .silu, "mish": .mish, "tanh": .tanh,
        "sigmoid": .sigmoid, "hard_silu": .hardSilu, "hard_swish": .hardSilu,
        "softplus": .softplus, "softsign": .softsign, "exponential": .exponential,
        "softmax": .softmax, "log_softmax": .logSoftmax,
        "relu6": .rectifier(slope: 0, threshold: 0, limit: 6),
        "leaky_relu": .rectifier(slope: 0.2, threshold: 0, limit: nil),
    ]

    /// An activation function by Keras's name for it.
    func activation(
        _ key: String, orElse standard: Nonlinearity = .identity
    ) throws(InferenceError) -> Nonlinearity {
        guard let value = self[key] else { return standard }
        // Keras 3 writes functions that it registered as objects.
        let name = value.string ?? value["config"]?.string ?? value["class_name"]?.string ?? ""
        if name == "hard_sigmoid" { return .hardSigmoid(slope: tensors.isKeras3 ? 1 / 6 : 0.2) }
        if let known = KerasSettings.activations[name] { return known }
        throw unsupported(
            "the activation '\(name)'", KerasSettings.activations.keys.sorted() + ["hard_sigmoid"])
    }

    // MARK: Tensors

    /// Whether there is a tensor of that name.
    func has(_ tensor: String) -> Bool { tensors.path(tensor) != nil }

    func vector(_ tensor: String, count: Int?) throws(InferenceError) -> [Float] {
        try tensors.shelf.vector(try path(tensor), count: count)
    }

    func shape(_ tensor: String) throws(InferenceError) -> [Int] {
        try tensors.shelf.shape(try path(tensor))
    }

    func matrix(
        _ tensor: String, inputs: Int?, outputs: Int?
    ) throws(InferenceError) -> WeightMatrix {
        try tensors.shelf.matrix(
            try path(tensor), inputs: inputs, outputs: outputs, order: .inputsFirst)
    }

    func matrix(_ tensor: String, foldedFrom shape: [Int]) throws(InferenceError) -> WeightMatrix {
        try tensors.shelf.matrix(try path(tensor), foldedFrom: shape)
    }

    private func path(_ tensor: String) throws(InferenceError) -> String {
        guard let path = tensors.path(tensor) else {
            throw .missingTensor(name: "\(tensors.words)/\(tensor)")
        }
        return path
    }
}

/// Finds a layer's tensors among the data sets of a file.
///
/// Their paths differ between versions of Keras, but for the layer's name near the beginning and
/// the tensor's at the end.
struct KerasTensors: Sendable {
    let shelf: TensorShelf
    let isKeras3: Bool
    private let dataSets: [DataSet]
    /// The layer, for errors.
    let words: String

    /// A data set below the layer.
    private struct DataSet: Sendable {
        let path: String
        /// What of its path is below the layer.
        var parts: [Substring]
    }

    /// All of a file's.
    init(_ weights: WeightSet, isKeras3: Bool) {
        shelf = TensorShelf(weights)
        self.isKeras3 = isKeras3
        dataSets = weights.tensors.keys.sorted().map { path in
            let parts = path.split(separator: "/")
            let isBelow = parts.first == "model_weights"
            return DataSet(path: path, parts: isBelow ? Array(parts.dropFirst()) : parts)
        }
        words = ""
    }

    private init(_ all: KerasTensors, _ words: String, _ dataSets: [DataSet]) {
        shelf = all.shelf
        isKeras3 = all.isKeras3
        self.dataSets = dataSets
        self.words = words
    }

    /// Those of a layer; of a model's layer when the model is one itself.
    func layer(_ name: String) -> KerasTensors {
        // A name may have slashes in it.
        let parts = name.split(separator: "/")
        var found: [DataSet] = []
        for set in dataSets {
            guard let place = set.parts.firstRange(of: parts),
                !words.isEmpty || place.lowerBound == 0
            else { continue }
            found.append(
                DataSet(path: set.path, parts: Array(set.parts[place.upperBound...])))
        }
        return KerasTensors(self, words.isEmpty ? name : "\(words)/\(name)", found)
    }

    /// Those with a part in their paths that begins so.
    func part(_ prefix: String) -> KerasTensors {
        KerasTensors(
            self, "\(words)/\(prefix)",
            dataSets.filter { set in set.parts.contains { $0.hasPrefix(prefix) } })
    }

    /// The path of a tensor; nil when there is none, or more than one.
    func path(_ tensor: String) -> String? {
        let found = dataSets.filter { set in
            guard let last = set.parts.last else { return false }
            return last == tensor || last.prefix { $0 != ":" } == tensor
        }
        return found.count == 1 ? found[0].path : nil
    }
}
