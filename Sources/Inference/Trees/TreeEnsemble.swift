// A forest with what its sums mean, and the threads that evaluate it.
//
// A batch is shared out among the team's threads in whole blocks of rows. A small one is not worth
// to wake them: that takes as long as some thousand rows of one tree.

internal import LinearAlgebra
internal import Platform

/// Trees, what their sums begin with, and the objective.
struct TreeEnsemble: Sendable {
    let forest: TreeForest
    /// What the sums begin with, one for each group.
    let start: [Float]
    let objective: TreeObjective

    /// What is shared out: rows times trees, some 200 µs of work.
    private static let sharedWorkMin = 1 << 16

    init(_ forest: TreeForest, start: [Float], objective: TreeObjective) {
        precondition(start.count == forest.groupCount)
        self.forest = forest
        self.start = start
        self.objective = objective
    }

    /// What is predicted for rows: `forest.groupCount` numbers for each.
    ///
    /// - Parameters:
    ///   - rows: `forest.featureCount` values for each, NaN where one is missing.
    ///   - team: who works; nil for the caller alone.
    func predict(_ rows: [Float], rowCount: Int, team: Team?) -> [Float] {
        var sums = margins(rows, rowCount: rowCount, team: team)
        objective.apply(&sums, groupCount: forest.groupCount)
        return sums
    }

    /// The sums.
    func margins(_ rows: [Float], rowCount: Int, team: Team?) -> [Float] {
        let work = rowCount * max(forest.parts.trees.count, 1)
        guard let team, work >= TreeEnsemble.sharedWorkMin,
            rowCount > TreeForest.blockRowCount
        else { return forest.sums(rows, in: 0..<rowCount, start: start) }
        let results = PartialSums(count: team.threadCount)
        team.run { [forest, start] member in
            let share = member.share(of: rowCount, unit: TreeForest.blockRowCount)
            results.set(forest.sums(rows, in: share, start: start), at: member.index)
        }
        return results.joined()
    }
}

/// What the threads of a batch have come to.
private final class PartialSums: Sendable {
    private let parts: Lock<[[Float]]>

    init(count: Int) {
        parts = Lock([[Float]](repeating: [], count: count))
    }

    func set(_ sums: [Float], at part: Int) {
        parts.withLock { $0[part] = sums }
    }

    func joined() -> [Float] {
        parts.withLock { Array($0.joined()) }
    }
}
