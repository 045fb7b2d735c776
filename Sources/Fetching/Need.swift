// What an operation of the filesystem can lack, and why it may stay away.

package import Catalog
package import HubAPI

/// Something that only the Hub can tell.
///
/// When it has come, it is in the catalog or in the store.
package enum Need: Hashable, Sendable {
    /// The repositories of an owner.
    case organisation(RepositoryKind, String)
    /// What a revision stands for; nil: the default branch.
    case revision(RepositoryID, RevisionName?)
    /// All refs of a repository.
    case refs(RepositoryID)
    /// The tree of a commit.
    case tree(RepositoryID, CommitID)
    /// Whether this user may read a gated repository.
    case access(RepositoryID)
    /// Bytes of a content. `insists` when they seemed to be there and were not: they are then
    /// fetched again, whatever the plan believes.
    case bytes(ContentID, Range<Int64>, insists: Bool)
}

/// Why something did not come.
package enum FetchError: Error, Equatable, Sendable {
    /// The Hub said no, or said nothing.
    case hub(HubError)
    /// The catalog's database failed.
    case catalog(CatalogError)
    /// What came is not what its hash says, again and again.
    case notProven
    /// It is to be proven before it is served, and the cache has no room for all of it.
    case tooLarge
    /// The cache is full of what is in use, and this can be left undone.
    case noRoom
    /// No repository is known that has this content.
    case noSource
    /// The program is being stopped.
    case stopped
}
