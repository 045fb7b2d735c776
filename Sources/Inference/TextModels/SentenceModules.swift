// What a sentence model does after its encoder: `modules.json` and the folders that it names.

internal import LinearAlgebra
internal import Platform
internal import Weights

/// How the vectors of a text's tokens become one.
enum PoolingMode: String, CaseIterable, Sendable {
    // In this order the results of several stand one behind the other.
    case firstToken = "pooling_mode_cls_token"
    case maximum = "pooling_mode_max_tokens"
    case mean = "pooling_mode_mean_tokens"
    case meanBySquareRoot = "pooling_mode_mean_sqrt_len_tokens"
    case weightedMean = "pooling_mode_weightedmean_tokens"
    case lastToken = "pooling_mode_lasttoken"

    /// One vector from those of all tokens.
    func pool(_ tokens: Matrix) -> [Float] {
        let count = Float(tokens.rowCount)
        switch self {
        case .firstToken: return tokens.array(row: 0)
        case .lastToken: return tokens.array(row: tokens.rowCount - 1)
        case .mean: return PoolingMode.sum(of: tokens) { _ in 1 / count }
        case .meanBySquareRoot:
            return PoolingMode.sum(of: tokens) { _ in 1 / count.squareRoot() }
        case .weightedMean:
            let total = count * (count + 1) / 2
            return PoolingMode.sum(of: tokens) { Float($0 + 1) / total }
        case .maximum:
            let most = Matrix(zeros: 1, tokens.columnCount)
            most.fill(-.infinity)
            for row in 0..<tokens.rowCount { most.maximize(row: row, of: tokens) }
            return most.array(row: 0)
        }
    }

    private static func sum(of tokens: Matrix, _ scale: (Int) -> Float) -> [Float] {
        let sum = Matrix(zeros: 1, tokens.columnCount)
        for row in 0..<tokens.rowCount { sum.add(scale(row), row: row, of: tokens) }
        return sum.array(row: 0)
    }
}

/// A step on the vector of a text.
enum SentenceStep: Sendable {
    case dense(DenseLayer, Activation)
    /// To length 1.
    case normalize

    func apply(_ vector: [Float]) -> [Float] {
        switch self {
        case .normalize:
            let square = vector.reduce(0.0) { $0 + Double($1) * Double($1) }
            let factor = Float(1 / max(square.squareRoot(), 1e-12))
            return vector.map { $0 * factor }
        case .dense(let layer, let activation):
            return layer.vector(vector.span, activation)
        }
    }
}

extension DenseLayer {
    /// The outputs for one vector.
    func vector(_ input: Span<Float>, _ activation: Activation) -> [Float] {
        let row = Matrix(zeros: 1, inputCount)
        row.setRow(0, input)
        let output = Matrix(zeros: 1, outputCount)
        apply(
            row, to: output, outputs: 0..<outputCount, tile: FloatMemory(count: tileFloatCount))
        output.activate(activation, bias: bias)
        return output.array(row: 0)
    }
}

/// Everything after the encoder.
struct SentenceModules: Sendable {
    private(set) var pooling: [PoolingMode] = [.mean]
    private(set) var steps: [SentenceStep] = []
    private(set) var files: [String] = []
    private(set) var weightByteCount: Int64 = 0
    /// How long the vector of a text is.
    private(set) var width: Int

    private static let known = ["Transformer", "Pooling", "Dense", "Normalize"]

    /// - Parameter width: of the encoder.
    init(_ folder: ModelFolder, width: Int) throws(InferenceError) {
        self.width = width
        guard folder.has("modules.json") else { return }
        let path = folder.path(of: "modules.json")
        files.append("modules.json")
        guard let modules = try DescriptionFile.json(path).array else {
            throw .malformed(path: path, reason: "no list of modules")
        }
        for module in modules {
            let type = module["type"]?.string ?? "none"
            let place = module["path"]?.string ?? ""
            switch type.split(separator: ".").last.map(String.init) ?? "" {
            case "Transformer": continue
            case "Pooling": try readPooling(folder, place)
            case "Dense": try readDense(folder, place)
            case "Normalize": steps.append(.normalize)
            default:
                throw .unsupported(
                    path: path, found: "a module of type \(type)",
                    supported: SentenceModules.known)
            }
        }
    }

    /// The vector of a text, from those of its tokens.
    func vector(_ tokens: Matrix) -> [Float] {
        var vector: [Float] = []
        for mode in pooling { vector += mode.pool(tokens) }
        for step in steps { vector = step.apply(vector) }
        return vector
    }

    private mutating func readPooling(
        _ folder: ModelFolder, _ place: String
    ) throws(InferenceError) {
        let name = place + "/config.json"
        let path = folder.path(of: name)
        let json = try DescriptionFile.json(path)
        files.append(name)
        let asked = (json.object ?? [:]).filter {
            $0.key.hasPrefix("pooling_mode_") && $0.value.boolean == true
        }
        for name in asked.keys.sorted() where PoolingMode(rawValue: name) == nil {
            throw .unsupported(
                path: path, found: name, supported: PoolingMode.allCases.map(\.rawValue))
        }
        pooling = PoolingMode.allCases.filter { asked[$0.rawValue] != nil }
        if pooling.isEmpty { throw .malformed(path: path, reason: "no mode of pooling is on") }
        width *= pooling.count
    }

    private mutating func readDense(
        _ folder: ModelFolder, _ place: String
    ) throws(InferenceError) {
        let path = folder.path(of: place + "/config.json")
        let json = try DescriptionFile.json(path)
        let names = ["model.safetensors", "pytorch_model.bin"].map { place + "/" + $0 }
        guard let name = names.first(where: folder.has) else {
            throw .file(path: folder.path(of: names[0]), .noEntry)
        }
        let set: WeightSet
        do throws(WeightFileError) { set = try WeightSet.open(folder.path(of: name)) } catch {
            throw InferenceError(error)
        }
        guard let inputCount = json["in_features"]?.integer, inputCount == width,
            let outputCount = json["out_features"]?.integer, outputCount > 0
        else {
            throw .malformed(
                path: path, reason: "a layer that does not take the \(width) values there are")
        }
        let weights = try NamedWeights(set, prefixes: [""], probe: "linear.weight")
        let layer = DenseLayer(
            weight: try weights.tensor("linear.weight", [outputCount, inputCount]),
            bias: json["bias"]?.boolean == false
                ? nil : try weights.values("linear.bias", [outputCount]))
        let activation = try SentenceModules.activation(
            json["activation_function"]?.string ?? "Identity", path)
        steps.append(.dense(layer, activation))
        files += [name, place + "/config.json"]
        weightByteCount += set.byteCount
        width = outputCount
    }

    private static func activation(
        _ type: String, _ path: String
    ) throws(InferenceError) -> Activation {
        switch type.split(separator: ".").last.map(String.init) ?? "" {
        case "Identity": return .identity
        case "Tanh": return .tanh
        case "ReLU": return .relu
        case "GELU": return .gelu
        case "Sigmoid": return .sigmoid
        case "SiLU": return .silu
        default:
            throw .unsupported(
                path: path, found: "activation_function \(type)",
                supported: ["Identity", "Tanh", "ReLU", "GELU", "Sigmoid", "SiLU"])
        }
    }
}
