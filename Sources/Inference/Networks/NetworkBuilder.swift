// From the layers of predictor.json to a graph: each layer takes what the one before it gives, or
// what it names in `from`. What does not fit is said with the layer's place.
//
// The kinds are in two tables, by what they need: functions of values alone, and those with
// tensors, which are in NetworkBuilder+Tensors.swift.

internal import Weights

/// Builds a network in PyTorch's terms.
struct NetworkBuilder {
    var graph = NetworkGraph()
    let shelf: TensorShelf
    /// The names of the inputs, in order.
    private let inputNames: [String]
    private var places: [String: NetworkGraph.Place] = [:]

    /// The name by which `from` calls the inputs.
    private static let inputsName = "inputs"
    private static let depthMax = 16

    /// Builds a graph with one input, a vector of all inputs' values.
    static func graph(
        _ description: NetworkDescription, inputNames: [String], weights: WeightSet
    ) throws(InferenceError) -> NetworkGraph {
        var builder = NetworkBuilder(
            shelf: TensorShelf(weights, prefix: description.prefix), inputNames: inputNames)
        let input = builder.graph.addInput(shape: [inputNames.count])
        builder.places[inputsName] = input
        let output = try builder.add(description.layers, after: input, depth: 0)
        builder.graph.setOutputs([output])
        return builder.graph
    }

    private init(shelf: TensorShelf, inputNames: [String]) {
        self.shelf = shelf
        self.inputNames = inputNames
    }

    private mutating func add(
        _ layers: [DescriptionFields], after place: NetworkGraph.Place, depth: Int
    ) throws(InferenceError) -> NetworkGraph.Place {
        var place = place
        for fields in layers {
            var fields = fields
            let sources = try sources(&fields) ?? [place]
            let name = try fields.optionalText("as")
            place = try add(&fields, from: sources, depth: depth)
            try fields.end()
            guard let name else { continue }
            if places.updateValue(place, forKey: name) != nil {
                throw fields.wrong("as", "'\(name)' is taken")
            }
        }
        return place
    }

    private func sources(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> [NetworkGraph.Place]? {
        guard let value = fields.take("from") else { return nil }
        var names = value.string.map { [$0] }
        if names == nil { names = try fields.optionalTexts("from") }
        var found: [NetworkGraph.Place] = []
        for name in names ?? [] {
            guard let place = places[name] else {
                throw fields.wrong("from", "no layer before this one is called '\(name)'")
            }
            found.append(place)
        }
        if found.isEmpty { throw fields.wrong("from", "one name or more belong here") }
        return found
    }

    private mutating func add(
        _ fields: inout DescriptionFields, from sources: [NetworkGraph.Place], depth: Int
    ) throws(InferenceError) -> NetworkGraph.Place {
        let kind = try fields.text("kind")
        if kind == "residual" { return try addResidual(&fields, from: sources, depth: depth) }
        if ["dropout", "identity"].contains(kind) {
            // What training does with it is over: its rate is read, and means nothing.
            _ = fields.take("rate")
            return try join(sources, &fields)
        }
        if NetworkBuilder.tensorKinds.contains(kind) {
            return try addTensors(kind, &fields, from: try join(sources, &fields))
        }
        guard let layer = try plainLayer(kind, &fields) else {
            throw .unsupported(
                path: fields.file, found: "\(fields.place("kind")) '\(kind)'",
                supported: NetworkBuilder.kinds)
        }
        return try add(layer, from: sources, fields)
    }

    /// The only one of the sources.
    private func join(
        _ sources: [NetworkGraph.Place], _ fields: inout DescriptionFields
    ) throws(InferenceError) -> NetworkGraph.Place {
        if sources.count != 1 {
            throw fields.wrong("from", "it takes one value, and is given \(sources.count)")
        }
        return sources[0]
    }

    /// Adds a layer, and says where what does not fit stands.
    mutating func add(
        _ layer: any NetworkLayer, from sources: [NetworkGraph.Place], _ fields: DescriptionFields
    ) throws(InferenceError) -> NetworkGraph.Place {
        do throws(LayerFlaw) { return try graph.add(layer, from: sources) } catch {
            throw fields.wrong("", error.reason)
        }
    }

    private mutating func addResidual(
        _ fields: inout DescriptionFields, from sources: [NetworkGraph.Place], depth: Int
    ) throws(InferenceError) -> NetworkGraph.Place {
        if depth >= NetworkBuilder.depthMax { throw fields.wrong("", "layers within layers") }
        let start = try join(sources, &fields)
        let layers = try fields.objects("layers") ?? []
        let shortcut = try fields.objects("shortcut") ?? []
        if layers.isEmpty { throw fields.wrong("layers", "one layer or more belong here") }
        let deep = try add(layers, after: start, depth: depth + 1)
        let short = try add(shortcut, after: start, depth: depth + 1)
        return try add(CombineLayer(.sum), from: [short, deep], fields)
    }

    // MARK: Layers without tensors

    /// All kinds, for errors and for the page about them.
    static let kinds =
        ["residual", "dropout", "identity"] + plainKinds + activationKinds + tensorKinds
    private static let plainKinds = [
        "select", "flatten", "reshape", "unsqueeze", "transpose", "pool", "concatenate", "add",
        "subtract", "multiply", "maximum",
    ]
    private static let activationKinds = [
        "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "tanh", "sigmoid",
        "hardsigmoid", "hardswish", "softplus", "softsign", "softmax", "log_softmax",
    ]

    private func plainLayer(
        _ kind: String, _ fields: inout DescriptionFields
    ) throws(InferenceError) -> (any NetworkLayer)? {
        switch kind {
        case "select": return try select(&fields)
        case "flatten": return ReshapeLayer(to: nil)
        case "reshape":
            let shape = try fields.optionalNumbers("shape")?.compactMap { Int(exactly: $0) } ?? []
            if shape.isEmpty || shape.contains(where: { $0 < -1 || $0 == 0 }) {
                throw fields.wrong("shape", "whole numbers belong here, of which one may be -1")
            }
            return ReshapeLayer(to: shape)
        case "unsqueeze": return ReshapeLayer(to: [-1, 1])
        case "transpose": return TransposeLayer()
        case "pool": return try pool(&fields)
        case "concatenate":
            switch try fields.optionalText("along") {
            case nil, "features": return ConcatenateLayer()
            case "steps": return ConcatenateLayer(dimensionFromLast: 1)
            case let other?:
                throw fields.wrong("along", "'\(other)' is none of features, steps")
            }
        case "add": return CombineLayer(.sum)
        case "subtract": return CombineLayer(.difference)
        case "multiply": return CombineLayer(.product)
        case "maximum": return CombineLayer(.maximum)
        default:
            guard let function = try NetworkBuilder.activation(kind, &fields) else { return nil }
            return NonlinearityLayer(function)
        }
    }

    private func select(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> SelectLayer {
        var columns: [Int] = []
        for name in try fields.optionalTexts("inputs") ?? [] {
            guard let column = inputNames.firstIndex(of: name) else {
                throw fields.wrong("inputs", "there is no input '\(name)'")
            }
            columns.append(column)
        }
        if columns.isEmpty { throw fields.wrong("inputs", "one name or more belong here") }
        return SelectLayer(columns)
    }

    private func pool(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> GlobalPoolingLayer {
        switch try fields.text("how") {
        case "mean": return GlobalPoolingLayer(.mean)
        case "max": return GlobalPoolingLayer(.maximum)
        case "first", "cls": return GlobalPoolingLayer(.first)
        case "last": return GlobalPoolingLayer(.last)
        case let other:
            throw fields.wrong("how", "'\(other)' is none of mean, max, first, cls, last")
        }
    }

    /// An activation function by PyTorch's name for it, with PyTorch's defaults.
    static func activation(
        _ name: String, _ fields: inout DescriptionFields
    ) throws(InferenceError) -> Nonlinearity? {
        switch name {
        case "relu": return .relu
        case "relu6": return .rectifier(slope: 0, threshold: 0, limit: 6)
        case "leaky_relu":
            return .rectifier(
                slope: Float(try fields.optionalNumber("slope") ?? 0.01), threshold: 0, limit: nil)
        case "elu": return .elu(alpha: Float(try fields.optionalNumber("alpha") ?? 1))
        case "selu": return .selu
        case "gelu":
            switch try fields.optionalText("approximate") {
            case nil, "none": return .gelu
            case "tanh": return .geluByTanh
            case let other?: throw fields.wrong("approximate", "'\(other)' is none of none, tanh")
            }
        case "silu": return .silu
        case "mish": return .mish
        case "tanh": return .tanh
        case "sigmoid": return .sigmoid
        case "hardsigmoid": return .hardSigmoid(slope: 1 / 6)
        case "hardswish": return .hardSilu
        case "softplus": return .softplus
        case "softsign": return .softsign
        case "softmax": return .softmax
        case "log_softmax": return .logSoftmax
        default: return nil
        }
    }
}
