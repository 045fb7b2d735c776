// Names and listings from the official client's cache, where the Hub cannot be asked: what somebody
// has downloaded with that client can be looked at without a network.
//
// They stand in only for what is not known here at all: a name that was resolved once goes on
// standing for that commit. Neither is proven by anything, as what the Hub says is not; the
// contents that they name are compared with their hashes.

internal import Catalog
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry

extension MetadataFetcher {
    /// Records what that cache knows of something that the Hub could not be asked about.
    ///
    /// - Returns: whether it was all that was needed.
    func takeLocally(_ need: Need, after error: HubError) -> Bool {
        guard let clientCache else { return false }
        switch error {
        case .offline, .unreachable, .deadline: break
        // A Hub that answers, however badly, is there: what it said long ago is not what it says.
        default: return false
        }
        do throws(CatalogError) {
            switch need {
            case .revision(let id, let revision):
                if try catalog.resolution(of: revision, in: id) != nil { return false }
                let known = try catalog.repository(id)
                if let known, known.canonical != id { return false }
                guard let noted = clientCache.revision(revision, of: id) else { return false }
                // It keeps no dates: those of the files are when it noted the listing. Nobody has
                // said that it is public: what is cached of a private one stays.
                let info = RevisionInfo(
                    canonicalID: id, commit: noted.commit, lastModified: noted.at,
                    isPrivate: known?.isPrivate ?? true, isGated: known?.isGated ?? false,
                    isDisabled: false)
                // As old as the note, so that the next look asks the Hub again.
                try catalog.record(info, asked: id, revision: revision, at: noted.at)
                // Whoever has the listing was let in.
                if info.isGated { try catalog.recordAccess(to: id) }
            case .tree(let id, let commitID):
                guard let commit = try catalog.commit(commitID),
                    let entries = clientCache.tree(of: commit.oid, in: id)
                else { return false }
                _ = try catalog.record(tree: entries, of: commit)
            case .organisation, .refs, .access, .bytes: return false
            }
        } catch {
            return false
        }
        log.info(
            "the Hub cannot be asked; what the official client has noted stands in",
            ["about": need.subject])
        return true
    }
}

extension ClientCache {
    /// Ten times the largest listings there are.
    private static let listingByteCountMax = 32 << 20

    /// What a name stood for when the client last looked, and when it noted the listing of that
    /// commit, if it kept one.
    fileprivate func revision(
        _ revision: RevisionName?, of id: RepositoryID
    ) -> (commit: GitObjectID, at: WallTime)? {
        let commit: GitObjectID?
        if let revision, let named = GitObjectID(hex: revision.name) {
            commit = named
        } else {
            let path = "\(folder(of: id))/refs/\(revision?.name ?? "main")"
            let text = ClientCache.bytes(path, countMax: 64)
            commit = text.flatMap { GitObjectID(hex: String(decoding: $0, as: UTF8.self)) }
        }
        guard let commit,
            let file = ClientCache.open(listing(of: commit, in: id)),
            let changed = try? file.modificationTime()
        else { return nil }
        return (commit, changed)
    }

    fileprivate func tree(of commit: GitObjectID, in id: RepositoryID) -> [TreeEntry]? {
        ClientCache.bytes(
            listing(of: commit, in: id), countMax: ClientCache.listingByteCountMax
        ).flatMap { ClientListing.entries(json: $0) }
    }

    private func listing(of commit: GitObjectID, in id: RepositoryID) -> String {
        "\(folder(of: id))/trees/\(commit.hex).json"
    }

    private static func bytes(_ path: String, countMax: Int) -> [UInt8]? {
        guard let file = open(path) else { return nil }
        return try? file.readAllBytes(countMax: countMax)
    }
}
