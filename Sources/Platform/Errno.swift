// The error numbers of the operating system, as one value type.
//
// Every failing system call of this package throws an `Errno`. Errors of higher layers are enums
// of their own, and become an `Errno` again only at the edge to the kernel.

internal import Glibc

/// An error number, as left by a system call in `errno`.
package struct Errno: Error, Equatable, Hashable, Sendable, Codable {
    /// The number itself, always positive.
    package let rawValue: CInt

    /// Wraps a number that is already known.
    package init(_ rawValue: CInt) {
        self.rawValue = rawValue
    }

    /// The calling thread's `errno`.
    package static var current: Errno { Errno(Glibc.errno) }

    /// Those that this package names; the others are made from their number.
    package static let noEntry = Errno(ENOENT)
    package static let interrupted = Errno(EINTR)
    package static let inputOutput = Errno(EIO)
    package static let accessDenied = Errno(EACCES)
    package static let notPermitted = Errno(EPERM)
    package static let alreadyExists = Errno(EEXIST)
    package static let notDirectory = Errno(ENOTDIR)
    package static let isDirectory = Errno(EISDIR)
    package static let invalidArgument = Errno(EINVAL)
    package static let notSupported = Errno(ENOTSUP)
    package static let notImplemented = Errno(ENOSYS)
    package static let noData = Errno(ENODATA)
    package static let outOfRange = Errno(ERANGE)
    package static let noSpace = Errno(ENOSPC)
    package static let tooManyDescriptors = Errno(EMFILE)
    package static let tooManyOpenFiles = Errno(ENFILE)
    package static let outOfMemory = Errno(ENOMEM)
    package static let fileTooLarge = Errno(EFBIG)
    package static let readOnly = Errno(EROFS)
    package static let stale = Errno(ESTALE)
    package static let wouldBlock = Errno(EAGAIN)
    package static let busy = Errno(EBUSY)
    package static let notConnected = Errno(ENOTCONN)
    package static let noDevice = Errno(ENODEV)
    package static let timedOut = Errno(ETIMEDOUT)
    package static let connectionRefused = Errno(ECONNREFUSED)
}

extension Errno: CustomStringConvertible {
    /// The system's own sentence for the number, as by `strerror_r`.
    package var description: String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress,
                unsafe strerror_r(rawValue, base, buffer.count) == 0
            else { return "error \(rawValue)" }
            return unsafe String(cString: base)
        }
    }
}

/// Runs a system call again while it fails with `EINTR`.
///
/// - Returns: what the call returned, which is not -1.
package func retryingOnInterrupt<Result: BinaryInteger>(
    _ call: () -> Result
) throws(Errno) -> Result {
    while true {
        let result = call()
        if result != -1 { return result }
        let error = Errno.current
        if error != .interrupted { throw error }
    }
}
