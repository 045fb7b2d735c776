// Dropping, pinning, cooling: what changes the cache at somebody's request.

internal import Catalog
internal import ChunkStore
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry

extension CacheService {
    /// Drops what a target has alone, or all it has.
    func evict(
        _ target: Target, includesShared: Bool
    ) throws(MountFailure) -> CacheChange {
        var change = CacheChange()
        change.commits = target.commits.map(\.oid.hex)
        let before = store.usedByteCount
        let commits = Set(target.commits.map(\.id))
        for content in try contents(of: target) {
            let state = store.state(of: content.hash, size: content.sizeBytes)
            if state.cachedByteCount == 0 || content.sizeBytes == 0 { continue }
            let isPinned = try ask { () throws(StoreError) in
                try store.isPinned(content.hash, size: content.sizeBytes)
            }
            let isShared = try ask { () throws(CatalogError) in
                try catalog.isShared(content, besides: commits)
            }
            if isPinned {
                change.pinnedCount += 1
            } else if isShared && !includesShared {
                change.sharedCount += 1
            } else {
                store.drop(content.hash, size: content.sizeBytes)
                change.contentCount += 1
                change.contentBytes += state.cachedByteCount
            }
        }
        change.freedBytes = max(0, before - store.usedByteCount)
        log.info(
            "evicted at somebody's request",
            ["repository": target.repository.description, "contents": "\(change.contentCount)"])
        return change
    }

    func pin(_ target: Target) throws(MountFailure) -> CacheChange {
        let contents = try contents(of: target)
        try ask { () throws(StoreError) in try store.setPinned(contents.map(\.stored), true) }
        for commit in target.commits {
            try ask { () throws(CatalogError) in
                try catalog.setPinned(commit.id, true, at: .now)
            }
        }
        return change(target, contents)
    }

    /// Contents that another pinned commit has too stay pinned.
    func unpin(_ target: Target) throws(MountFailure) -> CacheChange {
        let pinned = Set(try ask { () throws(CatalogError) in try catalog.pinnedCommits() })
        let freed = Target(
            repository: target.repository,
            commits: target.commits.filter { pinned.contains($0.id) })
        var contents = try contents(of: freed)
        let kept = pinned.subtracting(freed.commits.map(\.id)).union(try commitsOfAliases())
        for other in kept {
            contents.subtract(
                try ask { () throws(CatalogError) in try catalog.contents(of: other) })
        }
        for commit in freed.commits {
            try ask { () throws(CatalogError) in
                try catalog.setPinned(commit.id, false, at: .now)
            }
        }
        try ask { () throws(StoreError) in try store.setPinned(contents.map(\.stored), false) }
        return change(freed, contents)
    }

    private func change(
        _ target: Target, _ contents: Set<Catalog.ContentName>
    ) -> CacheChange {
        var change = CacheChange()
        change.commits = target.commits.map(\.oid.hex)
        change.contentCount = contents.count
        change.contentBytes = contents.reduce(0) { $0 + $1.sizeBytes }
        return change
    }

    func cool(_ target: String?, _ progress: Progress) throws(MountFailure) -> CacheChange {
        var change = CacheChange()
        let before = store.usedByteCount
        var flat: [(hash: ContentHash, size: Int64, bytes: Int64)] = []
        let wanted = try target.map { (text) throws(MountFailure) in
            try contents(of: find(text))
        }
        try ask { () throws(StoreError) in
            try store.forEachContent { (content) throws(StoreError) in
                let name = Catalog.ContentName(hash: content.hash, sizeBytes: content.size)
                if content.state.flatByteCount > 0, wanted?.contains(name) ?? true {
                    flat.append((content.hash, content.size, content.state.flatByteCount))
                }
            }
        }
        let totalBytes = flat.reduce(0) { $0 + $1.bytes }
        var doneBytes: Int64 = 0
        for content in flat {
            let isPacked = try ask { () throws(StoreError) in
                try store.cool(content.hash, size: content.size)
            }
            if isPacked {
                change.contentCount += 1
                change.contentBytes += content.bytes
            }
            doneBytes += content.bytes
            if !progress(CacheProgress(doneBytes: doneBytes, totalBytes: totalBytes)) { break }
        }
        change.freedBytes = max(0, before - store.usedByteCount)
        return change
    }
}
