// One wait for many files: cheaper by far than a wait for each of them.

internal import CShims
internal import Glibc

extension FileDescriptor {
    /// Waits until everything written to the file system of this file or directory is on the disk.
    ///
    /// The corresponding C function is `syncfs`.
    package borrowing func synchronizeFileSystem() throws(Errno) {
        let number = rawValue
        _ = try retryingOnInterrupt { modelfs_sync_filesystem(number) }
    }
}
