// What can go wrong in the store. None of it is fatal to a read: the network still has the bytes.

package import Database
package import Platform

/// A failure of the store; the caller goes on from the network, without caching.
package enum StoreError: Error, Equatable, Sendable {
    /// The disk, or the share of it that the cache may use, is full.
    case full
    /// The disk or the directory is read-only.
    case readOnly
    /// The disk failed in another way.
    case disk(Errno)
    /// The index failed.
    case database(DatabaseError)
    /// Another process has this cache open.
    case inUse
    /// The range is not inside of the content, or not aligned as a write has to be.
    case invalidRange
    /// Not all of the content is here.
    case incomplete
    /// The store has been closed.
    case closed

    init(_ error: Errno) {
        switch error {
        case .noSpace, .quotaExceeded, .fileTooBig: self = .full
        case .readOnly, .accessDenied, .notPermitted: self = .readOnly
        default: self = .disk(error)
        }
    }

    /// Whether something is lacking that says nothing of what is stored.
    var isPassing: Bool {
        guard case .disk(let error) = self else { return false }
        return [.tooManyDescriptors, .tooManyOpenFiles, .outOfMemory].contains(error)
    }

    init(_ error: DatabaseError) {
        switch error {
        case .full: self = .full
        case .readOnly: self = .readOnly
        case .closed: self = .closed
        default: self = .database(error)
        }
    }
}

extension StoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .full: "no space left in the cache"
        case .readOnly: "the cache directory cannot be written"
        case .disk(let error): "the cache disk failed: \(error)"
        case .database(let error): "the cache index failed: \(error)"
        case .inUse: "the cache is in use by another process"
        case .invalidRange: "a range is outside of its content or not aligned"
        case .incomplete: "the content is not complete"
        case .closed: "the cache is closed"
        }
    }
}

extension Errno {
    static let quotaExceeded = Errno(122)
    static let fileTooBig = Errno(27)
}
