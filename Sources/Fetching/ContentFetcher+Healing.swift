// Healing: damage that a read met on the disk, counted when it has been fetched again.

internal import Catalog
internal import ChunkStore
internal import Platform
internal import Telemetry

extension ContentFetcher {
    /// Contents whose damage is remembered until it is healed.
    private static let woundCountMax = 1_000

    /// A read met damage, and the store has dropped it.
    func noteWound(_ content: Content, _ range: Range<Int64>) {
        let missing = store.missingRanges(content.hash, size: content.sizeBytes, in: range)
        wounds.withLock { wounds in
            if wounds.count >= ContentFetcher.woundCountMax { return }
            for gap in missing { wounds[content.id, default: RangeSet()].insert(gap) }
        }
    }

    /// Bytes are in the store; counts those that were damaged before.
    func noteArrival(_ id: ContentID, _ range: Range<Int64>) {
        let block = Int64(ChunkStore.blockByteCount)
        let count = wounds.withLock { wounds -> Int64 in
            guard var wound = wounds[id] else { return 0 }
            let before = wound.byteCount
            wound.remove(range)
            wounds[id] = wound.byteCount == 0 ? nil : wound
            return (before - wound.byteCount + block - 1) / block
        }
        if count > 0 { healedBlocks.add(count) }
    }
}
