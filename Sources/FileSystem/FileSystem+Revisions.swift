// From a repository and a revision's name to a commit, as fresh as it has to be.
//
// A full commit id never ages. A ref is resolved once per time-to-live; an older resolution is
// renewed, but serves when the Hub does not answer soon, because what was once read has to be
// there without a network.

internal import Catalog
internal import Fetching
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry

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

    /// Asks anew whether an alias still leads where it did, when that is not fresh.
    ///
    /// The old answer serves where none comes soon.
    func checkAlias(
        _ alias: KnownRepository, now: WallTime, _ context: AttemptContext
    ) throws(Detour) {
        let need = Need.revision(alias.id, nil)
        if context.met.contains(need) { return }
        let resolvedAt = try ask { () throws(CatalogError) in
            try catalog.resolutionTime(in: alias.id)
        }
        if let resolvedAt {
            let ageSeconds = now.secondsSince1970 - resolvedAt.secondsSince1970
            if (0..<options.listingSeconds).contains(ageSeconds) { return }
        }
        guard let error = context.failures[need] else {
            throw .lacks(need, withinSeconds: options.renewalSeconds)
        }
        if isGone(error, alias) { throw .failed(.notFound) }
    }

    /// The commit that a revision's name stands for.
    func resolve(
        _ repository: KnownRepository, _ revision: RevisionName?, now: WallTime,
        _ context: AttemptContext
    ) throws(Detour) -> ResolvedRevision {
        let id = repository.id
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
            guard let error = context.failures[need] else {
                throw .lacks(need, withinSeconds: options.renewalSeconds)
            }
            if isGone(error, repository) { throw .failed(.notFound) }
        }
        let commit = try ask { () throws(CatalogError) in
            try catalog.commit(resolution.commit, in: id)
        }
        guard let commit else { try demand(need, context) }
        let holds = isFresh ? Double(options.refSeconds - ageSeconds) : Lifetime.missing
        return ResolvedRevision(commit: commit, holdsSeconds: holds)
    }

    /// Whether a failed renewal means that the revision exists no more.
    ///
    /// A token that expired makes a private repository look missing; what was read with it stays
    /// readable, and so does everything else that is only refused.
    func isGone(_ error: FetchError, _ repository: KnownRepository) -> Bool {
        switch error {
        case .hub(.revisionNotFound): true
        case .hub(.repositoryNotFound): !repository.isPrivate && !repository.isGated
        case .hub, .catalog, .notProven, .noRoom, .noSource, .tooLarge, .stopped: false
        }
    }

    /// The refs of a repository, as fresh as listings have to be.
    func refs(
        of repository: KnownRepository, now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> [Catalog.ListedRef] {
        let id = repository.id
        let need = Need.refs(id)
        let known = try ask { () throws(CatalogError) in try catalog.refs(of: id) }
        guard let known else { try demand(need, context) }
        let ageSeconds = now.secondsSince1970 - known.listedAt.secondsSince1970
        if !(0..<options.refSeconds).contains(ageSeconds) && !context.met.contains(need) {
            guard let error = context.failures[need] else {
                throw .lacks(need, withinSeconds: options.renewalSeconds)
            }
            if isGone(error, repository) { throw .failed(.notFound) }
        }
        return known.refs
    }

    /// An owner's repositories.
    struct OwnedRepositories {
        let repositories: [RepositoryID]
        /// Whether there are more.
        let isTruncated: Bool
        /// Whether the Hub lists them at all; if not, they are those that were looked at.
        let isListed: Bool
        /// Whether the Hub could not be asked, so that the next look has to ask it.
        var isProvisional = false
    }

    /// An owner's repositories, as fresh as listings have to be.
    ///
    /// Empty when it has none that this user can see.
    func listing(
        of organisation: String, _ kind: RepositoryKind, now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> OwnedRepositories {
        let need = Need.organisation(kind, organisation)
        let known = try ask { () throws(CatalogError) in
            try catalog.listing(of: organisation, kind: kind)
        }
        guard let known else {
            guard let error = context.failures[need] else { try demand(need, context) }
            let used = try ask { () throws(CatalogError) in
                try catalog.knownRepositories(of: organisation, kind: kind)
            }
            // What was once read is there without a network, though its owner was never listed.
            if !FileSystem.meansNoListings(error) {
                if !FileSystem.isNoAnswer(error) || used.isEmpty { try demand(need, context) }
                log.warning(
                    "an owner's repositories cannot be listed; those that were used are shown",
                    ["owner": organisation, "reason": "\(error)"])
            }
            return OwnedRepositories(
                repositories: used, isTruncated: true, isListed: false,
                isProvisional: !FileSystem.meansNoListings(error))
        }
        let ageSeconds = now.secondsSince1970 - known.listedAt.secondsSince1970
        let isFresh = (0..<options.listingSeconds).contains(ageSeconds)
        if !isFresh && !context.met.contains(need) && context.failures[need] == nil {
            throw .lacks(need, withinSeconds: options.renewalSeconds)
        }
        return OwnedRepositories(
            repositories: known.repositories, isTruncated: known.isTruncated, isListed: true)
    }

    /// Whether a Hub has answered that it does not know this kind of question.
    ///
    /// The official client downloads without ever listing an owner's repositories, so a Hub may do
    /// without.
    private static func meansNoListings(_ error: FetchError) -> Bool {
        switch error {
        case .hub(.repositoryNotFound), .hub(.entryNotFound), .hub(.revisionNotFound): true
        case .hub(.server(let status, _)): (400..<500).contains(status) || status == 501
        case .hub, .catalog, .notProven, .noRoom, .noSource, .tooLarge, .stopped: false
        }
    }

    /// Whether nothing was heard from a Hub, so that what is known has to do.
    private static func isNoAnswer(_ error: FetchError) -> Bool {
        if case .hub(let reason) = error { return !reason.isAnswer }
        return false
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
