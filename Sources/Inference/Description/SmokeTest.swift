// An input whose answer is known: what a model has to pass before it takes over.

/// A row of a model, and what it has to say of it.
package struct SmokeTest: Equatable, Sendable {
    /// A value as a request would have it.
    package enum Value: Equatable, Sendable {
        case text(String)
        case number(Double)
    }

    /// By the names of the inputs; what is left out is missing.
    package let input: [String: Value]
    /// By the names of values or labels.
    package let expected: [String: Double]
    /// How far a number may be off: this, times its size where that is above 1.
    package let tolerance: Double

    private static let standardTolerance = 1e-3

    /// Reads that of a folder's predictor.json; nil when there is none.
    package static func read(in folder: ModelFolder) throws(InferenceError) -> SmokeTest? {
        try PredictorDescription.read(in: folder)?.smoke
    }

    init?(
        _ fields: inout DescriptionFields, _ name: String, inputNames: [String]?
    ) throws(InferenceError) {
        guard var object = try fields.optionalObject(name) else { return nil }
        guard let told = object.take("input")?.object, let answers = object.take("expected")?.object,
            !answers.isEmpty
        else { throw object.wrong("", "input and expected are needed here, each an object") }
        var input: [String: Value] = [:]
        for (name, value) in told where !value.isNull {
            if let inputNames, !inputNames.contains(name) {
                throw object.wrong("input", "there is no input '\(name)'")
            }
            if let number = value.number, number.isFinite {
                input[name] = .number(number)
            } else if let text = value.string {
                input[name] = .text(text)
            } else {
                throw object.wrong("input.\(name)", "a number or a text belongs here")
            }
        }
        var expected: [String: Double] = [:]
        for (name, value) in answers {
            guard let number = value.number, number.isFinite else {
                throw object.wrong("expected.\(name)", "a number belongs here")
            }
            expected[name] = number
        }
        let tolerance = try object.optionalNumber("tolerance")
        try object.end()
        self.input = input
        self.expected = expected
        self.tolerance = tolerance ?? SmokeTest.standardTolerance
    }

    /// Has a model predict, and compares.
    ///
    /// - Throws: `failedSmokeTest` when an answer is another one; what the model says of the row.
    package func run(on model: any Model) throws(InferenceError) {
        var row: [InputValue] = []
        for field in model.inputs { row.append(try value(of: field)) }
        let predictions = try model.predict([row])
        var found: [String: Double] = [:]
        switch predictions.first {
        case .values(let values)?:
            for value in values { found[value.name] = value.value }
        case .labels(let labels)?:
            for label in labels { found[label.label] = label.probability }
        case .embedding?, nil: break
        }
        for (name, expected) in expected.sorted(by: { $0.key < $1.key }) {
            let value = found[name]
            // Written so that a NaN fails.
            let isNear = value.map { abs($0 - expected) <= tolerance * max(1, abs(expected)) }
            if isNear != true {
                throw .failedSmokeTest(output: name, expected: expected, found: value)
            }
        }
    }

    private func value(of field: InputField) throws(InferenceError) -> InputValue {
        switch (field.kind, input[field.name]) {
        case (_, nil): return .missing
        case (.text, .text(let text)?): return .text(text)
        case (.category(let words), .text(let text)?):
            if let place = words.firstIndex(of: text) { return .number(Double(place)) }
            throw .row(index: 0, field: field.name, reason: "'\(text)' is none of its categories")
        case (.number, .number(let number)?), (.integer, .number(let number)?),
            (.category, .number(let number)?):
            return .number(number)
        default: throw .row(index: 0, field: field.name, reason: "a value of another kind")
        }
    }
}
