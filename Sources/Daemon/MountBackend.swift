// What the daemon needs of the filesystem: the seam between commands and the data plane.
//
// The daemon has checked the mountpoint and holds it for one request at a time before it calls
// `mount`; different mountpoints may come from several threads at once. It keeps the list of
// mounts itself, so a backend reports none.

package import Telemetry

/// The filesystem, as the daemon drives it.
package protocol MountBackend: Sendable {
    /// Checks whether this machine can mount at all; called before every mount.
    func checkPrerequisites(_ options: MountOptions) throws(MountFailure)

    /// Goes on with the mounts that an earlier process left, and leaves its own there from now on.
    ///
    /// Called once, before all others.
    func begin(_ keeping: MountKeeping)

    /// Counts a mount that an earlier process made among its own.
    ///
    /// - Returns: whether it is served: what could not be taken over is not.
    func adopt(mountpoint: String) -> Bool

    /// Mounts, and returns when the mount answers.
    func mount(_ request: MountRequest) throws(MountFailure) -> MountInfo

    /// Takes one of its mounts away.
    ///
    /// - Parameter isLazy: also while files are in use.
    /// - Throws: `.mountpointInUse` when files are in use.
    func unmount(mountpoint: String, isLazy: Bool) throws(MountFailure)

    /// Lets go of what belonged to a mount that somebody else has unmounted.
    func forget(mountpoint: String)

    /// Carries out a request about the cache. Called at any time, from several threads.
    ///
    /// - Parameter progress: called now and then; false ends the work early.
    func answer(
        _ request: CacheRequest, progress: (CacheProgress) -> Bool
    ) throws(MountFailure) -> CacheAnswer

    /// Sentences for the user about what was done when the cache was opened.
    var notices: [String] { get }

    /// The state as of now. Called at any time, also during a mount, and does not wait for others.
    func status() -> BackendStatus

    /// What shows whether somebody has the token that the Hub gets; nil without one. The token file
    /// is looked at before, if that was not done lately.
    func tokenMark(salt: [UInt8]) -> String?

    /// For how long the parts that a mount cannot do without have given no sign. Called every
    /// second, and does not wait.
    func vitalSigns() -> [VitalSign]

    /// Puts on the disk what came from the Hub, since the process ends and another goes on.
    func flush()

    /// Unmounts everything, fetches nothing more, and closes what is open. Called once, last;
    /// possibly while a mount is under way.
    ///
    /// - Returns: the mountpoints that were in use, and were unmounted lazily.
    func stop() -> [String]
}

extension MountBackend {
    /// Without a Hub there is no token.
    package func tokenMark(salt: [UInt8]) -> String? { nil }

    /// Looks for the device, for fusermount3 and for the right to use `allow_other`.
    package func checkPrerequisites(_ options: MountOptions) throws(MountFailure) {
        try FusePrerequisites().check(allowOther: options.allowOther)
    }
}

/// Makes the filesystem on a cache that is locked and whose format was checked.
///
/// Called once.
package typealias BackendFactory =
    @Sendable (DaemonConfiguration, CacheDirectory, Log) throws(MountFailure) -> any MountBackend

/// The state of the filesystem, without mounts and without the daemon's own.
package struct BackendStatus: Equatable, Sendable, Codable {
    /// What the cache holds, in bytes on disk.
    package var usedBytes: Int64 = 0
    /// What it may hold, in bytes on disk.
    package var limitBytes: Int64 = 0
    /// What of it lies flat.
    package var hotBytes: Int64 = 0
    /// What may lie flat.
    package var hotLimitBytes: Int64 = 0
    /// What of it lies in packs.
    package var packedBytes: Int64 = 0
    /// What the cache did since the start.
    package var cache = CacheCounts()
    /// The Hub.
    package var hub = HubStatus()
    /// Messages from the kernel since the start, by name such as `READ`.
    package var kernelMessages: [String: Int64] = [:]
    /// Requests to the Hub and its stores since the start, by kind such as `tree`.
    package var hubRequests: [String: Int64] = [:]
    /// Of them, those that failed, by what went wrong such as `5xx`; most were tried again.
    package var hubFailures: [String: Int64] = [:]
    /// What came over the network since the start, in bytes of bodies.
    package var bytesFetched: Int64 = 0
    /// What came from the official client's cache since the start, in bytes.
    package var clientCacheBytes: Int64 = 0
    /// How files are read.
    package var reading = ReadingStatus()
    /// What is being fetched.
    package var fetches: [FetchStatus] = []
    /// Repositories that the Hub refuses.
    package var refusals: [RefusalStatus] = []

    /// All zero.
    package init() {}
}

/// Whether the Hub can be asked.
package struct HubStatus: Equatable, Sendable, Codable {
    /// Whether the Hub can be asked.
    package enum State: String, Equatable, Sendable, Codable {
        /// It answered last time, or was not asked yet.
        case present
        /// It is known not to answer.
        case away
        /// It must not be asked.
        case offline
    }

    /// Such as `https://huggingface.co`.
    package var endpoint = ""
    /// Whether it can be asked.
    package var state = State.present
    /// What went wrong, when it is away.
    package var detail: String?
    /// Whether there is a token to send.
    package var hasToken = false
    /// `environment`, `file`, or `nowhere` where none is to be sent.
    ///
    /// Nil from a daemon that does not tell.
    package var tokenSource: String?
    /// The file that is looked at for a token, where that is its source.
    package var tokenPath: String?
    /// Each of them, where there are several; nil from a daemon that knows of one only.
    package var endpoints: [EndpointStatus]?

    /// The Hub and its mirrors, in order of preference.
    var allEndpoints: [String] { endpoints?.map(\.endpoint) ?? [endpoint] }

    /// Present, without a name.
    package init() {}
}

/// A file that is being fetched.
package struct FetchStatus: Equatable, Sendable, Codable {
    /// The newest place where it stands, such as `org/name@v1/model.safetensors`.
    package var file: String
    /// How much of the file is there, in bytes.
    package var doneBytes: Int64
    /// The size of the file, in bytes.
    package var totalBytes: Int64
    /// Readers that wait for it.
    package var readerCount = 0
}

/// A repository that the Hub refuses.
package struct RefusalStatus: Equatable, Sendable, Codable {
    /// Such as `models/org/name`.
    package var repository: String
    /// Such as `gated`.
    package var reason: String
    /// What the user can do about it.
    package var advice: String
}

/// What the cache did since the daemon started.
package struct CacheCounts: Equatable, Sendable, Codable {
    /// Reads that were answered from the disk.
    package var hits: Int64 = 0
    /// Reads that had to wait for the network.
    package var misses: Int64 = 0
    /// What was read from the disk, in bytes.
    package var hitBytes: Int64 = 0
    /// Contents dropped to make room.
    package var evictions: Int64 = 0
    /// Blocks, records and rows whose checksum was wrong.
    package var checksumFailures: Int64 = 0
    /// Blocks that were damaged on the disk and fetched again while their reader waited.
    package var healedBlocks: Int64 = 0
    /// Contents whose hash was proven.
    package var proofs: Int64 = 0
    /// Contents whose hash was wrong.
    package var proofFailures: Int64 = 0
    /// Chunks that came wrong through Xet and were replaced.
    package var wrongXetChunks: Int64 = 0
    /// Contents moved into packs.
    package var cooled: Int64 = 0
    /// Contents made flat again.
    package var warmed: Int64 = 0
    /// Bytes of files that the kernel reads by itself, looked through in the background.
    package var scrubbedBytes: Int64 = 0
    /// Failures of the disk.
    package var diskFailures: Int64 = 0

    /// All zero.
    package init() {}
}
