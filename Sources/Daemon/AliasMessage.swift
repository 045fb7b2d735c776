// What is asked about aliases and what is answered: over the control socket, and as --json.

internal import Settings

/// What a command asks about aliases.
///
/// A name is `prod` for a model, `datasets/prod` and `spaces/prod` for the others.
package enum AliasRequest: Equatable, Sendable, Codable {
    /// Every alias, or the one named, with what it stands for.
    case list(name: String?)
    /// Every change, the newest first.
    case history(name: String?)
    /// Have an alias stand for a revision, once all of that is here and proven.
    case set(name: String, target: PrefetchTarget, who: String)
    /// Have it stand for what it stood for before its newest change.
    case rollback(name: String, who: String)
    /// Take it away.
    case remove(name: String, who: String)
}

/// What is told of aliases.
package struct AliasReport: Equatable, Sendable, Codable {
    /// At some 400 bytes each they are 800 kB.
    static let rowCountMax = 2000

    /// What an alias stands for.
    package struct Target: Equatable, Sendable, Codable {
        /// Such as `models/org/name`.
        package var repository: String
        /// As it was named; empty for the default branch.
        package var revision: String
        /// Its hash.
        package var commit: String
    }

    /// An alias, or a change of one.
    package struct Row: Equatable, Sendable, Codable {
        /// Such as `prod`, or `datasets/prod`.
        package var name: String
        /// The number of the change, counted from 1 for each alias.
        package var number: Int64
        /// ISO 8601, in UTC.
        package var changedAt: String
        /// Who asked for it.
        package var who: String
        /// Before the change; nil for nothing.
        package var from: Target?
        /// After it; nil when the alias was taken away.
        package var to: Target?
    }

    /// What the rows are.
    package enum Kind: String, Equatable, Sendable, Codable {
        case aliases
        case history
        /// One row: what was just changed.
        case change
        /// One row: what is as it was asked to be already.
        case unchanged
    }

    package var kind: Kind
    package var rows: [Row] = []
    /// Whether there are more than are told.
    package var isTruncated = false
    /// What kept the alias from being set; the alias is what it was.
    package var failures: [PrefetchReport.Failure] = []
    /// How many files are not here and proven.
    package var failedCount = 0

    package init(_ kind: Kind) {
        self.kind = kind
    }

    /// What a command ends with.
    var exitCode: ExitCode { failures.first?.exitCode ?? (failedCount > 0 ? .failure : .success) }
}
