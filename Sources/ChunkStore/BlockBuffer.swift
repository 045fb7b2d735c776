// Buffers of blocks: for reads that cannot go straight to the caller (parts of blocks, records of
// packs), and for bytes on their way into the store.

internal import Platform

/// The owner of some memory.
@safe
package final class BlockBuffer: @unchecked Sendable {
    // Sendable because one thread has it at a time: it is in the pool, or with who took it.

    /// The memory, page-aligned; means nothing at first.
    package let bytes: UnsafeMutableRawBufferPointer

    /// One block, unless asked otherwise.
    init(byteCount: Int = ChunkStore.blockByteCount) {
        unsafe bytes = .allocate(byteCount: byteCount, alignment: 4_096)
    }

    deinit {
        unsafe bytes.deallocate()
    }
}

/// Idle buffers of one length, so that a read costs no allocation.
package final class BlockBufferPool: Sendable {
    private let byteCount: Int
    private let idleCountMax: Int
    private let idle = Lock<[BlockBuffer]>([])

    /// Makes buffers when they are asked for, and keeps so many.
    package init(byteCount: Int, idleCountMax: Int) {
        self.byteCount = byteCount
        self.idleCountMax = idleCountMax
    }

    /// A buffer that is idle, or a new one.
    package func take() -> BlockBuffer {
        idle.withLock { $0.popLast() } ?? BlockBuffer(byteCount: byteCount)
    }

    /// Takes back a buffer of this pool's length.
    package func give(_ buffer: BlockBuffer) {
        idle.withLock { if $0.count < idleCountMax { $0.append(buffer) } }
    }
}
