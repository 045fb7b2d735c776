// Attributes of nodes, and the entries made of them.

package import Catalog
internal import ChunkStore
internal import Platform

extension FileSystem {
    /// The attributes of a node, and for how many seconds they hold.
    package func attributes(
        of id: NodeID, _ context: AttemptContext
    ) -> Outcome<TimedAttributes> {
        attempt { () throws(Detour) in
            if id.isFile {
                let content = try content(id)
                let entry = fileEntry(
                    content.id, sizeBytes: content.sizeBytes,
                    modifiedSeconds: content.modified.secondsSince1970)
                guard let attributes = entry.attributes else { throw .failed(.stale) }
                return TimedAttributes(
                    attributes: attributes, seconds: entry.attributeSeconds)
            }
            let node = try named(id)
            guard case .folder(let commitID, let path) = node.kind else {
                return TimedAttributes(
                    attributes: plainAttributes(of: node), seconds: attributeSeconds(of: node))
            }
            let commit = try ask { () throws(CatalogError) in try catalog.commit(commitID) }
            guard let commit else { throw .failed(.stale) }
            return TimedAttributes(
                attributes: try folderAttributes(node, commit, path: path),
                seconds: attributeSeconds(of: commit))
        }
    }

    /// The figures of the whole tree.
    package func statistics() -> Outcome<Statistics> {
        attempt { () throws(Detour) in
            Statistics(
                limitBytes: store.sizeLimitBytes, usedBytes: store.usedByteCount,
                contentCount: try ask { () throws(CatalogError) in try catalog.contentCount() })
        }
    }

    /// The target of a symbolic link.
    package func target(of id: NodeID) -> Outcome<[UInt8]> {
        attempt { () throws(Detour) in
            guard case .link(let target) = try named(id).kind else { throw .failed(.notLink) }
            return target
        }
    }

    /// The entry of a node that is no folder of a commit.
    func entry(of node: NamedNode, nameSeconds: Double) -> Entry {
        Entry(
            attributes: plainAttributes(of: node), nameSeconds: nameSeconds,
            attributeSeconds: attributeSeconds(of: node))
    }

    func fileEntry(_ content: ContentID, sizeBytes: Int64, modifiedSeconds: Int64) -> Entry {
        let attributes = Attributes(
            node: .file(content, epoch: catalog.epoch), kind: .file, sizeBytes: sizeBytes,
            modifiedNanoseconds: modifiedSeconds * 1_000_000_000, linkCount: 1)
        return Entry(
            attributes: attributes, nameSeconds: Lifetime.nameInCommit,
            attributeSeconds: Lifetime.immutableAttributes)
    }

    func folderEntry(
        _ node: NamedNode, _ commit: KnownCommit, subdirectoryCount: Int
    ) -> Entry {
        Entry(
            attributes: folderAttributes(node, commit, subdirectoryCount: subdirectoryCount),
            nameSeconds: Lifetime.nameInCommit, attributeSeconds: attributeSeconds(of: commit))
    }

    /// A folder's attributes; how many folders it holds is known once the tree is.
    func folderAttributes(
        _ node: NamedNode, _ commit: KnownCommit, path: [UInt8]
    ) throws(Detour) -> Attributes {
        var subdirectoryCount = 0
        if commit.hasTree {
            let folder = try ask { () throws(CatalogError) in
                try catalog.directory(commit.id, path: path)
            }
            subdirectoryCount = folder?.subdirectoryCount ?? 0
        }
        return folderAttributes(node, commit, subdirectoryCount: subdirectoryCount)
    }

    private func folderAttributes(
        _ node: NamedNode, _ commit: KnownCommit, subdirectoryCount: Int
    ) -> Attributes {
        Attributes(
            node: nodeID(node), kind: .directory, sizeBytes: 0,
            modifiedNanoseconds: (commit.date?.secondsSince1970 ?? 0) * 1_000_000_000,
            linkCount: 2 + subdirectoryCount)
    }

    /// Until a commit's tree is known, neither are its date and its number of folders.
    func attributeSeconds(of commit: KnownCommit) -> Double {
        commit.hasTree ? Lifetime.immutableAttributes : Lifetime.changingAttributes
    }

    private func plainAttributes(of node: NamedNode) -> Attributes {
        if case .link(let target) = node.kind {
            return Attributes(
                node: nodeID(node), kind: .link, sizeBytes: Int64(target.count),
                modifiedNanoseconds: node.changedNanoseconds, linkCount: 1)
        }
        return Attributes(
            node: nodeID(node), kind: .directory, sizeBytes: 0,
            modifiedNanoseconds: node.changedNanoseconds, linkCount: 2)
    }

    private func attributeSeconds(of node: NamedNode) -> Double {
        if case .link = node.kind { return Lifetime.immutableAttributes }
        return Lifetime.changingAttributes
    }
}
