// The daemon's mounts: who holds which mountpoint, and what is answered to each request.
//
// Owns the list of mounts. Each mountpoint is worked on by one request at a time: it is reserved
// under the lock, and the work is done outside of it. Requests may come from several threads.

internal import Glibc
internal import Platform
internal import Settings
internal import Telemetry

/// Answers requests by means of the backend.
package final class MountService: Sendable {
    /// How long a request waits for another one on the same mountpoint, in seconds.
    static let reservationSecondsMax = 120.0

    private struct State {
        var mounts: [String: Held] = [:]
        var mountCount = 0
        var reserved: Set<String> = []
        var isClosing = false
    }

    private struct Held {
        let info: MountInfo
        let options: MountOptions
        /// Tells it from an earlier mount at the same place.
        let number: Int
    }

    private enum Admission {
        case admitted
        case present(Held)
        case closing
    }

    private let backend: any MountBackend
    private let keeping: MountKeeping
    private let cachePath: String
    private let log: Log
    private let confinement: ConfinementStatus?
    private let readTable: @Sendable () throws(Errno) -> MountTable
    private let startedAt = WallTime.now
    private let state = Lock(State())

    /// - Parameters:
    ///   - backend: the filesystem.
    ///   - keeping: told of every mount.
    ///   - cachePath: shown by `status`, and not to be mounted on.
    ///   - log: told about every change.
    ///   - confinement: what this process has given up, for `status`.
    ///   - readTable: the kernel's mount table, as of the call.
    init(
        backend: any MountBackend, keeping: MountKeeping, cachePath: String, log: Log,
        confinement: ConfinementStatus? = nil,
        readTable: @escaping @Sendable () throws(Errno) -> MountTable = MountTable.current
    ) {
        self.backend = backend
        self.keeping = keeping
        self.cachePath = cachePath
        self.log = log
        self.confinement = confinement
        self.readTable = readTable
    }

    /// Mounts; the same source at the same place once more is no failure.
    package func mount(_ request: MountRequest) -> ControlReply {
        do throws(MountFailure) {
            var request = request
            request.mountpoint = try MountpointCheck.canonical(request.mountpoint)
            switch try reserve(request.mountpoint, forMounting: true) {
            case .closing: return .stopping
            case .present(let held): return try repeated(request, held)
            case .admitted: break
            }
            defer { release(request.mountpoint) }
            return try mountReserved(request)
        } catch {
            log.warning("mount failed", ["reason": error.message])
            return .failed(error)
        }
    }

    /// What is mounted already and just so is no failure, so that scripts can say it again.
    private func repeated(
        _ request: MountRequest, _ held: Held
    ) throws(MountFailure) -> ControlReply {
        let info = held.info
        guard info.source == request.source else {
            throw .mountpointTaken(
                path: info.mountpoint, type: MountTable.fileSystemType, source: info.source)
        }
        let (wanted, options) = (request.options, held.options)
        if wanted.allowOther != options.allowOther {
            throw .optionConflict(
                option: "--allow-other", held: options.allowOther ? "on" : "off")
        }
        if wanted.userID != options.userID {
            throw .optionConflict(option: "--uid", held: "\(options.userID)")
        }
        if wanted.groupID != options.groupID {
            throw .optionConflict(option: "--gid", held: "\(options.groupID)")
        }
        return .mounted(info, notices: ["It was mounted already."], wasThere: true)
    }

    /// REQUIRES: the mountpoint is reserved.
    private func mountReserved(_ request: MountRequest) throws(MountFailure) -> ControlReply {
        try backend.checkPrerequisites(request.options)
        let cleaned = try MountpointCheck(cachePath: cachePath).prepare(request.mountpoint)
        var notices: [String] = []
        if cleaned > 0 {
            log.warning("cleaned up after a dead daemon", ["mountpoint": request.mountpoint])
            notices.append("A mount that a dead daemon had left at this place was cleaned up.")
        }
        // Known before it is there: a successor asks the kernel's table whether it came about.
        keeping.keep(MountRecord(request: request, info: nil))
        var info: MountInfo
        do {
            info = try backend.mount(request)
        } catch {
            keeping.dropMount(at: request.mountpoint)
            throw error
        }
        // What the kernel's table says is what later tells that the mount is gone.
        info.deviceID = (try? readTable())?.topmost(at: info.mountpoint)?.deviceID
        let mounted = info
        keeping.keep(MountRecord(request: request, info: mounted))
        state.withLock { state in
            state.mountCount += 1
            state.mounts[mounted.mountpoint] = Held(
                info: mounted, options: request.options, number: state.mountCount)
        }
        log.info("mounted", ["source": info.source, "mountpoint": info.mountpoint])
        return .mounted(info, notices: notices, wasThere: false)
    }

    /// Takes over the mounts of an earlier daemon that the kernel's table still has.
    func resume() {
        guard let table = try? readTable() else { return }
        for record in keeping.takeMounts() {
            let place = record.request.mountpoint
            guard let entry = table.topmost(at: place), entry.isModelFS else {
                keeping.dropMount(at: place)
                backend.forget(mountpoint: place)
                continue
            }
            var info = record.info ?? MountInfo(source: record.request.source, mountpoint: place)
            info.deviceID = info.deviceID ?? entry.deviceID
            guard backend.adopt(mountpoint: place) else {
                removeDead(place)
                continue
            }
            let known = info
            state.withLock { state in
                state.mountCount += 1
                state.mounts[place] = Held(
                    info: known, options: record.request.options, number: state.mountCount)
            }
        }
        reconcile()
    }

    /// Takes away a mount of an earlier daemon that could not be taken over.
    private func removeDead(_ mountpoint: String) {
        keeping.dropMount(at: mountpoint)
        do throws(MountFailure) {
            try StaleMount.remove(mountpoint)
            log.error("a mount that nobody serves was taken away", ["mountpoint": mountpoint])
        } catch {
            log.error("a mount that nobody serves stays", ["reason": error.message])
        }
    }

    /// Takes one mount away.
    package func unmount(_ mountpoint: String, isLazy: Bool) -> ControlReply {
        do throws(MountFailure) {
            let mountpoint = try MountpointCheck.canonical(mountpoint)
            guard case .present = try reserve(mountpoint, forMounting: false) else {
                throw .notMounted(path: mountpoint)
            }
            defer { release(mountpoint) }
            try backend.unmount(mountpoint: mountpoint, isLazy: isLazy)
            state.withLock { _ = $0.mounts.removeValue(forKey: mountpoint) }
            keeping.dropMount(at: mountpoint)
            log.info("unmounted", ["mountpoint": mountpoint])
            return .unmounted
        } catch {
            return .failed(error)
        }
    }

    /// Carries out a request about the cache.
    package func answer(
        _ request: CacheRequest, progress: (CacheProgress) -> Bool
    ) -> ControlReply {
        do throws(MountFailure) {
            return .cache(try backend.answer(request, progress: progress))
        } catch {
            return .failed(error)
        }
    }

    /// What the user should know of how the cache was opened.
    var openingNotices: [String] { backend.notices }

    /// What shows whether somebody has the token that the Hub gets; nil without one.
    func tokenMark(salt: [UInt8]) -> String? { backend.tokenMark(salt: salt) }

    /// Everything, as of now.
    package func status() -> DaemonStatus {
        let mounts = state.withLock { $0.mounts.values.map(\.info) }
        return DaemonStatus(
            processID: getpid(), version: programVersion, startedAt: startedAt.iso8601,
            cachePath: cachePath, mounts: mounts.sorted { $0.mountpoint < $1.mountpoint },
            fileSystem: backend.status(),
            problems: log.recentProblems.map(DaemonStatus.Problem.init),
            confinement: confinement)
    }

    /// Lets go of the mounts that the kernel's table no longer has.
    package func reconcile() {
        // The list first and the table second: what was mounted in between is in neither, or in
        // the table alone. The other way round a new mount would look like one that is gone.
        let known = state.withLock { Array($0.mounts.values) }
        guard let table = try? readTable() else { return }
        for held in known {
            guard let deviceID = held.info.deviceID else { continue }
            let mountpoint = held.info.mountpoint
            let isThere = table.entries.contains {
                $0.mountpoint == mountpoint && $0.deviceID == deviceID
            }
            if isThere { continue }
            let isGone = state.withLock { state in
                // Who has it reserved is taking it away, or has put another in its place.
                guard !state.reserved.contains(mountpoint),
                    state.mounts[mountpoint]?.number == held.number
                else { return false }
                state.mounts[mountpoint] = nil
                return true
            }
            if !isGone { continue }
            log.info("unmounted by another process", ["mountpoint": mountpoint])
            keeping.dropMount(at: mountpoint)
            backend.forget(mountpoint: mountpoint)
        }
    }

    /// Closes for new mounts when nothing is mounted or about to be; whether it did.
    package func closeIfIdle() -> Bool {
        state.withLock { state in
            if state.mounts.isEmpty && state.reserved.isEmpty { state.isClosing = true }
            return state.isClosing
        }
    }

    /// Closes for new mounts.
    package func close() {
        state.withLock { $0.isClosing = true }
    }

    /// Waits until nobody else works on the mountpoint.
    ///
    /// With `.admitted` it is reserved; with `.present` only for unmounting.
    private func reserve(
        _ mountpoint: String, forMounting: Bool
    ) throws(MountFailure) -> Admission {
        let deadline = MonotonicInstant.now + MountService.reservationSecondsMax
        while true {
            let admission: Admission? = state.withLock { state in
                if forMounting && state.isClosing { return .closing }
                if state.reserved.contains(mountpoint) { return nil }
                if let held = state.mounts[mountpoint] {
                    if !forMounting { state.reserved.insert(mountpoint) }
                    return .present(held)
                }
                if forMounting { state.reserved.insert(mountpoint) }
                return .admitted
            }
            if let admission { return admission }
            if MonotonicInstant.now > deadline { throw .daemonBusy(cache: cachePath) }
            sleep(seconds: 0.02)
        }
    }

    private func release(_ mountpoint: String) {
        state.withLock { _ = $0.reserved.remove(mountpoint) }
    }
}
