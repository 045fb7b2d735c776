// The files of a text model: where in its folder they are, opened.

internal import Weights

/// An encoder with its tokenizer, as they stand in a folder.
struct TextModelFiles {
    /// Where in the folder they are: nothing, or a name and `/`, as older sentence models have it.
    let place: String
    let configuration: EncoderConfiguration
    let settings: JSONValue
    let weights: WeightSet
    let tokenizer: Tokenizer
    /// The longest that a text may be, in tokens with those around it.
    let tokenCountMax: Int
    /// What was read, relative to the folder, weights first.
    let files: [String]

    /// The names of weight files, the best first.
    static let weightNames = [
        "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ]

    init(_ folder: ModelFolder, place: String) throws(InferenceError) {
        self.place = place
        let path = folder.path(of: place + "config.json")
        settings = try DescriptionFile.json(path)
        configuration = try EncoderConfiguration(settings, path: path)
        guard let name = TextModelFiles.weightNames.map({ place + $0 }).first(where: folder.has)
        else {
            throw .unknownModel(folder: folder.path, found: folder.files)
        }
        do throws(WeightFileError) {
            weights = try WeightSet.open(folder.path(of: name))
        } catch { throw InferenceError(error) }
        tokenizer = try VocabularyFiles.tokenizer(
            in: folder, place: place, family: configuration.family.tokenizerFamily)
        tokenCountMax = try TextModelFiles.tokenCountMax(folder, place, configuration)
        files =
            [name, place + "config.json"] + VocabularyFiles.names(in: folder, place: place)
    }

    /// What `sentence_bert_config.json` says, else `tokenizer_config.json`; at most what there are
    /// positions for.
    private static func tokenCountMax(
        _ folder: ModelFolder, _ place: String, _ configuration: EncoderConfiguration
    ) throws(InferenceError) -> Int {
        let sources = [
            ("sentence_bert_config.json", "max_seq_length"),
            ("tokenizer_config.json", "model_max_length"),
        ]
        for (file, name) in sources where folder.has(place + file) {
            let json = try DescriptionFile.json(folder.path(of: place + file))
            // Without a limit, files say a number that is larger than any other.
            guard let count = json[name]?.number, count < Double(Int32.max) else { continue }
            if count < 3 {
                throw .malformed(
                    path: folder.path(of: place + file), reason: "\(name) is less than 3")
            }
            return min(Int(count), configuration.tokenCountMax)
        }
        return configuration.tokenCountMax
    }

    /// The place of the encoder in a folder.
    static func place(in folder: ModelFolder) throws(InferenceError) -> String {
        guard folder.has("modules.json") else { return "" }
        let modules = try DescriptionFile.json(folder.path(of: "modules.json"))
        let path = modules.array?.first?["path"]?.string ?? ""
        return path.isEmpty ? "" : path + "/"
    }

    /// Whether the folder has the description of a text model.
    ///
    /// Beside a predictor.json, which most often describes a table, the family must be a known one;
    /// without it the folder can be nothing else, and opening says what is wrong with it.
    static func isDescribed(_ folder: ModelFolder) -> Bool {
        if folder.has("modules.json") { return true }
        if !folder.has("config.json") { return false }
        if !folder.has(PredictorDescription.fileName) { return true }
        let settings = try? DescriptionFile.json(folder.path(of: "config.json"))
        return settings?["model_type"]?.string.flatMap(EncoderFamily.init(rawValue:)) != nil
    }

    /// What the weights are, in words.
    var architecture: String {
        "\(configuration.family.name) encoder, \(configuration.layerCount) layers, "
            + "\(configuration.width) wide"
    }
}

/// What all text models take.
enum TextInput {
    /// The one input.
    static let field = InputField(
        name: "text", kind: .text(byteCountMax: byteCountMax), label: "Text")
    /// More than any model reads; what is beyond a model's limit is not even looked at.
    static let byteCountMax = 2 << 20

    /// The ids of the texts of rows.
    static func ids(
        _ rows: [[InputValue]], _ files: TokenizerLimits
    ) throws(InferenceError) -> [[Int32]] {
        var texts: [[Int32]] = []
        texts.reserveCapacity(rows.count)
        for (index, row) in rows.enumerated() {
            guard row.count == 1, case .text(let text) = row[0] else {
                throw .row(index: index, field: field.name, reason: "is no text")
            }
            let ids = files.tokenizer.encode(files.prompt + text, countMax: files.tokenCountMax)
            if ids.count <= files.tokenizer.frameCount {
                throw .row(
                    index: index, field: field.name,
                    reason: "is empty, or has no word that the model can read")
            }
            if let id = ids.first(where: { $0 >= files.wordCount }) {
                throw .malformed(
                    path: files.tokenizer.path,
                    reason: "the id \(id), where the weights have \(files.wordCount) words")
            }
            texts.append(ids)
        }
        return texts
    }
}

/// A tokenizer with the limits of the model that it is for.
struct TokenizerLimits: Sendable {
    let tokenizer: Tokenizer
    let tokenCountMax: Int
    let wordCount: Int
    /// What is put before every text; empty for most models.
    let prompt: String

    init(_ files: TextModelFiles, prompt: String = "") {
        tokenizer = files.tokenizer
        tokenCountMax = files.tokenCountMax
        wordCount = files.configuration.wordCount
        self.prompt = prompt
    }
}
