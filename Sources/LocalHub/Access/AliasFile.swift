// Aliases: old names of repositories, which lead to the new ones.

internal import FoundationEssentials
package import HubAPI
internal import Platform

/// The aliases of a root.
///
/// Shared by all threads.
package final class AliasFile: Sendable {
    private struct State {
        var stamp: FileStamp?
        var targets: [RepositoryID: RepositoryID] = [:]
    }

    private static let countMax = 100_000
    /// An alias of an alias of …: longer chains are taken for loops.
    private static let chainLengthMax = 8
    private let root: HubRoot
    private let state = Lock(State())

    package init(_ root: HubRoot) {
        self.root = root
    }

    /// What an old name stands for, at the end of the chain; nil if it is no alias.
    package func target(of id: RepositoryID) throws(LocalHubError) -> RepositoryID? {
        let targets = try all()
        var found: RepositoryID?
        for _ in 0..<AliasFile.chainLengthMax {
            guard let next = targets[found ?? id] else { return found }
            found = next
        }
        return nil
    }

    /// Every alias and what it stands for.
    package func all() throws(LocalHubError) -> [RepositoryID: RepositoryID] {
        guard let stamp = FileStamp(root.aliasesPath) else { return [:] }
        let known = state.withLock { $0.stamp == stamp ? $0.targets : nil }
        if let known { return known }
        guard let bytes = try contents(of: root.aliasesPath),
            let list = try? JSONDecoder().decode([String: String].self, from: Data(bytes))
        else { throw .damaged(path: root.aliasesPath) }
        var targets: [RepositoryID: RepositoryID] = [:]
        for (old, new) in list {
            guard let old = AliasFile.id(old), let new = AliasFile.id(new) else {
                throw .damaged(path: root.aliasesPath)
            }
            targets[old] = new
        }
        let read = targets
        state.withLock { $0 = State(stamp: stamp, targets: read) }
        return targets
    }

    /// Makes an old name stand for a repository, or changes what it stands for.
    ///
    /// - Throws: `aliasIsRepository` if the old name is a repository's, `noRepository` if the new
    ///   one is not.
    package func set(
        _ old: RepositoryID, to new: RepositoryID, in store: RepositoryStore
    ) throws(LocalHubError) {
        let writer = try root.lockForWriting()
        defer { withExtendedLifetime(writer.file.rawValue) {} }
        if try store.record(of: old) != nil { throw .aliasIsRepository(old) }
        if try store.record(of: new) == nil { throw .noRepository(new) }
        var targets = try all()
        if targets.count >= AliasFile.countMax {
            throw .tooMany("aliases", countMax: AliasFile.countMax)
        }
        targets[old] = new
        let list = targets.map { ($0.key.description, $0.value.description) }
        let json = Dictionary(list, uniquingKeysWith: { first, _ in first })
        try replaceFile(root.aliasesPath, with: jsonBytes(json))
    }

    /// Reads `models/org/name`.
    private static func id(_ text: String) -> RepositoryID? {
        let first = text.prefix { $0 != "/" }
        guard let kind = RepositoryKind(plural: first) else { return nil }
        return RepositoryID(kind: kind, name: text.dropFirst(first.count + 1))
    }
}
