// The filesystem of one cache, put together: Hub, catalog, store, fetcher, tree and mounts.
//
// Owns all of them, and the order in which they begin and end. As root there is one FUSE mount
// for the whole cache at a place of its own, and every mountpoint is a bind of one of its
// directories, so that all mounts share their pages. Another user may not bind, so each of their
// mounts is a FUSE mount of its own, with pages of its own.

internal import Catalog
internal import ChunkStore
internal import Fetching
internal import FileSystem
internal import FuseSession
internal import Glibc
internal import HubAPI
internal import Platform
internal import Settings
internal import Telemetry
internal import Transport

/// The mounts of one cache.
package final class TreeBackend: MountBackend {
    struct Mounts {
        /// The one mount that others are bound from, as root.
        var shared: FuseSession?
        var sharedOptions: MountOptions?
        /// Mounts of their own, by mountpoint.
        var sessions: [String: FuseSession] = [:]
        /// Mountpoints that are binds of the shared mount.
        var binds: Set<String> = []
        /// Messages of mounts that are gone.
        var pastMessages: [String: Int64] = [:]
    }

    let transport: Transport
    let hub: HubClient
    let catalog: Catalog
    let store: ChunkStore
    let fetcher: Fetcher
    let fileSystem: FileSystem
    let configuration: DaemonConfiguration
    let log: Log
    let mounts = Lock(Mounts())
    /// One mount at a time: the shared mount is made by the first of them.
    let turn = Mailbox<Void>()

    /// What the parts are made of, for `modelfs`' main file.
    package static let factory: BackendFactory = {
        (configuration, cache, log) throws(MountFailure) in
        try TreeBackend(configuration, cache, log)
    }

    /// Opens everything, asks nobody: a mount does not wait for the Hub.
    init(
        _ configuration: DaemonConfiguration, _ cache: CacheDirectory, _ log: Log
    ) throws(MountFailure) {
        self.configuration = configuration
        self.log = log
        let hubConfiguration = try TreeBackend.hubConfiguration(configuration)
        catalog = try TreeBackend.openCatalog(cache, log)
        store = try TreeBackend.openStore(cache, configuration, log)
        var fetchOptions = FetchOptions()
        fetchOptions.readDeadlineSeconds = configuration.readDeadline.seconds
        fetchOptions.metadataDeadlineSeconds = min(
            fetchOptions.metadataDeadlineSeconds, configuration.readDeadline.seconds)
        var treeOptions = FileSystemOptions()
        treeOptions.refSeconds = Int64(min(configuration.refLifetime.seconds, 1e9))
        do throws(Errno) {
            transport = try Transport(
                TransportConfiguration(environment: Environment.process.values))
            hub = try HubClient(hubConfiguration, transport: transport, log: log)
            fetcher = try Fetcher(
                hub: hub, catalog: catalog, store: store, options: fetchOptions, log: log)
        } catch {
            throw .failed(detail: "there is no room for a thread: \(error)")
        }
        fileSystem = FileSystem(
            catalog: catalog, store: store, fetcher: fetcher, options: treeOptions, log: log)
        turn.send(())
        catalog.observeChanges { [weak self] rows in
            guard let self else { return }
            announce(rows.map { .attributes(fileSystem.nodeID(row: $0)) })
        }
        fetcher.observeDamage { [weak self] content in
            guard let self else { return }
            announce([.pages(fileSystem.nodeID(content))])
        }
    }

    /// Has the kernel forget, in every mount.
    private func announce(_ notices: [KernelNotice]) {
        let sessions = mounts.withLock { mounts in
            Array(mounts.sessions.values) + (mounts.shared.map { [$0] } ?? [])
        }
        for session in sessions {
            for notice in notices { session.announce(notice) }
        }
    }

    private static func hubConfiguration(
        _ configuration: DaemonConfiguration
    ) throws(MountFailure) -> HubConfiguration {
        var values = Environment.process.values
        if configuration.isOffline { values["HF_HUB_OFFLINE"] = "1" }
        do throws(HubConfigurationError) {
            return try HubConfiguration(
                environment: values, agent: "modelfs/\(programVersion)")
        } catch {
            throw .failed(detail: error.description)
        }
    }

    private static func openCatalog(
        _ cache: CacheDirectory, _ log: Log
    ) throws(MountFailure) -> Catalog {
        do throws(CatalogError) {
            return try Catalog(path: "\(cache.path)/catalog.db", log: log)
        } catch {
            switch error {
            case .newerVersion:
                throw .cacheOfOtherVersion(
                    path: cache.path, found: "a newer catalog.db",
                    known: CacheDirectory.formatVersion)
            case .damaged:
                throw .cacheDamaged(path: cache.path, detail: "catalog.db is damaged")
            case .unavailable(let reason):
                throw .cacheDamaged(path: cache.path, detail: "catalog.db: \(reason)")
            }
        }
    }

    private static func openStore(
        _ cache: CacheDirectory, _ configuration: DaemonConfiguration, _ log: Log
    ) throws(MountFailure) -> ChunkStore {
        let disk: ByteSize
        do throws(Errno) {
            disk = try cache.diskSize()
        } catch {
            throw .cacheNotWritable(path: cache.path, error)
        }
        do throws(StoreError) {
            return try ChunkStore(
                directory: cache.path,
                sizeLimitBytes: configuration.cacheLimit.bytes(of: disk).byteCount, log: log)
        } catch {
            switch error {
            case .readOnly: throw .cacheNotWritable(path: cache.path, .readOnly)
            case .full: throw .cacheNotWritable(path: cache.path, .noSpace)
            case .disk(let error): throw .cacheNotWritable(path: cache.path, error)
            case .database, .inUse, .invalidRange, .incomplete, .closed:
                throw .cacheDamaged(path: cache.path, detail: "\(error)")
            }
        }
    }

    package func status() -> BackendStatus {
        var status = BackendStatus()
        status.usedBytes = store.usedByteCount
        status.limitBytes = store.sizeLimitBytes
        let hubStatus = hub.status
        status.hub.endpoint = hubStatus.endpoint
        switch hubStatus.reachability {
        case .present: status.hub.state = .present
        case .away(let reason, _):
            status.hub.state = .away
            status.hub.detail = "\(reason)"
        case .offline: status.hub.state = .offline
        }
        status.kernelMessages = mounts.withLock { mounts in
            var counts = mounts.pastMessages
            for session in mounts.sessions.values + (mounts.shared.map { [$0] } ?? []) {
                counts.merge(session.messageCounts, uniquingKeysWith: +)
            }
            return counts
        }
        for kind in HubRequestKind.allCases {
            let count = hub.counters.requestCount(kind)
            if count > 0 { status.hubRequests[kind.rawValue] = count }
        }
        status.bytesFetched = hub.counters.contentBytes.value
        status.fetches = fetcher.progress.map {
            FetchStatus(file: $0.name, doneBytes: $0.cachedBytes, totalBytes: $0.sizeBytes)
        }
        status.refusals = fetcher.refusals.map { refusal in
            RefusalStatus(
                repository: refusal.repository.description, reason: "\(refusal.error)",
                advice: advice(refusal))
        }
        return status
    }

    private func advice(_ refusal: Refusal) -> String {
        let id = refusal.repository
        let page = "\(hub.configuration.endpoint)/\(id.kind.resolvePrefix)\(id.name)"
        switch refusal.error {
        case .gated:
            return "accept the conditions on \(page), then use a token of that account"
        case .tokenRefused:
            return "log in again with `hf auth login`, or set HF_TOKEN to a valid token"
        default: return "use a token that may read \(page)"
        }
    }

    package func stop() -> [String] {
        let inUse = unmountAll()
        // Nothing more may arrive before those who wait are answered, and nothing may be asked
        // of the store after it is closed.
        hub.close()
        fetcher.close()
        let sessions = mounts.withLock { mounts in
            Array(mounts.sessions.values) + (mounts.shared.map { [$0] } ?? [])
        }
        for session in sessions { session.close() }
        transport.shutdown()
        store.close()
        catalog.close()
        return inUse
    }
}
