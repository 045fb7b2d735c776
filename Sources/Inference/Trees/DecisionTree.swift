// A decision tree as its file tells it, checked to be a tree.
//
// A value below a split's threshold goes left, and so does a category that is not in the split's
// set; a missing value goes where the split says. This is the form in which trees are read, not the
// one in which they are evaluated.

/// One tree of an ensemble.
struct DecisionTree: Equatable, Sendable {
    /// What a node is.
    enum Node: Equatable, Sendable {
        case leaf(Float)
        case split(Split)
    }

    /// A question to one feature, and the nodes that its answers lead to.
    struct Split: Equatable, Sendable {
        var feature: Int
        var question: Question
        var left: Int
        var right: Int
        var sendsMissingLeft: Bool
    }

    enum Question: Equatable, Sendable {
        /// Left when below.
        case isBelow(Float)
        /// Right when the category's bit is set, the lowest bit of the first word being 0.
        case isInSet([UInt32])
    }

    /// The root first; every other node is the child of one.
    let nodes: [Node]
    /// To which sum its leaf is added.
    let group: Int

    /// What keeps nodes from being a tree.
    enum Flaw: Error, Equatable {
        case isEmpty
        case tooManyNodes
        /// A child that is not there, or that two splits share.
        case child(ofNode: Int)
        case feature(ofNode: Int)
        case threshold(ofNode: Int)
        case leaf(node: Int)
    }

    /// Larger trees are none that anybody trains: depth 20, full.
    static let nodeCountMax = 1 << 21

    init(nodes: [Node], group: Int, featureCount: Int) throws(Flaw) {
        if nodes.isEmpty { throw .isEmpty }
        if nodes.count > DecisionTree.nodeCountMax { throw .tooManyNodes }
        var isChild = [Bool](repeating: false, count: nodes.count)
        isChild[0] = true
        var waiting = [0]
        while let index = waiting.popLast() {
            switch nodes[index] {
            case .leaf(let value):
                if !value.isFinite { throw .leaf(node: index) }
            case .split(let split):
                for child in [split.left, split.right] {
                    guard nodes.indices.contains(child), !isChild[child] else {
                        throw .child(ofNode: index)
                    }
                    isChild[child] = true
                    waiting.append(child)
                }
                if !(0..<featureCount).contains(split.feature) { throw .feature(ofNode: index) }
                if case .isBelow(let threshold) = split.question, !threshold.isFinite {
                    throw .threshold(ofNode: index)
                }
            }
        }
        self.nodes = nodes
        self.group = group
    }

    /// How many splits there are.
    var splitCount: Int {
        nodes.count { if case .split = $0 { true } else { false } }
    }
}
