// What every model is to those who use it: inputs with names, rows of values in, predictions out.
//
// The kinds of models (text encoders, trees, tabular networks, Keras networks) are behind one
// protocol, so that the service, its page and its command line know none of them. A model is
// opened on a folder, maps its weights there, and never copies them whole.

/// What a model does, as `--task` names it.
package enum ModelTask: String, CaseIterable, Equatable, Sendable {
    /// Text to a vector.
    case embedding
    /// Text to labels with probabilities.
    case textClassification = "text-classification"
    /// A row of values to classes with probabilities.
    case tabularClassification = "tabular-classification"
    /// A row of values to one or several numbers.
    case tabularRegression = "tabular-regression"
}

/// What an input takes.
package enum InputKind: Equatable, Sendable {
    /// A text of at most so many bytes of UTF-8.
    case text(byteCountMax: Int)
    /// A number, within the range if there is one.
    case number(range: ClosedRange<Double>?)
    /// A whole number, within the range if there is one.
    case integer(range: ClosedRange<Int>?)
    /// One of these words, which the model knows by their places.
    case category([String])
}

/// One input of a model.
package struct InputField: Equatable, Sendable {
    /// Its name in requests, and in a CSV's header.
    package var name: String
    package var kind: InputKind
    /// What a person is told beside the name; nil for nothing.
    package var label: String?
    /// Such as `kg`; nil for none.
    package var unit: String?
    /// Whether a row may leave it out; trees take it as a missing value.
    package var isOptional: Bool

    package init(
        name: String, kind: InputKind, label: String? = nil, unit: String? = nil,
        isOptional: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.label = label
        self.unit = unit
        self.isOptional = isOptional
    }
}

/// One value of a row, already checked against its field.
package enum InputValue: Equatable, Sendable {
    case text(String)
    /// A number, a whole number, or the place of a category.
    case number(Double)
    case missing
}

/// A number that a model gives, with what it is.
package struct PredictedValue: Equatable, Sendable {
    /// The name of the property, such as `price`.
    package var name: String
    package var value: Double
    /// Over the members of an ensemble; nil where there is only one.
    package var standardDeviation: Double?
    package var unit: String?

    package init(
        name: String, value: Double, standardDeviation: Double? = nil, unit: String? = nil
    ) {
        self.name = name
        self.value = value
        self.standardDeviation = standardDeviation
        self.unit = unit
    }
}

/// A class with its probability.
package struct PredictedLabel: Equatable, Sendable {
    package var label: String
    package var probability: Double

    package init(label: String, probability: Double) {
        self.label = label
        self.probability = probability
    }
}

/// What a model says of one row.
package enum Prediction: Equatable, Sendable {
    case embedding([Float])
    /// The most probable first.
    case labels([PredictedLabel])
    case values([PredictedValue])
}

/// What is told of a model: by `GET /model`, by its page, by the log.
package struct ModelFacts: Equatable, Sendable {
    package var task: ModelTask
    /// In words, such as `BERT encoder, 6 layers, 384 wide`.
    package var architecture: String
    package var parameterCount: Int64
    /// How many bytes of weight files it maps.
    package var mappedByteCount: Int64
    /// Figures of its card, such as R² and MAE, by their names; in the order of the card.
    package var metrics: [(name: String, value: String)]
    /// Files of the folder that it reads, relative to it, weights first.
    package var files: [String]

    package init(
        task: ModelTask, architecture: String, parameterCount: Int64, mappedByteCount: Int64,
        metrics: [(name: String, value: String)] = [], files: [String]
    ) {
        self.task = task
        self.architecture = architecture
        self.parameterCount = parameterCount
        self.mappedByteCount = mappedByteCount
        self.metrics = metrics
        self.files = files
    }

    package static func == (left: ModelFacts, right: ModelFacts) -> Bool {
        left.task == right.task && left.architecture == right.architecture
            && left.parameterCount == right.parameterCount
            && left.mappedByteCount == right.mappedByteCount && left.files == right.files
            && left.metrics.map(\.name) == right.metrics.map(\.name)
            && left.metrics.map(\.value) == right.metrics.map(\.value)
    }
}

/// A model that is open: its weights are mapped, and it answers from any number of threads.
package protocol Model: AnyObject, Sendable {
    var facts: ModelFacts { get }
    /// What a row has, in this order.
    var inputs: [InputField] { get }

    /// Predicts for rows, each with a value for every input, in their order.
    ///
    /// - Returns: one prediction for each row.
    func predict(_ rows: [[InputValue]]) throws(InferenceError) -> [Prediction]
}
