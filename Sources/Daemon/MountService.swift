// The daemon's mounts: who holds which mountpoint, and what is answered to each request.
//
// Owns the list of mounts. Each mountpoint is worked on by one request at a time: it is reserved
// under the lock, and the work is done outside of it. Requests may come from several threads.

internal import Glibc
internal import Platform
internal import Settings
package import Telemetry

/// Answers requests by means of the backend.
package final class MountService: Sendable {
    /// How long a request waits for another one on the same mountpoint, in seconds.
    static let reservationSecondsMax = 120.0

    private struct State {
        var mounts: [String: MountInfo] = [:]
        var reserved: Set<String> = []
        var isClosing = false
    }

    private enum Admission {
        case admitted
        case present(MountInfo)
        case closing
    }

    private let backend: any MountBackend
    private let cachePath: String
    private let log: Log
    private let startedAt = WallTime.now
    private let state = Lock(State())

    /// - Parameters:
    ///   - backend: the filesystem.
    ///   - cachePath: shown by `status`, and not to be mounted on.
    ///   - log: told about every change.
    package init(backend: any MountBackend, cachePath: String, log: Log) {
        self.backend = backend
        self.cachePath = cachePath
        self.log = log
    }

    /// Mounts; the same source at the same place once more is no failure.
    package func mount(_ request: MountRequest) -> ControlReply {
        do throws(MountFailure) {
            var request = request
            request.mountpoint = try MountpointCheck.canonical(request.mountpoint)
            switch try reserve(request.mountpoint, forMounting: true) {
            case .closing: return .stopping
            case .present(let info):
                guard info.source == request.source else {
                    throw .mountpointTaken(
                        path: info.mountpoint, type: MountTable.fileSystemType,
                        source: info.source)
                }
                return .mounted(info, notices: ["It was mounted already."])
            case .admitted: break
            }
            defer { release(request.mountpoint) }
            return try mountReserved(request)
        } catch {
            log.warning("mount failed", ["reason": error.message])
            return .failed(error)
        }
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
        var info = try backend.mount(request)
        // What the kernel's table says is what later tells that the mount is gone.
        info.deviceID = (try? MountTable.current())?.topmost(at: info.mountpoint)?.deviceID
        let mounted = info
        state.withLock { $0.mounts[mounted.mountpoint] = mounted }
        log.info("mounted", ["source": info.source, "mountpoint": info.mountpoint])
        return .mounted(info, notices: notices)
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
            log.info("unmounted", ["mountpoint": mountpoint])
            return .unmounted
        } catch {
            return .failed(error)
        }
    }

    /// Everything, as of now.
    package func status() -> DaemonStatus {
        let mounts = state.withLock { Array($0.mounts.values) }
        return DaemonStatus(
            processID: getpid(), version: programVersion, startedAt: startedAt.iso8601,
            cachePath: cachePath, mounts: mounts.sorted { $0.mountpoint < $1.mountpoint },
            fileSystem: backend.status(),
            problems: log.recentProblems.map(DaemonStatus.Problem.init))
    }

    /// Lets go of the mounts that the kernel's table no longer has.
    package func reconcile() {
        guard let table = try? MountTable.current() else { return }
        let gone = state.withLock { state in
            state.mounts.values.filter { info in
                guard let deviceID = info.deviceID, !state.reserved.contains(info.mountpoint)
                else { return false }
                return !table.entries.contains {
                    $0.mountpoint == info.mountpoint && $0.deviceID == deviceID
                }
            }.map(\.mountpoint)
        }
        for mountpoint in gone {
            let isGone = state.withLock { $0.mounts.removeValue(forKey: mountpoint) != nil }
            if !isGone { continue }
            log.info("unmounted by somebody else", ["mountpoint": mountpoint])
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

    /// Waits until nobody else works on the mountpoint. With `.admitted` it is reserved; with
    /// `.present` only for unmounting.
    private func reserve(
        _ mountpoint: String, forMounting: Bool
    ) throws(MountFailure) -> Admission {
        let deadline = MonotonicInstant.now + MountService.reservationSecondsMax
        while true {
            let admission: Admission? = state.withLock { state in
                if forMounting && state.isClosing { return .closing }
                if state.reserved.contains(mountpoint) { return nil }
                if let info = state.mounts[mountpoint] {
                    if !forMounting { state.reserved.insert(mountpoint) }
                    return .present(info)
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
