// The fixtures of tabular models: a folder with the model, rows, and what its library said of them.

import TestSupport
import Testing

@testable import Inference

/// A folder below Tests/Fixtures.
struct TabularFixture {
    let folder: ModelFolder
    let rows: [[InputValue]]
    private let expected: JSONValue

    init(_ name: String) throws {
        let path = fixturePath(name)
        folder = try ModelFolder(listing: path)
        expected = try DescriptionFile.json(path + "/expected.json")
        rows = try TabularFixture.table(expected["rows"]).map { row in
            row.map { $0.map { .number($0) } ?? .missing }
        }
    }

    /// A table of the library's answers.
    func answers(_ name: String = "outputs") throws -> [[Double]] {
        try TabularFixture.table(expected[name]).map { row in row.map { $0 ?? .nan } }
    }

    private static func table(_ json: JSONValue?) throws -> [[Double?]] {
        try #require(json?.array).map { row in
            try #require(row.array).map { $0.isNull ? nil : $0.number }
        }
    }
}

/// Whether numbers are the same within a ten-thousandth; small ones within a hundred-thousandth.
func isNear(_ found: [Double], _ expected: [Double], relative: Double = 1e-4) -> Bool {
    found.count == expected.count
        && zip(found, expected).allSatisfy {
            abs($0 - $1) <= max(relative * abs($1), 0.1 * relative)
        }
}

extension Prediction {
    /// Its numbers, those of labels in the order of the labels' names as they are asked for.
    func numbers(labels: [String] = []) -> [Double] {
        switch self {
        case .values(let values): values.map(\.value)
        case .labels(let found):
            labels.map { label in found.first { $0.label == label }?.probability ?? .nan }
        case .embedding(let vector): vector.map(Double.init)
        }
    }
}

/// What went wrong.
func inferenceFailure(_ body: () throws -> Void) -> InferenceError? {
    do {
        try body()
        return nil
    } catch { return error as? InferenceError }
}
