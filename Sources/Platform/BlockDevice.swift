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

    /// How far the kernel reads ahead in its files by itself, in bytes; nil where it does not tell.
    ///
    /// Source: `Documentation/ABI/stable/sysfs-block` and `testing/sysfs-class-bdi` of Linux.
    package var readaheadByteCount: Int64? {
        // The second is a partition's.
        let places = [
            "/sys/class/bdi/\(id)/read_ahead_kb", "/sys/dev/block/\(id)/../queue/read_ahead_kb",
        ]
        for place in places {
            guard let file = try? FileDescriptor.open(place, O_RDONLY),
                let bytes = try? file.readBytes(countMax: 32)
            else { continue }
            let digits = String(decoding: bytes, as: UTF8.self).prefix { $0.isNumber }
            if let kibibytes = Int64(digits) { return kibibytes * 1024 }
        }
        return nil
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
