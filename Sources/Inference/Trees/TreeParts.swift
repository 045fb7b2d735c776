// The arrays that CShims/trees.h describes, filled tree by tree.

internal import CShims

/// All trees of a forest, cut into what the loops go over.
struct TreeParts: Sendable {
    private(set) var trees: [modelfs_tree] = []
    private(set) var pairs: [modelfs_tree_pair] = []
    private(set) var leaves: [Float] = []
    private(set) var steps: [modelfs_tree_step] = []
    private(set) var nodes: [modelfs_tree_node] = []
    private(set) var checks: [modelfs_tree_check] = []
    private(set) var words: [UInt32] = []
    private(set) var columns: [modelfs_tree_column] = []
    /// The most slots, and columns of categories, that a tree has.
    private(set) var slotCountMax = 1
    private(set) var checkCountMax = 0
    private var columnOfKey: [UInt64: UInt32] = [:]

    /// What a check's column is told as, until it is known how many columns of values there are.
    private static let checkColumnBit: UInt32 = 1 << 31

    mutating func add(_ tree: DecisionTree, isWalked: Bool) {
        var entry = modelfs_tree()
        entry.group = UInt32(tree.group)
        entry.first_pair = UInt32(pairs.count)
        entry.first_leaf = UInt32(leaves.count)
        entry.first_step = UInt32(steps.count)
        entry.first_node = UInt32(nodes.count)
        entry.first_check = UInt32(checks.count)
        if isWalked {
            addWalked(tree)
        } else {
            addBlended(tree)
        }
        entry.pair_count = UInt32(pairs.count) - entry.first_pair
        entry.leaf_count = UInt32(leaves.count) - entry.first_leaf
        entry.step_count = UInt32(steps.count) - entry.first_step
        entry.node_count = UInt32(nodes.count) - entry.first_node
        entry.check_count = UInt32(checks.count) - entry.first_check
        trees.append(entry)
        slotCountMax = max(
            slotCountMax, Int(entry.pair_count + entry.leaf_count + entry.step_count))
        checkCountMax = max(checkCountMax, Int(entry.check_count))
    }

    /// Columns of categories follow those of values: `add` counts them from 0 for each tree.
    func column(_ place: UInt32) -> UInt32 {
        if place & TreeParts.checkColumnBit == 0 { return place }
        return UInt32(columns.count * TreeForest.blockRowCount)
            + (place & ~TreeParts.checkColumnBit)
    }

    /// Gives every column its place; once, after the last tree.
    mutating func settle() {
        for index in pairs.indices { pairs[index].column = column(pairs[index].column) }
        for index in steps.indices { steps[index].column = column(steps[index].column) }
        for index in nodes.indices { nodes[index].column = column(nodes[index].column) }
        for index in checks.indices { checks[index].column = column(checks[index].column) }
        columnOfKey = [:]
    }

    // MARK: Parts of a tree

    private mutating func addBlended(_ tree: DecisionTree) {
        let order = TreeParts.childrenFirst(tree)
        let firstCheck = checks.count
        var slots = [UInt32](repeating: 0, count: tree.nodes.count)
        var slotCount: UInt32 = 0
        func takeSlot(_ node: Int) {
            slots[node] = slotCount * UInt32(TreeForest.blockRowCount)
            slotCount += 1
        }
        for node in order {
            guard case .split(let split) = tree.nodes[node],
                case .leaf(let left) = tree.nodes[split.left],
                case .leaf(let right) = tree.nodes[split.right]
            else { continue }
            let (column, threshold) = question(split, firstCheck)
            pairs.append(
                modelfs_tree_pair(column: column, threshold: threshold, left: left, right: right))
            takeSlot(node)
        }
        func addLeaf(_ node: Int) {
            guard case .leaf(let value) = tree.nodes[node] else { return }
            leaves.append(value)
            takeSlot(node)
        }
        let wide = order.filter { !isPairOrLeaf(tree, $0) }
        if tree.nodes.count == 1 { addLeaf(0) }
        for node in wide {
            guard case .split(let split) = tree.nodes[node] else { continue }
            addLeaf(split.left)
            addLeaf(split.right)
        }
        for node in wide {
            guard case .split(let split) = tree.nodes[node] else { continue }
            let (column, threshold) = question(split, firstCheck)
            steps.append(
                modelfs_tree_step(
                    column: column, threshold: threshold, left: slots[split.left],
                    right: slots[split.right]))
            takeSlot(node)
        }
    }

    private func isPairOrLeaf(_ tree: DecisionTree, _ node: Int) -> Bool {
        guard case .split(let split) = tree.nodes[node] else { return true }
        guard case .leaf = tree.nodes[split.left], case .leaf = tree.nodes[split.right]
        else { return false }
        return true
    }

    /// All nodes that the root leads to, each behind its children.
    private static func childrenFirst(_ tree: DecisionTree) -> [Int] {
        var order: [Int] = []
        var waiting = [0]
        while let node = waiting.popLast() {
            order.append(node)
            guard case .split(let split) = tree.nodes[node] else { continue }
            waiting.append(split.left)
            waiting.append(split.right)
        }
        return order.reversed()
    }

    /// Level by level, so that two children are neighbours and the nodes near the root as well.
    private mutating func addWalked(_ tree: DecisionTree) {
        let firstCheck = checks.count
        let zero = column(feature: 0, missing: 0)
        var order = [0]
        var index = 0
        while index < order.count {
            switch tree.nodes[order[index]] {
            case .leaf(let value):
                nodes.append(
                    modelfs_tree_node(
                        column: zero, threshold: .infinity, left: UInt32(index), value: value))
            case .split(let split):
                let (column, threshold) = question(split, firstCheck)
                nodes.append(
                    modelfs_tree_node(
                        column: column, threshold: threshold, left: UInt32(order.count), value: 0))
                order.append(split.left)
                order.append(split.right)
            }
            index += 1
        }
    }

    /// The column that a split looks at, and its threshold.
    private mutating func question(
        _ split: DecisionTree.Split, _ firstCheck: Int
    ) -> (column: UInt32, threshold: Float) {
        switch split.question {
        case .isBelow(let threshold):
            let missing: Float = split.sendsMissingLeft ? -.infinity : .infinity
            return (column(feature: split.feature, missing: missing), threshold)
        case .isInSet(let set):
            let place =
                UInt32((checks.count - firstCheck) * TreeForest.blockRowCount)
                | TreeParts.checkColumnBit
            checks.append(
                modelfs_tree_check(
                    source: column(feature: split.feature, missing: -.infinity), column: place,
                    first_word: UInt32(words.count), word_count: UInt32(set.count),
                    missing: split.sendsMissingLeft ? 0 : 1))
            words += set
            return (place, 0.5)
        }
    }

    private mutating func column(feature: Int, missing: Float) -> UInt32 {
        let key = UInt64(feature) << 32 | UInt64(missing.bitPattern)
        if let known = columnOfKey[key] { return known }
        let place = UInt32(columns.count * TreeForest.blockRowCount)
        columns.append(modelfs_tree_column(feature: UInt32(feature), missing: missing))
        columnOfKey[key] = place
        return place
    }
}
