// Networks of PyTorch on its own checkpoints, against its own answers; and what is refused of them.

import Platform
import TestSupport
import Testing
import Weights

@testable import Inference

@Suite struct NetworkModelTests {
    private func open(_ name: String) throws -> (any Model, TabularFixture) {
        let fixture = try TabularFixture("torch/\(name)")
        #expect(NetworkModel.kind.recognises(fixture.folder))
        return (try NetworkModel.kind.open(fixture.folder, nil), fixture)
    }

    @Test(arguments: ["encoder", "encoder-norm-first", "mlp"])
    func `a network gives PyTorch's values`(name: String) throws {
        let (model, fixture) = try open(name)
        let found = try model.predict(fixture.rows)
        for (row, expected) in zip(found, try fixture.answers()) {
            #expect(isNear(row.numbers(), expected), "\(row.numbers()) for \(expected)")
        }
        #expect(model.facts.task == .tabularRegression)
    }

    @Test func `a network with categories and recurrent layers gives PyTorch's classes`() throws {
        let (model, fixture) = try open("mixed")
        let labels = ["low", "middle", "high"]
        let found = try model.predict(fixture.rows)
        for (row, expected) in zip(found, try fixture.answers()) {
            #expect(isNear(row.numbers(labels: labels), expected))
            guard case .labels(let ranked) = row else { continue }
            #expect(ranked.map(\.probability) == ranked.map(\.probability).sorted(by: >))
        }
        #expect(model.facts.task == .tabularClassification)
        #expect(model.inputs[0].kind == .category(["Bern", "Basel", "Chur", "Genf", "Thun"]))
        #expect(throws: InferenceError.notANumber(rowIndex: 1)) {
            var rows = Array(fixture.rows.prefix(3))
            rows[1][0] = .number(5)
            _ = try model.predict(rows)
        }
    }

    @Test func `the description tells names, units and figures`() throws {
        let (model, fixture) = try open("mlp")
        #expect(
            model.inputs[0]
                == InputField(
                    name: "length", kind: .number(range: 0...100), label: "Length over all",
                    unit: "m"))
        guard case .values(let values)? = try model.predict(Array(fixture.rows.prefix(1))).first
        else { return }
        #expect(values.map(\.name) == ["price", "speed"])
        #expect(values.map(\.unit) == ["EUR", "kn"])
        #expect(model.facts.metrics.map(\.name) == ["R²", "MAE", "rmse"])
        #expect(model.facts.metrics.map(\.value) == ["0.93", "1.2 kn", "1.9"])
        #expect(model.facts.files == ["model.pth", "predictor.json", "README.md"])
        #expect(model.facts.parameterCount == 4 * 16 + 16 + 16 * 8 + 8 + 8 * 2 + 2)
    }

    @Test func `many rows come out as each by itself`() throws {
        for name in ["encoder", "mixed"] {
            let (model, fixture) = try open(name)
            let many = (0..<2_000).map { fixture.rows[$0 % fixture.rows.count] }
            let found = try model.predict(many)
            let labels = ["low", "middle", "high"]
            for row in 0..<fixture.rows.count {
                let alone = try model.predict([fixture.rows[row]])[0].numbers(labels: labels)
                for copy in stride(from: row, to: many.count, by: fixture.rows.count) {
                    #expect(isNear(found[copy].numbers(labels: labels), alone, relative: 1e-5))
                }
            }
            #expect(try model.predict([]).isEmpty)
        }
    }

    @Test func `a row that is none is refused by its field`() throws {
        let (model, fixture) = try open("mlp")
        var row = fixture.rows[0]
        func failure(_ value: InputValue) -> InferenceError? {
            row[2] = value
            return inferenceFailure { _ = try model.predict([fixture.rows[1], row]) }
        }
        for value in [.missing, .number(.nan), .number(.infinity), .number(1e300), .text("1")]
            as [InputValue]
        {
            guard case .row(let index, let field, _)? = failure(value) else {
                Issue.record("\(value) was taken")
                continue
            }
            #expect(index == 1 && field == "share")
        }
    }

    // MARK: Descriptions that are wrong

    /// The error that a folder with this predictor.json in place of its own comes to.
    private func failure(_ name: String, _ replacements: (String, String)...) throws -> String {
        let folder = TemporaryDirectory()
        try copyTree(fixturePath("torch/\(name)"), to: folder.path + "/model")
        let path = folder.path + "/model/predictor.json"
        var text = String(decoding: try contentsOfFile(path), as: UTF8.self)
        for (from, to) in replacements {
            let range = try #require(text.firstRange(of: from), "no \(from)")
            text.replaceSubrange(range, with: to)
        }
        try writeFile(path, Array(text.utf8))
        let listed = try ModelFolder(listing: folder.path + "/model")
        return inferenceFailure { _ = try NetworkModel.kind.open(listed, nil) }?.description
            ?? "nothing"
    }

    @Test func `what a description gets wrong is named`() throws {
        let cases: [(String, (String, String), [String])] = [
            (
                "mlp", (#""kind": "relu""#, #""kind": "rulu""#),
                ["network.layers[1].kind", "rulu", "gelu"]
            ),
            ("mlp", (#""in": 16"#, #""in": 17"#), ["'3.weight'", "8 × 16", "8 × 17"]),
            ("mlp", (#""out": 16"#, #""out": 15"#), ["'0.weight'", "16 × 4", "15 × 4"]),
            ("mlp", (#""name": "3""#, #""name": "4""#), ["'4.weight' is not"]),
            ("mlp", (#""version": 1"#, #""version": 2"#), ["version 2"]),
            ("mlp", (#""version": 1"#, #""vision": 1"#), ["version", "needed"]),
            ("mlp", (#""unit": "t""#, #""unitt": "t""#), ["inputs[1]", "'unitt'"]),
            ("mlp", (#""name": "weight""#, #""name": "length""#), ["'length' a second time"]),
            ("mlp", (#""model.pth""#, #""other.pth""#), ["other.pth"]),
            ("mlp", (#""transform": "expm1""#, #""transform": "sinh""#), ["sinh", "expm1"]),
            ("mlp", (#""expect":"#, #""expected":"#), ["smoke", "'expected'"]),
            ("mlp", (#""share": "#, #""shard": "#), ["smoke.inputs", "'shard'"]),
            ("mlp", (#""in": 4"#, #""in": 4, "width": 3"#), ["layers[0]", "'width'"]),
            ("encoder", (#""heads": 4"#, #""heads": 5"#), ["heads", "5"]),
            ("encoder", (#""layers": 2"#, #""layers": 3"#), ["encoder.layers.2.self_attn.in_proj"]),
            (
                "encoder", (#""final_norm": false"#, #""final_norm": true"#),
                ["'encoder.norm.weight'"]
            ),
            ("encoder", (#""kind": "pool""#, #""kind": "flatten""#), ["layers[4]", "'how'"]),
            ("encoder", (#""how": "cls""#, #""how": "median""#), ["median", "mean"]),
            (
                "encoder", (#""tensor": "positions""#, #""tensor": "cls""#),
                ["layers[2]", "at most 1 steps"]
            ),
            ("mixed", (#""from": "inputs""#, #""from": "inputz""#), ["layers[3].from", "inputz"]),
            ("mixed", (#""as": "numbers""#, #""as": "city""#), ["'city' is taken"]),
            ("mixed", (#""count": 5"#, #""count": 6"#), ["'city.weight'", "5 × 3", "6 × 3"]),
            ("mixed", (#""high""#, #""high", "higher""#), ["labels", "3", "4"]),
        ]
        for (name, replacement, words) in cases {
            let message = try failure(name, replacement)
            for word in words {
                #expect(message.contains(word), "\(replacement.1): \(message)")
            }
        }
    }

    @Test func `a task that it cannot do is refused`() throws {
        let folder = try ModelFolder(listing: fixturePath("torch/encoder"))
        #expect(
            throws: InferenceError.wrongTask(
                asked: .tabularClassification, possible: [.tabularRegression])
        ) { _ = try NetworkModel.kind.open(folder, .tabularClassification) }
    }

    @Test func `weights that are no numbers are named`() throws {
        let folder = TemporaryDirectory()
        try copyTree(fixturePath("torch/mlp"), to: folder.path + "/model")
        let path = folder.path + "/model/model.pth"
        let whole = try NetworkModel.kind.open(
            try ModelFolder(listing: folder.path + "/model"), nil)
        // The first weight of the last layer, by its bytes, which stand once in the file.
        var bytes = try contentsOfFile(path)
        let set = try #require(try? WeightSet.open(path))
        let tensor = try #require(set["5.weight"])
        bytes.replaceSubrange(tensor.bytes.prefix(4), with: [0, 0, 0xc0, 0x7f])
        try writeFile(path, bytes)
        let listed = try ModelFolder(listing: folder.path + "/model")
        let message = inferenceFailure { _ = try NetworkModel.kind.open(listed, nil) }?.description
        #expect(message?.contains("'5.weight'") == true && message?.contains("NaN") == true)
        _ = whole
    }
}
