// Buffers of one block, for reads that want only a part of it.

internal import Platform

/// The owner of 128 KiB.
@safe
final class BlockBuffer: @unchecked Sendable {
    // Sendable because one thread has it at a time: it is in the pool, or with who took it.
    let bytes: UnsafeMutableRawBufferPointer

    init() {
        unsafe bytes = .allocate(byteCount: ChunkStore.blockByteCount, alignment: 4_096)
    }

    deinit {
        unsafe bytes.deallocate()
    }
}

/// Idle buffers, so that a small read costs no allocation.
final class BlockBufferPool: Sendable {
    /// 16 of 128 KiB are 2 MiB.
    private static let idleCountMax = 16
    private let idle = Lock<[BlockBuffer]>([])

    func take() -> BlockBuffer {
        idle.withLock { $0.popLast() } ?? BlockBuffer()
    }

    func give(_ buffer: BlockBuffer) {
        idle.withLock { if $0.count < BlockBufferPool.idleCountMax { $0.append(buffer) } }
    }
}
