// The seam between the store and the disk: every file operation of the store is one of these.
//
// `DiskFiles` carries them out. Tests put a layer here that fails, or that forgets what was not
// synchronized when it "loses power". The database's own files are SQLite's: what does their I/O is
// named here, so that the same layer can stand below them.

package import Platform

/// The file operations that the store needs, by absolute path.
package protocol StoreFiles: Sendable {
    /// The SQLite VFS below the index; the system's if nil.
    var databaseVFS: String? { get }
    /// Makes a directory; it is no error if it is there.
    func makeDirectory(_ path: String) throws(Errno)
    /// Opens a file for reading and writing.
    func open(_ path: String, create: Bool) throws(Errno) -> any StoreFile
    /// Opens or creates a file and locks it for as long as it is kept; EAGAIN if another has it.
    func lock(_ path: String) throws(Errno) -> any StoreFile
    /// Removes a file.
    func remove(_ path: String) throws(Errno)
    /// Gives a file another name, replacing what had it.
    func rename(_ path: String, to target: String) throws(Errno)
    /// The names in a directory, without `.` and `..`.
    func names(in directory: String) throws(Errno) -> [String]
    /// Waits until the names in a directory are on the disk.
    func synchronizeDirectory(_ path: String) throws(Errno)
}

extension StoreFiles {
    /// SQLite's own, but for files that are not on a disk.
    package var databaseVFS: String? { nil }
}

/// An open file of the store.
///
/// Any thread may use it; it is closed when nobody keeps it.
package protocol StoreFile: AnyObject, Sendable {
    /// Reads until the buffer is full or the file ends; returns the bytes read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int
    /// Reads into one buffer after another, at most `FileDescriptor.bufferCountMax`; as above.
    func read(into buffers: [UnsafeMutableRawBufferPointer], at offset: Int64) throws(Errno) -> Int
    /// Writes all of the bytes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno)
    /// The length in bytes.
    func size() throws(Errno) -> Int64
    /// Cuts or extends the file.
    func truncate(to size: Int64) throws(Errno)
    /// Gives the whole disk blocks of a range back; its bytes are zeros from then on.
    ///
    /// - Throws: ENOTSUP where the filesystem cannot.
    func punchHole(at offset: Int64, byteCount: Int64) throws(Errno)
    /// Bytes that the file takes on the disk.
    func allocatedByteCount() throws(Errno) -> Int64
    /// Waits until the data is on the disk.
    func synchronizeData() throws(Errno)
    /// A second descriptor of the same file, for those that hand it to the kernel.
    func duplicate() throws(Errno) -> FileDescriptor
}

extension StoreFile {
    /// Reads buffer by buffer.
    package func read(
        into buffers: [UnsafeMutableRawBufferPointer], at offset: Int64
    ) throws(Errno) -> Int {
        var done = 0
        for index in unsafe buffers.indices {
            let buffer = unsafe buffers[index]
            let count = try unsafe read(into: buffer, at: offset + Int64(done))
            done += count
            if count < buffer.count { break }
        }
        return done
    }
}
