// The daemon's log file: `daemon.log` in the cache, and the one before it as `daemon.log.old`.
//
// The file stands behind descriptors 1 and 2, so that the last words of a crash are in it too.
// Bounded: once it is large it is renamed, which the daemon looks after from time to time.

internal import Glibc
internal import Platform

/// The functions on the log file of a cache.
enum DaemonLog {
    static let name = "daemon.log"
    private static let oldName = "daemon.log.old"
    /// About 20,000 lines; with the old one, the log takes twice that at most.
    static let sizeMax: Int64 = 2 << 20

    /// Opens the file for appending.
    static func open(_ cache: CacheDirectory) throws(Errno) -> FileDescriptor {
        try FileDescriptor.open(
            name, O_WRONLY | O_CREAT | O_APPEND, in: cache.descriptor.rawValue)
    }

    /// Puts a new file behind the descriptors, once the one there is large.
    ///
    /// Does nothing when they lead elsewhere, as in the foreground.
    ///
    /// - Returns: whether it did.
    @discardableResult
    static func rotateIfLarge(
        _ cache: CacheDirectory, descriptors: [CInt] = [1, 2], sizeMax: Int64 = sizeMax
    ) -> Bool {
        let directory = cache.descriptor.rawValue
        var named = stat()
        var held = stat()
        guard let first = descriptors.first, unsafe fstat(first, &held) == 0,
            unsafe fstatat(directory, name, &named, 0) == 0,
            named.st_ino == held.st_ino, named.st_dev == held.st_dev, named.st_size > sizeMax,
            unsafe renameat(directory, name, directory, oldName) == 0,
            let file = try? open(cache)
        else { return false }
        // Replaced in one step each, so a line written meanwhile is in one file or the other.
        for descriptor in descriptors { _ = dup2(file.rawValue, descriptor) }
        return true
    }
}
