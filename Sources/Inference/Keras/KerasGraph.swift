// From Keras's layers to a graph. A model in a model is put in its place, layer by layer.

internal import Weights

/// A Keras model as a graph, with its inputs.
struct KerasGraph: Sendable {
    /// An input layer.
    struct Input: Equatable, Sendable {
        let name: String
        let shape: [Int]
        /// How many numbers an embedding that takes it knows; nil where none does.
        var embeddedCount: Int?
    }

    private(set) var graph = NetworkGraph()
    private(set) var inputs: [Input] = []
    /// The last layers' names.
    private(set) var outputNames: [String] = []
    /// Whether what comes out are probabilities of classes.
    private(set) var endsWithSoftmax = false
    /// Layers of all models in the model, without inputs.
    private(set) var layerCount = 0

    private let file: String
    private var inputPlaces: [NetworkGraph.Place] = []
    private static let depthMax = 8

    /// - Parameters:
    ///   - inputCount: how many values a row has; nil when nobody says. It tells the length of a
    ///     sequence that the model leaves open.
    ///   - file: for errors.
    init(
        _ configuration: KerasConfiguration, weights: WeightSet, isKeras3: Bool, inputCount: Int?,
        file: String
    ) throws(InferenceError) {
        self.file = file
        var sources: [NetworkGraph.Place] = []
        for name in configuration.inputs {
            guard let layer = configuration.layers.first(where: { $0.name == name }) else {
                throw .malformed(path: file, reason: "there is no input layer '\(name)'")
            }
            let shape = try KerasGraph.inputShape(
                layer, file, count: configuration.inputs.count == 1 ? inputCount : nil)
            inputs.append(Input(name: name, shape: shape))
            sources.append(graph.addInput(shape: shape))
        }
        inputPlaces = sources
        let outputs = try add(
            configuration, from: sources, KerasTensors(weights, isKeras3: isKeras3), depth: 0)
        graph.setOutputs(outputs)
        outputNames = configuration.outputs.map(\.layer)
        endsWithSoftmax =
            configuration.outputs.count == 1
            && configuration.outputs.allSatisfy { output in
                configuration.layers.contains {
                    $0.name == output.layer
                        && ($0.className == "Softmax"
                            || $0.settings["activation"]?.string == "softmax")
                }
            }
    }

    // MARK: Inputs

    private static func inputShape(
        _ layer: KerasConfiguration.Layer, _ file: String, count: Int?
    ) throws(InferenceError) -> [Int] {
        let told = layer.settings["batch_shape"] ?? layer.settings["batch_input_shape"]
        // Keras 3 writes a tuple as an object at times.
        let list = told?.array ?? told?["items"]?.array
        guard let list, !list.isEmpty else {
            throw .malformed(path: file, reason: "the input '\(layer.name)' has no shape")
        }
        var shape: [Int?] = []
        var known = 1
        for dimension in list.dropFirst() {
            if dimension.isNull {
                shape.append(nil)
            } else if let length = dimension.integer, length > 0,
                length <= valueCountMax / known
            {
                shape.append(length)
                known *= length
            } else {
                throw .malformed(path: file, reason: "the shape of the input '\(layer.name)'")
            }
        }
        let open = shape.count { $0 == nil }
        if open == 0 { return shape.compactMap { $0 } }
        guard open == 1, let count, count % known == 0, count > 0 else {
            throw .malformed(
                path: file,
                reason: "the length of the input '\(layer.name)' is open; name all inputs in"
                    + " predictor.json, which tells it")
        }
        return shape.map { $0 ?? count / known }
    }

    /// A row has no more values than that.
    static let valueCountMax = 1 << 16

    // MARK: Layers

    private mutating func add(
        _ model: KerasConfiguration, from sources: [NetworkGraph.Place], _ tensors: KerasTensors,
        depth: Int
    ) throws(InferenceError) -> [NetworkGraph.Place] {
        var places: [KerasConfiguration.Source: NetworkGraph.Place] = [:]
        for (name, place) in zip(model.inputs, sources) {
            places[KerasConfiguration.Source(layer: name, call: 0)] = place
        }
        var waiting = model.layers.filter { !model.inputs.contains($0.name) }.flatMap { layer in
            layer.calls.indices.map { (layer: layer, call: $0) }
        }
        // Calls stand in an order in which they can be made, but for those of shared layers.
        while !waiting.isEmpty {
            var later: [(layer: KerasConfiguration.Layer, call: Int)] = []
            for (layer, call) in waiting {
                let isDone = try addCall(call, of: layer, &places, tensors, depth: depth)
                if !isDone { later.append((layer, call)) }
            }
            if later.count == waiting.count {
                throw .malformed(
                    path: file,
                    reason: "layer '\(later[0].layer.name)' takes what no layer gives")
            }
            waiting = later
        }
        var outputs: [NetworkGraph.Place] = []
        for output in model.outputs {
            guard let place = places[output] else {
                throw .malformed(path: file, reason: "there is no output '\(output.layer)'")
            }
            outputs.append(place)
        }
        return outputs
    }

    /// False when it takes what is not there yet.
    private mutating func addCall(
        _ call: Int, of layer: KerasConfiguration.Layer,
        _ places: inout [KerasConfiguration.Source: NetworkGraph.Place], _ tensors: KerasTensors,
        depth: Int
    ) throws(InferenceError) -> Bool {
        var sources: [NetworkGraph.Place] = []
        for source in layer.calls[call] {
            guard let place = places[source] else { return false }
            sources.append(place)
        }
        let own = KerasConfiguration.Source(layer: layer.name, call: call)
        let tensors = tensors.layer(layer.name)
        if layer.isModel {
            places[own] = try addModel(layer, from: sources, tensors, depth: depth)
            return true
        }
        let settings = KerasSettings(
            layer.settings, className: layer.className, name: layer.name, file: file,
            tensors: tensors)
        layerCount += 1
        noteEmbedding(settings, sources)
        for built in try KerasLayers.layers(settings, sources.map { graph.shape(of: $0) }) {
            do throws(LayerFlaw) { sources = [try graph.add(built, from: sources)] } catch {
                throw settings.wrong(error.reason)
            }
        }
        places[own] = sources[0]
        return true
    }

    /// A model as a layer of this one.
    private mutating func addModel(
        _ layer: KerasConfiguration.Layer, from sources: [NetworkGraph.Place],
        _ tensors: KerasTensors, depth: Int
    ) throws(InferenceError) -> NetworkGraph.Place {
        if depth >= KerasGraph.depthMax {
            throw .malformed(path: file, reason: "models within models, at '\(layer.name)'")
        }
        let model: KerasConfiguration
        do throws(KerasConfiguration.Flaw) {
            model = try KerasConfiguration(
                .object(["class_name": .string(layer.className), "config": layer.settings]))
        } catch {
            throw .malformed(path: file, reason: "layer '\(layer.name)': \(error.reason)")
        }
        if model.inputs.count != sources.count || model.outputs.count != 1 {
            throw .unsupported(
                path: file,
                found: "the model '\(layer.name)' in the model, with"
                    + " \(model.inputs.count) inputs and \(model.outputs.count) outputs",
                supported: ["models in models with one output"])
        }
        return try add(model, from: sources, tensors, depth: depth + 1)[0]
    }

    /// What an embedding knows is what an input may be.
    private mutating func noteEmbedding(_ layer: KerasSettings, _ sources: [NetworkGraph.Place]) {
        guard layer.className == "Embedding", let count = layer["input_dim"]?.integer,
            let place = sources.first, let index = inputPlaces.firstIndex(of: place)
        else { return }
        inputs[index].embeddedCount = min(count, inputs[index].embeddedCount ?? count)
    }
}
