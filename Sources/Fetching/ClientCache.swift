// The official client's cache as a source of bytes: what somebody has downloaded with it before
// need not come over the network again.
//
// Owns nothing, writes nothing, and trusts nothing: what is read there is compared with its hash
// like what a Hub sends. A file is looked for under the names that its layout gives it: a blob
// of a repository by its hash, and one that repositories share by its Xet hash. Half files have
// other names there. Source: the official client's documentation of its cache.

internal import Catalog
internal import Glibc
internal import Hashing
internal import HubAPI
internal import Platform

/// Where the official client keeps what it has downloaded.
struct ClientCache: Sendable {
    /// The `hub` folder.
    let root: String

    /// A file that may hold a content: a whole one of its size.
    ///
    /// - Parameter repositories: where the content is known to stand.
    func open(_ content: Content, in repositories: [RepositoryID]) -> FileDescriptor? {
        var paths = repositories.map { "\(folder(of: $0))/blobs/\(content.hash.hex)" }
        if let xet = content.xetHash, xet.utf8.count == 64 {
            paths.append("\(root)/blobs/\(xet.prefix(2))/\(xet)")
        }
        for path in paths {
            guard let file = ClientCache.open(path), let size = try? file.size(),
                size == content.sizeBytes
            else { continue }
            return file
        }
        return nil
    }

    /// Where that of a repository lies.
    func folder(of id: RepositoryID) -> String {
        let name = id.name.split(separator: "/").joined(separator: "--")
        return "\(root)/\(id.kind.plural)--\(name)"
    }

    /// A blob may be a link to a shared one; a pipe would block whoever opens it.
    static func open(_ path: String) -> FileDescriptor? {
        try? FileDescriptor.open(path, O_RDONLY | O_NONBLOCK)
    }
}
