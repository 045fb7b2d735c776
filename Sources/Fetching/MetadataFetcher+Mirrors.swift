// Words of mirrors: what a name stands for, said by another endpoint than the preferred one.
//
// The preferred endpoint decides. When another one answers in its place, a name that is known moves
// only to a commit with a later date: a mirror that lags behind moves nothing back, and takes no
// name away. A warning tells once what the two say.

internal import Catalog
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry

/// Which disagreements were told.
struct MirrorWords {
    private struct Disagreement: Hashable {
        let subject: String
        let kept: GitObjectID
        let said: GitObjectID
    }

    private var told = RecentCache<Disagreement, Bool>(costMax: 1024)

    /// True the first time.
    mutating func tell(_ subject: String, _ kept: GitObjectID, _ said: GitObjectID) -> Bool {
        let disagreement = Disagreement(subject: subject, kept: kept, said: said)
        if told.value(for: disagreement) != nil { return false }
        told.insert(true, for: disagreement)
        return true
    }
}

extension MetadataFetcher {
    /// What is recorded of an answer about one revision.
    func settled(
        _ said: Said<RevisionInfo>, of revision: RevisionName?, in id: RepositoryID
    ) throws(CatalogError) -> RevisionInfo {
        let info = said.value
        let kept = try self.kept(
            against: info.commit, date: info.lastModified, of: revision, in: id, said.endpoint)
        return kept.map { info.standing(for: $0) } ?? info
    }

    /// What is recorded of an answer about all refs.
    func settled(
        _ said: Said<[RefInfo]>, in id: RepositoryID
    ) throws(CatalogError) -> [RefInfo] {
        if said.endpoint == 0 { return said.value }
        var refs: [RefInfo] = []
        for ref in said.value {
            guard let name = RevisionName(ref.name),
                let kept = try self.kept(
                    against: ref.commit, date: nil, of: name, in: id, said.endpoint)
            else {
                refs.append(ref)
                continue
            }
            refs.append(RefInfo(kind: ref.kind, name: ref.name, commit: kept))
        }
        let names = Set(refs.map(\.name))
        for known in try catalog.refs(of: id)?.refs ?? [] where !names.contains(known.name.name) {
            refs.append(
                RefInfo(kind: known.kind, name: known.name.name, commit: known.commit))
        }
        return refs
    }

    /// What is recorded of an owner's repositories.
    func settled(
        _ said: Said<RepositoryListing>
    ) throws(CatalogError) -> RepositoryListing {
        if said.endpoint == 0 { return said.value }
        var settled: [ListedRepository] = []
        for item in said.value.repositories {
            var kept: GitObjectID?
            if let commit = item.commit {
                kept = try self.kept(
                    against: commit, date: item.lastModified, of: nil, in: item.id, said.endpoint)
            }
            settled.append(kept.map { item.standing(for: $0) } ?? item)
        }
        return RepositoryListing(repositories: settled, isCut: said.value.isCut)
    }

    /// The commit that a name goes on to stand for, whatever this endpoint says; nil if it may say.
    private func kept(
        against said: GitObjectID, date: WallTime?, of revision: RevisionName?,
        in id: RepositoryID, _ endpoint: Int
    ) throws(CatalogError) -> GitObjectID? {
        if endpoint == 0 { return nil }
        guard let known = try catalog.resolution(of: revision, in: id)?.commit, known != said
        else { return nil }
        let knownDate = try catalog.commit(known, in: id)?.date
        if let date, let knownDate, date > knownDate { return nil }
        let subject = "\(id)@\(revision?.pathComponent ?? "")"
        if mirrors.withLock({ $0.tell(subject, known, said) }) {
            let endpoints = hub.configuration.endpoints
            log.warning(
                "endpoints disagree about a revision; it stays what it was",
                [
                    "revision": subject, "kept": known.hex, "preferred": endpoints[0].text,
                    "endpoint": endpoints[endpoint].text, "says": said.hex,
                ])
        }
        return known
    }
}
