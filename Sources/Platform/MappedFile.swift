// A whole file mapped for reading, and what can be asked of its pages.
//
// Owns the mapping: it is taken away exactly once, when the last user lets the file go. Assumes
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
    private let base: UnsafeRawPointer?

    /// Maps a file; an empty one has no pages.
    ///
    /// The corresponding C functions are `open` and `mmap`.
    package init(_ path: String) throws(Errno) {
        let file = try FileDescriptor.open(path, O_RDONLY)
        let size = try file.size()
        guard let count = Int(exactly: size) else { throw .fileTooLarge }
        self.path = path
        byteCount = count
        if count == 0 {
            unsafe base = nil
            return
        }
        let mapped = unsafe mmap(nil, count, PROT_READ, MAP_SHARED, file.rawValue, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw .current }
        unsafe base = UnsafeRawPointer(mapped)
    }

    deinit {
        guard let base = unsafe base else { return }
        unsafe munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
    }

    /// All of its bytes, lent for the one call.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let buffer = unsafe UnsafeRawBufferPointer(start: base, count: byteCount)
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
        guard let base = unsafe base, !range.isEmpty else { return }
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
        let start = range.lowerBound / MappedFile.pageByteCount * MappedFile.pageByteCount
        let from = unsafe UnsafeMutableRawPointer(mutating: base + start)
        while unsafe madvise(from, range.upperBound - start, advice) != 0 {
            if errno != EINTR { throw .current }
        }
    }
}
