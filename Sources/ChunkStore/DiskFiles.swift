// The store's file operations on a real disk.

internal import CShims
internal import Glibc
package import Platform

/// The file operations of the system.
package struct DiskFiles: StoreFiles {
    package init() {}

    package func makeDirectory(_ path: String) throws(Errno) {
        // Making one that is there waits for whoever changes the folder above it.
        if unsafe access(path, F_OK) == 0 { return }
        if unsafe mkdir(path, 0o700) != 0 && Errno.current != .alreadyExists {
            throw Errno.current
        }
    }

    package func open(_ path: String, create: Bool) throws(Errno) -> any StoreFile {
        let flags = create ? O_RDWR | O_CREAT : O_RDWR
        return DiskFile(try FileDescriptor.open(path, flags | O_NOFOLLOW))
    }

    package func lock(_ path: String) throws(Errno) -> any StoreFile {
        let descriptor = try FileDescriptor.open(path, O_RDWR | O_CREAT)
        let number = descriptor.rawValue
        _ = try retryingOnInterrupt { flock(number, LOCK_EX | LOCK_NB) }
        return DiskFile(descriptor)
    }

    package func remove(_ path: String) throws(Errno) {
        if unsafe unlink(path) != 0 { throw Errno.current }
    }

    package func rename(_ path: String, to target: String) throws(Errno) {
        if unsafe Glibc.rename(path, target) != 0 { throw Errno.current }
    }

    package func names(in directory: String) throws(Errno) -> [String] {
        guard let stream = unsafe opendir(directory) else { throw Errno.current }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    package func synchronizeDirectory(_ path: String) throws(Errno) {
        let directory = try FileDescriptor.open(path, O_RDONLY | O_DIRECTORY)
        let number = directory.rawValue
        _ = try retryingOnInterrupt { fsync(number) }
    }
}

/// An open file of the system.
private final class DiskFile: StoreFile {
    private let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
        try unsafe descriptor.read(into: buffer, at: offset)
    }

    func read(
        into buffers: [UnsafeMutableRawBufferPointer], at offset: Int64
    ) throws(Errno) -> Int {
        try unsafe descriptor.read(into: buffers, at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        try unsafe descriptor.write(bytes, at: offset)
    }

    func size() throws(Errno) -> Int64 { try descriptor.size() }

    func truncate(to size: Int64) throws(Errno) { try descriptor.truncate(to: size) }

    func punchHole(at offset: Int64, byteCount: Int64) throws(Errno) {
        let number = descriptor.rawValue
        _ = try retryingOnInterrupt { modelfs_punch_hole(number, offset, byteCount) }
    }

    func allocatedByteCount() throws(Errno) -> Int64 {
        var status = stat()
        if unsafe fstat(descriptor.rawValue, &status) != 0 { throw Errno.current }
        // The unit of st_blocks is 512 bytes, whatever the block size.
        return Int64(status.st_blocks) * 512
    }

    func synchronizeData() throws(Errno) { try descriptor.synchronizeData() }

    func duplicate() throws(Errno) -> FileDescriptor { try descriptor.duplicate() }
}
