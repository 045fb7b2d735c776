// What the store could not take: kept in memory for a while, so that reading goes on while the
// cache's disk is full, read-only or broken.

internal import Catalog
internal import ChunkStore
internal import Platform
internal import Synchronization
internal import Telemetry

extension ContentFetcher {
    func keepInMemory(
        _ id: ContentID, _ range: Range<Int64>, _ bytes: [UInt8], _ error: StoreError
    ) {
        log.error(
            "the cache cannot be written; reading goes on from the network",
            ["error": "\(error)"])
        let block = Int64(ChunkStore.blockByteCount)
        memory.withLock { memory in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let end = min(offset + block, range.upperBound)
                let part = bytes[Int(offset - range.lowerBound)..<Int(end - range.lowerBound)]
                memory.insert(Array(part), for: BlockKey(content: id, offset: offset))
                offset = end
            }
        }
        holdsMemory.store(true, ordering: .relaxed)
    }

    /// Reads block by block, each from memory or from the store.
    func readWithMemory(
        _ content: Content, _ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let block = Int64(ChunkStore.blockByteCount)
        let end = offset + Int64(buffer.count)
        var position = offset
        while position < end {
            let start = position / block * block
            let partEnd = min(start + block, end)
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer[Int(position - offset)..<Int(partEnd - offset)])
            let key = BlockKey(content: content.id, offset: start)
            if let bytes = memory.withLock({ $0.value(for: key) }) {
                let skip = Int(position - start)
                if bytes.count < skip + target.count { return false }
                unsafe target.copyBytes(from: bytes[skip..<skip + target.count])
            } else if unsafe !readStore(content, position, target) {
                return false
            }
            position = partEnd
        }
        return true
    }
}
