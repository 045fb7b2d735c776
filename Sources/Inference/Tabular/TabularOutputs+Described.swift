// What outputs a model has, by its description and by the task that is asked for.

internal import Glibc

extension DescribedOutput.Transform {
    /// Applies it.
    func callAsFunction(_ value: Double) -> Double {
        switch self {
        case .none: value
        case .exp: Glibc.exp(value)
        case .expm1: Glibc.expm1(value)
        case .square: value * value
        }
    }
}

extension TabularOutputs {
    /// What a model's own files tell of its outputs.
    struct Known {
        /// How many numbers it gives for a row.
        var width: Int
        /// What they are when nobody says otherwise.
        var names: [String]
        /// Whether they are probabilities of classes, as far as can be told.
        var areProbabilities: Bool
    }

    /// - Parameter asked: the task that the user asks for; nil for the one that fits.
    init(
        _ known: Known, _ description: PredictorDescription?, asked: ModelTask?,
        scaler: ScalerSource?, folder: ModelFolder, subfolders: [String]
    ) throws(InferenceError) {
        let isClassifier = description?.labels != nil || known.areProbabilities
        let usual: ModelTask = isClassifier ? .tabularClassification : .tabularRegression
        let task = asked ?? description?.task ?? usual
        let path = description?.path ?? folder.path
        switch task {
        case .tabularClassification where isClassifier || known.width > 1:
            let count = max(known.width, 2)
            let labels = description?.labels ?? (0..<count).map { String($0) }
            if labels.count != count {
                throw .malformed(
                    path: path,
                    reason: "labels: the model gives \(known.width) numbers, and there are "
                        + "\(labels.count) labels")
            }
            self = .labels(labels)
        case .tabularRegression:
            let outputs = description?.outputs ?? known.names.map { DescribedOutput(name: $0) }
            if outputs.count != known.width {
                throw .malformed(
                    path: path,
                    reason: "outputs: the model gives \(known.width) numbers, and "
                        + "\(outputs.count) are described")
            }
            let scaler = try scaler.map { source throws(InferenceError) in
                try RowScaler(
                    source, folder: folder, subfolders: subfolders, file: path,
                    names: outputs.map(\.name), standard: Array(outputs.indices))
            }
            self = .values(outputs, scaler: scaler)
        default:
            throw .wrongTask(
                asked: task,
                possible: isClassifier
                    ? [.tabularClassification, .tabularRegression] : [.tabularRegression])
        }
    }

    /// Names for numbers that have none.
    static func names(_ count: Int, _ name: String = "value") -> [String] {
        count == 1 ? [name] : (0..<count).map { "\(name)_\($0)" }
    }
}

extension ModelFacts {
    /// Figures of predictor.json, and those of the card that it does not have.
    static func metrics(
        _ description: PredictorDescription?, in folder: ModelFolder
    ) -> [(name: String, value: String)] {
        var metrics = description?.metrics ?? []
        for metric in ModelMetric.ofCard(in: folder)
        where !metrics.contains(where: { $0.name == metric.name }) {
            metrics.append(metric)
        }
        return metrics.map { ($0.name, $0.value) }
    }

    /// The files that describe a tabular model, as far as they are there.
    static func descriptions(in folder: ModelFolder) -> [String] {
        [PredictorDescription.fileName, "README.md"].filter(folder.has)
    }
}
