// Cooling: a content moves from its flat file into packs.
//
// All of it is written as the next incarnation, whose recipe is condemned until it is complete;
// then one transaction exchanges the two, and the old one is taken apart. A content that changes
// meanwhile stays as it is. A complete one that nobody has proven yet is proven on the way, since
// every byte passes by.

internal import Database
package import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// How long an incomplete content must not have been used before it is cooled.
    static let coolIdleSeconds: Int64 = 60
    private static let candidateCount = 64

    /// Moves a content into packs now, wherever it stands in the order of use.
    ///
    /// - Returns: whether it is in packs, with nothing left flat.
    package func cool(_ content: ContentHash, size: Int64) throws(StoreError) -> Bool {
        let key = ContentKey(hash: content, size: size)
        if size == 0 { return true }
        // What was written just now has to be in the index first.
        for _ in 0..<3 {
            flush()
            cooler.pause()
            defer { cooler.resume() }
            if try relayout(key, .packed) { return true }
        }
        return false
    }

    /// Moves every content that lies flat into packs.
    ///
    /// - Returns: how many bytes of contents were moved.
    @discardableResult
    package func coolAll() throws(StoreError) -> Int64 {
        var byteCount: Int64 = 0
        var kept = 0
        var seen: Set<ContentKey> = []
        flush()
        while true {
            let keys = try flatByUse(after: kept)
            if keys.isEmpty { return byteCount }
            for key in keys {
                // What is listed again was made flat again, or its row cannot be written.
                if seen.insert(key).inserted, try cool(key.hash, size: key.size) {
                    byteCount += key.size
                } else {
                    kept += 1
                }
            }
        }
    }

    private func flatByUse(after kept: Int) throws(StoreError) -> [ContentKey] {
        do throws(DatabaseError) {
            return try index.leastRecentlyUsed(
                isFlatOnly: true, limit: ChunkStore.candidateCount, after: kept)
        } catch {
            noteFailure(error)
            throw StoreError(error)
        }
    }

    // MARK: On the cooler's thread

    func serve(_ request: Cooler.Request) {
        do throws(StoreError) {
            switch request {
            case .look: try coolToLimit()
            case .clean: removeLeftovers()
            case .warm(let key): try warmIfRoom(key)
            case .keepFlatMap(let key):
                flush()
                try keepFlatMap(key)
            }
        } catch {
            if error != .closed {
                log.warning("a change of layout in the cache failed", ["error": "\(error)"])
            }
        }
    }

    private func coolToLimit() throws(StoreError) {
        var kept = 0
        let isInUse = isInUse.withLock { $0 }
        while flatByteCount > hotLimitBytes && !cooler.isClosing {
            let keys = try flatByUse(after: kept)
            if keys.isEmpty { return }
            for key in keys {
                if flatByteCount <= hotLimitBytes || cooler.isClosing { return }
                // Both layouts are there for a while; where there is no room for that, eviction
                // takes its turn.
                let hasRoom = usedByteCount + key.size <= sizeLimitBytes
                if !hasRoom || isInUse(key.hash) && hotLimitBytes > 0 || !isCool(key) {
                    kept += 1
                } else if try !relayout(key, .packed) {
                    kept += 1
                }
            }
        }
    }

    /// Whether something of a content lies flat, and nobody is about to write more of it.
    ///
    /// The index lists it as flat until its last change is committed.
    private func isCool(_ key: ContentKey) -> Bool {
        guard let entry = try? loaded(key, blocks: 0..<0) else { return false }
        let now = useClock.now.secondsSince1970
        return entry.state.withLock { state in
            if !state.isSettled || state.flatByteCount == 0 { return false }
            let idle = now - state.recordedUse.secondsSince1970
            return state.isComplete || idle > ChunkStore.coolIdleSeconds
        }
    }
}
