// What a packer needs in memory: some 2.5 MiB, too much to make anew for each small content.

internal import Compression
internal import Platform

/// Buffers of one packer at a time.
final class PackingBuffers: @unchecked Sendable {
    // Sendable because one packer has it at a time: it is in the pool, or with who took it.
    let encoder = ChunkEncoder()
    let batch = RecordBatch()
    let pending = BlockBuffer()
}

extension ChunkStore {
    /// Kept for the next ones: 4 of 2.5 MiB, of which only what was touched takes memory.
    private static let idlePackingBuffersMax = 4

    func takePackingBuffers() -> PackingBuffers {
        let buffers = idlePackingBuffers.withLock { $0.popLast() } ?? PackingBuffers()
        buffers.encoder.reset()
        buffers.batch.removeAll()
        return buffers
    }

    func givePackingBuffers(_ buffers: PackingBuffers) {
        idlePackingBuffers.withLock { idle in
            if idle.count < ChunkStore.idlePackingBuffersMax { idle.append(buffers) }
        }
    }
}
