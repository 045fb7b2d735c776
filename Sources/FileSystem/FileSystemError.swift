// The errors of filesystem operations; each becomes one errno at the edge to the kernel.

internal import Catalog
internal import ChunkStore
internal import Fetching
internal import HubAPI

/// Why an operation failed, in the words of a filesystem.
package enum FileSystemError: Error, Equatable, Sendable {
    /// There is no such name. (ENOENT)
    case notFound
    /// The Hub refuses it to this user. (EACCES)
    case accessDenied
    /// It cannot be had now, or never will be right. (EIO)
    case unavailable
    /// A directory was needed. (ENOTDIR)
    case notDirectory
    /// A file was needed. (EISDIR)
    case isDirectory
    /// A symbolic link was needed. (EINVAL)
    case notLink
    /// The node belongs to a database that is gone. (ESTALE)
    case stale
    /// There is no such extended attribute. (ENODATA)
    case noAttribute
    /// It is served only when all of it was proven, and the cache cannot hold all of it. (EFBIG)
    case tooLarge
    /// The reader gave up. (EINTR)
    case interrupted
}

extension FileSystemError {
    /// What it means to the kernel that something did not come.
    init(_ error: FetchError) {
        switch error {
        case .hub(let error): self.init(error)
        case .catalog, .notProven, .noRoom, .noSource: self = .unavailable
        case .tooLarge: self = .tooLarge
        case .stopped: self = .interrupted
        }
    }

    private init(_ error: HubError) {
        switch error {
        case .repositoryNotFound, .revisionNotFound, .entryNotFound: self = .notFound
        case .gated, .tokenRefused, .disabled, .forbidden: self = .accessDenied
        case .rateLimited, .unreachable, .dataUnreachable, .server, .malformed, .deadline,
            .cancelled, .offline:
            self = .unavailable
        }
    }
}
