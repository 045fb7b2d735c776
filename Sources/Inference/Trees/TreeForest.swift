// An ensemble of trees in the form in which it is evaluated, block by block of 64 rows.
//
// A block's values lie column by column. A column is a feature with one of the two things that
// stand for a missing value there: -infinity, which is below every threshold and goes left, or
// +infinity, which goes right; so a split is one comparison and knows nothing of missing values.
//
// A small tree is evaluated whole, from its leaves to its root: each split compares its column with
// its threshold and chooses between what its children came to, for 16 rows in an instruction or
// two. No branch and no address depends on a value, so nothing is guessed wrong and nothing waits;
// up to some hundred splits that is less work than to follow 64 paths. Larger trees are walked.
// A split by a set of categories fills a column of its own with 0 and 1, before its tree.

internal import CShims

/// Trees that are ready to be evaluated; made once, read by any number of threads.
struct TreeForest: Sendable {
    /// How many rows a block has.
    static let blockRowCount = Int(MODELFS_BLOCK_ROWS)

    /// How many values a row has.
    let featureCount: Int
    /// How many sums a row gets.
    let groupCount: Int
    let parts: TreeParts

    /// The most splits that a tree evaluated whole may have.
    ///
    /// Measured with bench_trees.py on AVX-512: see there how the figures were made.
    static let blendedSplitCountMax = 256

    init(
        _ trees: [DecisionTree], featureCount: Int, groupCount: Int,
        blendedSplitCountMax: Int = TreeForest.blendedSplitCountMax
    ) {
        precondition(trees.allSatisfy { $0.group < groupCount })
        self.featureCount = featureCount
        self.groupCount = groupCount
        var parts = TreeParts()
        for tree in trees {
            parts.add(tree, isWalked: tree.splitCount > blendedSplitCountMax)
        }
        parts.settle()
        self.parts = parts
    }

    /// How many splits and leaves there are.
    var nodeCount: Int {
        parts.pairs.count * 3 + parts.leaves.count + parts.steps.count + parts.nodes.count
    }

    /// Sums the leaves that rows come to.
    ///
    /// - Parameters:
    ///   - rows: `featureCount` values for each, NaN where one is missing, none infinite.
    ///   - range: which of the rows.
    ///   - start: what the sums begin with, one for each group.
    ///   - form: see `modelfs_tree_form`; at most what that says.
    /// - Returns: `groupCount` sums for each row.
    func sums(
        _ rows: [Float], in range: Range<Int>, start: [Float],
        form: CInt = TreeForest.widestForm
    ) -> [Float] {
        precondition(start.count == groupCount && rows.count >= range.upperBound * featureCount)
        var scratch = TreeScratch(self)
        var sums = [Float](repeating: 0, count: range.count * groupCount)
        var place = 0
        var first = range.lowerBound
        while first < range.upperBound {
            let part = min(TreeForest.blockRowCount, range.upperBound - first)
            scratch.fill(rows, from: first, count: part, of: self)
            scratch.sum(self, start: start, form: form)
            for row in 0..<part {
                for group in 0..<groupCount {
                    sums[place] = scratch.sum(row: row, group: group)
                    place += 1
                }
            }
            first += part
        }
        return sums
    }

    /// The widest form that this processor has.
    static let widestForm = modelfs_tree_form()
}
