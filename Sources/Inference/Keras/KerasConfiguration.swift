// `model_config` of a Keras file: layers with their settings, and who takes whose output.
//
// Keras 2 and 3 write it differently; both come to the same here. What a setting means is known by
// the layers, in KerasGraph.

/// A model as Keras tells it.
struct KerasConfiguration: Sendable {
    /// A tensor that a layer gave at one of its calls.
    struct Source: Equatable, Hashable, Sendable {
        let layer: String
        /// Which of the layer's calls; 0 but for layers that are shared.
        let call: Int
    }

    struct Layer: Sendable {
        let className: String
        let name: String
        let settings: JSONValue
        /// For each call, what it takes; empty for inputs.
        let calls: [[Source]]

        /// Whether it is a model itself.
        var isModel: Bool { ["Functional", "Model", "Sequential"].contains(className) }
    }

    let name: String
    let layers: [Layer]
    let inputs: [String]
    let outputs: [Source]

    /// What is wrong with a configuration.
    struct Flaw: Error, Equatable {
        let reason: String
    }

    private static let layerCountMax = 10_000

    /// - Parameter json: an object with `class_name` and `config`.
    init(_ json: JSONValue) throws(Flaw) {
        guard let kind = json["class_name"]?.string, let config = json["config"] else {
            throw Flaw(reason: "model_config without class_name and config")
        }
        let list = config["layers"]?.array ?? config.array
        guard let list, !list.isEmpty, list.count <= KerasConfiguration.layerCountMax else {
            throw Flaw(reason: "model_config without layers")
        }
        name = config["name"]?.string ?? "model"
        switch kind {
        case "Sequential":
            (layers, inputs, outputs) = try KerasConfiguration.chain(list, config)
        case "Functional", "Model":
            let told = try list.map { json throws(Flaw) in try KerasConfiguration.layer(json) }
            let sources = KerasConfiguration.sources
            guard let input = config["input_layers"], let output = config["output_layers"],
                let inputs = sources(input), let outputs = sources(output), !inputs.isEmpty,
                !outputs.isEmpty
            else { throw Flaw(reason: "a functional model without inputs or outputs") }
            self.inputs = inputs.map(\.layer)
            let count = CallCount(told, outputs: outputs)
            layers = told.map(count.fromZero)
            self.outputs = outputs.map(count.fromZero)
        default:
            throw Flaw(
                reason: "a model of class '\(kind)', whose code is not in the file; supported are"
                    + " Sequential and Functional models")
        }
        if Set(layers.map(\.name)).count != layers.count {
            throw Flaw(reason: "two layers of one name")
        }
    }

    // MARK: Sequential models

    /// A chain of layers; one without an input layer gets one from what its first layer tells.
    private static func chain(
        _ list: [JSONValue], _ config: JSONValue
    ) throws(Flaw) -> ([Layer], [String], [Source]) {
        var layers: [Layer] = []
        for json in list {
            let layer = try layer(json)
            if layers.isEmpty && layer.className != "InputLayer" {
                let shape =
                    layer.settings["batch_input_shape"] ?? layer.settings["batch_shape"]
                    ?? config["build_input_shape"]
                guard let shape else { throw Flaw(reason: "a model that was never built") }
                layers.append(
                    Layer(
                        className: "InputLayer", name: layer.name + "_input",
                        settings: .object(["batch_shape": shape]), calls: []))
            }
            let calls = layers.last.map { [[Source(layer: $0.name, call: 0)]] } ?? []
            layers.append(
                Layer(
                    className: layer.className, name: layer.name, settings: layer.settings,
                    calls: calls))
        }
        return (layers, [layers[0].name], [Source(layer: layers[layers.count - 1].name, call: 0)])
    }

    // MARK: Layers

    private static func layer(_ json: JSONValue) throws(Flaw) -> Layer {
        guard let kind = json["class_name"]?.string, let settings = json["config"] else {
            throw Flaw(reason: "a layer without class_name and config")
        }
        guard let name = json["name"]?.string ?? settings["name"]?.string else {
            throw Flaw(reason: "a layer without a name, of class \(kind)")
        }
        var calls: [[Source]] = []
        for call in json["inbound_nodes"]?.array ?? [] {
            guard let sources = call["args"].map(tensors) ?? self.sources(call), !sources.isEmpty
            else { throw Flaw(reason: "layer '\(name)' takes something that is no tensor") }
            calls.append(sources)
        }
        // Layers may be wrapped in a module's name, as `keras.layers>Dense`.
        let className = kind.split(separator: ">").last.map(String.init) ?? kind
        return Layer(className: className, name: name, settings: settings, calls: calls)
    }

    /// Keras 3: tensors somewhere in the arguments of a call, in order.
    private static func tensors(_ arguments: JSONValue) -> [Source] {
        if let list = arguments.array { return list.flatMap(tensors) }
        guard arguments["class_name"]?.string == "__keras_tensor__",
            let history = arguments["config"]?["keras_history"], let source = source(history)
        else { return [] }
        return [source]
    }

    /// `["name", call, tensor, …]`, or a list or object of such; nil when it is neither.
    private static func sources(_ json: JSONValue) -> [Source]? {
        if let source = source(json) { return [source] }
        let list =
            json.array
            ?? json.object.map { object in
                // Named inputs stand in the order of their names.
                object.sorted { $0.key < $1.key }.map(\.value)
            }
        guard let list else { return nil }
        var found: [Source] = []
        for element in list {
            guard let sources = sources(element) else { return nil }
            found += sources
        }
        return found
    }

    private static func source(_ json: JSONValue) -> Source? {
        guard let list = json.array, list.count >= 3, let layer = list[0].string,
            let call = list[1].integer, list[2].integer == 0
        else { return nil }
        return Source(layer: layer, call: call)
    }
}

/// The calls of models in a model, which Keras counts from one: the call that a model was made with
/// comes first, and is not written.
///
/// Every call that is written is taken by somebody. So where the calls are counted from one, the
/// last of them has the number that tells how many there are, and else none has it.
private struct CallCount {
    private typealias Layer = KerasConfiguration.Layer
    private typealias Source = KerasConfiguration.Source
    /// The names of layers whose calls are counted from one.
    private let fromOne: Set<String>

    init(_ layers: [KerasConfiguration.Layer], outputs: [KerasConfiguration.Source]) {
        let taken = Set(layers.flatMap { $0.calls.joined() } + outputs)
        let counted = layers.filter { layer in
            layer.isModel && taken.contains(Source(layer: layer.name, call: layer.calls.count))
        }
        fromOne = Set(counted.map(\.name))
    }

    func fromZero(_ source: KerasConfiguration.Source) -> KerasConfiguration.Source {
        if !fromOne.contains(source.layer) { return source }
        return Source(layer: source.layer, call: source.call - 1)
    }

    func fromZero(_ layer: KerasConfiguration.Layer) -> KerasConfiguration.Layer {
        Layer(
            className: layer.className, name: layer.name, settings: layer.settings,
            calls: layer.calls.map { $0.map(fromZero) })
    }
}
