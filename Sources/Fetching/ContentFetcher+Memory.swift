// What the store could not take: kept in memory for a while, so that reading goes on while the
// cache's disk is full, read-only or broken, and given to the store again when that takes it.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Platform
internal import Synchronization
internal import Telemetry

/// A block that is in memory alone.
struct HeldBlock: Sendable {
    let content: Content
    let bytes: [UInt8]
}

extension ContentFetcher {
    /// Between two attempts to store what is held.
    static let storeAgainSeconds = 2.0

    func keepInMemory(
        _ content: Content, _ range: Range<Int64>, _ bytes: [UInt8], _ error: StoreError
    ) {
        untaken.add()
        log.error(
            "the cache cannot be written; reading goes on from the network",
            ["error": "\(error)"])
        let block = Int64(ChunkStore.blockByteCount)
        let isFirst = memory.withLock { memory in
            var offset = range.lowerBound
            while offset < range.upperBound {
                let end = min(offset + block, range.upperBound)
                let part = bytes[Int(offset - range.lowerBound)..<Int(end - range.lowerBound)]
                memory.insert(
                    HeldBlock(content: content, bytes: Array(part)),
                    for: BlockKey(content: content.id, offset: offset))
                offset = end
            }
            return !holdsMemory.exchange(true, ordering: .relaxed)
        }
        if isFirst { storeAgainLater() }
    }

    private func storeAgainLater() {
        alarms.at(scheduling.now + ContentFetcher.storeAgainSeconds) { [self] in
            hand(.heldBlocks, 0)
        }
    }

    /// Gives the store what is held, as far as it takes that.
    ///
    /// On a fill thread.
    func storeHeldBlocks() {
        let held = memory.withLock { $0.entries }
        let byContent = Dictionary(grouping: held) { $0.key.content }
        for blocks in byContent.values {
            guard let content = blocks.first?.value.content else { continue }
            do throws(StoreError) {
                try store(blocks, of: content)
            } catch {
                continue
            }
            memory.withLock { memory in
                for (key, _) in blocks { memory.remove(key) }
            }
            noteProgress(content)
            proveIfComplete(content)
        }
        let isEmpty = memory.withLock { memory in
            let isEmpty = memory.entries.isEmpty
            if isEmpty { holdsMemory.store(false, ordering: .relaxed) }
            return isEmpty
        }
        if isEmpty {
            log.info("the cache can be written again", ["blocks": "\(held.count)"])
            // What was pushed out of memory meanwhile is nowhere.
            let awaited = state.withLock { state in
                state.active.values.filter { $0.plan.awaitsNothing }.map(\.content)
            }
            for content in awaited.sorted(by: { $0.id.row < $1.id.row }) {
                proveIfComplete(content)
            }
        } else {
            storeAgainLater()
        }
    }

    private func store(
        _ blocks: [(key: BlockKey, value: HeldBlock)], of content: Content
    ) throws(StoreError) {
        let ordered = blocks.sorted { $0.key.offset < $1.key.offset }
        guard ContentFetcher.isFetchedWhole(content) else {
            for (key, value) in ordered {
                let span = value.bytes.span
                try unsafe span.withUnsafeBytes { (bytes) throws(StoreError) in
                    try unsafe store.write(
                        content.hash, size: content.sizeBytes, at: key.offset, bytes)
                }
            }
            return
        }
        // It is stored proven or not at all; what is left of one comes again when it is read.
        let whole = ordered.flatMap { $0.value.bytes }
        if Int64(whole.count) == content.sizeBytes {
            _ = try store.writeProven(content.hash, whole)
        }
    }

    /// The parts of some ranges that are not in memory either.
    func notHeld(_ ranges: [Range<Int64>], of id: ContentID) -> [Range<Int64>] {
        if !holdsMemory.load(ordering: .relaxed) { return ranges }
        var left = RangeSet()
        for range in ranges { left.insert(range) }
        for (key, value) in memory.withLock({ $0.entries }) where key.content == id {
            left.remove(key.offset..<key.offset + Int64(value.bytes.count))
        }
        return left.ranges
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
            if let bytes = memory.withLock({ $0.value(for: key)?.bytes }) {
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
