// Buffers for the bytes of reads, used again and again.

internal import Platform

/// Lends buffers of one size.
final class BufferPool: Sendable {
    /// The largest read that the kernel sends: `FUSE_MAX_MAX_PAGES`, 256 pages.
    static let bufferByteCount = 1 << 20
    /// Kept for the next reads; more are made when more are needed at once, and freed again.
    private static let keptCountMax = 8

    private let free = Lock<[PooledMemory]>([])

    /// A buffer that goes back when its last user lets go.
    func take() -> PooledBuffer {
        let memory = free.withLock { $0.popLast() }
        return PooledBuffer(pool: self, memory: memory ?? PooledMemory())
    }

    fileprivate func giveBack(_ memory: PooledMemory) {
        // What is not kept is freed by its own deinit, after the lock is let go.
        let surplus = free.withLock { free -> PooledMemory? in
            if free.count >= BufferPool.keptCountMax { return memory }
            free.append(memory)
            return nil
        }
        _ = surplus
    }
}

/// Page-aligned memory, freed with its last reference.
@safe
final class PooledMemory: @unchecked Sendable {
    // Sendable because one thread at a time holds it: the pool, or the buffer that it is lent to.
    let bytes: UnsafeMutableRawBufferPointer

    init() {
        unsafe bytes = .allocate(byteCount: BufferPool.bufferByteCount, alignment: 4096)
    }

    deinit {
        unsafe bytes.deallocate()
    }
}

/// A lent buffer.
final class PooledBuffer: Sendable {
    private let pool: BufferPool
    private let memory: PooledMemory

    fileprivate init(pool: BufferPool, memory: PooledMemory) {
        self.pool = pool
        self.memory = memory
    }

    deinit {
        pool.giveBack(memory)
    }

    /// The first bytes of the buffer.
    func prefix(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<byteCount])
    }
}
