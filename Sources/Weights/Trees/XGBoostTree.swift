// One tree of an XGBoost model, checked so that a walk down it can end nowhere but at a leaf.
//
// A row at node `n` goes left where its value is less than `conditions[n]`, and right otherwise; a
// missing value goes where `defaultsLeft[n]` says. At a node with categories it goes right where
// its category is one of them. At a leaf, `conditions[n]` is the value.

/// A tree as arrays over its nodes; the root is node 0.
package struct XGBoostTree: Equatable, Sendable {
    /// -1 at a leaf, in both.
    package let left: [Int32]
    package let right: [Int32]
    /// The feature that is looked at.
    package let features: [Int32]
    /// What its value is compared with; a leaf's own value.
    package let conditions: [Float]
    /// Where a missing value goes.
    package let defaultsLeft: [Bool]
    /// The categories that go right, by node, as places in `categoryWords`: category `c` is bit
    /// `c % 32` of the word `c / 32`, and one beyond the last word is not among them.
    package let categories: [Int32: Range<Int>]
    package let categoryWords: [UInt32]

    /// How many nodes it has.
    package var nodeCount: Int { left.count }

    /// Whether a category goes right at a node that has categories.
    package func hasCategory(_ category: Int, at node: Int32) -> Bool {
        guard let range = categories[node], category >= 0, category / 32 < range.count else {
            return false
        }
        return categoryWords[range.lowerBound + category / 32] >> UInt32(category % 32) & 1 == 1
    }

    static let nodeCountMax = 1 << 26
    /// XGBoost itself has categories as floats, exact up to here.
    static let categoryMax = 1 << 24
    private static let categoryWordCountMax = 1 << 24

    /// - Parameters:
    ///   - value: an element of `trees`.
    ///   - featureCount: how many features the model has.
    init(_ value: DocumentValue, featureCount: Int) throws(WeightError) {
        if let vector = value["tree_param"]?["size_leaf_vector"]?.text, vector != "0",
            vector != "1"
        {
            throw .unsupported(
                reason: "trees with several values in a leaf; train with"
                    + " multi_strategy=one_output_per_tree")
        }
        let count = value["left_children"]?.numbers?.count ?? 0
        if count == 0 || count > XGBoostTree.nodeCountMax { throw XGBoostTree.wrong("nodes") }
        func numbers(_ name: String) throws(WeightError) -> [Double] {
            guard let numbers = value[name]?.numbers, numbers.count == count else {
                throw XGBoostTree.wrong(name)
            }
            return numbers
        }
        left = try XGBoostTree.integers(try numbers("left_children"), "left_children")
        right = try XGBoostTree.integers(try numbers("right_children"), "right_children")
        features = try XGBoostTree.integers(try numbers("split_indices"), "split_indices")
        conditions = try numbers("split_conditions").map { Float($0) }
        defaultsLeft = try numbers("default_left").map { $0 != 0 }
        let kinds = value["split_type"]?.numbers ?? []
        (categories, categoryWords) = try XGBoostTree.sets(value, kinds, count)
        try checkWalks(featureCount: featureCount)
    }

    private static func wrong(_ name: String) -> WeightError {
        .malformed(reason: "a tree whose \(name) do not fit")
    }

    private static func integers(
        _ numbers: [Double], _ name: String
    ) throws(WeightError) -> [Int32] {
        try numbers.map { (number) throws(WeightError) in
            guard let integer = Int32(exactly: number) else { throw wrong(name) }
            return integer
        }
    }

    /// Every node but the root is the child of one other at most, so no walk goes in circles.
    private func checkWalks(featureCount: Int) throws(WeightError) {
        var isChild = [Bool](repeating: false, count: nodeCount)
        for node in 0..<nodeCount {
            if left[node] == -1 && right[node] == -1 {
                if !conditions[node].isFinite {
                    throw .malformed(reason: "a leaf whose value is no number")
                }
                continue
            }
            for child in [left[node], right[node]] {
                guard child > 0, child < nodeCount, !isChild[Int(child)] else {
                    throw XGBoostTree.wrong("children")
                }
                isChild[Int(child)] = true
            }
            if features[node] < 0 || features[node] >= featureCount {
                throw XGBoostTree.wrong("features")
            }
            if conditions[node].isNaN && categories[Int32(node)] == nil {
                throw .malformed(reason: "a condition that is no number")
            }
        }
    }

    /// The sets of categories: which nodes have one, and where in one list it stands.
    private static func sets(
        _ value: DocumentValue, _ kinds: [Double], _ count: Int
    ) throws(WeightError) -> ([Int32: Range<Int>], [UInt32]) {
        func integers(_ name: String) throws(WeightError) -> [Int32] {
            try XGBoostTree.integers(value[name]?.numbers ?? [], name)
        }
        let nodes = try integers("categories_nodes")
        let starts = try integers("categories_segments")
        let sizes = try integers("categories_sizes")
        let all = try integers("categories")
        if nodes.count != starts.count || nodes.count != sizes.count || nodes.count > count {
            throw wrong("categories")
        }
        var ranges: [Int32: Range<Int>] = [:]
        var words: [UInt32] = []
        for (node, place) in zip(nodes, zip(starts, sizes)) {
            let (start, size) = (Int(place.0), Int(place.1))
            guard node >= 0, node < count, start >= 0, size >= 0, start + size <= all.count,
                ranges[node] == nil
            else { throw wrong("categories") }
            let set = all[start..<start + size]
            let greatest = Int(set.max() ?? 0)
            guard set.allSatisfy({ $0 >= 0 }), greatest <= categoryMax,
                words.count + greatest / 32 + 1 <= categoryWordCountMax
            else { throw wrong("categories") }
            let first = words.count
            words.append(contentsOf: [UInt32](repeating: 0, count: greatest / 32 + 1))
            for category in set {
                words[first + Int(category) / 32] |= 1 << UInt32(category % 32)
            }
            ranges[node] = first..<words.count
        }
        for (node, kind) in kinds.enumerated() where kind != 0 && ranges[Int32(node)] == nil {
            throw wrong("categories")
        }
        return (ranges, words)
    }
}
