// Texts to vectors: an encoder, pooling, and what comes after it.

internal import LinearAlgebra
internal import Platform
internal import Weights

/// A model that gives a vector for a text.
final class SentenceEncoder: Model {
    let facts: ModelFacts
    let inputs = [TextInput.field]
    private let encoder: Encoder
    private let limits: TokenizerLimits
    private let modules: SentenceModules

    init(_ folder: ModelFolder) throws(InferenceError) {
        let files = try TextModelFiles(folder, place: try TextModelFiles.place(in: folder))
        let weights = try EncoderWeights(files.weights, files.configuration)
        encoder = Encoder(files.configuration, weights)
        modules = try SentenceModules(folder, width: files.configuration.width)
        limits = TokenizerLimits(files, prompt: try SentenceEncoder.prompt(folder))
        facts = ModelFacts(
            task: .embedding,
            architecture: "\(files.architecture), vectors of \(modules.width)",
            parameterCount: encoder.parameterCount,
            mappedByteCount: files.weights.byteCount + modules.weightByteCount,
            files: files.files + modules.files)
    }

    func predict(_ rows: [[InputValue]]) throws(InferenceError) -> [Prediction] {
        let texts = try TextInput.ids(rows, limits)
        let results = PredictionResults<[Float]>(count: texts.count)
        let modules = modules
        encoder.encode(texts) { index, tokens in
            results.set(index, modules.vector(tokens))
        }
        return try results.all { vector in
            vector.allSatisfy(\.isFinite) ? .embedding(vector) : nil
        }
    }

    /// What the model wants before every text, if it names something.
    private static func prompt(_ folder: ModelFolder) throws(InferenceError) -> String {
        let name = "config_sentence_transformers.json"
        guard folder.has(name) else { return "" }
        let json = try DescriptionFile.json(folder.path(of: name))
        guard let prompt = json["default_prompt_name"]?.string else { return "" }
        return json["prompts"]?[prompt]?.string ?? ""
    }
}

/// What threads found out of rows.
final class PredictionResults<Value: Sendable>: Sendable {
    private let values: Lock<[Value?]>

    init(count: Int) {
        values = Lock(Array(repeating: nil, count: count))
    }

    func set(_ index: Int, _ value: Value) {
        values.withLock { $0[index] = value }
    }

    /// All of them as predictions; nil is for numbers that are none.
    func all(_ prediction: (Value) -> Prediction?) throws(InferenceError) -> [Prediction] {
        let values = values.withLock { $0 }
        var predictions: [Prediction] = []
        predictions.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            guard let value, let prediction = prediction(value) else {
                throw .notANumber(rowIndex: index)
            }
            predictions.append(prediction)
        }
        return predictions
    }
}
