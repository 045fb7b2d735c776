// From a repository and a revision's name to a commit, as fresh as it has to be.
//
// A full commit id never ages. A ref is resolved once per time-to-live; an older resolution is
// renewed, but serves when the Hub does not answer soon, because what was once read has to be
// there without a network.

package import Catalog
package import HubAPI
internal import Fetching
internal import Hashing
package import Platform

extension FileSystem {
    /// A revision that was found.
    struct ResolvedRevision {
        let commit: KnownCommit
        /// How long the name stands for that commit, in seconds.
        let holdsSeconds: Double
    }

    /// The repository as it was last seen, asked of the Hub if it never was.
    ///
    /// - Parameter revision: what is asked with it, so that one request tells both.
    func repository(
        _ id: RepositoryID, revision: RevisionName?, _ context: AttemptContext
    ) throws(Detour) -> KnownRepository {
        let known = try ask { () throws(CatalogError) in try catalog.repository(id) }
        guard let known else { try demand(.revision(id, revision), context) }
        return known
    }

    /// The commit that a revision's name stands for.
    func resolve(
        _ id: RepositoryID, _ revision: RevisionName?, now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> ResolvedRevision {
        if let revision, let commit = try knownCommit(id, revision) {
            return ResolvedRevision(commit: commit, holdsSeconds: Lifetime.immutableAttributes)
        }
        let need = Need.revision(id, revision)
        let resolution = try ask { () throws(CatalogError) in
            try catalog.resolution(of: revision, in: id)
        }
        guard let resolution else { try demand(need, context) }
        let ageSeconds = now.secondsSince1970 - resolution.resolvedAt.secondsSince1970
        // A clock that was set back makes the age negative: then nothing is known of it.
        let isFresh = (0..<options.refSeconds).contains(ageSeconds)
        if !isFresh && !context.met.contains(need) {
            switch context.failures[need] {
            case nil: throw .lacks(need, withinSeconds: options.renewalSeconds)
            case .hub(let error)? where error.isAnswer:
                throw .failed(FileSystemError(.hub(error)))
            case .hub?, .catalog?, .notProven?, .noSource?, .stopped?: break
            }
        }
        let commit = try ask { () throws(CatalogError) in
            try catalog.commit(resolution.commit, in: id)
        }
        guard let commit else { try demand(need, context) }
        let holds = isFresh ? Double(options.refSeconds - ageSeconds) : Lifetime.missing
        return ResolvedRevision(commit: commit, holdsSeconds: holds)
    }

    /// The commit that digits name, if it is known; a ref of that name would go first.
    private func knownCommit(
        _ id: RepositoryID, _ revision: RevisionName
    ) throws(Detour) -> KnownCommit? {
        guard revision.looksLikeCommit else { return nil }
        if let oid = GitObjectID(hex: revision.name) {
            return try ask { () throws(CatalogError) in try catalog.commit(oid, in: id) }
        }
        return try ask { () throws(CatalogError) in
            guard let resolution = try catalog.resolution(of: revision, in: id),
                resolution.commit.hex.hasPrefix(revision.name)
            else { return nil }
            return try catalog.commit(resolution.commit, in: id)
        }
    }

    /// A gated repository is refused at its directory, before any of its names is shown: opens
    /// send no message, so a file that was found could only fail when it is read.
    func checkAccess(
        to repository: KnownRepository, _ commit: KnownCommit, _ context: AttemptContext
    ) throws(Detour) {
        // A tree that is here was allowed once; what of it is cached stays readable.
        if !repository.isGated || repository.isAccessGranted || commit.hasTree { return }
        try demand(.access(repository.canonical), context)
    }

    /// The commit with its tree recorded.
    func commitWithTree(
        _ id: CommitID, _ context: AttemptContext
    ) throws(Detour) -> KnownCommit {
        let commit = try ask { () throws(CatalogError) in try catalog.commit(id) }
        guard let commit else { throw .failed(.stale) }
        if commit.hasTree { return commit }
        // The commit's date becomes the time of its files, so it has to be known first.
        if commit.date == nil {
            guard let revision = RevisionName(commit.oid.hex) else { throw .failed(.unavailable) }
            let need = Need.revision(commit.repository, revision)
            if !context.met.contains(need) { try demand(need, context) }
        }
        try demand(.tree(commit.repository, id), context)
    }
}
