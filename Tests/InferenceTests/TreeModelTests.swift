// Trees on models that XGBoost saved, against what it predicts; and every form of the loops against
// a walk from node to node.

import Platform
import TestSupport
import Testing

@testable import Inference

@Suite struct TreeModelTests {
    /// A fixture with one form of its model, in a folder of its own.
    private func open(
        _ name: String, _ form: String, _ task: ModelTask? = nil
    ) throws -> (TreeModel, TabularFixture) {
        let fixture = try TabularFixture("trees/\(name)")
        let folder = ModelFolder(path: fixture.folder.path, files: ["model.\(form)"])
        #expect(TreeModel.kind.recognises(folder))
        return (try TreeModel.open(folder, task), fixture)
    }

    @Test func `only files that begin like a model of XGBoost are taken for one`() throws {
        let folder = TemporaryDirectory()
        let version = #"{"version": 1, "inputs": []}"#
        for (name, text) in [
            ("predictor.json", #"{"name": "learner", "learner": {}}"#), ("tokenizer.json", version),
            ("config.json", #"{"transformers_version": "4.30.2"}"#),
            ("first.json", #"{"version": [1, 7, 6], "learner": {}}"#),
            ("second.json", #"{"learner": {}, "version": [3, 0, 0]}"#),
        ] {
            try writeFile("\(folder.path)/\(name)", Array(text.utf8))
        }
        let listed = try ModelFolder(listing: folder.path)
        #expect(TreeModel.files(in: listed) == ["first.json", "second.json"])
    }

    private static let cases: [(String, String)] =
        ["binary", "multiclass", "regression", "dart", "categorical"].flatMap {
            [($0, "json"), ($0, "ubj")]
        }
        + [
            "softmax", "forest", "binary-logitraw", "binary-hinge", "reg-logistic",
            "rank-pairwise", "rank-ndcg", "count-poisson", "reg-gamma", "reg-tweedie",
            "reg-absoluteerror", "reg-pseudohubererror", "reg-squaredlogerror", "survival-cox",
            "quantiles", "targets",
        ].map { ($0, "json") } + [("deep", "ubj")]

    @Test(arguments: cases)
    func `trees give the library's numbers`(name: String, form: String) throws {
        let (model, fixture) = try open(name, form)
        let rows = try TabularInputs(model.inputs, scaler: nil, takesMissing: true)
            .matrix(fixture.rows)
        let width =
            model.margins(values: rows, rowCount: fixture.rows.count).count
            / fixture.rows.count
        func table(_ values: [Float]) -> [[Double]] {
            stride(from: 0, to: values.count, by: width).map {
                values[$0..<$0 + width].map(Double.init)
            }
        }
        let margins = table(model.margins(values: rows, rowCount: fixture.rows.count))
        for (row, expected) in zip(margins, try fixture.answers("margins")) where name != "softmax"
        {
            #expect(isNear(row, expected), "\(row) for \(expected)")
        }
        let found = table(model.predict(values: rows, rowCount: fixture.rows.count))
        for (row, expected) in zip(found, try fixture.answers("predictions")) {
            if name == "softmax" {
                // The library tells the class alone.
                #expect(row.firstIndex(of: row.max() ?? 0) == Int(expected[0]))
            } else {
                #expect(isNear(row, expected), "\(row) for \(expected)")
            }
        }
    }

    @Test func `classes come with probabilities, the likeliest first`() throws {
        let (model, fixture) = try open("binary", "json")
        #expect(model.facts.task == .tabularClassification)
        #expect(model.inputs.map(\.name) == ["age", "income", "debt", "rooms", "rate", "score"])
        #expect(!model.inputs.contains { !$0.isOptional })
        let found = try model.predict(fixture.rows)
        for (row, expected) in zip(found, try fixture.answers("predictions")) {
            #expect(isNear(row.numbers(labels: ["0", "1"]), [1 - expected[0], expected[0]]))
            guard case .labels(let labels) = row else { continue }
            #expect(labels[0].probability >= labels[1].probability)
        }
        let (values, _) = try open("binary", "ubj", .tabularRegression)
        #expect(try values.predict(fixture.rows).first?.numbers().count == 1)
        let (regression, rows) = try open("regression", "json")
        #expect(
            isNear(
                try regression.predict(rows.rows).map { $0.numbers()[0] },
                try rows.answers("predictions").map { $0[0] }))
        #expect(
            inferenceFailure { _ = try open("regression", "json", .tabularClassification) }
                == .wrongTask(asked: .tabularClassification, possible: [.tabularRegression]))
    }

    @Test func `large batches are shared out, and come in order`() throws {
        let (model, fixture) = try open("multiclass", "json")
        let rows = (0..<7_777).map { fixture.rows[$0 % fixture.rows.count] }
        let expected = try model.predict(fixture.rows)
        let found = try model.predict(rows)
        for (index, row) in found.enumerated() where row != expected[index % expected.count] {
            Issue.record("row \(index) is another")
            break
        }
    }

    @Test func `values that are no numbers are refused by their field`() throws {
        let (model, fixture) = try open("binary", "json")
        var rows = Array(fixture.rows.prefix(3))
        rows[2][1] = .text("many")
        #expect(
            inferenceFailure { _ = try model.predict(rows) }
                == .row(index: 2, field: "income", reason: "a number is needed, not a text"))
        rows[2][1] = .number(-.infinity)
        #expect(
            inferenceFailure { _ = try model.predict(rows) }
                == .row(index: 2, field: "income", reason: "it is infinite"))
        rows[2] = [.missing]
        guard case .row(2, _, _)? = inferenceFailure({ _ = try model.predict(rows) }) else {
            Issue.record("a short row was taken")
            return
        }
    }

    @Test func `trees with vectors in their leaves are refused in words`() throws {
        let message = inferenceFailure { _ = try open("vectors", "json") }?.description
        #expect(message?.contains("several values in a leaf") == true)
    }
}

@Suite struct TreeForestTests {
    /// A tree grown at random, with missing values, categories and thresholds that are met exactly.
    private func tree(
        _ generator: inout SeededGenerator, splits: Int, features: Int, group: Int
    ) throws -> DecisionTree {
        var nodes: [DecisionTree.Node] = [.leaf(0)]
        var leaves = [0]
        for _ in 0..<splits {
            let place = Int.random(in: 0..<leaves.count, using: &generator)
            let node = leaves.remove(at: place)
            let isSet = Int.random(in: 0..<4, using: &generator) == 0
            let question: DecisionTree.Question =
                isSet
                ? .isInSet([UInt32.random(in: 0...UInt32.max, using: &generator), 5])
                : .isBelow(Float(Int.random(in: -8...8, using: &generator)))
            nodes[node] = .split(
                DecisionTree.Split(
                    feature: Int.random(in: 0..<features, using: &generator), question: question,
                    left: nodes.count, right: nodes.count + 1,
                    sendsMissingLeft: Bool.random(using: &generator)))
            for _ in 0..<2 {
                leaves.append(nodes.count)
                nodes.append(.leaf(Float(Int.random(in: -1_000...1_000, using: &generator)) / 8))
            }
        }
        return try DecisionTree(nodes: nodes, group: group, featureCount: features)
    }

    /// What a tree says, node by node.
    private func walk(_ tree: DecisionTree, _ row: ArraySlice<Float>) -> Float {
        var index = 0
        while true {
            guard case .split(let split) = tree.nodes[index] else {
                guard case .leaf(let value) = tree.nodes[index] else { return .nan }
                return value
            }
            let value = row[row.startIndex + split.feature]
            var goesLeft = split.sendsMissingLeft
            if !value.isNaN {
                switch split.question {
                case .isBelow(let threshold): goesLeft = value < threshold
                case .isInSet(let words):
                    let category = value >= 0 && value < 16_777_216 ? Int(value) : -1
                    goesLeft =
                        category < 0 || category / 32 >= words.count
                        || words[category / 32] >> UInt32(category % 32) & 1 == 0
                }
            }
            index = goesLeft ? split.left : split.right
        }
    }

    @Test(arguments: seeds(6))
    func `every form of the loops goes as a walk goes`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let features = 5
        var trees: [DecisionTree] = []
        for splits in [0, 1, 2, 3, 7, 40, 300] {
            trees.append(
                try tree(&generator, splits: splits, features: features, group: splits % 2))
        }
        let rowCount = 150
        let rows = (0..<rowCount * features).map { _ -> Float in
            let kind = Int.random(in: 0..<8, using: &generator)
            if kind == 0 { return .nan }
            return kind == 1
                ? Float.random(in: -1e9...1e9, using: &generator)
                : Float(Int.random(in: -9...70, using: &generator))
        }
        let expected = (0..<rowCount).flatMap { row -> [Float] in
            let slice = rows[row * features..<(row + 1) * features]
            return (0..<2).map { group in
                trees.filter { $0.group == group }.reduce(Float(group)) { $0 + walk($1, slice) }
            }
        }
        for limit in [0, 10, 1_000] {
            let forest = TreeForest(
                trees, featureCount: features, groupCount: 2, blendedSplitCountMax: limit)
            for form in 0...TreeForest.widestForm {
                let found = forest.sums(rows, in: 0..<rowCount, start: [0, 1], form: form)
                #expect(found == expected, "form \(form), whole up to \(limit) splits")
                let part = forest.sums(rows, in: 70..<75, start: [0, 1], form: form)
                #expect(part == Array(expected[140..<150]))
            }
        }
    }

    @Test func `nodes that are no tree are refused`() {
        func flaw(_ nodes: [DecisionTree.Node]) -> DecisionTree.Flaw? {
            do throws(DecisionTree.Flaw) {
                _ = try DecisionTree(nodes: nodes, group: 0, featureCount: 2)
                return nil
            } catch { return error }
        }
        func split(
            _ left: Int, _ right: Int, feature: Int = 0, threshold: Float = 0
        ) -> DecisionTree.Node {
            .split(
                DecisionTree.Split(
                    feature: feature, question: .isBelow(threshold), left: left, right: right,
                    sendsMissingLeft: true))
        }
        let leaf = DecisionTree.Node.leaf(1)
        #expect(flaw([split(1, 2), leaf, leaf]) == nil)
        #expect(flaw([]) == .isEmpty)
        #expect(flaw([split(0, 1), leaf]) == .child(ofNode: 0))
        #expect(flaw([split(1, 1), leaf]) == .child(ofNode: 0))
        #expect(flaw([split(1, 3), leaf, leaf]) == .child(ofNode: 0))
        #expect(flaw([split(1, -1), leaf]) == .child(ofNode: 0))
        #expect(flaw([split(1, 2, feature: 2), leaf, leaf]) == .feature(ofNode: 0))
        #expect(flaw([split(1, 2, threshold: .infinity), leaf, leaf]) == .threshold(ofNode: 0))
        #expect(flaw([.leaf(.nan)]) == .leaf(node: 0))
    }
}
