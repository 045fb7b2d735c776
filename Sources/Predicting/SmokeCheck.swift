// The first prediction of a revision: whether it answers at all, and as its author says.
//
// `predictor.json` may name a row and what comes out of it:
//     "smoke": {"inputs": {"age": 40}, "expect": {"price": 12.5}, "tolerance": 0.01}
// where `expect` has numbers by the names of values, or `"label": "…"`. Without it a neutral row is
// predicted: the middle of ranges, the first of categories.

internal import Inference

/// What is predicted before a revision serves.
struct SmokeCheck: Sendable {
    /// The row.
    let row: [InputValue]
    private let expected: [(name: String, value: JSONValue)]
    private let tolerance: Double

    /// Where nothing is said: what differs by less is the same number.
    private static let standardTolerance = 1e-3

    /// - Parameters:
    ///   - description: `predictor.json`, if there is one.
    ///   - inputs: of the model.
    init(_ description: JSONValue?, _ inputs: [InputField]) throws(PredictorError) {
        guard let smoke = description?["smoke"] else {
            row = inputs.map(SmokeCheck.neutral)
            expected = []
            tolerance = 0
            return
        }
        do throws(RequestProblem) {
            row = try RowReader(inputs).row(smoke["inputs"] ?? .null, path: "smoke.inputs")
        } catch {
            throw .description(error.sentence)
        }
        if case .object(let members)? = smoke["expect"] {
            expected = members.map { ($0.name, $0.value) }
        } else if smoke["expect"] == nil {
            expected = []
        } else {
            throw .description("smoke.expect: must be an object of values by their names")
        }
        tolerance = smoke["tolerance"]?.double ?? SmokeCheck.standardTolerance
    }

    private static func neutral(_ field: InputField) -> InputValue {
        switch field.kind {
        case .text: return .text("test")
        case .category: return .number(0)
        case .number(let range):
            guard let range else { return field.isOptional ? .missing : .number(0) }
            return .number(range.lowerBound / 2 + range.upperBound / 2)
        case .integer(let range):
            guard let range else { return field.isOptional ? .missing : .number(0) }
            return .number(Double(range.lowerBound / 2 + range.upperBound / 2))
        }
    }

    /// Predicts the row, and compares.
    func run(_ model: any Model) throws(PredictorError) -> Prediction {
        let predictions: [Prediction]
        do throws(InferenceError) {
            predictions = try model.predict([row])
        } catch {
            throw .check("\(error)")
        }
        guard let prediction = predictions.first, prediction.isFinite
        else { throw .check("it gives no finite numbers") }
        for (name, value) in expected { try compare(prediction, name, value) }
        return prediction
    }

    private func compare(
        _ prediction: Prediction, _ name: String, _ value: JSONValue
    ) throws(PredictorError) {
        switch prediction {
        case .labels(let labels):
            guard name == "label", let label = value.text else {
                throw .description("smoke.expect.\(name): a classifier gives a \"label\"")
            }
            if labels.first?.label != label {
                throw .check(
                    "the label is '\(labels.first?.label ?? "")', and should be '\(label)'")
            }
        case .values(let values):
            guard let found = values.first(where: { $0.name == name }), let wanted = value.double
            else { throw .description("smoke.expect.\(name): the model gives no such number") }
            if abs(found.value - wanted) > tolerance * max(1, abs(wanted)) {
                throw .check("\(name) is \(found.value), and should be \(wanted)")
            }
        case .embedding:
            throw .description("smoke.expect.\(name): an embedding has no names")
        }
    }
}
