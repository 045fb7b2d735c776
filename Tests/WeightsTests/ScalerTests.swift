// Scalers that scikit-learn fitted, against what it makes of two rows itself.

import FoundationEssentials
import Platform
import TestSupport
import Testing

@testable import Weights

@Suite struct ScalerTests {
    private struct Expected: Decodable {
        struct Rows: Decodable {
            let scaled: [[Double]]
            let unscaled: [[Double]]
        }
        let rows: [[Double]]
        let scalers: [String: Rows]
    }

    private func expected() throws -> Expected {
        let bytes = try contentsOfFile(fixturePath("weights/scalers.json"))
        return try JSONDecoder().decode(Expected.self, from: Data(bytes))
    }

    @Test(
        arguments: ["standard", "standard-bare", "range", "range-clip"], ["pkl", "joblib"]
    ) func `scaling is scikit-learn's`(name: String, form: String) throws {
        let expected = try expected()
        let rows = try #require(expected.scalers[name])
        let scaler = try FeatureScaler.open(fixturePath("weights/\(name).\(form)"))
        #expect(scaler.featureCount == 3)
        for (index, row) in expected.rows.enumerated() {
            var row = row
            scaler.scale(&row)
            #expect(row == rows.scaled[index])
            scaler.unscale(&row)
            #expect(zip(row, rows.unscaled[index]).allSatisfy { abs($0 - $1) < 1e-12 })
        }
    }

    @Test func `names and kinds are kept`() throws {
        let standard = try FeatureScaler.open(fixturePath("weights/standard.joblib"))
        #expect(standard.kind == .standard)
        #expect(standard.featureNames == ["width", "height", "größe"])
        #expect(standard.centers == [4, 18.75, 0.9375])
        let range = try FeatureScaler.open(fixturePath("weights/range.pkl"))
        #expect(range.kind == .range)
        #expect(range.dataRange?.greatest == [9, 30, 5])
        #expect(range.limits == nil)
        let clip = try FeatureScaler.open(fixturePath("weights/range-clip.pkl"))
        #expect(clip.limits == -2...3)
        #expect(clip.featureNames == [])
        #expect(try FeatureScaler.open(fixturePath("weights/standard-0.pkl")) == standard)
    }

    @Test func `joblib's arrays lie within its pickles`() throws {
        let both = try PickleFile.open(fixturePath("weights/both.joblib"))
        let x = try FeatureScaler(try #require(both.dictionary?["x"]))
        #expect(x.kind == .standard)
        let arrays = try PickleFile.open(fixturePath("weights/arrays.joblib")).dictionary
        #expect(arrays?["rows"]?.tensor?.shape == [4, 3])
        #expect(
            arrays?["rows"]?.numbers == [1, 10, -3, 2, 30, 5, 4, 20, 0.25, 9, 15, 1.5])
        #expect(arrays?["empty"]?.tensor?.shape == [0, 3])
        #expect(arrays?["objects"]?.texts == ["x", "y"])
        #expect(arrays?["after"]?.text == "the arrays")
    }

    @Test func `what is no scaler is refused`() throws {
        #expect(throws: WeightError.self) { try FeatureScaler(.text("scaler")) }
        #expect(throws: WeightError.malformed(reason: "a scaler that was not fitted")) {
            try FeatureScaler(.object(type: "StandardScaler", fields: PickledDictionary()))
        }
        var fields = PickledDictionary()
        fields.append(.text("n_features_in_"), .integer(2))
        fields.append(.text("mean_"), .list([.number(1), .number(.nan)]))
        fields.append(.text("scale_"), .list([.number(1), .number(1)]))
        #expect(throws: WeightError.malformed(reason: "a scaler whose mean_ does not fit")) {
            try FeatureScaler(.object(type: "StandardScaler", fields: fields))
        }
    }
}
