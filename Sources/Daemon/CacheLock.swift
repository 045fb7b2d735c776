// The lock that lets one daemon alone open a cache, whatever races at start.
//
// It is an flock(2) on the file `lock`: it belongs to the open file, ends with the processes that
// have that open however they end, and cannot be left behind. The keeper has it open too, and hands
// it to the next daemon. The file holds the daemon's process number, for messages only.

internal import Glibc
internal import Platform

/// The right to open a cache, for as long as this lives.
package struct CacheLock: ~Copyable, Sendable {
    private let file: FileDescriptor

    init(file: consuming FileDescriptor) {
        self.file = file
    }

    /// For those who hand the lock on: it is held as long as any duplicate of this is open.
    var descriptorNumber: CInt { file.rawValue }
}

extension CacheDirectory {
    /// Takes the lock, or returns nil when another process has it.
    package func tryLock() throws(MountFailure) -> CacheLock? {
        do throws(Errno) {
            let file = try FileDescriptor.open(
                "lock", O_RDWR | O_CREAT, in: descriptor.rawValue)
            let number = file.rawValue
            _ = try retryingOnInterrupt { flock(number, LOCK_EX | LOCK_NB) }
            return CacheLock(file: file)
        } catch {
            if error == .wouldBlock { return nil }
            throw .cacheNotWritable(path: path, error)
        }
    }

    /// Whether some process has the lock; without making the file, and without rights to write.
    package func isLocked() -> Bool {
        guard let file = try? FileDescriptor.open("lock", O_RDONLY, in: descriptor.rawValue)
        else { return false }
        // A shared lock, so that two who look do not mistake each other for a daemon.
        return flock(file.rawValue, LOCK_SH | LOCK_NB) != 0 && Errno.current == .wouldBlock
    }

    /// Notes who has the lock.
    func noteHolder(_ lock: borrowing CacheLock, processID: Int32) throws(MountFailure) {
        do {
            try lock.write("\(processID)\n")
        } catch {
            throw .cacheNotWritable(path: path, error)
        }
    }

    /// The process that has or had the lock; nil when it left no note.
    package func notedHolder() -> Int32? {
        guard let bytes = try? readSmallFile("lock", in: descriptor.rawValue, sizeMax: 16)
        else { return nil }
        return Int32(String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self))
    }
}

extension CacheLock {
    /// Nobody sees an empty note meanwhile: what stood there goes once its follower stands.
    fileprivate borrowing func write(_ text: String) throws(Errno) {
        try file.writeBytes(Array(text.utf8))
        try file.truncate(to: Int64(text.utf8.count))
    }
}
