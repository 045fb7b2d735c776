// The memory that one thread needs to encode and decode chunks, allocated once.

/// Room for one chunk whose bytes are grouped, and for another or a sample.
///
/// One thread uses it at a time.
@safe
package struct CodecScratch: ~Copyable {
    /// The longest chunk: 128 KiB, the limit of Xet's chunks (`GearChunker.maximumByteCount`).
    package static let mostChunkBytes = 131_072

    /// Two areas of `mostChunkBytes`, one after the other.
    private let memory: UnsafeMutableRawBufferPointer

    /// Allocates 256 KiB.
    package init() {
        unsafe memory = .allocate(byteCount: 2 * Self.mostChunkBytes, alignment: 64)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// Lends room for a chunk that is grouped, or for any other use of that length.
    ///
    /// - Parameter byteCount: at most `mostChunkBytes`.
    package borrowing func withBuffer<Result, Failure: Error>(
        _ byteCount: Int,
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(first(byteCount))
    }

    /// The first area, up to a length.
    borrowing func first(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        precondition(byteCount <= Self.mostChunkBytes)
        return unsafe UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount])
    }

    /// The second area, up to a length.
    borrowing func second(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        precondition(byteCount <= Self.mostChunkBytes)
        let start = Self.mostChunkBytes
        return unsafe UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + byteCount)])
    }
}

// The memory has one owner and no other thread knows it.
extension CodecScratch: @unchecked Sendable {}
