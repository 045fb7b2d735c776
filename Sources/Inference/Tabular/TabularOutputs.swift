// From the numbers that a tabular model comes to, to what is said of a row.

/// The outputs of a model: values with names and units, or classes with names.
struct TabularOutputs: Sendable {
    private enum Kind: Sendable {
        case values([DescribedOutput], scaler: RowScaler?)
        case labels([String])
    }

    private let kind: Kind

    private init(_ kind: Kind) {
        self.kind = kind
    }

    static func values(_ outputs: [DescribedOutput], scaler: RowScaler?) -> TabularOutputs {
        TabularOutputs(.values(outputs, scaler: scaler))
    }

    /// Two labels for one number: that is the probability of the second.
    static func labels(_ labels: [String]) -> TabularOutputs {
        TabularOutputs(.labels(labels))
    }

    var task: ModelTask {
        switch kind {
        case .values: .tabularRegression
        case .labels: .tabularClassification
        }
    }

    /// What a model's numbers say of its rows.
    ///
    /// - Parameter numbers: of each member of an ensemble, equally many for each row.
    func predictions(
        _ numbers: [[Float]], rowCount: Int
    ) throws(InferenceError) -> [Prediction] {
        var predictions: [Prediction] = []
        predictions.reserveCapacity(rowCount)
        for row in 0..<rowCount {
            var members: [[Double]] = []
            for member in numbers {
                let width = member.count / rowCount
                let values = member[row * width..<(row + 1) * width].map(Double.init)
                if !values.allSatisfy(\.isFinite) { throw .notANumber(rowIndex: row) }
                members.append(values)
            }
            let prediction = prediction(members)
            if case .values(let values) = prediction, !values.allSatisfy(\.value.isFinite) {
                throw .notANumber(rowIndex: row)
            }
            predictions.append(prediction)
        }
        return predictions
    }

    private func prediction(_ members: [[Double]]) -> Prediction {
        switch kind {
        case .values(let outputs, let scaler):
            let values = members.map { finished($0, outputs, scaler) }
            return .values(
                outputs.indices.map { column in
                    let (mean, deviation) = TabularOutputs.spread(values.map { $0[column] })
                    return PredictedValue(
                        name: outputs[column].name, value: mean,
                        standardDeviation: members.count > 1 ? deviation : nil,
                        unit: outputs[column].unit)
                })
        case .labels(let labels):
            let width = members[0].count
            var means = (0..<width).map { column in
                TabularOutputs.spread(members.map { $0[column] }).mean
            }
            if width == 1 { means = [1 - means[0], means[0]] }
            let ranked = zip(labels, means).map { PredictedLabel(label: $0, probability: $1) }
            // Of equals the first in the model's order comes first.
            return .labels(
                ranked.enumerated().sorted {
                    ($1.element.probability, $0.offset) < ($0.element.probability, $1.offset)
                }.map(\.element))
        }
    }

    private func finished(
        _ values: [Double], _ outputs: [DescribedOutput], _ scaler: RowScaler?
    ) -> [Double] {
        var values = values
        scaler?.unscale(&values)
        return zip(values, outputs).map { $1.transform.callAsFunction($0) }
    }

    /// The mean, and the deviation of the population: what NumPy's `std` gives.
    static func spread(_ values: [Double]) -> (mean: Double, deviation: Double) {
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (mean, (squares / Double(values.count)).squareRoot())
    }
}
