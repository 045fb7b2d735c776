// What `modelfs doctor` finds out of this machine: each thing that a mount needs, whether it is so,
// and what to do where it is not. Changes nothing; asks the Hub for one page.

internal import Glibc
internal import HubAPI
internal import Platform
internal import Settings

/// One thing that was looked at.
struct CheckupResult: Equatable, Sendable, Codable {
    /// How it is.
    enum Verdict: String, Equatable, Sendable, Codable {
        case good
        /// It works, but less well than it could.
        case remark
        case bad
    }

    var subject: String
    var verdict: Verdict
    var finding: String
    /// What to do; nil where nothing has to be done.
    var advice: String?
}

/// Looks at a machine.
struct Checkup {
    private let environment: Environment
    private let cachePath: String
    /// Those that were named; where there are none, the environment decides.
    private let endpoints: [String]
    private(set) var results: [CheckupResult] = []

    /// Free space below which a cache has no room to work in, in bytes.
    private static let roomBytesMin: Int64 = 1_000_000_000
    /// Before this instant no clock is right: the day of this code, 2026-11-01.
    private static let earliest: Int64 = 1_793_491_200

    init(_ environment: Environment, cachePath: String, endpoints: [String] = []) {
        self.environment = environment
        self.cachePath = cachePath
        self.endpoints = endpoints
    }

    /// Looks at everything but the Hub.
    mutating func lookAtMachine() {
        lookAtFuse()
        lookAtKernel()
        lookAtCache()
        lookAtClock()
        lookAtKeeper()
        lookAtMounts()
    }

    mutating func add(
        _ subject: String, _ verdict: CheckupResult.Verdict, _ finding: String,
        _ advice: String? = nil
    ) {
        results.append(
            CheckupResult(
                subject: subject, verdict: verdict, finding: finding, advice: advice))
    }

    private mutating func lookAtFuse() {
        do throws(MountFailure) {
            try FusePrerequisites().check(allowOther: geteuid() == 0)
            add("FUSE", .good, "/dev/fuse can be opened")
        } catch {
            add("FUSE", .bad, error.message, error.advice)
        }
    }

    private mutating func lookAtKernel() {
        let release = KernelRelease.current
        let text = "Linux \(release.major).\(release.minor)"
        if release < KernelRelease(major: 6, minor: 9) {
            add(
                "kernel", .remark, text,
                "From Linux 6.9 on the kernel reads files by itself, and reads survive a daemon.")
        } else if geteuid() != 0 {
            add(
                "kernel", .remark, "\(text); not root",
                "As root the kernel reads files by itself, and all mounts share their pages.")
        } else {
            add("kernel", .good, "\(text): files can be read by the kernel itself")
        }
    }

    private mutating func lookAtCache() {
        let cache: CacheDirectory?
        do throws(MountFailure) {
            cache = try CacheDirectory.openIfPresent(cachePath)
        } catch {
            return add("cache", .bad, error.message, error.advice)
        }
        guard let cache else {
            return add("cache", .good, "\(cachePath) does not exist yet; a mount makes it")
        }
        if unsafe access(cachePath, W_OK) != 0 {
            return add(
                "cache", .bad, "\(cachePath) cannot be written to",
                "Name another folder with --cache, or in MODELFS_CACHE.")
        }
        guard let free = try? cache.freeSize() else {
            return add("cache", .bad, "the disk of \(cachePath) does not tell its free space")
        }
        let finding = "\(cachePath), \(free) of its disk are free"
        if free.byteCount < Checkup.roomBytesMin {
            add(
                "cache", .bad, finding,
                "Make room: 'modelfs cache list' shows what is there, "
                    + "'modelfs cache evict' drops it."
            )
        } else if MountTable.isStacked(cachePath) {
            add(
                "cache", .remark, finding + "; it lies on an overlay, as in a container",
                "Keep the cache on a volume: it is faster, and stays when the container goes.")
        } else {
            add("cache", .good, finding)
        }
    }

    private mutating func lookAtClock() {
        let now = WallTime.now
        if now.secondsSince1970 < Checkup.earliest {
            add(
                "clock", .bad, "it says \(now.iso8601)",
                "Set the clock: certificates and signed addresses depend on it.")
        } else {
            add("clock", .good, "it says \(now.iso8601)")
        }
    }

    private mutating func lookAtKeeper() {
        if KeeperProgram.installed() != nil {
            add("keeper", .good, "modelfs-keeper is installed: mounts survive their daemon")
        } else {
            add(
                "keeper", .remark, "modelfs-keeper is not beside modelfs",
                "Install it in the same folder; without it mounts end with their daemon.")
        }
    }

    private mutating func lookAtMounts() {
        let mounts = (try? MountTable.current())?.modelFSEntries ?? []
        let places = mounts.filter { $0.root != "/" || $0.source.hasPrefix(HubURI.scheme) }
        var deadCount = 0
        for mount in places {
            switch Liveness.of(mount.mountpoint, secondsMax: 1) {
            case .alive: continue
            case .dead, .silent:
                deadCount += 1
                add(
                    "mounts", .bad, "\(mount.mountpoint) does not answer",
                    "Take it away: umount -l \(mount.mountpoint)")
            }
        }
        if deadCount == 0 { add("mounts", .good, "\(places.count), all of them answer") }
    }

    // MARK: The daemon

    /// What serves the cache, and where it differs from what this command was given.
    mutating func lookAtDaemon(_ comparison: DaemonComparison?) {
        guard let comparison else {
            let mounts = (try? MountTable.current())?.modelFSEntries ?? []
            if mounts.isEmpty { return add("daemon", .good, "none serves \(cachePath)") }
            return add(
                "daemon", .remark, "none serves \(cachePath), though there are mounts",
                "They belong to another cache, which --cache or MODELFS_CACHE names.")
        }
        let status = comparison.status
        let hub = status.fileSystem.hub
        add(
            "daemon", .good,
            "process \(status.processID), modelfs \(status.version), serves \(cachePath)")
        if comparison.otherHub != nil {
            add(
                "daemon", .remark,
                "its Hub is \(hub.endpoint); this command's would be \(comparison.ownHub)",
                "A mount shows what the daemon's Hub has. Another Hub takes another cache: --cache."
            )
        }
        let token = DaemonComparison.tokenWords(hub)
        let isRefused = status.fileSystem.refusals.contains { $0.reason == Checkup.refusedToken }
        if isRefused {
            add("token", .bad, "\(token); the Hub refuses it", DaemonComparison.tokenAdvice(hub))
        } else if comparison.otherHub == nil && comparison.hasOtherToken {
            add(
                "token", .remark, "\(token); this command's is another one",
                DaemonComparison.tokenAdvice(hub))
        } else {
            add("token", .good, token)
        }
    }

    /// As refusals of the status say it.
    private static let refusedToken = "\(HubError.tokenRefused)"

    // MARK: The Hub

    /// Asks the Hub whether it is there and what it says of the token.
    ///
    /// Where a daemon serves the cache it is the daemon's Hub, which is asked without a token where
    /// it is not this command's own, since a token is for one Hub.
    mutating func lookAtHub(
        _ comparison: DaemonComparison?, _ ask: (HubConfiguration) -> Result<String, HubError>
    ) {
        let other = endpoints.isEmpty ? comparison?.otherHub : nil
        let configuration: HubConfiguration
        do throws(HubConfigurationError) {
            var variables = environment.values
            if other != nil { variables["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1" }
            configuration = try HubConfiguration(
                environment: variables, endpoints: other.map { [$0] } ?? endpoints)
        } catch {
            return add("Hub", .bad, error.description, "Set the variable right, or unset it.")
        }
        if configuration.isOffline {
            return add(
                "Hub", .remark, "HF_HUB_OFFLINE forbids asking \(configuration.endpoint)",
                "Unset it where more than the cache is wanted.")
        }
        switch ask(configuration) {
        case .success(let name):
            let greeting = other == nil ? "; \(name)" : ""
            add("Hub", .good, "\(configuration.endpoint) answers\(greeting)")
        case .failure(.tokenRefused):
            add(
                "Hub", .bad, "\(configuration.endpoint) answers, and refuses the token",
                "Log in again with 'hf auth login', or set HF_TOKEN to a valid token.")
        case .failure(let error):
            add(
                "Hub", .bad, "\(configuration.endpoint): \(error)",
                "Look at HF_ENDPOINT, HTTPS_PROXY and the network; what is cached is served anyway."
            )
        }
    }
}
