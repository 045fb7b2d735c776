// Names of this machine's own for revisions: set when all of a revision is here and proven, and
// never before; every change is noted and logged.
//
// What an alias stands for, and what it stood for before, is kept from being evicted as if it was
// pinned, so that a rollback needs no network.

internal import Catalog
internal import ChunkStore
internal import FileSystem
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry

/// What becomes of an alias, by what it is.
private enum AliasStep {
    /// It stands for this from now on; nil: it is taken away.
    case change(AliasTarget?)
    /// It is that already.
    case none
}

extension CacheService {
    /// How often a change is tried when somebody else changes the same alias meanwhile.
    private static let tryCountMax = 3

    func answer(
        _ request: AliasRequest, _ progress: Progress
    ) throws(MountFailure) -> AliasReport {
        switch request {
        case .list(let name): return try listAliases(name)
        case .history(let name): return try aliasHistory(name)
        case .set(let name, let target, let who):
            return try setAlias(CacheService.aliasName(name), target, who, progress)
        case .rollback(let name, let who):
            let alias = try CacheService.aliasName(name)
            return try change(alias, by: who) { (changes) throws(MountFailure) in
                if changes.isEmpty { throw .aliasMissing(name: name) }
                guard let current = changes.last, let to = Aliases.before(current, in: changes)
                else { throw .aliasUnchanged(name: name, detail: "it was nothing else before") }
                guard try isProven(to) else {
                    throw .aliasUnchanged(
                        name: name,
                        detail: "\(to.repository.name)@\(to.commit.hex.prefix(12)), which it was"
                            + " before, is not here and proven any more")
                }
                return .change(to)
            }
        case .remove(let name, let who):
            return try change(CacheService.aliasName(name), by: who) {
                (changes) throws(MountFailure) in
                if changes.last?.target == nil { throw .aliasMissing(name: name) }
                return .change(nil)
            }
        }
    }

    /// Reads `prod`, `models/prod`, `datasets/prod`; a `@` before the name may stand there.
    static func aliasName(_ text: String) throws(MountFailure) -> AliasName {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let last = parts.last.map { $0.hasPrefix("@") ? $0.dropFirst() : $0 } ?? ""
        let kind = parts.count == 2 ? RepositoryKind(plural: parts[0]) : .model
        guard let kind, let name = AliasName(kind: kind, name: String(last)) else {
            throw .aliasMalformed(name: text)
        }
        return name
    }

    // MARK: Changes

    private func setAlias(
        _ name: AliasName, _ target: PrefetchTarget, _ who: String, _ progress: Progress
    ) throws(MountFailure) -> AliasReport {
        guard target.location?.id.kind == name.kind else {
            throw .sourceMalformed(
                source: target.text,
                detail: "an alias of \(name.kind.plural) stands for one of \(name.kind.plural)")
        }
        let found = try findFiles(target, false)
        let fetched = try prefetch([target], progress)
        if fetched.failedCount > 0 {
            var report = AliasReport(.change)
            report.failures = fetched.failures
            report.failedCount = fetched.failedCount
            return report
        }
        let wanted = AliasTarget(
            repository: found.repository, revision: target.revision ?? "", commit: found.commit)
        guard try isProven(wanted) else {
            throw .aliasUnchanged(
                name: name.text, detail: "not all of \(target.text) could be fetched and proven")
        }
        return try change(name, by: who) { (changes) throws(MountFailure) in
            changes.last?.target == wanted ? .none : .change(wanted)
        }
    }

    /// Notes one change, and keeps what must be kept for it.
    private func change(
        _ name: AliasName, by who: String,
        to decide: ([AliasChange]) throws(MountFailure) -> AliasStep
    ) throws(MountFailure) -> AliasReport {
        for _ in 0..<CacheService.tryCountMax {
            let changes = try ask { () throws(CatalogError) in try catalog.changes(of: name) }
            guard case .change(let target) = try decide(changes) else {
                var report = AliasReport(.unchanged)
                report.rows = changes.last.map { [AliasReport.Row(name, $0, from: nil)] } ?? []
                return report
            }
            let keptBefore = try commitsOfAliases()
            // Before the change: at no moment may what it names be evicted.
            if let target, let commit = try commit(of: target) {
                try keep([commit], true, besides: [])
            }
            let made = try ask { () throws(CatalogError) in
                try catalog.setAlias(
                    name, to: target, by: who, at: .now, expecting: changes.last?.number ?? 0)
            }
            guard let made else { continue }
            let keptNow = try commitsOfAliases()
            try keep(keptBefore.subtracting(keptNow), false, besides: keptNow)
            let row = AliasReport.Row(name, made, from: changes.last?.target)
            log.info(
                "an alias was changed",
                [
                    "alias": name.text, "who": who, "from": row.from?.words ?? "-",
                    "to": row.to?.words ?? "-",
                ])
            var report = AliasReport(.change)
            report.rows = [row]
            return report
        }
        throw .aliasUnchanged(name: name.text, detail: "others change it at the same time")
    }

    /// Whether every file of a target is here whole, and was compared with its hash.
    private func isProven(_ target: AliasTarget) throws(MountFailure) -> Bool {
        guard let commit = try commit(of: target) else { return false }
        for content in try ask({ () throws(CatalogError) in try catalog.contents(of: commit) }) {
            if content.sizeBytes == 0 { continue }
            let state = store.state(of: content.hash, size: content.sizeBytes)
            if !state.isProven { return false }
        }
        return true
    }

    private func commit(of target: AliasTarget) throws(MountFailure) -> CommitID? {
        let known = try ask { () throws(CatalogError) in
            try catalog.commit(target.commit, in: target.repository)
        }
        return known.flatMap { $0.hasTree ? $0.id : nil }
    }

    // MARK: What is kept

    /// The commits that aliases stand for, and would after a rollback.
    func commitsOfAliases() throws(MountFailure) -> Set<CommitID> {
        var commits: Set<CommitID> = []
        for name in try ask({ () throws(CatalogError) in try catalog.aliasNames() }) {
            let changes = try ask { () throws(CatalogError) in try catalog.changes(of: name) }
            guard let current = changes.last, current.target != nil else { continue }
            for target in [current.target, Aliases.before(current, in: changes)] {
                if let target, let commit = try commit(of: target) { commits.insert(commit) }
            }
        }
        return commits
    }

    private func keep(
        _ commits: Set<CommitID>, _ isKept: Bool, besides others: Set<CommitID>
    ) throws(MountFailure) {
        if commits.isEmpty { return }
        var contents: Set<Catalog.ContentName> = []
        for commit in commits {
            contents.formUnion(
                try ask { () throws(CatalogError) in try catalog.contents(of: commit) })
        }
        if !isKept {
            let pinned = try ask { () throws(CatalogError) in try catalog.pinnedCommits() }
            for other in others.union(pinned) {
                contents.subtract(
                    try ask { () throws(CatalogError) in try catalog.contents(of: other) })
            }
        }
        try ask { () throws(StoreError) in try store.setPinned(contents.map(\.stored), isKept) }
    }

    // MARK: Lists

    private func listAliases(_ name: String?) throws(MountFailure) -> AliasReport {
        var report = AliasReport(.aliases)
        for alias in try aliases(name) {
            let changes = try ask { () throws(CatalogError) in try catalog.changes(of: alias) }
            guard let current = changes.last, current.target != nil else { continue }
            report.add([
                AliasReport.Row(alias, current, from: Aliases.before(current, in: changes))
            ])
        }
        if let name, report.rows.isEmpty { throw .aliasMissing(name: name) }
        return report
    }

    private func aliasHistory(_ name: String?) throws(MountFailure) -> AliasReport {
        var report = AliasReport(.history)
        for alias in try aliases(name) {
            let changes = try ask { () throws(CatalogError) in try catalog.changes(of: alias) }
            var rows: [AliasReport.Row] = []
            for (index, change) in changes.enumerated() {
                let previous = index > 0 ? changes[index - 1].target : nil
                rows.append(AliasReport.Row(alias, change, from: previous))
            }
            report.add(rows.reversed())
        }
        if let name, report.rows.isEmpty { throw .aliasMissing(name: name) }
        return report
    }

    private func aliases(_ name: String?) throws(MountFailure) -> [AliasName] {
        if let name { return [try CacheService.aliasName(name)] }
        return try ask { () throws(CatalogError) in try catalog.aliasNames() }
    }
}

/// What changes of one alias mean for each other.
enum Aliases {
    /// What the alias stood for before its newest change: where a rollback leads.
    static func before(_ current: AliasChange, in changes: [AliasChange]) -> AliasTarget? {
        changes.dropLast().last { $0.target != nil && $0.target != current.target }?.target
    }
}

extension AliasName {
    /// As it is typed: `prod`, `datasets/prod`.
    var text: String { kind == .model ? name : "\(kind.plural)/\(name)" }
}

extension AliasReport {
    fileprivate mutating func add(_ more: [Row]) {
        let room = AliasReport.rowCountMax - rows.count
        if more.count > room { isTruncated = true }
        rows += more.prefix(room)
    }
}

extension AliasReport.Row {
    fileprivate init(_ name: AliasName, _ change: AliasChange, from: AliasTarget?) {
        self.init(
            name: name.text, number: change.number, changedAt: change.changedAt.iso8601,
            who: change.who, from: from.map { AliasReport.Target($0) },
            to: change.target.map { AliasReport.Target($0) })
    }
}

extension AliasReport.Target {
    fileprivate init(_ target: AliasTarget) {
        self.init(
            repository: target.repository.description, revision: target.revision,
            commit: target.commit.hex)
    }

    /// In a line of the log or of a page.
    var words: String {
        let named = revision.isEmpty || revision == commit ? "" : " (\(revision))"
        return "\(repository)@\(commit.prefix(12))\(named)"
    }
}
