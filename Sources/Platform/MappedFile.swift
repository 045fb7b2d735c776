// A whole file mapped for reading, and what can be asked of its pages.
//
// Owns the mapping, or a share of it: who maps a file that this process has mapped already gets the
// same memory, so that pages which one brought in are there for the other without a fault. It is
// taken away exactly once, when the last user lets the file go. Assumes
// that nobody shortens the file meanwhile, which holds for files of a mount, since a commit never
// changes. A page that cannot be read is SIGBUS at a touch; `populate` is the way to learn of that
// as an error.

internal import Glibc

/// A file's bytes as memory, shared by all who map it.
@safe
package final class MappedFile: @unchecked Sendable {
    // Sendable because nothing of it changes after `init`, and the memory is only read.

    /// The path that was opened.
    package let path: String
    /// The length of the file.
    package let byteCount: Int
    /// Nil for an empty file, which has no pages.
    private let mapping: FileMapping?

    /// Maps a file; an empty one has no pages.
    ///
    /// The corresponding C functions are `open` and `mmap`.
    package init(_ path: String) throws(Errno) {
        let file = try FileDescriptor.open(path, O_RDONLY)
        self.path = path
        mapping = try FileMapping.of(file)
        byteCount = mapping?.byteCount ?? 0
    }

    /// All of its bytes, lent for the one call.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let buffer = unsafe UnsafeRawBufferPointer(start: mapping?.base, count: byteCount)
        let span = unsafe buffer.bytes
        return try body(span)
    }

    /// Brings the pages of a range into memory, and waits for them.
    ///
    /// The corresponding C function is `madvise` with MADV_POPULATE_READ.
    ///
    /// - Throws: what the file system said of a page that cannot be read.
    package func populate(_ range: Range<Int>) throws(Errno) {
        try advise(range, MappedFile.populateRead)
    }

    /// Tells the kernel that a range will be read soon; it may begin to read it.
    package func willNeed(_ range: Range<Int>) throws(Errno) {
        try advise(range, MADV_WILLNEED)
    }

    /// MADV_POPULATE_READ of <linux/mman.h> (Linux 5.14), which the C library's header lacks.
    private static let populateRead: CInt = 22
    private static let pageByteCount = 4096

    private func advise(_ range: Range<Int>, _ advice: CInt) throws(Errno) {
        guard let mapping, !range.isEmpty else { return }
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
        let start = range.lowerBound / MappedFile.pageByteCount * MappedFile.pageByteCount
        let from = unsafe UnsafeMutableRawPointer(mutating: mapping.base + start)
        while unsafe madvise(from, range.upperBound - start, advice) != 0 {
            if errno != EINTR { throw .current }
        }
    }
}

/// The memory of a mapped file, which goes with its last user.
@safe
private final class FileMapping: @unchecked Sendable {
    // Sendable because nothing of it changes after `init`, and the memory is only read.

    /// Which file it is, in the state in which it was mapped.
    private struct Key: Hashable {
        let device: UInt
        let inode: UInt
        let byteCount: Int
        let seconds: Int
        let nanoseconds: Int
    }

    private struct Entry {
        weak var mapping: FileMapping?
    }

    /// Mappings that somebody may still use.
    private static let known = Lock<[Key: Entry]>([:])

    let base: UnsafeRawPointer
    let byteCount: Int

    private init(_ file: borrowing FileDescriptor, byteCount: Int) throws(Errno) {
        let mapped = unsafe mmap(nil, byteCount, PROT_READ, MAP_SHARED, file.rawValue, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw .current }
        unsafe base = UnsafeRawPointer(mapped)
        self.byteCount = byteCount
    }

    deinit {
        unsafe munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
    }

    /// The mapping of a file, new or shared; nil for an empty file.
    static func of(_ file: borrowing FileDescriptor) throws(Errno) -> FileMapping? {
        var status = stat()
        if unsafe fstat(file.rawValue, &status) != 0 { throw .current }
        guard let count = Int(exactly: status.st_size) else { throw .fileTooLarge }
        if count == 0 { return nil }
        let key = Key(
            device: UInt(status.st_dev), inode: UInt(status.st_ino), byteCount: count,
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        if let shared = known.withLock({ $0[key]?.mapping }) { return shared }
        let made = try FileMapping(file, byteCount: count)
        known.withLock { known in
            known = known.filter { $0.value.mapping != nil }
            known[key] = Entry(mapping: made)
        }
        return made
    }
}
