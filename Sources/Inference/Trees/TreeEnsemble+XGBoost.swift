// From a model that XGBoost saved to an ensemble.

internal import Weights

extension TreeEnsemble {
    /// - Parameter path: of the model's file, for errors.
    init(_ model: XGBoostModel, path: String) throws(InferenceError) {
        guard let objective = TreeObjective(model.objective) else {
            throw .unsupported(
                path: path, found: "the objective '\(model.objective)'",
                supported: TreeObjective.supported)
        }
        let groupCount = model.outputCount
        var start: [Float] = []
        for group in 0..<groupCount {
            let scores = model.baseScores
            let score = scores.count == 1 ? scores[0] : scores[group]
            guard let margin = objective.margin(ofScore: Double(score)) else {
                throw .malformed(
                    path: path, reason: "base_score \(score) is none of \(model.objective)")
            }
            start.append(margin)
        }
        var trees: [DecisionTree] = []
        trees.reserveCapacity(model.trees.count)
        for (index, tree) in model.trees.enumerated() {
            let weight = model.treeWeights.isEmpty ? 1 : model.treeWeights[index]
            do throws(DecisionTree.Flaw) {
                trees.append(
                    try DecisionTree(
                        nodes: TreeEnsemble.nodes(tree, weight: weight),
                        group: Int(model.outputs[index]), featureCount: model.featureCount))
            } catch {
                throw .malformed(path: path, reason: "tree \(index): \(error)")
            }
        }
        let forest = TreeForest(
            trees, featureCount: model.featureCount, groupCount: groupCount)
        self.init(forest, start: start, objective: objective)
    }

    private static func nodes(_ tree: XGBoostTree, weight: Float) -> [DecisionTree.Node] {
        (0..<tree.nodeCount).map { index in
            if tree.left[index] < 0 { return .leaf(tree.conditions[index] * weight) }
            let question: DecisionTree.Question =
                if let range = tree.categories[Int32(index)] {
                    .isInSet(Array(tree.categoryWords[range]))
                } else {
                    .isBelow(tree.conditions[index])
                }
            return .split(
                DecisionTree.Split(
                    feature: Int(tree.features[index]), question: question,
                    left: Int(tree.left[index]), right: Int(tree.right[index]),
                    sendsMissingLeft: tree.defaultsLeft[index]))
        }
    }
}
