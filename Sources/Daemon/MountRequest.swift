// What is asked of a daemon, and what it answers about one mount.

package import Settings

/// How a mount looks to others than its owner.
package struct MountOptions: Equatable, Sendable, Codable {
    /// Whether other users than the mounting one may look into it.
    package var allowOther: Bool
    /// The owner that files show.
    package var userID: UInt32
    /// The group that files show.
    package var groupID: UInt32
}

/// One mount that is wanted.
package struct MountRequest: Equatable, Sendable, Codable {
    /// An `hf://` URI, as typed.
    package var source: String
    /// Absolute; the backend gets it checked and without symbolic links.
    package var mountpoint: String
    /// How it looks to others.
    package var options: MountOptions
}

/// One mount that answers.
package struct MountInfo: Equatable, Sendable, Codable {
    /// As it was asked for.
    package var source: String
    /// Absolute, without symbolic links.
    package var mountpoint: String
    /// The repository, such as `models/org/name`, when the root lies in one.
    package var repository: String?
    /// The commit that the root was pinned to, when the source names a revision.
    package var commit: String?
    /// The kernel's number of the filesystem, such as `0:45`; nil if not known.
    package var deviceID: String?

    /// - Parameters:
    ///   - source: as it was asked for.
    ///   - mountpoint: absolute, without symbolic links.
    ///   - repository: such as `models/org/name`, when the root lies in one.
    ///   - commit: what the root was pinned to, when the source names a revision.
    ///   - deviceID: such as `0:45`.
    package init(
        source: String, mountpoint: String, repository: String? = nil, commit: String? = nil,
        deviceID: String? = nil
    ) {
        self.source = source
        self.mountpoint = mountpoint
        self.repository = repository
        self.commit = commit
        self.deviceID = deviceID
    }
}

/// When a large file has to be proven.
package enum ProofTime: String, Equatable, Sendable, Codable, CaseIterable {
    /// When it is complete; what was read before was checked as far as that goes.
    case complete
    /// Before its first byte is served.
    case first
}

/// What a daemon is started with; it keeps this until its end.
package struct DaemonConfiguration: Equatable, Sendable, Codable {
    /// The cache folder, absolute.
    package var cachePath: String
    /// How much the cache may hold; a share is of the disk that it lies on.
    package var cacheLimit: SpaceLimit
    /// Whether the limit is lowered so far that `roomPercent` of the disk stay free of it, since
    /// nobody has chosen it.
    package var leavesRoom: Bool
    /// How much of it may lie flat; a share is of the cache's limit.
    ///
    /// 0: all is packed.
    package var hotLimit: SpaceLimit
    /// How long a reader waits for the network before it gets EIO.
    package var readDeadline: TimeSpan
    /// When a large file is proven.
    package var proof: ProofTime
    /// For how long a branch or tag is taken to be what it was.
    package var refLifetime: TimeSpan
    /// What is fetched beyond what readers ask for: `auto`, `sequential` or `none`.
    package var prefetch: String
    /// Whether the Hub is never asked.
    package var isOffline: Bool
    /// Whether the daemon checks every read, so that the kernel reads no file by itself.
    package var checksReads: Bool
    /// The Hub and its mirrors in order of preference; nil: what the environment says.
    package var endpoints: [String]?
    /// Whether what its chunks have proven is left to a later daemon to be hashed as a whole; nil:
    /// it is not.
    package var leavesLateHashes: Bool?
    /// `debug`, `info`, `warning` or `error`.
    package var logLevel: String
    /// `json`, or nil for lines to be read; nil too from a daemon that knew no other.
    package var logFormat: String?
    /// Where metrics are served; nil for nowhere.
    package var metricsAddress: String?
    /// How far the daemon confines itself; nil from a daemon that did not: as far as it can.
    package var confinement: ConfinementMode?

    /// The disk's share that a cache takes when nobody says otherwise: the rest is for others.
    package static let cacheLimitDefault = SpaceLimit.percent(80)
    /// What a cache whose limit nobody has chosen leaves free when others fill its disk.
    package static let roomPercent = 5.0
    /// The share of the cache that may lie flat when nobody says otherwise: what is in use is as
    /// fast as it can be, and there is room for as much again that is packed.
    package static let hotLimitDefault = SpaceLimit.percent(50)
    /// Long enough for a Hub's bad minute, short enough for a job to fail while somebody looks.
    package static let readDeadlineDefault = TimeSpan(seconds: 120)
    /// A pushed commit is seen within this time.
    package static let refLifetimeDefault = TimeSpan(seconds: 60)

    /// With the defaults.
    package init(cachePath: String) {
        self.cachePath = cachePath
        cacheLimit = DaemonConfiguration.cacheLimitDefault
        leavesRoom = true
        hotLimit = DaemonConfiguration.hotLimitDefault
        readDeadline = DaemonConfiguration.readDeadlineDefault
        proof = .complete
        refLifetime = DaemonConfiguration.refLifetimeDefault
        prefetch = "auto"
        isOffline = false
        checksReads = false
        logLevel = "info"
    }
}
