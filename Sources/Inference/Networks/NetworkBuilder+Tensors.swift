// The layers that have tensors, with the names and shapes that PyTorch's modules give them.

/// Layers of a state dict.
extension NetworkBuilder {
    static let tensorKinds = [
        "linear", "embedding", "layernorm", "batchnorm", "feature_tokenizer", "class_token",
        "positional", "transformer_encoder", "transformer_encoder_layer", "lstm", "gru",
    ]

    /// Adds a layer of one of `tensorKinds`.
    mutating func addTensors(
        _ kind: String, _ fields: inout DescriptionFields, from source: NetworkGraph.Place
    ) throws(InferenceError) -> NetworkGraph.Place {
        let shape = graph.shape(of: source)
        let layer: any NetworkLayer
        switch kind {
        case "linear": layer = try linear(&fields, shape)
        case "embedding": layer = try embedding(&fields)
        case "layernorm":
            let width = try fields.optionalCount("width") ?? shape.last ?? 1
            layer = try norm(&fields, try fields.text("name"), width)
        case "batchnorm": layer = try batchNorm(&fields, shape)
        case "feature_tokenizer": layer = try tokens(&fields, shape)
        case "class_token": layer = try classToken(&fields)
        case "positional": layer = try positions(&fields, shape)
        case "lstm", "gru": return try addRecurrent(kind, &fields, from: source)
        default: return try addEncoder(kind, &fields, from: source)
        }
        return try add(layer, from: [source], fields)
    }

    // MARK: Small layers

    private func linear(
        _ fields: inout DescriptionFields, _ shape: [Int]
    ) throws(InferenceError) -> ProductLayer {
        let name = try fields.text("name")
        let inputs = try fields.optionalCount("in") ?? shape.last ?? 1
        let outputs = try fields.optionalCount("out")
        let hasBias = try fields.flag("bias", orElse: true)
        return try dense(
            name + ".weight", bias: hasBias ? name + ".bias" : nil, inputs: inputs,
            outputs: outputs)
    }

    private func dense(
        _ weight: String, bias: String?, inputs: Int?, outputs: Int?
    ) throws(InferenceError) -> ProductLayer {
        let weights = try shelf.matrix(
            weight, inputs: inputs, outputs: outputs, order: .outputsFirst)
        guard let bias else { return ProductLayer(weights, bias: []) }
        return ProductLayer(weights, bias: try shelf.vector(bias, count: weights.outputCount))
    }

    private func embedding(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> EmbeddingLayer {
        let name = try fields.text("name")
        let count = try fields.optionalCount("count")
        let width = try fields.optionalCount("width")
        return EmbeddingLayer(
            try shelf.matrix(name + ".weight", inputs: count, outputs: width, order: .inputsFirst))
    }

    private func norm(
        _ fields: inout DescriptionFields, _ name: String, _ width: Int
    ) throws(InferenceError) -> LayerNormLayer {
        let epsilon = try fields.optionalNumber("eps") ?? 1e-5
        let isAffine = try fields.flag("affine", orElse: true)
        let hasBias = try fields.flag("bias", orElse: true)
        return LayerNormLayer(
            width: width,
            gamma: isAffine ? try shelf.vector(name + ".weight", count: width) : [],
            beta: isAffine && hasBias ? try shelf.vector(name + ".bias", count: width) : [],
            epsilon: Float(epsilon))
    }

    private func batchNorm(
        _ fields: inout DescriptionFields, _ shape: [Int]
    ) throws(InferenceError) -> AffineLayer {
        let name = try fields.text("name")
        let width = try fields.optionalCount("width") ?? shape.last ?? 1
        let epsilon = try fields.optionalNumber("eps") ?? 1e-5
        let isAffine = try fields.flag("affine", orElse: true)
        if shape.count != 1 {
            // PyTorch would normalise the steps, which are its channels here.
            throw fields.wrong("", "it takes one vector, and is given \(LayerFlaw.inWords(shape))")
        }
        return AffineLayer.batch(
            mean: try shelf.vector(name + ".running_mean", count: width),
            variance: try shelf.vector(name + ".running_var", count: width),
            gamma: isAffine ? try shelf.vector(name + ".weight", count: width) : [],
            beta: isAffine ? try shelf.vector(name + ".bias", count: width) : [], epsilon: epsilon)
    }

    // MARK: Sequences of features

    /// One tensor for all features, or one layer for each, where the name has `{}` in it.
    private func tokens(
        _ fields: inout DescriptionFields, _ shape: [Int]
    ) throws(InferenceError) -> FeatureTokensLayer {
        let name = try fields.text("name")
        let features = try fields.optionalCount("features") ?? shape.first ?? 1
        let width = try fields.count("width")
        let hasBias = try fields.flag("bias", orElse: true)
        if shape != [features] {
            throw fields.wrong(
                "features", "it is for \(features), and is given \(LayerFlaw.inWords(shape))")
        }
        let names: [String]
        if let mark = name.firstRange(of: "{}") {
            names = (0..<features).map {
                String(name[..<mark.lowerBound]) + String($0) + name[mark.upperBound...]
            }
        } else {
            names = [name]
        }
        var weights: [Float] = []
        var bias: [Float] = []
        for each in names {
            let count = features * width / names.count
            weights += try shelf.vector(each + ".weight", count: count)
            if hasBias { bias += try shelf.vector(each + ".bias", count: count) }
        }
        return FeatureTokensLayer(
            featureCount: features, width: width, weights: weights, bias: bias)
    }

    private func classToken(
        _ fields: inout DescriptionFields
    ) throws(InferenceError) -> ClassTokenLayer {
        let token = try shelf.vector(
            try fields.text("tensor"), count: try fields.optionalCount("width"))
        switch try fields.optionalText("at") {
        case nil, "first": return ClassTokenLayer(token: token, isLast: false)
        case "last": return ClassTokenLayer(token: token, isLast: true)
        case let other?: throw fields.wrong("at", "'\(other)' is none of first, last")
        }
    }

    private func positions(
        _ fields: inout DescriptionFields, _ shape: [Int]
    ) throws(InferenceError) -> PositionLayer {
        let name = try fields.text("tensor")
        let width = try fields.optionalCount("width") ?? shape.last ?? 1
        let vectors = try shelf.vector(name, count: nil)
        // A tensor of one row more, or of one step more than there are dimensions, is as good.
        let lengths = try shelf.shape(name).filter { $0 != 1 }
        if lengths.count > 2 || vectors.count % width != 0 || (lengths.last ?? 1) != width {
            throw .wrongTensor(
                name: name, found: lengths.map { String($0) }.joined(separator: " × "),
                expected: "any × \(width)")
        }
        return PositionLayer(vectors: vectors, width: width)
    }

    // MARK: Transformers

    private mutating func addEncoder(
        _ kind: String, _ fields: inout DescriptionFields, from source: NetworkGraph.Place
    ) throws(InferenceError) -> NetworkGraph.Place {
        let name = try fields.text("name")
        let isStack = kind == "transformer_encoder"
        let layerCount = isStack ? try fields.count("layers") : 1
        let width = try fields.count("width")
        let headCount = try fields.count("heads")
        let innerCount = try fields.count("feedforward")
        let normalisesFirst = try fields.flag("norm_first", orElse: false)
        let hasFinalNorm = isStack ? try fields.flag("final_norm", orElse: false) : false
        let activation = try fields.optionalText("activation") ?? "relu"
        guard ["relu", "gelu"].contains(activation),
            let function = try NetworkBuilder.activation(activation, &fields)
        else { throw fields.wrong("activation", "'\(activation)' is none of relu, gelu") }
        if width % headCount != 0 {
            throw fields.wrong("heads", "\(headCount) heads cannot share a width of \(width)")
        }
        var place = source
        for index in 0..<layerCount {
            let path = isStack ? "\(name).layers.\(index)" : name
            let layer = try encoderLayer(
                &fields, path, width: width, headCount: headCount, innerCount: innerCount,
                activation: function, normalisesFirst: normalisesFirst)
            place = try add(layer, from: [place], fields)
        }
        if !hasFinalNorm { return place }
        return try add(try norm(&fields, name + ".norm", width), from: [place], fields)
    }

    private func encoderLayer(
        _ fields: inout DescriptionFields, _ path: String, width: Int, headCount: Int,
        innerCount: Int, activation: Nonlinearity, normalisesFirst: Bool
    ) throws(InferenceError) -> TransformerLayer {
        let hasBias = try fields.flag("bias", orElse: true)
        func product(
            _ weight: String, _ bias: String, _ inputs: Int, _ outputs: Int
        ) throws(InferenceError) -> ProductLayer {
            try dense(
                "\(path).\(weight)", bias: hasBias ? "\(path).\(bias)" : nil, inputs: inputs,
                outputs: outputs)
        }
        return TransformerLayer(
            headCount: headCount,
            projection: try product(
                "self_attn.in_proj_weight", "self_attn.in_proj_bias", width, 3 * width),
            output: try product(
                "self_attn.out_proj.weight", "self_attn.out_proj.bias", width, width),
            inner: try product("linear1.weight", "linear1.bias", width, innerCount),
            outer: try product("linear2.weight", "linear2.bias", innerCount, width),
            firstNorm: try norm(&fields, path + ".norm1", width),
            secondNorm: try norm(&fields, path + ".norm2", width), activation: activation,
            normalisesFirst: normalisesFirst)
    }

    // MARK: Recurrent layers

    private mutating func addRecurrent(
        _ kind: String, _ fields: inout DescriptionFields, from source: NetworkGraph.Place
    ) throws(InferenceError) -> NetworkGraph.Place {
        let name = try fields.text("name")
        let unitCount = try fields.count("hidden")
        let layerCount = try fields.optionalCount("layers") ?? 1
        let isBidirectional = try fields.flag("bidirectional", orElse: false)
        let hasBias = try fields.flag("bias", orElse: true)
        let output = try fields.optionalText("output") ?? "sequence"
        if !["sequence", "last", "state"].contains(output) {
            throw fields.wrong("output", "'\(output)' is none of sequence, last, state")
        }
        var place = source
        for index in 0..<layerCount {
            // The state is what each direction came to at its own end.
            let givesSequence = index + 1 < layerCount || output != "state"
            let inputs = graph.shape(of: place).last ?? 1
            func direction(_ suffix: String, _ isBack: Bool) throws(InferenceError)
                -> RecurrentLayer
            {
                try recurrent(
                    kind, "\(name).", "l\(index)\(suffix)", inputs: inputs, units: unitCount,
                    hasBias: hasBias, isBackward: isBack, givesSequence: givesSequence)
            }
            var layer: any NetworkLayer = try direction("", false)
            if isBidirectional {
                layer = BidirectionalLayer(
                    try direction("", false), try direction("_reverse", true), .concatenate)
            }
            place = try add(layer, from: [place], fields)
        }
        if output != "last" { return place }
        return try add(GlobalPoolingLayer(.last), from: [place], fields)
    }

    private func recurrent(
        _ kind: String, _ path: String, _ suffix: String, inputs: Int, units: Int, hasBias: Bool,
        isBackward: Bool, givesSequence: Bool
    ) throws(InferenceError) -> RecurrentLayer {
        let cell: RecurrentLayer.Cell =
            kind == "lstm" ? .lstm : .gru(resetsAfterProduct: true, updateFirst: false)
        let outputs = units * cell.gateCount
        func product(_ part: String, _ inputs: Int) throws(InferenceError) -> ProductLayer {
            try dense(
                "\(path)weight_\(part)_\(suffix)",
                bias: hasBias ? "\(path)bias_\(part)_\(suffix)" : nil, inputs: inputs,
                outputs: outputs)
        }
        return RecurrentLayer(
            cell, input: try product("ih", inputs), memory: try product("hh", units),
            goesBackwards: isBackward, givesSequence: givesSequence)
    }
}
