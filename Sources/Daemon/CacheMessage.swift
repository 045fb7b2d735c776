// What is asked about a cache and what is answered: over the control socket, and as --json.
//
// The names of the answers' fields are part of what users may rely on. Lists are bounded, so that
// an answer fits a control message.

/// What a command asks about a cache.
///
/// A target is a repository or a revision, as `ORG/NAME[@REVISION]` or
/// `datasets/ORG/NAME[@REVISION]`; nil means all of the cache.
package enum CacheRequest: Equatable, Sendable, Codable {
    case list(target: String?)
    case statistics(target: String?)
    case verify(target: String?, repairs: Bool)
    case collectGarbage
    case evict(target: String, includesShared: Bool)
    case pin(target: String)
    case unpin(target: String)
    case cool(target: String?)
    /// Fetch all of these and prove it.
    case prefetch(targets: [PrefetchTarget])
    /// Put these into a real folder.
    case pull(PullRequest)
    /// About names of this machine's own for revisions.
    case alias(AliasRequest)
    /// Make both databases anew from the packs; at the next start where a daemon runs.
    case rebuild
}

/// What is answered.
package enum CacheAnswer: Equatable, Sendable, Codable {
    case list(CacheListing)
    case statistics(CacheSums)
    case verified(CacheCheck)
    case collected(CacheChange)
    case evicted(CacheChange)
    case pinned(CacheChange)
    case unpinned(CacheChange)
    case cooled(CacheChange)
    case prefetched(PrefetchReport)
    case pulled(PullReport)
    case alias(AliasReport)
    case rebuilt(CacheRebuild)
}

/// How far a long request has come.
package struct CacheProgress: Equatable, Sendable {
    /// Bytes done.
    package let doneBytes: Int64
    /// Bytes in all.
    package let totalBytes: Int64

    /// - Parameters:
    ///   - doneBytes: bytes done.
    ///   - totalBytes: bytes in all.
    package init(doneBytes: Int64, totalBytes: Int64) {
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
    }

    /// As a line over the control socket.
    package var line: String { "\(doneBytes) \(totalBytes)" }

    /// Nil for another line.
    package init?(line: String) {
        let numbers = line.split(separator: " ").compactMap { Int64($0) }
        guard numbers.count == 2 else { return nil }
        self.init(doneBytes: numbers[0], totalBytes: numbers[1])
    }
}

/// The revisions of which the cache knows the files.
package struct CacheListing: Equatable, Sendable, Codable {
    /// At some 300 bytes each they are 600 kB.
    static let revisionCountMax = 2000
    /// More names than that of one commit are left out.
    static let nameCountMax = 5

    /// A commit of a repository.
    package struct Revision: Equatable, Sendable, Codable {
        /// Such as `models/org/name`.
        package var repository: String
        /// Its hash.
        package var commit: String
        /// Branches and tags that lead there now; the default branch has the empty name.
        package var names: [String]
        /// Distinct contents of its files.
        package var contentCount: Int
        /// The size of its contents, in bytes.
        package var sizeBytes: Int64
        /// What of them can be read without the Hub, in bytes.
        package var cachedBytes: Int64
        /// How many contents are complete and proven.
        package var provenCount: Int
        /// Whether it is kept from being evicted.
        package var isPinned: Bool
        /// ISO 8601, in UTC; nil when nothing of it is cached.
        package var lastUsedAt: String?
    }

    /// By repository, then as they became known.
    package var revisions: [Revision] = []
    /// Whether there are more than are listed.
    package var isTruncated = false
    /// Contents that no known revision has.
    package var otherContentCount = 0
    /// Their cached bytes.
    package var otherCachedBytes: Int64 = 0

    /// Empty.
    package init() {}
}

/// What the cache holds and what it saves.
package struct CacheSums: Equatable, Sendable, Codable {
    /// At some 250 bytes each they are 500 kB.
    static let repositoryCountMax = 2000

    /// Sums over contents, in bytes.
    package struct Sums: Equatable, Sendable, Codable {
        /// How many contents there are.
        package var contentCount = 0
        /// What plain copies of every revision would take.
        package var copiesBytes: Int64 = 0
        /// What can be read, each content counted once.
        package var logicalBytes: Int64 = 0
        /// What is left of that when equal chunks count once.
        package var uniqueBytes: Int64 = 0
        /// What that takes on the disk.
        package var storedBytes: Int64 = 0

        /// All zero.
        package init() {}
    }

    /// The sums of one repository, which may share chunks with others.
    package struct Repository: Equatable, Sendable, Codable {
        /// Such as `models/org/name`.
        package var repository: String
        /// What it would take alone.
        package var sums: Sums
    }

    /// Of all that was asked about.
    package var total = Sums()
    /// Chunks in packs.
    package var chunkCount = 0
    /// Bytes that lie flat, and may.
    package var hotBytes: Int64 = 0
    /// What may lie flat; 0 without a daemon, which keeps no limit.
    package var hotLimitBytes: Int64 = 0
    /// Bytes that lie in packs.
    package var packedBytes: Int64 = 0
    /// What the cache may take; 0 without a daemon.
    package var limitBytes: Int64 = 0
    /// By name.
    package var repositories: [Repository] = []
    /// Whether there are more repositories.
    package var isTruncated = false

    /// All zero.
    package init() {}
}

/// What a check has found.
package struct CacheCheck: Equatable, Sendable, Codable {
    /// At some 400 bytes each they are 400 kB.
    static let damageCountMax = 1000

    /// A content that lost something.
    package struct Damage: Equatable, Sendable, Codable {
        /// One place where it stands, such as `models/org/name/model.safetensors`; its hash where
        /// none is known.
        package var file: String
        /// Its hash, in hexadecimal digits.
        package var hash: String
        /// Its size in bytes.
        package var sizeBytes: Int64
        /// What was dropped, in bytes.
        package var lostBytes: Int64
        /// Whether all of it is there again.
        package var isRepaired: Bool
    }

    /// Contents looked at.
    package var contentCount = 0
    /// Bytes read and checked.
    package var checkedBytes: Int64 = 0
    /// How many contents lost something.
    package var damagedCount = 0
    /// How many of them are whole again.
    package var repairedCount = 0
    /// The first of them.
    package var damaged: [Damage] = []

    /// All is well.
    package init() {}
}

/// What a request has changed.
package struct CacheChange: Equatable, Sendable, Codable {
    /// How many contents it was about.
    package var contentCount = 0
    /// Bytes of contents that were moved or dropped.
    package var contentBytes: Int64 = 0
    /// By how many bytes the cache takes less of the disk.
    package var freedBytes: Int64 = 0
    /// Contents left alone since other revisions have them too.
    package var sharedCount = 0
    /// Contents left alone since they are pinned.
    package var pinnedCount = 0
    /// The commits that it was about.
    package var commits: [String] = []

    /// Nothing.
    package init() {}
}

/// What became of the databases.
package struct CacheRebuild: Equatable, Sendable, Codable {
    /// Whether it is done when the daemon starts next, instead of now.
    package var isPostponed = false
    /// Contents that are known now.
    package var contentCount = 0
    /// Revisions that are known now.
    package var revisionCount = 0

    /// Nothing.
    package init() {}
}
