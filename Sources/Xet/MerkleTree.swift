// The Merkle tree over a list of chunks, built as they come.
//
// Nodes of one level are joined into parents in groups of at most nine. A group ends early after
// its third or a later node if that node's hash is divisible by four, so that groups too are cut
// by content, and an insertion changes few of them. The last group of a level takes what is
// left, even a single node. The level with one node is the root: a single chunk is its own root.
//
// A level needs to remember only the group under way, so a file of any length costs a few
// hundred bytes for each of its levels.

internal import Hashing

/// A part of a file or a xorb: its hash, and how many bytes of content it stands for.
package struct MerkleNode: Hashable, Sendable {
    package let hash: XetHash
    package let byteCount: UInt64

    /// Takes both.
    package init(hash: XetHash, byteCount: UInt64) {
        self.hash = hash
        self.byteCount = byteCount
    }

    /// The parent of a group: the hash over its lines, and the sum of its lengths.
    init(parentOf children: [MerkleNode]) {
        // Lengths come from shards and reconstructions too, so the sum may wrap, not trap.
        self.init(hash: .node(children), byteCount: children.reduce(0) { $0 &+ $1.byteCount })
    }
}

/// A Merkle tree under way.
package struct MerkleTree: Sendable {
    /// The most nodes of a group.
    private static let mostChildren = 9

    private struct Level {
        /// The group under way; always shorter than `mostChildren`.
        var group: [MerkleNode] = []
        var hasParents = false
    }

    private var levels: [Level] = []

    /// The tree over nothing.
    package init() {}

    /// Adds the next chunk of the list.
    package mutating func add(_ node: MerkleNode) {
        add(node, at: 0)
    }

    /// The root's hash; nil if there was no chunk.
    ///
    /// For a xorb this is its name.
    package consuming func finish() -> XetHash? {
        var index = 0
        while index < levels.count {
            let level = levels[index]
            if let only = level.group.first, level.group.count == 1, !level.hasParents {
                return only.hash
            }
            if !level.group.isEmpty { closeGroup(at: index) }
            index += 1
        }
        return nil
    }

    /// The root over a whole list; nil for an empty one.
    package static func root(of nodes: some Sequence<MerkleNode>) -> XetHash? {
        var tree = MerkleTree()
        for node in nodes { tree.add(node) }
        return tree.finish()
    }

    private mutating func add(_ node: MerkleNode, at index: Int) {
        if index == levels.count { levels.append(Level()) }
        levels[index].group.append(node)
        let count = levels[index].group.count
        if count == Self.mostChildren || count >= 3 && node.hash.digest.words.3 % 4 == 0 {
            closeGroup(at: index)
        }
    }

    private mutating func closeGroup(at index: Int) {
        let parent = MerkleNode(parentOf: levels[index].group)
        levels[index].group.removeAll(keepingCapacity: true)
        levels[index].hasParents = true
        add(parent, at: index + 1)
    }
}
