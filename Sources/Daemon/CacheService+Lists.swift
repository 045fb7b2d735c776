// What is in the cache, and what it saves.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import HubAPI
internal import Platform

extension CacheService {
    /// What the store says of contents.
    private typealias Held = [Catalog.ContentName: (
        cachedBytes: Int64, isProven: Bool, used: Int64
    )]

    func list(_ target: String?) throws(MountFailure) -> CacheListing {
        var listing = CacheListing()
        let held = try held()
        var named: Set<Catalog.ContentName> = []
        let pinned = Set(try ask { () throws(CatalogError) in try catalog.pinnedCommits() })
        for target in try targets(target) {
            for commit in target.commits {
                let contents = try ask { () throws(CatalogError) in
                    try catalog.contents(of: commit.id)
                }
                named.formUnion(contents)
                if listing.revisions.count == CacheListing.revisionCountMax {
                    listing.isTruncated = true
                    continue
                }
                listing.revisions.append(
                    try describe(commit, contents, held, isPinned: pinned.contains(commit.id)))
            }
        }
        if target == nil {
            for (content, state) in held where !named.contains(content) {
                listing.otherContentCount += 1
                listing.otherCachedBytes += state.cachedBytes
            }
        }
        return listing
    }

    private func held() throws(MountFailure) -> Held {
        var held: Held = [:]
        try ask { () throws(StoreError) in
            try store.forEachContent { (content) throws(StoreError) in
                held[Catalog.ContentName(hash: content.hash, sizeBytes: content.size)] = (
                    content.state.cachedByteCount, content.state.isProven,
                    content.lastUse.secondsSince1970
                )
            }
        }
        return held
    }

    /// The repositories that are meant, with their commits.
    func targets(_ target: String?) throws(MountFailure) -> [Target] {
        if let target { return [try find(target)] }
        let repositories = try ask { () throws(CatalogError) in
            try catalog.repositoriesWithTrees()
        }
        var targets: [Target] = []
        for repository in repositories {
            let commits = try ask { () throws(CatalogError) in
                try catalog.commitsWithTrees(of: repository)
            }
            targets.append(Target(repository: repository, commits: commits))
        }
        return targets
    }

    private func describe(
        _ commit: KnownCommit, _ contents: Set<Catalog.ContentName>, _ held: Held, isPinned: Bool
    ) throws(MountFailure) -> CacheListing.Revision {
        let names = try ask { () throws(CatalogError) in try catalog.refNames(of: commit) }
        var revision = CacheListing.Revision(
            repository: commit.repository.description, commit: commit.oid.hex,
            names: Array(names.prefix(CacheListing.nameCountMax)), contentCount: contents.count,
            sizeBytes: 0, cachedBytes: 0, provenCount: 0, isPinned: isPinned)
        var lastUse: Int64?
        for content in contents {
            revision.sizeBytes += content.sizeBytes
            // Nothing has to be stored of an empty file.
            if content.sizeBytes == 0 { revision.provenCount += 1 }
            guard let state = held[content] else { continue }
            revision.cachedBytes += state.cachedBytes
            revision.provenCount += state.isProven ? 1 : 0
            lastUse = max(lastUse ?? state.used, state.used)
        }
        revision.lastUsedAt = lastUse.map { WallTime(secondsSince1970: $0).iso8601 }
        return revision
    }

    // MARK: Sums

    func sums(_ target: String?) throws(MountFailure) -> CacheSums {
        var sums = CacheSums()
        let held = try held()
        sums.hotBytes = store.flatByteCount
        sums.packedBytes = store.packedByteCount
        var copiesBytes: Int64 = 0
        for target in try targets(target) {
            var own = CacheSums.Sums()
            var contents: Set<Catalog.ContentName> = []
            for commit in target.commits {
                let some = try ask { () throws(CatalogError) in
                    try catalog.contents(of: commit.id)
                }
                for content in some { own.copiesBytes += held[content]?.cachedBytes ?? 0 }
                contents.formUnion(some)
            }
            let found = try ask { () throws(StoreError) in
                try store.statistics(of: contents.map(\.stored))
            }
            own.take(found)
            copiesBytes += own.copiesBytes
            if sums.repositories.count == CacheSums.repositoryCountMax {
                sums.isTruncated = true
            } else if own.contentCount > 0 {
                sums.repositories.append(
                    CacheSums.Repository(repository: target.repository.description, sums: own))
            }
        }
        if target == nil {
            let found = try ask { () throws(StoreError) in try store.statistics() }
            sums.total.take(found)
            sums.total.copiesBytes = copiesBytes
            sums.chunkCount = found.chunkCount
        } else if let own = sums.repositories.first {
            sums.total = own.sums
        }
        return sums
    }
}

extension CacheSums.Sums {
    fileprivate mutating func take(_ found: StoreStatistics) {
        contentCount = found.contentCount
        logicalBytes = found.logicalByteCount
        uniqueBytes = found.uniqueByteCount
        storedBytes = found.storedByteCount
    }
}
