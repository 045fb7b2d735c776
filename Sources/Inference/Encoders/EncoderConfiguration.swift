// `config.json` of an encoder: what family it is of, and how large it is.

internal import LinearAlgebra

/// The families of encoders that are known.
enum EncoderFamily: String, CaseIterable, Sendable {
    case bert
    case roberta
    case distilbert
    case mpnet

    /// As people write it.
    var name: String {
        switch self {
        case .bert: "BERT"
        case .roberta: "RoBERTa"
        case .distilbert: "DistilBERT"
        case .mpnet: "MPNet"
        }
    }

    var tokenizerFamily: TokenizerFamily {
        switch self {
        case .bert, .distilbert: .bert
        case .roberta: .roberta
        case .mpnet: .mpnet
        }
    }

    /// Whether positions are counted from behind the padding's id, and padding has none.
    var countsFromPadding: Bool { self == .roberta || self == .mpnet }
}

/// The sizes of an encoder.
struct EncoderConfiguration: Equatable, Sendable {
    /// Larger than any encoder; keeps products of sizes within what a number holds.
    static let sizeMax = 1 << 24

    let family: EncoderFamily
    let width: Int
    let layerCount: Int
    let headCount: Int
    let innerWidth: Int
    let wordCount: Int
    let positionCount: Int
    /// 0 for families without types of tokens.
    let typeCount: Int
    let epsilon: Float
    let activation: Activation
    let paddingID: Int
    /// Buckets of distances, for MPNet.
    let bucketCount: Int

    var headWidth: Int { width / headCount }

    /// The position of the first token.
    var firstPosition: Int { family.countsFromPadding ? paddingID + 1 : 0 }

    /// How many tokens a text may have at most.
    var tokenCountMax: Int { positionCount - firstPosition }

    init(_ json: JSONValue, path: String) throws(InferenceError) {
        let type = json["model_type"]?.string
        guard let family = type.flatMap({ EncoderFamily(rawValue: $0) }) else {
            throw .unsupported(
                path: path, found: "model_type \(type ?? "none")",
                supported: EncoderFamily.allCases.map(\.rawValue))
        }
        self.family = family
        let sizes = Sizes(json: json, path: path)
        let isDistil = family == .distilbert
        width = try sizes.size(isDistil ? "dim" : "hidden_size", standard: 768)
        layerCount = try sizes.size(isDistil ? "n_layers" : "num_hidden_layers")
        headCount = try sizes.size(isDistil ? "n_heads" : "num_attention_heads", standard: 12)
        innerWidth = try sizes.size(isDistil ? "hidden_dim" : "intermediate_size", standard: 3072)
        wordCount = try sizes.size("vocab_size")
        positionCount = try sizes.size("max_position_embeddings", standard: 512)
        let hasTypes = family == .bert || family == .roberta
        typeCount = hasTypes ? try sizes.size("type_vocab_size", standard: 2) : 0
        let countsFromPadding = family.countsFromPadding
        paddingID = json["pad_token_id"]?.integer ?? (countsFromPadding ? 1 : 0)
        bucketCount =
            family == .mpnet
            ? try sizes.size("relative_attention_num_buckets", standard: 32) : 0
        epsilon = Float(json["layer_norm_eps"]?.number ?? 1e-12)
        activation = try EncoderConfiguration.activation(
            json[isDistil ? "activation" : "hidden_act"]?.string ?? "gelu", path)
        try check(json, path)
    }

    private func check(_ json: JSONValue, _ path: String) throws(InferenceError) {
        if width % headCount != 0 {
            throw .malformed(
                path: path, reason: "a width of \(width) cannot be shared by \(headCount) heads")
        }
        if paddingID < 0 || tokenCountMax < 3 {
            throw .malformed(path: path, reason: "room for fewer than 3 tokens")
        }
        let kind = json["position_embedding_type"]?.string ?? "absolute"
        if kind != "absolute" {
            throw .unsupported(
                path: path, found: "position_embedding_type \(kind)", supported: ["absolute"])
        }
        if json["is_decoder"]?.boolean == true {
            throw .unsupported(path: path, found: "a decoder", supported: ["encoders"])
        }
    }

    private static func activation(
        _ name: String, _ path: String
    ) throws(InferenceError) -> Activation {
        switch name {
        case "gelu": return .gelu
        case "gelu_new", "gelu_fast", "gelu_pytorch_tanh": return .geluTanh
        case "relu": return .relu
        case "silu", "swish": return .silu
        case "tanh": return .tanh
        default:
            throw .unsupported(
                path: path, found: "activation \(name)",
                supported: [
                    "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu",
                    "swish", "tanh",
                ])
        }
    }

    /// Sizes of the file, each within bounds.
    private struct Sizes {
        let json: JSONValue
        let path: String

        func size(_ name: String, standard: Int? = nil) throws(InferenceError) -> Int {
            guard let value = json[name] else {
                if let standard { return standard }
                throw .malformed(path: path, reason: "no \(name)")
            }
            guard let size = value.integer, (1...EncoderConfiguration.sizeMax).contains(size)
            else { throw .malformed(path: path, reason: "\(name) is no size") }
            return size
        }
    }
}
