// The filesystem of one cache, put together: Hub, catalog, store, fetcher, tree and mounts.
//
// Owns all of them, and the order in which they begin and end. As root there is one FUSE mount
// for the whole cache at a place of its own, and every mountpoint is a bind of one of its
// directories, so that all mounts share their pages. Another user may not bind, so each of their
// mounts is a FUSE mount of its own, with pages of its own.

internal import Catalog
internal import ChunkStore
internal import Database
internal import Fetching
internal import FileSystem
internal import FuseSession
internal import Glibc
internal import Hashing
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
        /// Where connections are left for a successor.
        var keeping: MountKeeping?
        /// Where it is noted which requests crash daemons.
        var crashes: CrashRecords?
        /// What the newest of them asked of the kernel.
        var settings: [KernelSetting] = []
        /// Whether flat files are looked through in the background.
        var hasScrub = false
        /// Messages of mounts that are gone.
        var pastMessages: [String: Int64] = [:]

        var all: [FuseSession] { Array(sessions.values) + (shared.map { [$0] } ?? []) }
    }

    /// Parts of a file whose pages are taken back one by one; of more, all between them too.
    private static let pageNoticeCountMax = 64

    let transport: Transport
    let hub: HubClient
    let catalog: Catalog
    let store: ChunkStore
    let fetcher: Fetcher
    let fileSystem: FileSystem
    let upkeep: Upkeep
    private let transferEcho = Echo()
    package let notices: [String]
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
        let hadIndex = TreeBackend.fileNumber("\(cache.path)/store.db")
        store = try TreeBackend.openStore(cache, configuration, log)
        StartStages.current.mark("store")
        let opened = try TreeBackend.openCatalog(cache, store, log)
        catalog = opened.catalog
        StartStages.current.mark("catalog")
        notices = TreeBackend.notices(
            isIndexNew: hadIndex != TreeBackend.fileNumber("\(cache.path)/store.db"),
            hasContents: TreeBackend.hasContents(store), isCatalogNew: opened.isRebuilt)
        var fetchOptions = FetchOptions()
        fetchOptions.readDeadlineSeconds = configuration.readDeadline.seconds
        fetchOptions.provesFirst = configuration.proof == .first
        fetchOptions.metadataDeadlineSeconds = min(
            fetchOptions.metadataDeadlineSeconds, configuration.readDeadline.seconds)
        fetchOptions.prefetch = PrefetchMode(rawValue: configuration.prefetch) ?? .auto
        fetchOptions.hashesLate = configuration.leavesLateHashes != true
        if hubConfiguration.readsClientCache {
            fetchOptions.clientCache = hubConfiguration.clientCachePath
        }
        fetchOptions.servesPages =
            geteuid() == 0 && !configuration.checksReads && store.hotLimitBytes > 0
        var treeOptions = FileSystemOptions()
        treeOptions.cachePath = cache.path
        treeOptions.refSeconds = Int64(min(configuration.refLifetime.seconds, 1e9))
        do throws(Errno) {
            transport = try Transport(
                TransportConfiguration(environment: Environment.process.values))
            hub = try HubClient(hubConfiguration, transport: transport, log: log)
            fetcher = try Fetcher(
                hub: hub, catalog: catalog, store: store, options: fetchOptions, log: log)
            upkeep = try Upkeep(catalog: catalog, store: store, log: log)
        } catch {
            throw .failed(detail: "there is no room for a thread: \(error)")
        }
        fileSystem = FileSystem(
            catalog: catalog, store: store, fetcher: fetcher, options: treeOptions, log: log)
        turn.send(())
        observe()
        StartStages.current.mark("hub")
    }

    /// Ties the parts together.
    private func observe() {
        catalog.observeChanges { [weak self] rows in
            guard let self else { return }
            announce(rows.map { .attributes(fileSystem.nodeID(row: $0)) })
        }
        fetcher.observeDamage { [weak self] content, ranges in
            guard let self, let first = ranges.first, let last = ranges.last else { return }
            let node = fileSystem.nodeID(content)
            let isFew = ranges.count <= TreeBackend.pageNoticeCountMax
            let told = isFew ? ranges : [first.lowerBound..<last.upperBound]
            announce(told.map { .pages(node, $0) })
        }
        fileSystem.observeUses { [upkeep] content in upkeep.noteUse(of: content) }
        fileSystem.observePlans { [weak self] content, extents, reading in
            let sessions = self?.mounts.withLock { $0.all } ?? []
            for session in sessions where session.knows(content) {
                session.push(content, extents, reading: reading)
            }
        }
        upkeep.everySecond { [weak fileSystem] in fileSystem?.keepTraces() }
        store.setInUse { [weak self] hash in self?.isKnownToKernel(hash) ?? false }
    }

    /// Whether a mount's kernel side still refers to a content: it may be open or mapped.
    private func isKnownToKernel(_ hash: ContentHash) -> Bool {
        let sessions = mounts.withLock { $0.all }
        if sessions.isEmpty { return false }
        guard let rows = try? catalog.contentIDs(of: hash) else { return false }
        return rows.contains { row in sessions.contains { $0.knows(row) } }
    }

    /// Tells whether a file was replaced; nil where there is none.
    private static func fileNumber(_ path: String) -> UInt? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? UInt(status.st_ino) : nil
    }

    /// Whether anything is cached; a new cache has files of its own and no content.
    private static func hasContents(_ store: ChunkStore) -> Bool {
        var isFound = false
        try? store.forEachContent { (_) throws(StoreError) in
            isFound = true
            throw .closed
        }
        return isFound
    }

    private static func notices(
        isIndexNew: Bool, hasContents: Bool, isCatalogNew: Bool
    ) -> [String] {
        var notices: [String] = []
        if isIndexNew && hasContents {
            notices.append(
                "The cache's index was damaged or missing; it was made anew from the packs.")
        }
        if isCatalogNew {
            notices.append(
                "The cache's catalog was damaged or missing; it was made anew from the packs.")
        }
        return notices
    }

    package func answer(
        _ request: CacheRequest, progress: (CacheProgress) -> Bool
    ) throws(MountFailure) -> CacheAnswer {
        let service = CacheService(
            cachePath: configuration.cachePath, catalog: catalog, store: store, fetcher: fetcher,
            log: log, findFiles: files, reader: TreeReader(backend: self))
        let answer = try service.answer(request, progress: progress)
        guard case .statistics(var sums) = answer else { return answer }
        sums.limitBytes = store.sizeLimitBytes
        sums.hotLimitBytes = store.hotLimitBytes
        return .statistics(sums)
    }

    @Sendable
    private func files(
        of target: PrefetchTarget, eachPath: Bool
    ) throws(MountFailure) -> RevisionFiles {
        guard let location = target.location else {
            throw .sourceMalformed(source: target.text, detail: "it names no repository")
        }
        let tree = fileSystem
        do throws(FileSystemError) {
            return try wait { context in
                tree.files(below: location, eachPath: eachPath, context)
            }
        } catch {
            throw failure(error, .repository(location), named: target.text)
        }
    }

    /// Has the kernel forget, in every mount.
    private func announce(_ notices: [KernelNotice]) {
        let sessions = mounts.withLock { $0.all }
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
            let made = try HubConfiguration(
                environment: values, agent: "modelfs/\(programVersion)",
                endpoints: configuration.endpoints ?? [])
            // Said at the start, since later there is nobody to tell.
            if let path = made.endpointTokensPath { _ = try EndpointTokens.read(path) }
            return made
        } catch {
            throw .environmentMalformed(detail: error.description)
        }
    }

    private static func openCatalog(
        _ cache: CacheDirectory, _ store: ChunkStore, _ log: Log
    ) throws(MountFailure) -> (catalog: Catalog, isRebuilt: Bool) {
        do throws(CatalogError) {
            return try CatalogKeeping.open("\(cache.path)/catalog.db", store, log)
        } catch {
            store.close()
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
            let limit = limit(configuration, cache, disk)
            return try ChunkStore(
                directory: cache.path, sizeLimitBytes: limit.byteCount,
                hotLimitBytes: configuration.hotLimit.bytes(of: limit).byteCount, log: log)
        } catch {
            throw failure(error, cachePath: cache.path)
        }
    }

    /// What the cache may take: what was chosen, or as much as leaves room for others.
    private static func limit(
        _ configuration: DaemonConfiguration, _ cache: CacheDirectory, _ disk: ByteSize
    ) -> ByteSize {
        let limit = configuration.cacheLimit.bytes(of: disk)
        guard configuration.leavesRoom, let free = try? cache.freeSize() else { return limit }
        let room = SpaceLimit.percent(DaemonConfiguration.roomPercent).bytes(of: disk)
        let mostBytes = cache.payloadByteCount() + free.byteCount - room.byteCount
        return ByteSize(min(limit.byteCount, max(ModelFSCommand.cacheSizeMin.byteCount, mostBytes)))
    }

    /// What a failure of the store means to who asked for something.
    static func failure(_ error: StoreError, cachePath: String) -> MountFailure {
        switch error {
        case .readOnly: .cacheNotWritable(path: cachePath, .readOnly)
        case .full: .cacheNotWritable(path: cachePath, .noSpace)
        case .disk(let error): .cacheNotWritable(path: cachePath, error)
        case .database(.busy): .cacheNotWritable(path: cachePath, .busy)
        case .database(.newerVersion(let found, _)):
            .cacheOfOtherVersion(
                path: cachePath, found: "store.db of version \(found)",
                known: CacheDirectory.formatVersion)
        case .database, .inUse, .invalidRange, .incomplete, .closed:
            .cacheDamaged(path: cachePath, detail: "\(error)")
        }
    }

    package func status() -> BackendStatus {
        var status = BackendStatus()
        status.usedBytes = store.usedByteCount
        status.limitBytes = store.sizeLimitBytes
        status.hotBytes = store.flatByteCount
        status.hotLimitBytes = store.hotLimitBytes
        status.packedBytes = store.packedByteCount
        status.cache.hits = store.counters.hits.value
        status.cache.misses = store.counters.misses.value
        status.cache.hitBytes = store.counters.hitBytes.value
        status.cache.evictions = store.counters.evictions.value
        status.cache.checksumFailures = store.counters.checksumFailures.value
        status.cache.healedBlocks = fetcher.healedBlockCount
        status.cache.wrongXetChunks = fetcher.wrongXetChunkCount
        status.cache.proofs = store.counters.proofs.value
        status.cache.proofFailures = store.counters.proofFailures.value
        status.cache.cooled = store.counters.cooled.value
        status.cache.warmed = store.counters.warmed.value
        status.cache.scrubbedBytes = store.counters.scrubbedBytes.value
        status.cache.diskFailures = store.counters.diskFailures.value
        let hubStatus = hub.status
        status.hub.endpoint = hubStatus.endpoint
        status.hub.hasToken = hubStatus.hasToken
        switch hubStatus.tokenSource {
        case .environment: status.hub.tokenSource = "environment"
        case .file(let path):
            status.hub.tokenSource = "file"
            status.hub.tokenPath = path
        case .nowhere: status.hub.tokenSource = "nowhere"
        }
        status.hub.endpoints = hubStatus.endpoints.map { EndpointStatus($0) }
        switch hubStatus.reachability {
        case .present: status.hub.state = .present
        case .away(let reason, _):
            status.hub.state = .away
            status.hub.detail = "\(reason)"
        case .offline: status.hub.state = .offline
        }
        status.kernelMessages = mounts.withLock { mounts in
            var counts = mounts.pastMessages
            for session in mounts.all {
                counts.merge(session.messageCounts, uniquingKeysWith: +)
            }
            return counts
        }
        let (sessions, settings) = mounts.withLock { ($0.all, $0.settings) }
        status.reading = ReadingStatus(sessions, settings)
        for kind in HubRequestKind.allCases {
            let count = hub.counters.requestCount(kind)
            if count > 0 { status.hubRequests[kind.rawValue] = count }
        }
        for fault in HubFault.allCases {
            let count = hub.counters.count(of: fault)
            if count > 0 { status.hubFailures[fault.rawValue] = count }
        }
        status.bytesFetched = hub.counters.contentBytes.value
        status.clientCacheBytes = fetcher.clientCacheByteCount
        status.fetches = fetcher.progress.map {
            FetchStatus(
                file: fileSystem.place(of: $0.content)?.name ?? $0.name,
                doneBytes: $0.cachedBytes, totalBytes: $0.sizeBytes,
                readerCount: $0.waiterCount)
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

    package func tokenMark(salt: [UInt8]) -> String? {
        let looked = Mailbox<Bool>()
        hub.lookForToken { looked.send(true) }
        // The file may lie on a disk that does not answer; then what was known has to do.
        _ = looked.receive(until: .now + TreeBackend.tokenSecondsMax)
        return hub.tokenMark(salt: salt)
    }

    /// How long a look at the token file is waited for, in seconds.
    private static let tokenSecondsMax = 2.0

    package func flush() { store.flush() }

    package func vitalSigns() -> [VitalSign] {
        let now = MonotonicInstant.now
        let databases = [
            ("catalog writer", catalog.writerHeartbeat), ("store writer", store.writerHeartbeat),
        ]
        var signs = databases.map { part, heartbeat in
            VitalSign(part: part, secondsSilent: now.seconds(since: heartbeat))
        }
        let transfers = transferEcho.secondsSilent(now: now) { transport.run($0) }
        signs.append(VitalSign(part: "transfers", secondsSilent: transfers))
        let sessions = mounts.withLock { $0.all }
        signs += sessions.map {
            VitalSign(part: $0.mountpoint, secondsSilent: $0.secondsSilent(now: now))
        }
        return signs
    }

    package func stop() -> [String] {
        let inUse = unmountAll()
        // Nothing more may arrive before those who wait are answered, and nothing may be asked
        // of the store after it is closed.
        hub.close()
        fetcher.close()
        let sessions = mounts.withLock { $0.all }
        for session in sessions { session.close() }
        transport.shutdown()
        upkeep.close()
        store.close()
        catalog.close()
        return inUse
    }
}
