// What the kernel is told of a node, and for how long it may believe it.

package import Catalog

/// A node's attributes.
///
/// Mode, owner and block size are the mount's, not the node's.
package struct Attributes: Equatable, Sendable {
    /// What kind of file a node is.
    package enum Kind: Equatable, Sendable {
        case directory, file, link
    }

    package let node: NodeID
    package let kind: Kind
    /// A file's length, a link's target's length; 0 for directories.
    package let sizeBytes: Int64
    /// Nanoseconds since 1970.
    package let modifiedNanoseconds: Int64
    /// 1 for files, whatever their names: at 2, `cp -a` would make hard links in the copy.
    package let linkCount: Int
}

/// The answer to a lookup.
package struct Entry: Equatable, Sendable {
    /// Nil: there is no such name, and the kernel may remember that.
    package let attributes: Attributes?
    /// How long the name may stand for this node without asking again.
    package let nameSeconds: Double
    /// How long the attributes hold.
    package let attributeSeconds: Double
}

/// A name in a directory's listing.
package struct ListedEntry: Equatable, Sendable {
    package let name: [UInt8]
    package let kind: Attributes.Kind
    /// Nil where telling them would cost a request; the kernel then asks when they are needed.
    package let entry: Entry?
    /// Where the listing goes on after this name.
    package let nextOffset: Int64
}

/// Attributes, and for how many seconds the kernel may believe them.
package struct TimedAttributes: Equatable, Sendable {
    package let attributes: Attributes
    package let seconds: Double
}

/// The figures of the whole tree: its limit is the cache's.
package struct Statistics: Equatable, Sendable {
    /// What sizes are counted in.
    package static let blockByteCount: Int64 = 4096

    package let limitBytes: Int64
    package let usedBytes: Int64
    /// Contents that are known.
    package let contentCount: Int64
}

/// How long the kernel may keep what it was told, in seconds.
enum Lifetime {
    /// Attributes of contents and of a commit's folders never change.
    static let immutableAttributes = 86_400.0
    /// Names below a commit never change either, but a lookup is the only sign of use that a hot
    /// file gives, so the kernel asks again after a while.
    static let nameInCommit = 60.0
    /// A name that is not in a commit will never be.
    static let missingInCommit = 60.0
    /// Owners, and directories of versions.
    static let directory = 60.0
    /// Their attributes while their listing is not known to be old: the mtime moves with the
    /// listing, and the kernel is told when it does.
    static let announcedAttributes = 3600.0
    /// Attributes of a directory that is not known well yet.
    static let changingAttributes = 1.0
    /// An alias of this machine, which may be changed at any time.
    static let alias = 1.0
    /// A repository or revision that was not found may be made at any time.
    static let missing = 5.0
}
