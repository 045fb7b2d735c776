// Extended attributes: where a directory comes from, and what is known of a file's bytes.
//
// What depends on a path (repository, revision, commit) is an attribute of directories, because a
// file's node is shared by every path that leads to the same bytes.

package import Catalog
internal import ChunkStore
internal import Hashing
internal import HubAPI
internal import Platform

extension FileSystem {
    private static let prefix = "user.modelfs."

    /// The value of one attribute.
    package func extendedAttribute(_ id: NodeID, _ name: String) -> Outcome<[UInt8]> {
        attempt { () throws(Detour) in
            guard name.hasPrefix(FileSystem.prefix) else { throw .failed(.noAttribute) }
            let short = String(name.dropFirst(FileSystem.prefix.count))
            let value = id.isFile ? try fileAttribute(id, short) : try directoryAttribute(id, short)
            guard let value else { throw .failed(.noAttribute) }
            return Array(value.utf8)
        }
    }

    /// The names that are listed.
    ///
    /// Those that change with time (`cached`, `verified`) answer when they are asked for by name,
    /// but are not listed, so that `cp -a` does not copy them.
    package func extendedAttributeNames(_ id: NodeID) -> Outcome<[String]> {
        attempt { () throws(Detour) in
            var names: [String] = []
            if id.isFile {
                let content = try content(id)
                names = ["oid", "sha256", "xet"].filter { stableAttribute(content, $0) != nil }
            } else if case .folder = try named(id).kind {
                names = ["repo", "revision", "commit"]
            }
            return names.map { FileSystem.prefix + $0 }
        }
    }

    private func fileAttribute(_ id: NodeID, _ name: String) throws(Detour) -> String? {
        let content = try content(id)
        switch name {
        case "size": return String(content.sizeBytes)
        case "cached":
            return String(store.state(of: content.hash, size: content.sizeBytes).cachedByteCount)
        case "verified":
            switch store.state(of: content.hash, size: content.sizeBytes).verification {
            case .none: return "no"
            case .proven(let time):
                let means = if case .sha256 = content.hash { "sha256" } else { "git" }
                return "yes \(time.iso8601) \(means)"
            case .provenByChunks(let time): return "yes \(time.iso8601) xet"
            case .failed: return "failed"
            }
        default: return stableAttribute(content, name)
        }
    }

    private func stableAttribute(_ content: Content, _ name: String) -> String? {
        switch (name, content.hash) {
        case ("oid", .gitBlob(let id)): id.hex
        case ("sha256", .sha256(let digest)): digest.hex
        case ("xet", _): content.xetHash
        default: nil
        }
    }

    private func directoryAttribute(_ id: NodeID, _ name: String) throws(Detour) -> String? {
        let node = try named(id)
        if name == "cache" { return options.cachePath.isEmpty ? nil : options.cachePath }
        switch node.kind {
        case .folder(let commitID, let path):
            let commit = try ask { () throws(CatalogError) in try catalog.commit(commitID) }
            guard let commit else { throw .failed(.stale) }
            switch name {
            case "repo": return commit.repository.description
            case "commit": return commit.oid.hex
            case "path": return String(decoding: path, as: UTF8.self)
            case "revision": return try revisionName(of: node) ?? commit.oid.hex
            default: return nil
            }
        case .versions(let id): return name == "repo" ? id.description : nil
        case .organisation(let kind, let owner):
            guard name == "truncated" else { return nil }
            let listing = try ask { () throws(CatalogError) in
                try catalog.listing(of: owner, kind: kind)
            }
            // An owner that was never listed shows what is known of it, and has more.
            return listing?.isTruncated ?? true ? "yes" : "no"
        case .root, .repositories, .link: return nil
        }
    }

    /// What the user wrote after the `@` above this folder; nil for the default branch.
    private func revisionName(of folder: NamedNode) throws(Detour) -> String? {
        var node = folder
        while case .folder(_, let path) = node.kind, !path.isEmpty {
            let parent = try ask { () throws(CatalogError) in try catalog.node(node.parent) }
            guard let parent else { return nil }
            node = parent
        }
        let name = try ask { () throws(CatalogError) in try catalog.name(of: node.row) }
        let text = String(decoding: name ?? [], as: UTF8.self)
        guard let at = text.firstIndex(of: "@") else { return nil }
        return RevisionName(pathComponent: text[text.index(after: at)...])?.name
    }
}
