// What the Hub says about repositories, as values that have been checked.
//
// Names inside (paths, refs, authors) are as the Hub sent them: the layer that shows them as files
// decides which of them it can show.

package import Hashing
package import Platform

/// A revision of a repository.
package struct RevisionInfo: Equatable, Sendable {
    /// The repository's present name, which an alias or an old name leads to.
    package let canonicalID: RepositoryID
    package let commit: GitObjectID
    /// The commit's date; nil when the Hub does not say.
    package let lastModified: WallTime?
    package let isPrivate: Bool
    /// Whether conditions have to be accepted before contents can be read.
    package let isGated: Bool
    package let isDisabled: Bool

    package init(
        canonicalID: RepositoryID, commit: GitObjectID, lastModified: WallTime?, isPrivate: Bool,
        isGated: Bool, isDisabled: Bool
    ) {
        self.canonicalID = canonicalID
        self.commit = commit
        self.lastModified = lastModified
        self.isPrivate = isPrivate
        self.isGated = isGated
        self.isDisabled = isDisabled
    }

    /// The same of another commit, whose date is known already.
    package func standing(for other: GitObjectID) -> RevisionInfo {
        RevisionInfo(
            canonicalID: canonicalID, commit: other, lastModified: nil, isPrivate: isPrivate,
            isGated: isGated, isDisabled: isDisabled)
    }
}

/// What an endpoint has said.
package struct Said<Value: Sendable>: Sendable {
    package let value: Value
    /// Its number in the configuration; 0 is the preferred one.
    package let endpoint: Int
}

/// A name for a commit.
package struct RefInfo: Equatable, Sendable {
    /// What the Hub keeps it as.
    package enum Kind: String, CaseIterable, Hashable, Sendable {
        case branch, tag, pullRequest, convert
    }

    package let kind: Kind
    /// As it is given to the Hub: `main`, `v1.0`, `refs/pr/3`, `refs/convert/parquet`.
    package let name: String
    package let commit: GitObjectID

    package init(kind: Kind, name: String, commit: GitObjectID) {
        self.kind = kind
        self.name = name
        self.commit = commit
    }
}

/// A file or a directory of a commit.
package struct TreeEntry: Equatable, Sendable {
    /// What an entry is; others, such as submodules, are left out of listings.
    package enum Kind: String, Hashable, Sendable {
        case file, directory
    }

    /// The largest size believed of a file, in bytes: 1 TiB; the Hub takes 500 GB.
    ///
    /// The sizes of the largest tree that is taken then have a sum.
    package static let sizeMax: Int64 = 1 << 40

    /// From the root of the repository, parts separated by `/`; unchecked.
    package let path: String
    package let kind: Kind
    /// The content's length in bytes; 0 of directories.
    package let size: Int64
    /// Of a directory the tree's id; of a large file its pointer's.
    package let oid: GitObjectID
    /// Of the content; only large files have one.
    package let sha256: SHA256Digest?
    /// The Xet hash as the Hub writes it: 64 digits, in the order of Xet.
    package let xetHash: String?

    package init(
        path: String, kind: Kind, size: Int64, oid: GitObjectID, sha256: SHA256Digest?,
        xetHash: String?
    ) {
        self.path = path
        self.kind = kind
        self.size = size
        self.oid = oid
        self.sha256 = sha256
        self.xetHash = xetHash
    }

    /// What the content is known by; nil of directories.
    package var contentHash: ContentHash? {
        if kind == .directory { return nil }
        return sha256.map { .sha256($0) } ?? .gitBlob(oid)
    }
}

/// All entries of a commit.
package struct TreeListing: Equatable, Sendable {
    package let entries: [TreeEntry]
    /// Entries left out because their names are not valid Unicode.
    package let unreadableNameCount: Int
}

/// A repository as listings show it.
package struct ListedRepository: Equatable, Sendable {
    package let id: RepositoryID
    /// Of the default branch.
    package let commit: GitObjectID?
    package let lastModified: WallTime?
    package let isPrivate: Bool
    package let isGated: Bool

    /// The same with another commit, whose date is known already.
    package func standing(for other: GitObjectID) -> ListedRepository {
        ListedRepository(
            id: id, commit: other, lastModified: nil, isPrivate: isPrivate, isGated: isGated)
    }
}

/// Repositories of an owner.
package struct RepositoryListing: Equatable, Sendable {
    package let repositories: [ListedRepository]
    /// Whether there are more than were asked for.
    package let isCut: Bool

    package init(repositories: [ListedRepository], isCut: Bool) {
        self.repositories = repositories
        self.isCut = isCut
    }
}

/// Whom a token belongs to.
package struct TokenOwner: Equatable, Sendable {
    package let name: String
    /// `user` or `org`, as the Hub says.
    package let type: String
}
