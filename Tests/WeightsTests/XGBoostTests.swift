// Models that XGBoost saved, in both forms; and trees that lead nowhere.

import TestSupport
import Testing

@testable import Weights

@Suite struct XGBoostTests {
    private func open(_ name: String) throws -> XGBoostModel {
        try XGBoostModel.open(fixturePath("weights/xgb-\(name)"))
    }

    /// Only fields are left out of either form; the numbers are the same bits.
    @Test(arguments: ["regression", "binary", "classes", "categories", "dart", "targets"])
    func `both forms are one model`(name: String) throws {
        let (json, binary) = (try open("\(name).json"), try open("\(name).ubj"))
        #expect(json.trees == binary.trees)
        #expect(json.outputs == binary.outputs)
        #expect(json.baseScores == binary.baseScores)
        #expect(json.treeWeights == binary.treeWeights)
        #expect(json.featureNames == binary.featureNames)
        #expect(json.categoryNames == binary.categoryNames)
        #expect(json.trees.count == (name == "classes" ? 12 : name == "targets" ? 8 : 4))
    }

    @Test func `models say what they are`() throws {
        let regression = try open("regression.json")
        #expect(regression.objective == "reg:squarederror")
        #expect(regression.featureNames == ["a", "b", "c", "größe"])
        #expect(regression.featureTypes == ["float", "float", "float", "float"])
        #expect(regression.version.first == 3)
        #expect(regression.outputCount == 1)
        let classes = try open("classes.ubj")
        #expect(classes.classCount == 3)
        #expect(classes.outputs.prefix(4) == [0, 1, 2, 0])
        #expect(try open("binary.json").objective == "binary:logistic")
        #expect(try open("dart.json").treeWeights.count == 4)
        let targets = try open("targets.json")
        #expect(targets.targetCount == 2)
        #expect(targets.baseScores.count == 2)
        #expect(targets.outputCount == 2)
    }

    @Test func `categories are sets of bits`() throws {
        let model = try open("categories.json")
        #expect(model.featureTypes.last == "c")
        #expect(model.categoryNames[4].count == 40)
        #expect(model.categoryNames[4][7] == "kind 07")
        #expect(model.categoryNames[0] == [])
        let tree = try #require(model.trees.first { !$0.categories.isEmpty })
        let node = try #require(tree.categories.keys.min())
        let chosen = (0..<40).filter { tree.hasCategory($0, at: node) }
        #expect(!chosen.isEmpty && chosen.count < 40)
        #expect(!tree.hasCategory(1_000, at: node))
        #expect(!tree.hasCategory(-1, at: node))
    }

    @Test(arguments: ["linear.json", "linear.ubj", "vector.json", "vector.ubj"])
    func `what is not supported says so`(name: String) {
        do throws(WeightFileError) {
            _ = try XGBoostModel.open(fixturePath("weights/xgb-\(name)"))
            Issue.record("it was opened")
        } catch {
            guard case .invalid(_, .unsupported) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    private func failure(_ text: String) -> WeightError? {
        do throws(WeightError) {
            _ = try XGBoostModel(Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    /// A model of one tree of three nodes.
    private func model(
        left: String = "1,-1,-1", right: String = "2,-1,-1", features: String = "0,0,0",
        conditions: String = "0.5,1,2", defaults: String = "1,0,0", score: String = "5E-1",
        info: String = "0", more: String = ""
    ) -> String {
        """
        {"learner":{"learner_model_param":{"num_feature":"1","base_score":"\(score)"},
        "objective":{"name":"reg:squarederror"},"gradient_booster":{"name":"gbtree","model":{
        "tree_info":[\(info)],"trees":[{"left_children":[\(left)],"right_children":[\(right)],
        "split_indices":[\(features)],"split_conditions":[\(conditions)],
        "default_left":[\(defaults)]\(more)}]}}}}
        """
    }

    @Test func `trees are checked`() {
        #expect(failure(model()) == nil)
        #expect(failure(model(defaults: "true,false,false")) == nil)
        for wrong in [
            model(left: "0,-1,-1"), model(left: "2,-1,-1"), model(left: "3,-1,-1"),
            model(left: "-1,-1,-1"), model(left: "1,-1"), model(left: "1.5,-1,-1"),
            model(left: ""), model(left: "9999999999,-1,-1"),
            // Circles: a node that is its own grandchild, or its own child.
            model(left: "1,2,-1", right: "2,1,-1"), model(left: "1,1,-1", right: "2,2,-1"),
            model(features: "1,0,0"), model(features: "-1,0,0"), model(conditions: "NaN,1,2"),
            model(conditions: "0.5,Infinity,2"), model(conditions: "0.5,1"),
            model(score: "x"), model(score: "[1,2]"), model(score: ""), model(info: "1"),
            model(info: ""), model(info: "-1"),
            model(more: #","split_type":[1,0,0]"#),
            model(
                more: #","categories_nodes":[0],"categories_segments":[0],"categories_sizes":[2]"#
                    + #","categories":[1]"#),
            model(
                more: #","categories_nodes":[0],"categories_segments":[0],"categories_sizes":[1]"#
                    + #","categories":[-1]"#),
            model(
                more: #","categories_nodes":[3],"categories_segments":[0],"categories_sizes":[1]"#
                    + #","categories":[1]"#),
            "{}", #"{"learner":{}}"#, "[]", "",
        ] where failure(wrong) == nil {
            Issue.record("taken: \(wrong)")
        }
        guard case .unsupported? = failure("binf....") else {
            Issue.record("the old form was not named")
            return
        }
    }

    @Test(arguments: ["regression.ubj", "classes.json", "categories.ubj"])
    func `cut models are refused`(name: String) throws {
        let bytes = try contentsOfFile(fixturePath("weights/xgb-\(name)"))
        for count in stride(from: 0, to: bytes.count, by: 13) {
            do throws(WeightError) {
                _ = try XGBoostModel(Array(bytes[..<count]))
                Issue.record("\(count) bytes were taken")
            } catch {}
        }
    }
}
