// Everything that can go wrong with a local Hub's folder, as facts.

package import HubAPI
package import Platform

/// Why something was not done to the store.
package enum LocalHubError: Error, Equatable, Sendable {
    /// A file or folder of the store, or of a source, could not be read or written.
    case file(path: String, Errno)
    /// The root exists, is not empty, and is not a local Hub's.
    case notAHub(root: String)
    /// The root was written by a program that knows another layout.
    case otherVersion(root: String, found: String)
    /// Another program is writing to this root.
    case locked(root: String)
    /// A file of the store does not have the form that it was written in.
    case damaged(path: String)
    /// The source is not a folder.
    case notAFolder(String)
    /// A name in the source cannot be a name in a repository.
    case badName(path: String, NameProblem)
    /// A symbolic link in the source leads out of it, or to nothing.
    case badLink(path: String)
    /// The source has something that is neither a file nor a folder nor a link to one.
    case notAFile(path: String)
    /// A file of the source changed while it was read.
    case changed(path: String)
    /// The source has more of something than a repository may have.
    case tooMany(String, countMax: Int)
    /// There is no such repository.
    case noRepository(RepositoryID)
    /// The name is that of a repository, so it cannot be an alias.
    case aliasIsRepository(RepositoryID)
    /// A revision of that name cannot be made.
    case badRevision(String)
    /// There is no token of that id.
    case noToken(String)

    /// What is wrong with a name.
    package enum NameProblem: Equatable, Sendable {
        case notUTF8, controlCharacter, backslash
    }
}
