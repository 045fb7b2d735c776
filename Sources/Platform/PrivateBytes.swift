// Memory of this process for values that could not stay where they lay in a file.
//
// Owns an allocation, aligned for vectors. It is filled once, by whoever makes it, and only read
// after that.

internal import Glibc

/// Bytes in private memory, fixed once they are made.
@safe
package final class PrivateBytes: @unchecked Sendable {
    // Sendable because nothing of it changes after `init`.

    /// How many bytes there are.
    package let byteCount: Int
    private let base: UnsafeMutableRawPointer

    /// The widest vectors take 64 bytes.
    private static let alignment = 64

    /// Allocates zeros, and has them filled.
    package init<Failure: Error>(
        byteCount: Int, _ fill: (inout MutableRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        self.byteCount = byteCount
        unsafe base = .allocate(
            byteCount: max(byteCount, 1), alignment: PrivateBytes.alignment)
        unsafe memset(base, 0, byteCount)
        let room = unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCount)
        var span = unsafe room.mutableBytes
        try fill(&span)
    }

    deinit {
        unsafe base.deallocate()
    }

    /// All of the bytes, lent for the one call.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let buffer = unsafe UnsafeRawBufferPointer(start: base, count: byteCount)
        let span = unsafe buffer.bytes
        return try body(span)
    }
}
