// Mounting and unmounting: the shared mount and its binds as root, a mount each otherwise.

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

extension TreeBackend {
    /// Where the shared mounts of all caches lie, as root.
    private static let runtimeFolder = "/run/modelfs"
    /// How long the kernel is waited for after an unmount, in seconds.
    private static let unmountSeconds = 2.0

    package func mount(_ request: MountRequest) throws(MountFailure) -> MountInfo {
        let source: HubURI
        do throws(HubURIError) {
            source = try HubURI(request.source)
        } catch {
            throw .sourceMalformed(source: request.source, detail: error.description)
        }
        let root = try pin(source, request)
        _ = turn.receive()
        defer { turn.send(()) }
        if geteuid() == 0 {
            try bind(root, request)
        } else {
            try mountAlone(root, request)
        }
        if let revision = root.revision { fileSystem.noteMounted(revision) }
        return MountInfo(
            source: request.source, mountpoint: request.mountpoint,
            repository: root.repository?.description, commit: root.commit)
    }

    /// Finds what the source names, waiting for the Hub only if it was never seen.
    private func pin(
        _ source: HubURI, _ request: MountRequest
    ) throws(MountFailure) -> PinnedRoot {
        do throws(FileSystemError) {
            return try find(source)
        } catch {
            throw failure(error, source, named: request.source)
        }
    }

    private func find(_ source: HubURI) throws(FileSystemError) -> PinnedRoot {
        let tree = fileSystem
        return try wait { context in tree.pin(source, context) }
    }

    /// The answer to a question, for which this thread waits.
    func wait<Value: Sendable>(
        _ attempt: @escaping @Sendable (AttemptContext) -> Outcome<Value>
    ) throws(FileSystemError) -> Value {
        let answers = Mailbox<Result<Value, FileSystemError>>()
        let operation = Operation(fileSystem, attempt: attempt) { result in answers.send(result) }
        operation.start()
        guard let result = answers.receive() else { throw .unavailable }
        return try result.get()
    }

    /// What a failure means to who named a source.
    func failure(
        _ error: FileSystemError, _ source: HubURI, named text: String
    ) -> MountFailure {
        let endpoint = hub.configuration.endpoint
        guard case .repository(let location) = source else {
            return .failed(detail: "the catalog cannot be read: \(Errno(error))")
        }
        let repository = location.id.description
        let revision = location.revision?.name ?? "main"
        switch error {
        case .notFound:
            return location.revision != nil && exists(location.id)
                ? .revisionNotFound(repository: repository, revision: revision)
                : .repositoryNotFound(
                    repository: repository, endpoint: endpoint, hasToken: hub.status.hasToken)
        case .notDirectory, .isDirectory, .notLink:
            return .folderNotFound(
                repository: repository, revision: revision, folder: location.path)
        case .accessDenied:
            let isTokenRefused = fetcher.refusals.contains {
                $0.repository == location.id && $0.error == .tokenRefused
            }
            if isTokenRefused { return .tokenRefused(endpoint: endpoint) }
            let page = "\(endpoint)/\(location.id.kind.resolvePrefix)\(location.id.name)"
            return .gated(repository: repository, askAt: page)
        case .unavailable, .stale, .noAttribute, .tooLarge, .interrupted:
            if case .offline = hub.status.reachability {
                return .offlineNotCached(source: text)
            }
            let detail = hub.status.problems.last.map { "\($0.error)" } ?? "no answer"
            return .hubUnreachable(source: text, endpoint: endpoint, detail: detail)
        }
    }

    /// Whether there is such a repository, of whatever revision.
    private func exists(_ id: RepositoryID) -> Bool {
        if let known = try? catalog.repository(id), known.isUsed { return true }
        let whole = HubLocation(id: id, revision: nil, path: "")
        switch Result(catching: { () throws(FileSystemError) in try find(.repository(whole)) }) {
        case .success, .failure(.accessDenied): return true
        case .failure: return false
        }
    }

    // MARK: After another daemon

    package func begin(_ keeping: MountKeeping) {
        let crashes = keeping.crashRecords(log)
        mounts.withLock { mounts in
            mounts.keeping = keeping
            mounts.crashes = crashes
        }
        do throws(Errno) {
            try crashes?.watch()
        } catch {
            log.error("crashes are not noticed", ["reason": "\(error)"])
        }
        keeping.takeConnections { record, device in
            do throws(FuseSessionError) {
                try resume(record, device)
            } catch {
                log.error(
                    "a mount cannot be taken over",
                    ["mountpoint": record.mountpoint, "reason": "\(error)"])
                keeping.dropConnection(at: record.mountpoint)
            }
        }
    }

    package func adopt(mountpoint: String) -> Bool {
        mounts.withLock { mounts in
            if mounts.sessions[mountpoint] != nil { return true }
            guard mounts.shared != nil else { return false }
            mounts.binds.insert(mountpoint)
            return true
        }
    }

    private func resume(
        _ record: ConnectionRecord, _ device: consuming FileDescriptor
    ) throws(FuseSessionError) {
        let connection = KeptConnection(
            device: device, initMessage: record.initMessage, mountpoint: record.mountpoint)
        let options = sessionOptions(
            source: record.source, root: NodeID(rawValue: record.root), record.options)
        let session = try FuseSession(fileSystem, continuing: connection, options: options)
        mounts.withLock { mounts in
            if record.mountpoint.hasPrefix("\(TreeBackend.runtimeFolder)/") {
                mounts.shared = session
                mounts.sharedOptions = record.options
            } else {
                mounts.sessions[record.mountpoint] = session
            }
        }
        tune(session)
    }

    /// Leaves a connection for the next daemon.
    private func keep(
        _ session: FuseSession, source: String, root: NodeID, _ options: MountOptions
    ) {
        guard let keeping = mounts.withLock({ $0.keeping }) else { return }
        let connection = session.connection
        keeping.keep(
            ConnectionRecord(
                mountpoint: session.mountpoint, source: source, root: root.rawValue,
                options: options, initMessage: connection.initMessage),
            device: connection.device)
    }

    // MARK: As root

    private func bind(_ root: PinnedRoot, _ request: MountRequest) throws(MountFailure) {
        let shared = try sharedSession(request)
        let folder = ([shared.mountpoint] + root.path).joined(separator: "/")
        do throws(Errno) {
            try Mounting.bind(folder, at: request.mountpoint, isReadOnly: true)
        } catch {
            throw .kernelRefused(mountpoint: request.mountpoint, error)
        }
        mounts.withLock { _ = $0.binds.insert(request.mountpoint) }
    }

    /// The one mount of this cache; made by the first request.
    private func sharedSession(_ request: MountRequest) throws(MountFailure) -> FuseSession {
        let known = mounts.withLock { ($0.shared, $0.sharedOptions) }
        if let session = known.0, let options = known.1 {
            try checkSame(options, request.options)
            return session
        }
        let mountpoint = try sharedMountpoint()
        let session = try startSession(
            at: mountpoint, root: fileSystem.root, source: HubURI.scheme, request.options)
        mounts.withLock { mounts in
            mounts.shared = session
            mounts.sharedOptions = request.options
        }
        return session
    }

    /// All binds are one mount to the kernel, so they cannot differ in these.
    private func checkSame(
        _ held: MountOptions, _ wanted: MountOptions
    ) throws(MountFailure) {
        if held.allowOther != wanted.allowOther {
            throw .optionConflict(
                option: "--allow-other", held: held.allowOther ? "on" : "off")
        }
        if held.userID != wanted.userID {
            throw .optionConflict(option: "--uid", held: "\(held.userID)")
        }
        if held.groupID != wanted.groupID {
            throw .optionConflict(option: "--gid", held: "\(held.groupID)")
        }
    }

    /// A folder for the shared mount, known by the cache's own number on its disk; what a dead
    /// daemon left there is cleaned up.
    private func sharedMountpoint() throws(MountFailure) -> String {
        var status = stat()
        if unsafe stat(configuration.cachePath, &status) != 0 {
            throw .cacheNotWritable(path: configuration.cachePath, .current)
        }
        let folder =
            "\(TreeBackend.runtimeFolder)/\(String(status.st_dev, radix: 16))"
            + "-\(String(status.st_ino, radix: 16))"
        while let table = try? MountTable.current(), table.topmost(at: folder) != nil {
            try StaleMount.remove(folder)
        }
        for path in [TreeBackend.runtimeFolder, folder] {
            if unsafe mkdir(path, 0o711) != 0, Errno.current != .alreadyExists {
                throw .mountpointRefused(path: path, .current)
            }
        }
        return folder
    }

    // MARK: As another user

    private func mountAlone(_ root: PinnedRoot, _ request: MountRequest) throws(MountFailure) {
        let session = try startSession(
            at: request.mountpoint, root: root.node, source: request.source, request.options)
        mounts.withLock { $0.sessions[request.mountpoint] = session }
    }

    private func startSession(
        at mountpoint: String, root: NodeID, source: String, _ options: MountOptions
    ) throws(MountFailure) -> FuseSession {
        do throws(FuseSessionError) {
            let session = try FuseSession(
                fileSystem, at: mountpoint,
                options: sessionOptions(source: source, root: root, options))
            keep(session, source: source, root: root, options)
            tune(session)
            return session
        } catch {
            switch error {
            case .badOptions: throw .failed(detail: "libfuse refused the mount options")
            case .mountFailed(let error):
                throw .kernelRefused(mountpoint: mountpoint, error)
            case .noThread(let error):
                throw .failed(detail: "there is no room for a thread: \(error)")
            }
        }
    }

    private func sessionOptions(
        source: String, root: NodeID, _ options: MountOptions
    ) -> FuseSessionOptions {
        var sessionOptions = FuseSessionOptions(
            sourceName: source, root: root,
            owner: Ownership(user: options.userID, group: options.groupID),
            allowsOthers: options.allowOther, passthrough: passthroughWish)
        sessionOptions.crashes = mounts.withLock { $0.crashes }
        // For tests, which cannot have another kernel.
        if Environment.process["MODELFS_RESEND"] == "0" { sessionOptions.resends = false }
        return sessionOptions
    }

    /// Whether the kernel is to read flat files by itself.
    private var passthroughWish: PassthroughWish {
        if configuration.checksReads { return .unwanted(.checkedReads) }
        if store.hotLimitBytes == 0 { return .unwanted(.nothingFlat) }
        if geteuid() != 0 { return .unwanted(.notPrivileged) }
        let cache = configuration.cachePath
        return .wanted(
            PassthroughOptions(
                probePath: "\(cache)/store.lock", recordPath: "\(cache)/opens",
                stackDepth: MountTable.isStacked(cache) ? 2 : 1))
    }

    /// Faster where it is allowed, and as it was where it is not.
    private func tune(_ session: FuseSession) {
        let table = try? MountTable.current()
        let deviceID = table?.topmost(at: session.mountpoint)?.deviceID
        let settings = KernelTuning.tune(deviceID: deviceID, session.settings)
        if let deviceID { session.shortenReadahead(deviceID: deviceID) }
        for setting in settings {
            guard let reason = setting.reason else { continue }
            log.info(
                "the kernel did not grant all that was asked for",
                ["setting": setting.name, "reason": reason])
        }
        if let obstacle = session.passthroughObstacle {
            log.info(
                "every file is read through the daemon", ["reason": obstacle.reason])
        } else {
            watchFlatFiles()
        }
        mounts.withLock { $0.settings = settings }
    }

    // MARK: Unmounting

    package func unmount(mountpoint: String, isLazy: Bool) throws(MountFailure) {
        do throws(Errno) {
            try StaleMount.unmount(mountpoint, isLazy: isLazy)
        } catch {
            switch error {
            case .busy: throw .mountpointInUse(path: mountpoint)
            case .invalidArgument: break
            default: throw .mountpointRefused(path: mountpoint, error)
            }
        }
        forget(mountpoint: mountpoint)
    }

    package func forget(mountpoint: String) {
        let session = mounts.withLock { mounts -> FuseSession? in
            mounts.binds.remove(mountpoint)
            guard let session = mounts.sessions.removeValue(forKey: mountpoint) else { return nil }
            mounts.pastMessages.merge(session.messageCounts, uniquingKeysWith: +)
            return session
        }
        guard let session else { return }
        mounts.withLock { $0.keeping }?.dropConnection(at: mountpoint)
        session.close()
    }

    /// Takes all mounts away.
    ///
    /// - Returns: those that were in use.
    func unmountAll() -> [String] {
        let (mountpoints, shared) = mounts.withLock { mounts in
            (Array(mounts.binds) + Array(mounts.sessions.keys), mounts.shared)
        }
        var inUse: [String] = []
        for mountpoint in mountpoints.sorted() where !takeAway(mountpoint) {
            inUse.append(mountpoint)
        }
        if let shared {
            _ = takeAway(shared.mountpoint)
            _ = unsafe rmdir(shared.mountpoint)
            if inUse.isEmpty { _ = shared.waitForEnd(until: .now + TreeBackend.unmountSeconds) }
        }
        return inUse
    }

    /// Unmounts, lazily if it must be.
    ///
    /// - Returns: whether nobody used it.
    private func takeAway(_ mountpoint: String) -> Bool {
        do throws(Errno) {
            try StaleMount.unmount(mountpoint, isLazy: false)
            return true
        } catch {
            if error == .invalidArgument || error == .noEntry { return true }
        }
        try? StaleMount.unmount(mountpoint, isLazy: true)
        return false
    }
}

/// Reads for those who are no reader of a mount.
struct TreeReader: ContentReader {
    let backend: TreeBackend

    var lossCount: Int64 {
        let (counters, fetcher) = (backend.store.counters, backend.fetcher)
        return counters.checksumFailures.value + counters.proofFailures.value
            + counters.evictions.value + counters.diskFailures.value
            + fetcher.damagedContentCount + fetcher.untakenCount
    }

    func read(
        _ content: ContentID, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileSystemError) -> Int {
        let (tree, node) = (backend.fileSystem, backend.fileSystem.nodeID(content))
        // The caller waits here, and attempts come one at a time: nobody else has the buffer.
        nonisolated(unsafe) let room = unsafe buffer
        return try backend.wait { context in
            unsafe tree.read(node, at: offset, into: room, context)
        }
    }
}
