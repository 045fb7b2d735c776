// Each class of Keras's layers, as one or two layers of a graph.
//
// Settings that would change a result and are not supported are refused by name.

/// Makes layers.
enum KerasLayers {
    /// The classes that are supported, for errors.
    static let supported = (plain + weighted + sequential).sorted()

    private static let nothing = [
        "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
        "ActivityRegularization",
    ]
    private static let merging: [String: CombineLayer.How] = [
        "Add": .sum, "Subtract": .difference, "Multiply": .product, "Average": .average,
        "Maximum": .maximum, "Minimum": .minimum,
    ]
    private static let plain =
        nothing + Array(merging.keys) + [
            "InputLayer", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Flatten", "Reshape",
            "Permute", "RepeatVector", "Concatenate", "Rescaling",
        ]
    private static let weighted = [
        "Dense", "Embedding", "BatchNormalization", "LayerNormalization", "Normalization",
    ]
    private static let sequential = [
        "Conv1D", "LSTM", "GRU", "SimpleRNN", "Bidirectional", "TimeDistributed",
        "GlobalAveragePooling1D", "GlobalMaxPooling1D", "MaxPooling1D", "AveragePooling1D",
    ]

    /// What a layer does, one step behind the other; nothing for one that only training needs.
    static func layers(
        _ layer: KerasSettings, _ shapes: [[Int]]
    ) throws(InferenceError) -> [any NetworkLayer] {
        if nothing.contains(layer.className) { return [] }
        if let how = merging[layer.className] { return [CombineLayer(how)] }
        let width = shapes.first?.last ?? 1
        switch layer.className {
        case "Dense": return try dense(layer, width)
        case "Embedding":
            try layer.refuse(["mask_zero"])
            return [
                EmbeddingLayer(
                    try layer.matrix(
                        "embeddings", inputs: try layer.count("input_dim"),
                        outputs: try layer.count("output_dim")))
            ]
        case "BatchNormalization": return [try batchNormalization(layer, shapes)]
        case "LayerNormalization": return [try layerNormalization(layer, shapes)]
        case "Normalization": return [try normalization(layer, width)]
        case "Conv1D": return try convolution(layer, width)
        case "LSTM", "GRU", "SimpleRNN": return [try recurrent(layer, width)]
        case "Bidirectional": return [try bidirectional(layer, width)]
        case "TimeDistributed":
            let inner = try layer.inner()
            // These look at the last dimension only, whatever is before it.
            let fitting = nothing + ["Dense", "Activation", "LayerNormalization", "Rescaling"]
            if !fitting.contains(inner.className) {
                throw layer.unsupported(inner.className, fitting)
            }
            return try layers(inner, shapes)
        default:
            if let pooling = try pooling(layer) { return [pooling] }
            guard let found = try plainLayer(layer, shapes) else {
                throw .unsupported(
                    path: layer.file, found: "layer '\(layer.name)' of class \(layer.className)",
                    supported: supported)
            }
            return [found]
        }
    }

    // MARK: Layers without tensors

    private static func plainLayer(
        _ layer: KerasSettings, _ shapes: [[Int]]
    ) throws(InferenceError) -> (any NetworkLayer)? {
        switch layer.className {
        case "Activation": return NonlinearityLayer(try layer.activation("activation"))
        case "ReLU":
            return NonlinearityLayer(
                .rectifier(
                    slope: Float(layer.number("negative_slope", orElse: 0)),
                    threshold: Float(layer.number("threshold", orElse: 0)),
                    limit: layer["max_value"]?.number.map { Float($0) }))
        case "LeakyReLU":
            let slope = layer.number("alpha", orElse: layer.number("negative_slope", orElse: 0.3))
            return NonlinearityLayer(.rectifier(slope: Float(slope), threshold: 0, limit: nil))
        case "ELU": return NonlinearityLayer(.elu(alpha: Float(layer.number("alpha", orElse: 1))))
        case "Softmax":
            try requireLast(layer, shapes)
            return NonlinearityLayer(.softmax)
        case "Flatten": return ReshapeLayer(to: nil)
        case "Reshape":
            guard let shape = try layer.integers("target_shape"), !shape.isEmpty else {
                throw layer.wrong("target_shape has to be a list")
            }
            return ReshapeLayer(to: shape)
        case "Permute":
            let order = try layer.integers("dims") ?? []
            if order == [2, 1] { return TransposeLayer() }
            if order == [1, 2] { return ReshapeLayer(to: shapes.first ?? []) }
            throw layer.unsupported("dims \(order)", ["[2, 1]"])
        case "RepeatVector": return RepeatLayer(count: try layer.count("n"))
        case "Concatenate":
            let rank = shapes.first?.count ?? 1
            let axis = try layer.integers("axis")?.first ?? -1
            // Keras counts the rows as dimension 0.
            let fromLast = axis < 0 ? -1 - axis : rank - axis
            if !(0..<rank).contains(fromLast) { throw layer.wrong("axis \(axis) is not there") }
            return ConcatenateLayer(dimensionFromLast: fromLast)
        case "Rescaling":
            let scale = layer.numbers("scale") ?? [1]
            let offset = layer.numbers("offset") ?? [0]
            let count = max(scale.count, offset.count)
            if [scale.count, offset.count].contains(where: { $0 != 1 && $0 != count }) {
                throw layer.wrong("scale and offset have to be equally long")
            }
            func spread(_ numbers: [Double]) -> [Float] {
                (0..<count).map { Float(numbers.count == 1 ? numbers[0] : numbers[$0]) }
            }
            return AffineLayer(scale: spread(scale), offset: spread(offset))
        default: return nil
        }
    }

    private static func pooling(
        _ layer: KerasSettings
    ) throws(InferenceError) -> (any NetworkLayer)? {
        switch layer.className {
        case "GlobalAveragePooling1D", "GlobalMaxPooling1D":
            try requireChannelsLast(layer)
            return GlobalPoolingLayer(
                layer.className == "GlobalMaxPooling1D" ? .maximum : .mean,
                keepsDimension: layer.flag("keepdims", orElse: false))
        case "MaxPooling1D", "AveragePooling1D":
            try requireChannelsLast(layer)
            let width = try layer.single("pool_size", orElse: 2)
            return WindowPoolingLayer(
                isMaximum: layer.className == "MaxPooling1D",
                StepWindow(
                    width: width, stride: try layer.single("strides", orElse: width),
                    padding: try padding(layer)))
        default: return nil
        }
    }

    private static func padding(
        _ layer: KerasSettings
    ) throws(InferenceError) -> StepWindow.Padding {
        switch layer["padding"]?.string ?? "valid" {
        case "valid": return .none
        case "same": return .same
        case "causal": return .causal
        case let other: throw layer.unsupported("padding \(other)", ["valid", "same", "causal"])
        }
    }

    private static func requireChannelsLast(_ layer: KerasSettings) throws(InferenceError) {
        if let format = layer["data_format"]?.string, format != "channels_last" {
            throw layer.unsupported("data_format \(format)", ["channels_last"])
        }
    }

    /// The setting `axis` has to be the last one.
    private static func requireLast(
        _ layer: KerasSettings, _ shapes: [[Int]]
    ) throws(InferenceError) {
        let axis = try layer.integers("axis") ?? [-1]
        let rank = shapes.first?.count ?? 1
        if axis != [-1] && axis != [rank] { throw layer.unsupported("axis \(axis)", ["axis: -1"]) }
    }

    // MARK: Layers with tensors

    private static func dense(
        _ layer: KerasSettings, _ width: Int
    ) throws(InferenceError) -> [any NetworkLayer] {
        let units = try layer.count("units")
        let weights = try layer.matrix("kernel", inputs: width, outputs: units)
        let product = ProductLayer(weights, bias: try bias(layer, units))
        return [product, NonlinearityLayer(try layer.activation("activation"))]
    }

    private static func bias(
        _ layer: KerasSettings, _ count: Int
    ) throws(InferenceError) -> [Float] {
        layer.flag("use_bias", orElse: true) ? try layer.vector("bias", count: count) : []
    }

    private static func batchNormalization(
        _ layer: KerasSettings, _ shapes: [[Int]]
    ) throws(InferenceError) -> AffineLayer {
        try requireLast(layer, shapes)
        let width = shapes.first?.last ?? 1
        return AffineLayer.batch(
            mean: try layer.vector("moving_mean", count: width),
            variance: try layer.vector("moving_variance", count: width),
            gamma: layer.flag("scale", orElse: true)
                ? try layer.vector("gamma", count: width) : [],
            beta: layer.flag("center", orElse: true) ? try layer.vector("beta", count: width) : [],
            epsilon: layer.number("epsilon", orElse: 1e-3))
    }

    private static func layerNormalization(
        _ layer: KerasSettings, _ shapes: [[Int]]
    ) throws(InferenceError) -> LayerNormLayer {
        try requireLast(layer, shapes)
        try layer.refuse(["rms_scaling"])
        let width = shapes.first?.last ?? 1
        return LayerNormLayer(
            width: width,
            gamma: layer.flag("scale", orElse: true)
                ? try layer.vector("gamma", count: width) : [],
            beta: layer.flag("center", orElse: true) ? try layer.vector("beta", count: width) : [],
            epsilon: Float(layer.number("epsilon", orElse: 1e-3)))
    }

    private static func normalization(
        _ layer: KerasSettings, _ width: Int
    ) throws(InferenceError) -> AffineLayer {
        try layer.refuse(["invert"])
        let mean: [Double]
        let variance: [Double]
        if let told = layer.numbers("mean"), let spread = layer.numbers("variance") {
            (mean, variance) = (told, spread)
        } else {
            mean = try layer.vector("mean", count: nil).map(Double.init)
            variance = try layer.vector("variance", count: nil).map(Double.init)
        }
        if mean.count != variance.count || ![1, width].contains(mean.count) {
            throw layer.wrong("mean and variance of \(mean.count) values, for \(width) features")
        }
        // Keras divides by no less than its epsilon.
        let factors = variance.map { 1 / max($0.squareRoot(), 1e-7) }
        return AffineLayer(
            scale: factors.map { Float($0) },
            offset: zip(mean, factors).map { Float(-$0 * $1) })
    }

    private static func convolution(
        _ layer: KerasSettings, _ width: Int
    ) throws(InferenceError) -> [any NetworkLayer] {
        try requireChannelsLast(layer)
        if let groups = layer["groups"]?.integer, groups != 1 {
            throw layer.unsupported("groups \(groups)", ["groups: 1"])
        }
        let filters = try layer.count("filters")
        let window = StepWindow(
            width: try layer.single("kernel_size", orElse: 1),
            stride: try layer.single("strides", orElse: 1),
            dilation: try layer.single("dilation_rate", orElse: 1), padding: try padding(layer))
        let products = ProductLayer(
            try layer.matrix("kernel", foldedFrom: [window.width, width, filters]),
            bias: try bias(layer, filters))
        return [
            ConvolutionLayer(window, width: width, products),
            NonlinearityLayer(try layer.activation("activation")),
        ]
    }

    // MARK: Recurrent layers

    private static func recurrent(
        _ layer: KerasSettings, _ width: Int
    ) throws(InferenceError) -> RecurrentLayer {
        try layer.refuse(["return_state", "time_major"])
        let units = try layer.count("units")
        let resetsAfter = layer.flag("reset_after", orElse: true)
        let cell: RecurrentLayer.Cell =
            switch layer.className {
            case "LSTM": .lstm
            case "GRU": .gru(resetsAfterProduct: resetsAfter, updateFirst: true)
            default: .simple
            }
        let outputs = units * cell.gateCount
        var biases: (input: [Float], memory: [Float]) = ([], [])
        if layer.flag("use_bias", orElse: true) {
            // The bias of the memory stands behind that of the input.
            let hasTwo = layer.className == "GRU" && resetsAfter
            let all = try layer.vector("bias", count: hasTwo ? 2 * outputs : outputs)
            biases = (Array(all.prefix(outputs)), Array(all.dropFirst(outputs)))
        }
        let standard: Nonlinearity = .tanh
        return RecurrentLayer(
            cell,
            input: ProductLayer(
                try layer.matrix("kernel", inputs: width, outputs: outputs), bias: biases.input),
            memory: ProductLayer(
                try layer.matrix("recurrent_kernel", inputs: units, outputs: outputs),
                bias: biases.memory),
            activation: try layer.activation("activation", orElse: standard),
            gateActivation: try layer.activation("recurrent_activation", orElse: .sigmoid),
            goesBackwards: layer.flag("go_backwards", orElse: false),
            givesSequence: layer.flag("return_sequences", orElse: false))
    }

    private static func bidirectional(
        _ layer: KerasSettings, _ width: Int
    ) throws(InferenceError) -> BidirectionalLayer {
        let inner = try layer.inner()
        if !["LSTM", "GRU", "SimpleRNN"].contains(inner.className) {
            throw layer.unsupported(inner.className, ["LSTM", "GRU", "SimpleRNN"])
        }
        let merge: BidirectionalLayer.Merge
        switch layer["merge_mode"]?.string {
        case "concat": merge = .concatenate
        case "sum": merge = .sum
        case "mul": merge = .product
        case "ave": merge = .average
        case let other:
            throw layer.unsupported(
                "merge_mode \(other ?? "null")", ["concat", "sum", "mul", "ave"])
        }
        let forward = try recurrent(inner.part("forward"), width)
        let against = try recurrent(inner.part("backward"), width)
        if forward.goesBackwards {
            throw layer.unsupported("go_backwards", ["go_backwards: false"])
        }
        return BidirectionalLayer(
            forward, against.reversed(), merge)
    }
}

extension RecurrentLayer {
    /// The same layer in the other direction.
    func reversed() -> RecurrentLayer {
        RecurrentLayer(
            cell, input: input, memory: memory, activation: activation,
            gateActivation: gateActivation, goesBackwards: !goesBackwards,
            givesSequence: givesSequence)
    }
}
