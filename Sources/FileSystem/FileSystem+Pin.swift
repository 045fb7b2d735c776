// The root of a mount: a directory that stays what it is while the mount lives.
//
// A mount of a revision is pinned: its ref is resolved once, when it is mounted, and its root is
// the directory of that full commit.

package import Catalog
internal import Fetching
internal import Hashing
package import HubAPI
package import Platform

/// Where a mount's root lies in the tree.
package struct PinnedRoot: Sendable {
    /// The root's node.
    package let node: NodeID
    /// The names that lead to it from `hf://`.
    package let path: [String]
    /// The repository, when the root lies in one; its canonical name.
    package let repository: RepositoryID?
    /// The commit, when the root lies in a repository.
    package let commit: String?
    /// The commit's row.
    package let revision: CommitID?
}

extension FileSystem {
    /// Finds the root that a source names, and pins it if it names a revision.
    package func pin(
        _ source: HubURI, now: WallTime = .now, _ context: AttemptContext
    ) -> Outcome<PinnedRoot> {
        attempt { () throws(Detour) in
            switch source {
            case .everything:
                return PinnedRoot(node: root, path: [], repository: nil, commit: nil, revision: nil)
            case .kind(let kind):
                return PinnedRoot(
                    node: .named(NamedNode.row(of: kind), epoch: catalog.epoch),
                    path: [kind.plural], repository: nil, commit: nil, revision: nil)
            case .repository(let location): return try pin(location, now, context)
            }
        }
    }

    private func pin(
        _ location: HubLocation, _ now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> PinnedRoot {
        var repository = try repository(location.id, revision: location.revision, context)
        if repository.canonical != repository.id {
            repository = try self.repository(
                repository.canonical, revision: location.revision, context)
        }
        let resolved = try resolve(repository, location.revision, now: now, context)
        try checkAccess(to: repository, resolved.commit, context)
        let id = repository.id
        let oid = resolved.commit.oid.hex
        let folders = location.path.split(separator: "/").map(String.init)
        // The names are walked as the kernel would, so that every directory is a node.
        var node = NamedNode.row(of: id.kind)
        if let organisation = id.organisation {
            node = try makeChild(of: node, organisation, .organisation(id.kind, organisation))
        }
        node = try makeChild(
            of: node, "\(id.base)@\(oid)", .folder(resolved.commit.id, path: []))
        var path: [UInt8] = []
        for name in folders {
            let commit = try commitWithTree(resolved.commit.id, context)
            let folder = try ask { () throws(CatalogError) in
                try catalog.directory(commit.id, path: path)
            }
            guard case .directory? = folder?.find(Array(name.utf8))
            else { throw .failed(.notDirectory) }
            path = join(path, Array(name.utf8))
            node = try makeChild(of: node, name, .folder(commit.id, path: path))
        }
        return PinnedRoot(
            node: .named(node, epoch: catalog.epoch),
            path: [id.kind.plural] + (id.organisation.map { [$0] } ?? [])
                + ["\(id.base)@\(oid)"] + folders,
            repository: id, commit: oid, revision: resolved.commit.id)
    }

    private func makeChild(
        of parent: Int64, _ name: String, _ kind: NamedNode.Kind
    ) throws(Detour) -> Int64 {
        let child = Catalog.Child(name: Array(name.utf8), kind: kind)
        return try ask { () throws(CatalogError) in try catalog.child(of: parent, child) }.row
    }
}
