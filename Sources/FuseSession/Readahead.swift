// How far the kernel reads ahead in a mount's files: less in one that is not all here.
//
// The kernel gives each open file the readahead that its mount has at that moment, so it is set
// just before an OPEN is answered. Two opens at once may get each other's, which costs one of them
// some speed and nothing else.
//
// A request is answered when all of it is here. Where 16 threads share a line of 200 MB/s, 1 MiB
// takes each of them 80 ms, and the kernel has two of them on their way for each: a page elsewhere
// comes behind all of that. Over the page cache, and where nothing has to come, longer requests are
// faster.

internal import Glibc
package import Platform

/// The setting of one mount.
package final class Readahead: Sendable {
    /// As long as the longest request of the kernel (256 pages): cold mapped reads of an in-memory
    /// FUSE server came at 2.4 GiB/s with it, and at 1.5 GiB/s with the default.
    package static let usualKiB: Int64 = 1024
    /// For a file of which something is still to come.
    package static let shortKiB: Int64 = 256

    private let file: FileDescriptor

    /// - Parameter deviceID: such as `0:45`.
    /// - Throws: what the system says, to somebody who may not set it.
    package init(deviceID: String) throws(Errno) {
        file = try FileDescriptor.open(
            BlockDevice.readaheadPath(id: deviceID), O_WRONLY | O_CLOEXEC)
    }

    /// Sets it for files that are opened from now on.
    ///
    /// - Throws: what the system says, such as `ENODEV` of a mount that is gone.
    package func set(kibibytes: Int64) throws(Errno) {
        let number = file.rawValue
        let text = Array("\(kibibytes)\n".utf8)
        _ = try retryingOnInterrupt {
            unsafe CInt(truncatingIfNeeded: pwrite(number, text, text.count, 0))
        }
    }
}
