// What the kernel tells of the disk that a file lies on.

internal import Glibc

/// A device as `st_dev` names it.
package struct BlockDevice: Equatable, Sendable {
    /// Such as `254:0`.
    package let id: String

    /// - Parameter number: `st_dev` of a file on it.
    package init(number: UInt64) {
        // glibc's `gnu_dev_major` and `gnu_dev_minor`, which are not imported.
        let major = (number >> 8) & 0xFFF | (number >> 32) & ~0xFFF
        let minor = number & 0xFF | (number >> 12) & ~0xFF
        id = "\(major):\(minor)"
    }

    /// The file of the kernel that has a device's or a mount's readahead, in KiB.
    ///
    /// Source: `Documentation/ABI/testing/sysfs-class-bdi` of Linux.
    package static func readaheadPath(id: String) -> String {
        "/sys/class/bdi/\(id)/read_ahead_kb"
    }

    /// How far the kernel reads ahead in its files by itself, in bytes; nil where it does not tell.
    ///
    /// Source of the second place, which is a partition's: `Documentation/ABI/stable/sysfs-block`.
    package var readaheadByteCount: Int64? {
        let kibibytes =
            kernelNumber(at: BlockDevice.readaheadPath(id: id))
            ?? kernelNumber(at: "/sys/dev/block/\(id)/../queue/read_ahead_kb")
        return kibibytes.map { $0 * 1024 }
    }
}

extension FileDescriptor {
    /// The device that the file is on.
    ///
    /// The corresponding C function is `fstat`.
    package borrowing func device() throws(Errno) -> BlockDevice {
        var status = stat()
        if unsafe fstat(rawValue, &status) != 0 { throw Errno.current }
        return BlockDevice(number: UInt64(status.st_dev))
    }
}
