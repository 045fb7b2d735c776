// The requests about a cache, carried out on its catalog, its store and its fetcher.
//
// It knows neither how it was asked nor how the answer looks: the daemon and a command without one
// use the same. Nothing here is in the way of readers: the store and the catalog are asked like
// by anybody else.

internal import Catalog
internal import ChunkStore
internal import Fetching
internal import FileSystem
internal import Hashing
internal import HubAPI
internal import Platform
internal import Settings
internal import Telemetry

/// Carries out requests about one cache.
struct CacheService: Sendable {
    let cachePath: String
    let catalog: Catalog
    let store: ChunkStore
    let fetcher: Fetcher
    let log: Log
    /// The files of a target; the Hub is asked where it was never seen.
    let findFiles: FileFinder
    /// Reads as a reader of a mount would.
    let reader: any ContentReader

    /// - Returns: each content once, or each path, of a target.
    typealias FileFinder =
        @Sendable (PrefetchTarget, _ eachPath: Bool) throws(MountFailure) -> RevisionFiles

    typealias Progress = (CacheProgress) -> Bool

    /// What a target names: a repository with some or all of its known commits.
    struct Target {
        let repository: RepositoryID
        let commits: [KnownCommit]
    }

    func answer(
        _ request: CacheRequest, progress: Progress
    ) throws(MountFailure) -> CacheAnswer {
        switch request {
        case .list(let target): return .list(try list(target))
        case .statistics(let target): return .statistics(try sums(target))
        case .verify(let target, let repairs):
            return .verified(try verify(target, repairs: repairs, progress))
        case .collectGarbage:
            var change = CacheChange()
            change.freedBytes = try ask { () throws(StoreError) in try store.collectGarbage() }
            return .collected(change)
        case .evict(let target, let includesShared):
            return .evicted(try evict(try find(target), includesShared: includesShared))
        case .pin(let target): return .pinned(try pin(try find(target, forPinning: true)))
        case .unpin(let target): return .unpinned(try unpin(try find(target)))
        case .cool(let target): return .cooled(try cool(target, progress))
        case .prefetch(let targets): return .prefetched(try prefetch(targets, progress))
        case .pull(let request): return .pulled(try pull(request, progress))
        case .alias(let request): return .alias(try answer(request, progress))
        case .rebuild:
            try CacheService.requestRebuild(cachePath)
            var rebuild = CacheRebuild()
            rebuild.isPostponed = true
            return .rebuilt(rebuild)
        }
    }

    /// Has the next opening of the cache make both databases anew.
    static func requestRebuild(_ cachePath: String) throws(MountFailure) {
        do throws(StoreError) { try ChunkStore.requestRebuild(directory: cachePath) } catch {
            throw TreeBackend.failure(error, cachePath: cachePath)
        }
        Catalog.markDamaged("\(cachePath)/catalog.db")
    }

    // MARK: What is meant

    /// Reads a target.
    static func location(_ target: String) throws(MountFailure) -> HubLocation {
        let text = target.hasPrefix(HubURI.scheme) ? target : HubURI.scheme + target
        let uri: HubURI
        do throws(HubURIError) { uri = try HubURI(text) } catch {
            throw .sourceMalformed(source: target, detail: error.description)
        }
        guard case .repository(let location) = uri else {
            throw .sourceMalformed(source: target, detail: "it names no repository")
        }
        if !location.path.isEmpty {
            throw .sourceMalformed(
                source: target, detail: "a folder or a file cannot be named here")
        }
        return location
    }

    /// - Parameter forPinning: without a revision, the default branch alone is meant.
    func find(_ text: String, forPinning: Bool = false) throws(MountFailure) -> Target {
        let location = try CacheService.location(text)
        let known = try ask { () throws(CatalogError) in try catalog.repository(location.id) }
        guard let known else { throw .notCached(target: text) }
        let id = known.canonical
        let commits: [KnownCommit]
        if location.revision == nil && !forPinning {
            commits = try ask { () throws(CatalogError) in try catalog.commitsWithTrees(of: id) }
        } else {
            let found = try commit(location.revision, in: id)
            commits = [found].compactMap(\.self).filter(\.hasTree)
        }
        if commits.isEmpty { throw .notCached(target: text) }
        return Target(repository: id, commits: commits)
    }

    private func commit(
        _ revision: RevisionName?, in id: RepositoryID
    ) throws(MountFailure) -> KnownCommit? {
        try ask { () throws(CatalogError) in
            if let resolution = try catalog.resolution(of: revision, in: id) {
                return try catalog.commit(resolution.commit, in: id)
            }
            guard let revision, revision.looksLikeCommit,
                let oid = try catalog.commit(beginning: revision.name, in: id)
            else { return nil }
            return try catalog.commit(oid, in: id)
        }
    }

    func contents(of target: Target) throws(MountFailure) -> Set<Catalog.ContentName> {
        var contents: Set<Catalog.ContentName> = []
        for commit in target.commits {
            contents.formUnion(
                try ask { () throws(CatalogError) in try catalog.contents(of: commit.id) })
        }
        return contents
    }

    // MARK: Failures

    func ask<Value>(
        _ question: () throws(CatalogError) -> Value
    ) throws(MountFailure) -> Value {
        do throws(CatalogError) { return try question() } catch {
            throw .cacheDamaged(path: cachePath, detail: "the catalog cannot be read")
        }
    }

    func ask<Value>(
        _ question: () throws(StoreError) -> Value
    ) throws(MountFailure) -> Value {
        do throws(StoreError) { return try question() } catch {
            throw TreeBackend.failure(error, cachePath: cachePath)
        }
    }
}

extension Catalog.ContentName {
    /// As the store takes it.
    var stored: (hash: ContentHash, size: Int64) { (hash, sizeBytes) }
}
