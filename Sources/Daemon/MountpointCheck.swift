// Whether a folder can be mounted on, and cleaning up after daemons that died.
//
// The mount table is asked before the folder is touched, because touching a dead or stuck mount
// fails or hangs. Only mounts of type fuse.modelfs are ever cleaned, and only dead ones.

internal import Glibc
internal import Platform

/// The checks of a mountpoint before it is mounted on.
package struct MountpointCheck: Sendable {
    /// How long a filesystem may take to answer before it counts as stuck, in seconds.
    static let answerSecondsMax = 5.0
    /// Dead mounts can lie on top of each other, one for each daemon that died.
    static let staleCountMax = 16

    private let cachePath: String
    private let userID: UInt32

    /// - Parameters:
    ///   - cachePath: the cache folder, which must not be covered.
    ///   - userID: who mounts.
    package init(cachePath: String, userID: UInt32 = geteuid()) {
        self.cachePath = cachePath
        self.userID = userID
    }

    /// The path without symbolic links; works for a dead mount too.
    package static func canonical(_ path: String) throws(MountFailure) -> String {
        let path = absolutePath(path)
        guard let slash = path.lastIndex(of: "/"), path != "/" else { return path }
        let name = path[path.index(after: slash)...]
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        guard name != "..", !isSymbolicLink(path) else { return try resolved(path, of: path) }
        let folder = try resolved(parent, of: path)
        return folder == "/" ? "/\(name)" : "\(folder)/\(name)"
    }

    /// Cleans up dead mounts of ours, and throws when the folder cannot be mounted on.
    ///
    /// - Parameter mountpoint: without symbolic links.
    /// - Returns: how many dead mounts were taken away.
    @discardableResult
    package func prepare(_ mountpoint: String) throws(MountFailure) -> Int {
        let cleaned = try clean(mountpoint)
        var status = stat()
        if unsafe stat(mountpoint, &status) != 0 {
            switch Errno.current {
            case .noEntry: throw .mountpointMissing(path: mountpoint)
            case .notDirectory: throw .mountpointNotDirectory(path: mountpoint)
            case let error: throw .mountpointRefused(path: mountpoint, error)
            }
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .mountpointNotDirectory(path: mountpoint)
        }
        if mountpoint == cachePath || mountpoint.hasPrefix("\(cachePath)/") {
            throw .mountpointInsideCache(path: mountpoint, cache: cachePath)
        }
        let names: [String]
        do {
            names = try folderNames(mountpoint, countMax: 1)
        } catch {
            throw .mountpointRefused(path: mountpoint, error)
        }
        if let entry = names.first { throw .mountpointNotEmpty(path: mountpoint, entry: entry) }
        // fusermount3 lets a user mount only where that user could write.
        if unsafe userID != 0 && access(mountpoint, W_OK) != 0 {
            throw .mountpointRefused(path: mountpoint, Errno.current)
        }
        return cleaned
    }

    private func clean(_ mountpoint: String) throws(MountFailure) -> Int {
        for cleaned in 0..<MountpointCheck.staleCountMax {
            let table: MountTable
            do {
                table = try MountTable.current()
            } catch {
                throw .failed(detail: "/proc/self/mountinfo cannot be read: \(error)")
            }
            guard let entry = table.topmost(at: mountpoint) else { return cleaned }
            guard entry.isModelFS else {
                throw .mountpointTaken(
                    path: mountpoint, type: entry.fileSystemType, source: entry.source)
            }
            switch Liveness.of(mountpoint) {
            case .alive:
                throw .mountpointTaken(
                    path: mountpoint, type: entry.fileSystemType, source: entry.source)
            case .silent: throw .mountpointSilent(path: mountpoint)
            case .dead: try StaleMount.remove(mountpoint)
            }
        }
        throw .mountpointStale(path: mountpoint, .busy)
    }
}

/// Reading a link does not go through the mount that may lie on it; following it would.
private func isSymbolicLink(_ path: String) -> Bool {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1) { room in
        guard let first = room.baseAddress else { return false }
        return unsafe readlink(path, first, 1) >= 0
    }
}

private func resolved(_ path: String, of mountpoint: String) throws(MountFailure) -> String {
    guard let real = unsafe realpath(path, nil) else {
        switch Errno.current {
        case .noEntry: throw .mountpointMissing(path: mountpoint)
        case .notDirectory: throw .mountpointNotDirectory(path: mountpoint)
        case let error: throw .mountpointRefused(path: mountpoint, error)
        }
    }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
}
