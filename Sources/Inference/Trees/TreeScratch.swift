// The memory in which a block of rows is evaluated, and the calls of the loops in C.
//
// Owns one buffer, which begins at a multiple of 64 bytes as the vectors want it: the columns, then
// the slots, then the sums. One thread uses it.

internal import CShims

/// Room for a block.
@safe
struct TreeScratch: ~Copyable {
    private let memory: UnsafeMutableRawPointer
    private let columns: UnsafeMutablePointer<Float>
    private let slots: UnsafeMutablePointer<Float>
    private let sums: UnsafeMutablePointer<Float>

    init(_ forest: TreeForest) {
        let rows = TreeForest.blockRowCount
        let columnCount = (forest.parts.columns.count + forest.parts.checkCountMax) * rows
        let slotCount = forest.parts.slotCountMax * rows
        let count = columnCount + slotCount + forest.groupCount * rows
        unsafe memory = .allocate(byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
        unsafe columns = memory.bindMemory(to: Float.self, capacity: count)
        unsafe columns.initialize(repeating: 0, count: count)
        unsafe slots = columns + columnCount
        unsafe sums = slots + slotCount
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// Takes rows into the columns.
    ///
    /// - Parameter rows: has `count` rows from `first` on.
    mutating func fill(_ rows: [Float], from first: Int, count: Int, of forest: TreeForest) {
        precondition(rows.count >= (first + count) * forest.featureCount)
        unsafe rows.withUnsafeBufferPointer { rows in
            unsafe forest.parts.columns.withUnsafeBufferPointer { told in
                guard let start = rows.baseAddress else { return }
                unsafe modelfs_tree_block(
                    start + first * forest.featureCount, count, forest.featureCount,
                    told.baseAddress, told.count, columns)
            }
        }
    }

    /// Evaluates every tree.
    mutating func sum(_ forest: TreeForest, start: [Float], form: CInt) {
        let rows = TreeForest.blockRowCount
        for group in 0..<forest.groupCount {
            unsafe (sums + group * rows).update(repeating: start[group], count: rows)
        }
        let parts = forest.parts
        unsafe parts.trees.withUnsafeBufferPointer { trees in
            unsafe parts.pairs.withUnsafeBufferPointer { pairs in
                unsafe parts.leaves.withUnsafeBufferPointer { leaves in
                    unsafe parts.steps.withUnsafeBufferPointer { steps in
                        unsafe parts.nodes.withUnsafeBufferPointer { nodes in
                            unsafe parts.checks.withUnsafeBufferPointer { checks in
                                unsafe parts.words.withUnsafeBufferPointer { words in
                                    var lent = unsafe modelfs_forest(
                                        trees: trees.baseAddress, tree_count: trees.count,
                                        pairs: pairs.baseAddress, leaves: leaves.baseAddress,
                                        steps: steps.baseAddress, nodes: nodes.baseAddress,
                                        checks: checks.baseAddress, words: words.baseAddress)
                                    unsafe modelfs_tree_sums(form, &lent, columns, slots, sums)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// What a row's sum came to.
    func sum(row: Int, group: Int) -> Float {
        unsafe sums[group * TreeForest.blockRowCount + row]
    }
}
