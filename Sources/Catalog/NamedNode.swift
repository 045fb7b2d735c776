// Directories and symbolic links: the nodes that have one name each.
//
// Linux keeps one name for each directory inode, so a directory's node is its place in the tree
// together with the commit that it shows. When a ref moves, its name gets another node.

package import HubAPI
internal import Platform

/// A node with a place in the tree.
package struct NamedNode: Sendable {
    /// What such a node is.
    package enum Kind: Equatable, Hashable, Sendable {
        /// `hf://`: the three kinds of repository.
        case root
        /// `hf://models` and the like.
        case repositories(RepositoryKind)
        /// An owner of repositories.
        case organisation(RepositoryKind, String)
        /// `name@`: the versions of a repository, as links.
        case versions(RepositoryID)
        /// A folder of a commit; an empty path is the revision itself.
        case folder(CommitID, path: [UInt8])
        /// A symbolic link.
        case link(target: [UInt8])
    }

    package let row: Int64
    /// The row of the directory it stands in; its own for the root.
    package let parent: Int64
    package let kind: Kind
    /// When its listing changed last, in nanoseconds since 1970.
    package let changedNanoseconds: Int64

    /// The rows of the nodes that every catalog has.
    package static let rootRow: Int64 = 1

    /// The row of `hf://models` and the like.
    package static func row(of kind: RepositoryKind) -> Int64 {
        switch kind {
        case .model: 2
        case .dataset: 3
        case .space: 4
        }
    }
}

struct ChildKey: Hashable {
    let parent: Int64
    let name: [UInt8]
    let kind: NamedNode.Kind
}
