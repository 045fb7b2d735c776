// The layers of an encoder, from tensors whose names differ from family to family.

internal import LinearAlgebra
internal import Weights

/// One layer: attention, and a network of two products, each with what is added and normalised.
struct EncoderLayer: Sendable {
    let query: DenseLayer
    let key: DenseLayer
    let value: DenseLayer
    let attentionOutput: DenseLayer
    let attentionNorm: NormLayer
    let inner: DenseLayer
    let outer: DenseLayer
    let outputNorm: NormLayer
}

/// All tensors of an encoder.
struct EncoderWeights: Sendable {
    let words: TensorView
    let positions: TensorView
    /// What is added to every token of the first type; nil for families without types.
    let firstType: [Float]?
    let norm: NormLayer
    let layers: [EncoderLayer]
    /// MPNet's: what each head adds to a score, by the bucket of the distance.
    let distanceBuckets: TensorView?
    /// The tensors beside the encoder's own, for heads.
    let rest: NamedWeights
    /// The tensors with the encoder's prefix, for poolers.
    let own: NamedWeights

    init(_ weights: WeightSet, _ configuration: EncoderConfiguration) throws(InferenceError) {
        let prefixes = ["", configuration.family.rawValue + ".", "model.", "encoder."]
        let named = try NamedWeights(
            weights, prefixes: prefixes, probe: "embeddings.word_embeddings.weight")
        let width = configuration.width
        own = named
        rest = named.withoutPrefix
        words = try named.tensor(
            "embeddings.word_embeddings.weight", [configuration.wordCount, width])
        positions = try named.tensor(
            "embeddings.position_embeddings.weight", [configuration.positionCount, width])
        if configuration.typeCount > 0 {
            let types = try named.values(
                "embeddings.token_type_embeddings.weight", [configuration.typeCount, width])
            firstType = Array(types[..<width])
        } else {
            firstType = nil
        }
        norm = try named.norm("embeddings.LayerNorm", width: width)
        distanceBuckets =
            configuration.family == .mpnet
            ? try named.tensor(
                "encoder.relative_attention_bias.weight",
                [configuration.bucketCount, configuration.headCount])
            : nil
        var layers: [EncoderLayer] = []
        for index in 0..<configuration.layerCount {
            layers.append(try EncoderLayer(named, index, configuration))
        }
        self.layers = layers
    }
}

extension EncoderLayer {
    /// How a family names the parts of a layer.
    private struct Names {
        var layer: String
        var query, key, value, attentionOutput, attentionNorm, inner, outer, outputNorm: String

        init(_ family: EncoderFamily) {
            switch family {
            case .bert, .roberta:
                layer = "encoder.layer."
                (query, key, value) = (
                    "attention.self.query", "attention.self.key", "attention.self.value"
                )
                attentionOutput = "attention.output.dense"
                attentionNorm = "attention.output.LayerNorm"
                (inner, outer) = ("intermediate.dense", "output.dense")
                outputNorm = "output.LayerNorm"
            case .distilbert:
                layer = "transformer.layer."
                (query, key, value) = ("attention.q_lin", "attention.k_lin", "attention.v_lin")
                (attentionOutput, attentionNorm) = ("attention.out_lin", "sa_layer_norm")
                (inner, outer) = ("ffn.lin1", "ffn.lin2")
                outputNorm = "output_layer_norm"
            case .mpnet:
                layer = "encoder.layer."
                (query, key, value) = ("attention.attn.q", "attention.attn.k", "attention.attn.v")
                (attentionOutput, attentionNorm) = ("attention.attn.o", "attention.LayerNorm")
                (inner, outer) = ("intermediate.dense", "output.dense")
                outputNorm = "output.LayerNorm"
            }
        }
    }

    fileprivate init(
        _ weights: NamedWeights, _ index: Int, _ configuration: EncoderConfiguration
    ) throws(InferenceError) {
        let names = Names(configuration.family)
        let place = names.layer + "\(index)."
        let (width, innerWidth) = (configuration.width, configuration.innerWidth)
        query = try weights.dense(place + names.query, from: width, to: width)
        key = try weights.dense(place + names.key, from: width, to: width)
        value = try weights.dense(place + names.value, from: width, to: width)
        attentionOutput = try weights.dense(
            place + names.attentionOutput, from: width, to: width)
        attentionNorm = try weights.norm(place + names.attentionNorm, width: width)
        inner = try weights.dense(place + names.inner, from: width, to: innerWidth)
        outer = try weights.dense(place + names.outer, from: innerWidth, to: width)
        outputNorm = try weights.norm(place + names.outputNorm, width: width)
    }
}
