// A model of XGBoost, from the JSON or UBJSON that `save_model` writes.
//
// Trees are parsed into private memory: they are small beside what they do, and their walks need
// them as arrays. What only training needs (gains, covers, parents) is passed over. Source:
// doc/model.schema of XGBoost 3, and files of 1.6 to 3.2.

internal import JSON
internal import Platform

/// Gradient-boosted trees.
package struct XGBoostModel: Sendable {
    /// Of the library that wrote it, such as 3, 2, 0; empty where the file does not say.
    package let version: [Int]
    /// Such as `binary:logistic`.
    package let objective: String
    /// What predictions begin with, before the objective's own transformation is undone: one for
    /// all outputs, or one for each.
    package let baseScores: [Float]
    /// For objectives of several classes; else 0.
    package let classCount: Int
    /// How many values a row has; 1 but for models of several.
    package let targetCount: Int
    package let featureCount: Int
    /// Empty where it was trained without names.
    package let featureNames: [String]
    /// Such as `float`, `int`, `i`, `q` or `c` (categories); empty where it was trained without.
    package let featureTypes: [String]
    /// The names of each feature's categories by their numbers, where it has names; empty where
    /// the file keeps none.
    package let categoryNames: [[String]]
    package let trees: [XGBoostTree]
    /// The output that each tree adds to.
    package let outputs: [Int32]
    /// What each tree's values are multiplied by; empty for all but `dart`.
    package let treeWeights: [Float]
    /// What the program attached, such as `best_iteration`.
    package let attributes: [String: String]

    /// How many outputs trees add to.
    package var outputCount: Int { max(classCount, targetCount, 1) }

    /// A model of a million nodes takes some 40 MB of JSON.
    package static let byteCountMax: Int64 = 512 << 20
    private static let treeCountMax = 1 << 20
    private static let featureCountMax = 1 << 24
    private static let outputCountMax = 1 << 16
    private static let unwanted: Set<String> = [
        "base_weights", "loss_changes", "sum_hessian", "parents", "sorted_idx",
    ]

    /// Opens a model file, and reads all of it.
    package static func open(_ path: String) throws(WeightFileError) -> XGBoostModel {
        let source = try MappedSource.open(path)
        let bytes = try source.run { (source) throws(WeightError) in
            if source.sizeBytes > byteCountMax {
                throw .directoryTooLong(byteCount: source.sizeBytes)
            }
            return try Parse { () throws(Halt) in try source.need(0..<source.sizeBytes) }
        }
        return try source.checked { () throws(WeightError) in try XGBoostModel(bytes) }
    }

    /// Whether bytes begin as a model of XGBoost does, in either form.
    package static func recognises(_ head: [UInt8]) -> Bool {
        guard head.first == UInt8(ascii: "{") else { return false }
        return isJSON(head) || UBJSONReader.beginsObject(head)
    }

    private static func isJSON(_ bytes: [UInt8]) -> Bool {
        let second = bytes.dropFirst().first { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }
        return second == UInt8(ascii: "\"")
    }

    /// Reads a whole model file.
    package init(_ bytes: [UInt8]) throws(WeightError) {
        guard bytes.first == UInt8(ascii: "{") else {
            throw .unsupported(
                reason: "a model of XGBoost in its old binary form; load it in XGBoost and save"
                    + " it as model.json or model.ubj")
        }
        let document: DocumentValue
        if XGBoostModel.isJSON(bytes) {
            var reader = JSONReader<WeightError>(bytes, .python)
            document = try reader.document(without: XGBoostModel.unwanted)
            try reader.end()
        } else {
            document = try UBJSONReader.document(bytes, without: XGBoostModel.unwanted)
        }
        try self.init(document)
    }

    init(_ document: DocumentValue) throws(WeightError) {
        guard let learner = document["learner"], let facts = learner["learner_model_param"],
            let booster = learner["gradient_booster"],
            let objective = learner["objective"]?["name"]?.text
        else { throw .malformed(reason: "no model of XGBoost") }
        version = document["version"]?.numbers?.compactMap { Int(exactly: $0) } ?? []
        self.objective = objective
        let kind = booster["name"]?.text ?? ""
        guard let model = (kind == "dart" ? booster["gbtree"] : booster)?["model"],
            ["gbtree", "dart"].contains(kind), let list = model["trees"]?.list
        else {
            throw .unsupported(
                reason: "XGBoost's booster '\(kind)'; trees (gbtree, dart) are supported")
        }
        classCount = try XGBoostModel.count(facts, "num_class", XGBoostModel.outputCountMax)
        targetCount = max(
            1, try XGBoostModel.count(facts, "num_target", XGBoostModel.outputCountMax))
        featureCount = try XGBoostModel.count(
            facts, "num_feature", XGBoostModel.featureCountMax)
        baseScores = try XGBoostModel.scores(facts["base_score"]?.text ?? "")
        featureNames = try XGBoostModel.texts(learner["feature_names"])
        featureTypes = try XGBoostModel.texts(learner["feature_types"])
        attributes = XGBoostModel.attributes(learner["attributes"])
        categoryNames = try XGBoostModel.categories(model["cats"])
        if list.count > XGBoostModel.treeCountMax { throw .tooManyEntries }
        var trees: [XGBoostTree] = []
        trees.reserveCapacity(list.count)
        for tree in list { trees.append(try XGBoostTree(tree, featureCount: featureCount)) }
        self.trees = trees
        outputs = (model["tree_info"]?.numbers ?? []).map { Int32(exactly: $0) ?? -1 }
        treeWeights =
            kind == "dart" ? (booster["weight_drop"]?.numbers ?? []).map { Float($0) } : []
        try check(isDart: kind == "dart")
    }

    private func check(isDart: Bool) throws(WeightError) {
        func wrong(_ what: String) -> WeightError {
            .malformed(reason: "a model of XGBoost whose \(what) do not fit")
        }
        let outputCount = outputCount
        if outputs.count != trees.count || outputs.contains(where: { $0 < 0 || $0 >= outputCount })
        {
            throw wrong("trees and outputs")
        }
        if isDart && (treeWeights.count != trees.count || !treeWeights.allSatisfy(\.isFinite)) {
            throw wrong("trees and weights")
        }
        if baseScores.count != 1 && baseScores.count != outputCount { throw wrong("base scores") }
        if !featureNames.isEmpty && featureNames.count != featureCount {
            throw wrong("feature names")
        }
        if !featureTypes.isEmpty && featureTypes.count != featureCount {
            throw wrong("feature types")
        }
        if !categoryNames.isEmpty && categoryNames.count != featureCount {
            throw wrong("categories")
        }
    }

    // MARK: Fields

    private static func count(
        _ facts: DocumentValue, _ name: String, _ countMax: Int
    ) throws(WeightError) -> Int {
        guard let text = facts[name]?.text else { return 0 }
        guard let count = Int(text), count >= 0, count <= countMax else {
            throw .malformed(reason: "a model of XGBoost whose \(name) is no count")
        }
        return count
    }

    /// `5E-1`, or from XGBoost 3.1 on `[5E-1]`, with a score for each output.
    private static func scores(_ text: String) throws(WeightError) -> [Float] {
        var inner = text[...]
        if inner.hasPrefix("[") && inner.hasSuffix("]") { inner = inner.dropFirst().dropLast() }
        let parts = inner.split(separator: ",", omittingEmptySubsequences: false)
        return try parts.map { (part) throws(WeightError) in
            guard let score = Float(part.filter { $0 != " " }), score.isFinite else {
                throw .malformed(reason: "a base score that is no number")
            }
            return score
        }
    }

    private static func texts(_ value: DocumentValue?) throws(WeightError) -> [String] {
        guard let list = value?.list else { return [] }
        return try list.map { (item) throws(WeightError) in
            guard let text = item.text else {
                throw .malformed(reason: "a model of XGBoost with a name that is no text")
            }
            return text
        }
    }

    private static func attributes(_ value: DocumentValue?) -> [String: String] {
        guard case .object(let fields)? = value else { return [:] }
        return fields.compactMapValues(\.text)
    }

    /// For each feature the values that its categories stand for: numbers, or texts, which stand
    /// one after another with the places where they begin and end.
    private static func categories(_ value: DocumentValue?) throws(WeightError) -> [[String]] {
        guard let features = value?["enc"]?.list else { return [] }
        return try features.map { (feature) throws(WeightError) in
            guard let values = feature["values"]?.numbers else { return [] }
            guard let places = feature["offsets"]?.numbers else {
                return values.map { value in
                    Int(exactly: value).map { String($0) } ?? String(value)
                }
            }
            return try names(values, places)
        }
    }

    private static func names(
        _ values: [Double], _ places: [Double]
    ) throws(WeightError) -> [String] {
        let bytes = values.map { Int(exactly: $0).map { UInt8(truncatingIfNeeded: $0) } ?? 0 }
        return try zip(places, places.dropFirst()).map { (start, end) throws(WeightError) in
            guard let first = Int(exactly: start), let last = Int(exactly: end), first >= 0,
                first <= last, last <= bytes.count,
                let name = String(validating: bytes[first..<last], as: UTF8.self)
            else { throw .malformed(reason: "a model of XGBoost whose categories do not fit") }
            return name
        }
    }
}
