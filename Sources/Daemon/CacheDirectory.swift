// The folder in which one daemon keeps everything: who may use it, its format, and its lock.
//
// Owns the open folder, so that it stays the same one when it is renamed. Every other module gets
// this after the checks, and need not ask again. Contents other than the files named here belong
// to the catalog and the chunk store.

internal import Glibc
package import Platform
package import Settings

/// A cache folder that exists, is ours, and has a format that we know (or none yet).
package final class CacheDirectory: Sendable {
    /// Absolute.
    package let path: String
    /// Opened for looking names up in it.
    package let descriptor: FileDescriptor

    /// The version of the layout that this program reads and writes.
    package static let formatVersion = 1
    /// The names that this module makes in a cache; a folder with no others counts as empty.
    ///
    /// `lost+found` is what a new disk comes with.
    static let ownNames: Set<String> = [
        "lock", "format", "format.new", "control", "daemon.log", "daemon.log.old", "lost+found",
    ]

    private init(path: String, descriptor: consuming FileDescriptor) {
        self.path = path
        self.descriptor = descriptor
    }

    /// Opens the cache at an absolute path, and makes the folder (0700) if there is none.
    ///
    /// - Throws: when it cannot be made or written, belongs to somebody else, is a folder with
    ///   other things in it, or has another format.
    package static func open(creating path: String) throws(MountFailure) -> CacheDirectory {
        // Making one that is there waits for whoever changes the folder above it.
        if unsafe access(path, F_OK) != 0 { try makeFolders(path) }
        guard let cache = try openIfPresent(path) else {
            throw .cacheNotWritable(path: path, .noEntry)
        }
        try cache.checkOwner()
        if unsafe faccessat(cache.descriptor.rawValue, ".", W_OK | X_OK, 0) != 0 {
            throw .cacheNotWritable(path: path, Errno.current)
        }
        if try cache.format() == nil { try cache.checkEmpty() }
        return cache
    }

    /// Opens the cache for asking its daemon; nil when there is no such folder.
    package static func openIfPresent(_ path: String) throws(MountFailure) -> CacheDirectory? {
        do {
            let descriptor = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY)
            return CacheDirectory(path: path, descriptor: descriptor)
        } catch {
            switch error {
            case .noEntry: return nil
            case .notDirectory: throw .cacheNotDirectory(path: path)
            default: throw .cacheNotWritable(path: path, error)
            }
        }
    }

    /// A path of a file in the cache that is short whatever the length of the cache's own path, as
    /// Unix sockets need it.
    ///
    /// Good within this process alone.
    func shortPath(_ name: String) -> String { "/proc/self/fd/\(descriptor.rawValue)/\(name)" }

    /// The size of the disk that it lies on.
    package func diskSize() throws(Errno) -> ByteSize {
        var status = statvfs()
        let number = descriptor.rawValue
        _ = try retryingOnInterrupt { unsafe fstatvfs(number, &status) }
        return ByteSize(Int64(clamping: UInt64(status.f_blocks) &* UInt64(status.f_frsize)))
    }

    /// What of that disk is free for this user.
    func freeSize() throws(Errno) -> ByteSize {
        var status = statvfs()
        let number = descriptor.rawValue
        _ = try retryingOnInterrupt { unsafe fstatvfs(number, &status) }
        return ByteSize(Int64(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize)))
    }

    /// What the cache's contents take on the disk now, by the files themselves: packs and flat
    /// files, of which there are thousands at most.
    func payloadByteCount() -> Int64 {
        let flat = "\(path)/flat"
        let folders = ((try? folderNames(flat, countMax: 256)) ?? []).map { "\(flat)/\($0)" }
        var byteCount: Int64 = 0
        for folder in ["\(path)/packs"] + folders {
            for name in (try? folderNames(folder, countMax: CacheDirectory.fileCountMax)) ?? [] {
                var status = stat()
                if unsafe stat("\(folder)/\(name)", &status) == 0 {
                    byteCount += Int64(status.st_blocks) * 512
                }
            }
        }
        return byteCount
    }

    /// Files of one folder that are counted; what is beyond makes the estimate lower.
    private static let fileCountMax = 100_000

    /// Whether the cache has our format; nil when it has none yet.
    ///
    /// - Throws: when it has another.
    @discardableResult
    func format() throws(MountFailure) -> Int? {
        let bytes: [UInt8]
        do {
            bytes = try readSmallFile("format", in: descriptor.rawValue, sizeMax: 64)
        } catch {
            if error == .noEntry { return nil }
            throw .cacheNotWritable(path: path, error)
        }
        if String(decoding: bytes, as: UTF8.self) == CacheDirectory.formatText {
            return CacheDirectory.formatVersion
        }
        // What is there is shown to the user, so it is cut to one printable line.
        let line = bytes.prefix { $0 >= 0x20 && $0 < 0x7f }
        throw .cacheOfOtherVersion(
            path: path, found: String(decoding: line, as: UTF8.self),
            known: CacheDirectory.formatVersion)
    }

    /// Makes sure that the format is written.
    ///
    /// Only the holder of the lock may.
    package func prepare(holding lock: borrowing CacheLock) throws(MountFailure) {
        if try format() != nil { return }
        let directory = descriptor.rawValue
        do throws(Errno) {
            let file = try FileDescriptor.open(
                "format.new", O_WRONLY | O_CREAT | O_TRUNC, in: directory)
            try file.writeBytes(Array(CacheDirectory.formatText.utf8))
            try file.synchronizeData()
            if unsafe renameat(directory, "format.new", directory, "format") != 0 {
                throw Errno.current
            }
        } catch {
            throw .cacheNotWritable(path: path, error)
        }
    }

    private static let formatText = "modelfs cache \(formatVersion)\n"

    private static func makeFolders(_ path: String) throws(MountFailure) {
        var made = ""
        for part in path.split(separator: "/") {
            made += "/\(part)"
            if unsafe mkdir(made, 0o700) == 0 || Errno.current == .alreadyExists { continue }
            let error = Errno.current
            // A parent that exists may refuse with EACCES or EROFS before it says EEXIST.
            if unsafe access(made, F_OK) == 0 { continue }
            if error == .notDirectory { throw .cacheNotDirectory(path: path) }
            throw .cacheNotWritable(path: path, error)
        }
    }

    private func checkOwner() throws(MountFailure) {
        var status = stat()
        if unsafe fstat(descriptor.rawValue, &status) != 0 {
            throw .cacheNotWritable(path: path, Errno.current)
        }
        if status.st_uid != geteuid() {
            throw .cacheOfOtherUser(path: path, userID: status.st_uid)
        }
        // It may have been made by somebody who did not think of others.
        if status.st_mode & 0o077 != 0 {
            _ = fchmod(descriptor.rawValue, status.st_mode & 0o700)
        }
    }

    private func checkEmpty() throws(MountFailure) {
        let names: [String]
        do {
            names = try folderNames(path, countMax: CacheDirectory.ownNames.count + 1)
        } catch {
            throw .cacheNotWritable(path: path, error)
        }
        if let entry = names.first(where: { !CacheDirectory.ownNames.contains($0) }) {
            throw .notACache(path: path, entry: entry)
        }
    }
}

/// Some of the names in a folder, without `.` and `..`, in no order.
func folderNames(_ path: String, countMax: Int) throws(Errno) -> [String] {
    guard let folder = unsafe opendir(path) else { throw Errno.current }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while names.count < countMax, let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}
