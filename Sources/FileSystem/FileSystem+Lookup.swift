// Lookup: from a directory and a name to a node.

package import Catalog
internal import Fetching
internal import Hashing
internal import HubAPI
package import Platform

extension FileSystem {
    /// What stands under `name` in a directory.
    ///
    /// - Parameter now: decides how old a ref's resolution is.
    package func lookup(
        _ parent: NodeID, _ name: [UInt8], now: WallTime = .now, _ context: AttemptContext
    ) -> Outcome<Entry> {
        let outcome: Outcome<Entry> = attempt { () throws(Detour) in
            let directory = try named(parent)
            switch directory.kind {
            case .root: return try lookupKind(directory, name, now)
            case .repositories(let kind):
                return try lookupAtTop(directory, kind, name, now, context)
            case .organisation(let kind, let organisation):
                return try lookupRepository(
                    directory, kind, organisation: organisation, name, now, context)
            case .versions(let id): return try lookupVersion(directory, id, name, now, context)
            case .folder(let commit, let path):
                return try lookupFile(directory, commit, path, name, context)
            case .link: throw .failed(.notDirectory)
            }
        }
        // The kernel remembers that there is no such name, if it is told so in these words.
        if case .failed(.notFound) = outcome { return .done(.missing(for: Lifetime.missing)) }
        return outcome
    }

    private func lookupKind(
        _ root: NamedNode, _ name: [UInt8], _ now: WallTime
    ) throws(Detour) -> Entry {
        guard let kind = RepositoryKind(plural: String(decoding: name, as: UTF8.self))
        else { return .missing(for: Lifetime.immutableAttributes) }
        let child = Catalog.Child(name: name, kind: .repositories(kind))
        let node = try ask { () throws(CatalogError) in try catalog.child(of: root.row, child) }
        return try entry(of: node, nameSeconds: Lifetime.directory, now: now)
    }

    /// In `hf://models`: an owner, or a legacy repository such as `gpt2` or `gpt2@main`.
    private func lookupAtTop(
        _ directory: NamedNode, _ kind: RepositoryKind, _ name: [UInt8], _ now: WallTime,
        _ context: AttemptContext
    ) throws(Detour) -> Entry {
        guard let text = String(validating: name, as: UTF8.self)
        else { return .missing(for: Lifetime.immutableAttributes) }
        if text.hasPrefix("@") { return try lookupAlias(directory, kind, name, text, now) }
        if text.contains("@") {
            return try lookupRepository(
                directory, kind, organisation: nil, name, now, context)
        }
        // What the Hub's grammar forbids costs no request.
        guard RepositoryID.isValidPart(text), let legacy = RepositoryID(kind: kind, name: text)
        else { return .missing(for: Lifetime.immutableAttributes) }
        let known = try ask { () throws(CatalogError) in try catalog.repository(legacy) }
        var isOwner = try ask { () throws(CatalogError) in
            try catalog.isOwner(text, kind: kind)
        }
        var nameSeconds = Lifetime.directory
        if known == nil && !isOwner {
            let owned = try listing(of: text, kind, now: now, context)
            isOwner = !owned.repositories.isEmpty
            // A Hub that lists nobody's repositories: what is no repository may be an owner.
            if !owned.isListed,
                case .hub(.repositoryNotFound)? = context.failures[
                    .revision(legacy, nil)]
            {
                isOwner = true
                nameSeconds = Lifetime.missing
            }
        }
        if isOwner {
            let child = Catalog.Child(name: name, kind: .organisation(kind, text))
            let node = try ask { () throws(CatalogError) in
                try catalog.child(of: directory.row, child)
            }
            return try entry(of: node, nameSeconds: nameSeconds, now: now)
        }
        return try lookupRepository(directory, kind, organisation: nil, name, now, context)
    }

    /// `@name`: a link to the commit that this machine's alias stands for.
    ///
    /// The kernel asks again after a second, so a change is seen by whoever walks the path next;
    /// who is inside stays in the commit that he entered.
    private func lookupAlias(
        _ directory: NamedNode, _ kind: RepositoryKind, _ name: [UInt8], _ text: String,
        _ now: WallTime
    ) throws(Detour) -> Entry {
        guard let alias = AliasName(kind: kind, name: String(text.dropFirst()))
        else { return .missing(for: Lifetime.immutableAttributes) }
        let target = try ask { () throws(CatalogError) in try catalog.alias(alias) }
        guard let target else { return .missing(for: Lifetime.alias) }
        let path = "\(target.repository.name)@\(target.commit.hex)"
        let child = Catalog.Child(name: name, kind: .link(target: Array(path.utf8)))
        let node = try ask { () throws(CatalogError) in
            try catalog.child(of: directory.row, child)
        }
        return try entry(of: node, nameSeconds: Lifetime.alias, now: now)
    }

    /// `name`, `name@revision` or `name@`.
    private func lookupRepository(
        _ directory: NamedNode, _ kind: RepositoryKind, organisation: String?, _ name: [UInt8],
        _ now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> Entry {
        guard let text = String(validating: name, as: UTF8.self)
        else { return .missing(for: Lifetime.immutableAttributes) }
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let base = parts.first,
            let id = RepositoryID(kind: kind, organisation: organisation, base: String(base))
        else { return .missing(for: Lifetime.immutableAttributes) }
        var revision: RevisionName?
        let isVersions = parts.count == 2 && parts[1].isEmpty
        if parts.count == 2 && !isVersions {
            guard let named = RevisionName(pathComponent: parts[1])
            else { return .missing(for: Lifetime.immutableAttributes) }
            revision = named
        }
        let repository = try repository(id, revision: revision, context)
        if !repository.isUsed {
            // A listing told all of it, so nothing was asked that would have been noted as a use.
            // A database that cannot be written must not keep anybody from what is cached.
            try? catalog.recordUse(of: id)
        }
        if repository.canonical != id {
            try checkAlias(repository, now: now, context)
            let suffix = parts.count == 2 ? "@\(parts[1])" : ""
            return try link(directory, name, to: repository.canonical, suffix: suffix, now)
        }
        if isVersions {
            let child = Catalog.Child(name: name, kind: .versions(id))
            let node = try ask { () throws(CatalogError) in
                try catalog.child(of: directory.row, child)
            }
            return try entry(of: node, nameSeconds: Lifetime.directory, now: now)
        }
        let resolved = try resolve(repository, revision, now: now, context)
        try checkAccess(to: repository, resolved.commit, context)
        let child = Catalog.Child(name: name, kind: .folder(resolved.commit.id, path: []))
        let node = try ask { () throws(CatalogError) in
            try catalog.child(of: directory.row, child)
        }
        let attributes = try folderAttributes(node, resolved.commit, path: [])
        return Entry(
            attributes: attributes, nameSeconds: resolved.holdsSeconds,
            attributeSeconds: attributeSeconds(of: resolved.commit))
    }

    /// An alias is a link to the name that the Hub uses now, so both lead to the same nodes.
    private func link(
        _ directory: NamedNode, _ name: [UInt8], to canonical: RepositoryID, suffix: String,
        _ now: WallTime
    ) throws(Detour) -> Entry {
        var target = canonical.name + suffix
        if case .organisation = directory.kind { target = "../" + target }
        let child = Catalog.Child(name: name, kind: .link(target: Array(target.utf8)))
        let node = try ask { () throws(CatalogError) in
            try catalog.child(of: directory.row, child)
        }
        return try entry(of: node, nameSeconds: Lifetime.directory, now: now)
    }

    /// In `name@/`: a link for each version.
    private func lookupVersion(
        _ directory: NamedNode, _ id: RepositoryID, _ name: [UInt8], _ now: WallTime,
        _ context: AttemptContext
    ) throws(Detour) -> Entry {
        guard let text = String(validating: name, as: UTF8.self),
            let revision = RevisionName(pathComponent: text)
        else { return .missing(for: Lifetime.immutableAttributes) }
        let repository = try repository(id, revision: nil, context)
        let refs = try refs(of: repository, now: now, context)
        guard refs.contains(where: { $0.name == revision })
        else { return .missing(for: Lifetime.missing) }
        let child = versionLink(id, revision)
        let node = try ask { () throws(CatalogError) in
            try catalog.child(of: directory.row, child)
        }
        return try entry(of: node, nameSeconds: Lifetime.directory, now: now)
    }

    private func lookupFile(
        _ directory: NamedNode, _ commit: CommitID, _ path: [UInt8], _ name: [UInt8],
        _ context: AttemptContext
    ) throws(Detour) -> Entry {
        let known = try commitWithTree(commit, context)
        let folder = try ask { () throws(CatalogError) in
            try catalog.directory(commit, path: path)
        }
        guard let folder else { throw .failed(.stale) }
        switch folder.find(name) {
        case nil: return .missing(for: Lifetime.missingInCommit)
        case .file(let content, let size, let modified):
            noteUse(of: content)
            noteFound(content, in: commit)
            return fileEntry(content, sizeBytes: size, modifiedSeconds: modified)
        case .directory(let subdirectoryCount):
            let child = Catalog.Child(
                name: name, kind: .folder(commit, path: join(path, name)))
            let node = try ask { () throws(CatalogError) in
                try catalog.child(of: directory.row, child)
            }
            return folderEntry(node, known, subdirectoryCount: subdirectoryCount)
        }
    }

    /// The link that stands for a version in `name@/`.
    func versionLink(_ id: RepositoryID, _ revision: RevisionName) -> Catalog.Child {
        let name = revision.pathComponent
        return Catalog.Child(
            name: Array(name.utf8), kind: .link(target: Array("../\(id.base)@\(name)".utf8)))
    }

    /// A path one step deeper.
    func join(_ path: [UInt8], _ name: [UInt8]) -> [UInt8] {
        path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
    }
}

extension Entry {
    /// There is no such name, for now.
    static func missing(for seconds: Double) -> Entry {
        Entry(attributes: nil, nameSeconds: seconds, attributeSeconds: 0)
    }
}
