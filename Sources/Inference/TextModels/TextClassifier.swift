// Texts to labels with probabilities: an encoder with a head of two layers on its first token.

internal import Glibc
internal import LinearAlgebra
internal import Weights

/// The layers on the vector of the first token.
struct ClassificationHead: Sendable {
    private let first: DenseLayer
    private let activation: Activation
    private let second: DenseLayer

    init(
        _ weights: EncoderWeights, _ configuration: EncoderConfiguration, labelCount: Int
    ) throws(InferenceError) {
        let width = configuration.width
        switch configuration.family {
        case .bert:
            first = try weights.own.dense("pooler.dense", from: width, to: width)
            activation = .tanh
            second = try weights.rest.dense("classifier", from: width, to: labelCount)
        case .distilbert:
            first = try weights.rest.dense("pre_classifier", from: width, to: width)
            activation = .relu
            second = try weights.rest.dense("classifier", from: width, to: labelCount)
        case .roberta, .mpnet:
            first = try weights.rest.dense("classifier.dense", from: width, to: width)
            activation = .tanh
            second = try weights.rest.dense("classifier.out_proj", from: width, to: labelCount)
        }
    }

    /// One number for each label.
    func scores(_ tokens: Matrix) -> [Float] {
        let hidden = first.vector(tokens.array(row: 0).span, activation)
        return second.vector(hidden.span, .identity)
    }

    var parameterCount: Int64 {
        [first, second].reduce(0) { sum, layer in
            sum + Int64(layer.weight.elementCount + layer.outputCount)
        }
    }
}

/// What the numbers of a head mean.
enum ScoreMeaning: Equatable, Sendable {
    /// One label is right: the softmax over all.
    case oneLabel
    /// Each label may be right: the sigmoid of each.
    case manyLabels
    /// The number itself.
    case value

    init(_ settings: JSONValue, labelCount: Int) {
        switch settings["problem_type"]?.string {
        case "multi_label_classification": self = .manyLabels
        case "regression": self = .value
        case "single_label_classification": self = .oneLabel
        default: self = labelCount == 1 ? .manyLabels : .oneLabel
        }
    }

    /// What is said of a row; nil when a score is no number.
    func prediction(_ scores: [Float], _ labels: [String]) -> Prediction? {
        if !scores.allSatisfy(\.isFinite) { return nil }
        let numbers = scores.map(Double.init)
        let probabilities: [Double]
        switch self {
        case .value:
            return .values(
                zip(labels, numbers).map { PredictedValue(name: $0, value: $1) })
        case .manyLabels: probabilities = numbers.map { 1 / (1 + exp(-$0)) }
        case .oneLabel:
            let most = numbers.max() ?? 0
            let powers = numbers.map { exp($0 - most) }
            let sum = powers.reduce(0, +)
            probabilities = powers.map { $0 / sum }
        }
        let named = zip(labels, probabilities).map { PredictedLabel(label: $0, probability: $1) }
        return .labels(named.sorted { $0.probability > $1.probability })
    }
}

/// A model that gives labels for a text.
final class TextClassifier: Model {
    let facts: ModelFacts
    let inputs = [TextInput.field]
    private let encoder: Encoder
    private let limits: TokenizerLimits
    private let head: ClassificationHead
    private let labels: [String]
    private let meaning: ScoreMeaning

    init(_ folder: ModelFolder) throws(InferenceError) {
        let files = try TextModelFiles(folder, place: "")
        let path = folder.path(of: "config.json")
        let weights = try EncoderWeights(files.weights, files.configuration)
        encoder = Encoder(files.configuration, weights)
        labels = try TextClassifier.labels(files.settings, path)
        meaning = ScoreMeaning(files.settings, labelCount: labels.count)
        head = try ClassificationHead(
            weights, files.configuration, labelCount: labels.count)
        limits = TokenizerLimits(files)
        facts = ModelFacts(
            task: .textClassification,
            architecture: "\(files.architecture), \(labels.count) labels",
            parameterCount: encoder.parameterCount + head.parameterCount,
            mappedByteCount: files.weights.byteCount, files: files.files)
    }

    func predict(_ rows: [[InputValue]]) throws(InferenceError) -> [Prediction] {
        let texts = try TextInput.ids(rows, limits)
        let results = PredictionResults<[Float]>(count: texts.count)
        let head = head
        encoder.encode(texts) { index, tokens in results.set(index, head.scores(tokens)) }
        return try results.all { meaning.prediction($0, labels) }
    }

    /// The labels in the order of their numbers; without names two, as the library has it.
    private static func labels(
        _ settings: JSONValue, _ path: String
    ) throws(InferenceError) -> [String] {
        guard let named = settings["id2label"]?.object else {
            let count = settings["num_labels"]?.integer ?? 2
            return (0..<max(1, min(count, labelCountMax))).map { "LABEL_\($0)" }
        }
        if named.isEmpty || named.count > labelCountMax {
            throw .malformed(path: path, reason: "id2label has \(named.count) labels")
        }
        var labels: [String] = []
        for index in 0..<named.count {
            guard let label = named["\(index)"]?.string else {
                throw .malformed(path: path, reason: "id2label has no label \(index)")
            }
            labels.append(label)
        }
        return labels
    }

    /// More labels than any classifier has.
    private static let labelCountMax = 1 << 20
}
