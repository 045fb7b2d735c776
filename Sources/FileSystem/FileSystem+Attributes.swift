// Attributes of nodes, and the entries made of them.

package import Catalog
internal import ChunkStore
internal import Fetching
package import Platform

extension FileSystem {
    /// The attributes of a node, and for how many seconds they hold.
    package func attributes(
        of id: NodeID, now: WallTime = .now, _ context: AttemptContext
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
                try renewListing(of: node, now: now, context)
                return TimedAttributes(
                    attributes: plainAttributes(of: node),
                    seconds: try attributeSeconds(of: node, now: now))
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
    func entry(
        of node: NamedNode, nameSeconds: Double, now: WallTime
    ) throws(Detour) -> Entry {
        Entry(
            attributes: plainAttributes(of: node), nameSeconds: nameSeconds,
            attributeSeconds: try attributeSeconds(of: node, now: now))
    }

    func fileEntry(_ content: ContentID, sizeBytes: Int64, modifiedSeconds: Int64) -> Entry {
        let attributes = Attributes(
            node: .file(content, epoch: catalog.epoch), kind: .file, sizeBytes: sizeBytes,
            modifiedNanoseconds: WallTime(secondsSince1970: modifiedSeconds).nanosecondsSince1970,
            linkCount: 1)
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
            modifiedNanoseconds: commit.date?.nanosecondsSince1970 ?? 0,
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

    /// The kernel lists a directory from its own copy until the mtime moves, so nobody but a look
    /// at the attributes tells that a listing is wanted again.
    private func renewListing(
        of node: NamedNode, now: WallTime, _ context: AttemptContext
    ) throws(Detour) {
        guard let (need, left) = try listingLifetime(of: node, now: now), left <= 0,
            !context.met.contains(need), context.failures[need] == nil
        else { return }
        throw .lacks(need, withinSeconds: options.renewalSeconds)
    }

    private func attributeSeconds(
        of node: NamedNode, now: WallTime
    ) throws(Detour) -> Double {
        if case .link = node.kind { return Lifetime.immutableAttributes }
        guard let (_, left) = try listingLifetime(of: node, now: now)
        else { return Lifetime.announcedAttributes }
        return left > 0 ? Double(left) : Lifetime.missing
    }

    /// For how many seconds the listing of a directory is still fresh, and what renews it.
    ///
    /// Nil where nothing has to be asked, or never was.
    private func listingLifetime(
        of node: NamedNode, now: WallTime
    ) throws(Detour) -> (need: Need, leftSeconds: Int64)? {
        let need: Need
        let listedAt: WallTime?
        let lifetime: Int64
        switch node.kind {
        case .organisation(let kind, let name):
            need = .organisation(kind, name)
            lifetime = options.listingSeconds
            listedAt = try ask { () throws(CatalogError) in
                try catalog.listingTime(of: name, kind: kind)
            }
        case .versions(let id):
            need = .refs(id)
            lifetime = options.refSeconds
            listedAt = try ask { () throws(CatalogError) in try catalog.refsTime(of: id) }
        case .root, .repositories, .folder, .link: return nil
        }
        guard let listedAt else { return nil }
        // A clock that was set back makes the age negative: then nothing is known of it.
        let ageSeconds = now.secondsSince1970 - listedAt.secondsSince1970
        return (need, ageSeconds < 0 ? 0 : lifetime - ageSeconds)
    }
}
