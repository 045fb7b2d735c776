// A filesystem made up for tests: mounting does what the source says.

import Daemon
import Glibc
import Platform

final class FixtureBackend: MountBackend {
    private let state = Lock<[String: CInt]>([:])

    func checkPrerequisites(_ options: MountOptions) throws(MountFailure) {}

    func begin(_ keeping: MountKeeping) {}

    func adopt(mountpoint: String) -> Bool {
        state.withLock { $0[mountpoint] = -1 }
        return true
    }

    func mount(_ request: MountRequest) throws(MountFailure) -> MountInfo {
        let words = request.source.split(separator: "/").map(String.init)
        if words.contains("slow") { sleep(seconds: 0.5) }
        if words.contains("slower") { sleep(seconds: 4) }
        if words.contains("stuck") { sleep(seconds: 600) }
        if words.contains("crash") { abort() }
        if words.contains("gated") {
            throw .gated(repository: "org/gated", askAt: "https://hub.invalid/org/gated")
        }
        let device = words.last == "kernel" ? try kernelMount(request.mountpoint) : -1
        state.withLock { $0[request.mountpoint] = device }
        let commit = words.contains("pinned") ? String(repeating: "a", count: 40) : nil
        return MountInfo(
            source: request.source, mountpoint: request.mountpoint, commit: commit)
    }

    func unmount(mountpoint: String, isLazy: Bool) throws(MountFailure) {
        guard let device = state.withLock({ $0.removeValue(forKey: mountpoint) }) else {
            throw .notMounted(path: mountpoint)
        }
        if device >= 0 {
            try? StaleMount.unmount(mountpoint, isLazy: true)
            close(device)
        }
    }

    func forget(mountpoint: String) {
        if let device = state.withLock({ $0.removeValue(forKey: mountpoint) }) { close(device) }
    }

    func answer(
        _ request: CacheRequest, progress: (CacheProgress) -> Bool
    ) throws(MountFailure) -> CacheAnswer {
        for step in 1...3 {
            _ = progress(CacheProgress(doneBytes: Int64(step), totalBytes: 3))
        }
        if case .evict(let target, _) = request { throw .notCached(target: target) }
        return .verified(CacheCheck())
    }

    var notices: [String] { [] }

    func status() -> BackendStatus {
        var status = BackendStatus()
        status.hub.endpoint = "https://hub.invalid"
        status.usedBytes = 12_300_000_000
        status.limitBytes = 80_000_000_000
        return status
    }

    func vitalSigns() -> [VitalSign] { [] }

    func flush() {}

    func stop() -> [String] {
        for (mountpoint, _) in state.withLock({ $0 }) {
            try? unmount(mountpoint: mountpoint, isLazy: true)
        }
        return []
    }

    private func kernelMount(_ mountpoint: String) throws(MountFailure) -> CInt {
        let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        let options = "fd=\(device),rootmode=40000,user_id=0,group_id=0"
        guard device >= 0,
            Glibc.mount("modelfs", mountpoint, MountTable.fileSystemType, 0, options) == 0
        else { throw .kernelRefused(mountpoint: mountpoint, .current) }
        return device
    }
}
