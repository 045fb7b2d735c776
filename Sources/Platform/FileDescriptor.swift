// An owned file descriptor, and positioned reads and writes on it.
//
// Owns the descriptor: it is closed exactly once, by `close()` or when the owner goes away.
// Never shares a file position: all reading and writing of data is positioned.

package import Glibc

/// The owner of an open file descriptor.
package struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for calls that take one.
    ///
    /// It stays owned here.
    package let rawValue: CInt

    /// Takes over a descriptor that nobody else will close.
    package init(owning rawValue: CInt) {
        self.rawValue = rawValue
    }

    deinit {
        _ = Glibc.close(rawValue)
    }

    /// Closes now.
    ///
    /// The corresponding C function is `close`.
    package consuming func close() throws(Errno) {
        let number = rawValue
        discard self
        if Glibc.close(number) != 0 { throw Errno.current }
    }

    /// Gives the number away; the caller closes it.
    package consuming func release() -> CInt {
        let number = rawValue
        discard self
        return number
    }

    /// A second descriptor for the same open file, closed on exec.
    ///
    /// - Parameter minimum: its number is this or the next that is free.
    package borrowing func duplicate(from minimum: CInt = 0) throws(Errno) -> FileDescriptor {
        let number = rawValue
        return FileDescriptor(
            owning: try retryingOnInterrupt { fcntl(number, F_DUPFD_CLOEXEC, minimum) })
    }
}

extension FileDescriptor {
    /// Opens a file.
    ///
    /// The corresponding C function is `openat`; `O_CLOEXEC` is always added.
    ///
    /// - Parameter directory: what a relative path starts from; the working directory if nil.
    package static func open(
        _ path: String, _ flags: CInt, mode: mode_t = 0o600, in directory: CInt? = nil
    ) throws(Errno) -> FileDescriptor {
        let base = directory ?? AT_FDCWD
        return FileDescriptor(
            owning: try retryingOnInterrupt {
                unsafe path.withCString { unsafe modelfsOpenAt(base, $0, flags, mode) }
            })
    }

    /// The size of the file in bytes.
    ///
    /// The corresponding C function is `fstat`.
    package borrowing func size() throws(Errno) -> Int64 {
        var status = stat()
        if unsafe fstat(rawValue, &status) != 0 { throw Errno.current }
        return Int64(status.st_size)
    }

    /// When the file was last written to.
    ///
    /// The corresponding C function is `fstat`.
    package borrowing func modificationTime() throws(Errno) -> WallTime {
        var status = stat()
        if unsafe fstat(rawValue, &status) != 0 { throw Errno.current }
        return WallTime(secondsSince1970: Int64(status.st_mtim.tv_sec))
    }

    /// Reads until `buffer` is full or the file ends.
    ///
    /// The corresponding C function is `pread`.
    ///
    /// - Returns: the bytes read; fewer than asked only at the end of the file.
    package borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(Errno) -> Int {
        try unsafe readAll(from: rawValue, into: buffer, at: offset)
    }

    /// Writes all of `bytes`.
    ///
    /// The corresponding C function is `pwrite`.
    package borrowing func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64
    ) throws(Errno) {
        try unsafe writeAll(bytes, to: rawValue, at: offset)
    }

    /// Cuts or extends the file.
    ///
    /// The corresponding C function is `ftruncate`.
    package borrowing func truncate(to size: Int64) throws(Errno) {
        let number = rawValue
        _ = try retryingOnInterrupt { ftruncate(number, off_t(size)) }
    }

    /// Has the kernel read a range into its page cache, and waits until it has.
    ///
    /// By `sendfile` to a descriptor of /dev/null, which copies nothing and reads as a reader in
    /// order does: with large folios, which POSIX_FADV_WILLNEED does not make. A mapping of those
    /// was touched 25 times as fast.
    ///
    /// - Returns: the bytes read; fewer than asked at the end of the file.
    package borrowing func readPages(
        _ range: Range<Int64>, into nowhere: borrowing FileDescriptor
    ) throws(Errno) -> Int64 {
        let (number, target) = (rawValue, nowhere.rawValue)
        var offset = off_t(range.lowerBound)
        while offset < range.upperBound {
            let count = Int(range.upperBound) - offset
            let step = try retryingOnInterrupt { unsafe sendfile(target, number, &offset, count) }
            if step == 0 { break }
        }
        return Int64(offset) - range.lowerBound
    }

    /// Has the kernel forget the pages of a file that are on the disk and that nobody maps.
    ///
    /// The corresponding C function is `posix_fadvise` with POSIX_FADV_DONTNEED.
    package borrowing func forgetPages() {
        _ = posix_fadvise(rawValue, 0, 0, CInt(POSIX_FADV_DONTNEED))
    }

    /// Waits until the data is on the disk.
    ///
    /// The corresponding C function is `fdatasync`.
    package borrowing func synchronizeData() throws(Errno) {
        let number = rawValue
        _ = try retryingOnInterrupt { fdatasync(number) }
    }
}

/// Reads until the buffer is full or the file ends, for those who hold a number and not its owner.
///
/// The corresponding C function is `pread`.
///
/// - Returns: the bytes read; fewer than asked only at the end of the file.
package func readAll(
    from descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
) throws(Errno) -> Int {
    var done = 0
    while done < buffer.count {
        let step = try retryingOnInterrupt {
            unsafe pread(
                descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done,
                off_t(offset) + off_t(done))
        }
        if step == 0 { break }
        done += step
    }
    return done
}

/// Writes all of `bytes`, for those who hold a number and not its owner.
///
/// The corresponding C function is `pwrite`.
package func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: CInt, at offset: Int64
) throws(Errno) {
    var done = 0
    while done < bytes.count {
        done += try retryingOnInterrupt {
            unsafe pwrite(
                descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done,
                off_t(offset) + off_t(done))
        }
    }
}

/// `openat` with a mode: the C function is variadic in its last argument, which Swift's overlay
/// hides, so the two forms are told apart here once.
private func modelfsOpenAt(
    _ base: CInt, _ path: UnsafePointer<CChar>, _ flags: CInt, _ mode: mode_t
) -> CInt {
    unsafe openat(base, path, flags | O_CLOEXEC, mode)
}
