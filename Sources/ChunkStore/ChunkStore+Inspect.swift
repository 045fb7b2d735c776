// What the commands of the cache ask for: lists, sums, checks, pins.

internal import Database
package import Hashing
package import Platform
internal import Telemetry

/// One content of the cache.
package struct CachedContentSummary: Equatable, Sendable {
    package let hash: ContentHash
    package let size: Int64
    package let state: ContentState
    /// When it was last used, to within `ChunkStore.useSeconds`; now, where the clock was set back
    /// since.
    package let lastUse: WallTime
    package let isPinned: Bool
}

/// Sums over contents.
package struct StoreStatistics: Equatable, Sendable {
    /// How many contents there are.
    package var contentCount = 0
    /// Bytes of contents that can be read.
    package var logicalByteCount: Int64 = 0
    /// Bytes left when equal chunks count once.
    package var uniqueByteCount: Int64 = 0
    /// Bytes that they take on the disk, coded, with the heads of records.
    package var storedByteCount: Int64 = 0
    /// How many chunks there are in packs.
    package var chunkCount = 0
}

/// What a check of contents found.
package struct VerifyReport: Equatable, Sendable {
    /// Contents looked at, and bytes read.
    package var contentCount = 0
    package var byteCount: Int64 = 0
    /// Contents that lost something, with the ranges to fetch again.
    package var damaged: [DamagedContent] = []
}

/// A content of which something was damaged; that is dropped already.
package struct DamagedContent: Equatable, Sendable {
    package let hash: ContentHash
    package let size: Int64
    /// What was there before and is not any more.
    package let lost: [Range<Int64>]
}

extension ChunkStore {
    private static let pageCount = 256

    /// Calls `body` for every content, in the order in which they came.
    package func forEachContent(
        _ body: (CachedContentSummary) throws(StoreError) -> Void
    ) throws(StoreError) {
        flush()
        let now = scheduling.wallTime
        var last: Int64 = 0
        while true {
            let found = try query { () throws(DatabaseError) in
                try index.contents(after: last, limit: ChunkStore.pageCount)
            }
            guard let (_, newest) = found.last else { return }
            last = newest
            for (key, _) in found {
                guard let row = try query({ () throws(DatabaseError) in try index.row(of: key) })
                else { continue }
                let isPinned = try query { () throws(DatabaseError) in try index.isPinned(key) }
                let state = ContentState(
                    cachedByteCount: row.validByteCount, flatByteCount: row.flatByteCount,
                    isComplete: row.validByteCount == key.size, verification: row.verification)
                try body(
                    CachedContentSummary(
                        hash: key.hash, size: key.size, state: state,
                        lastUse: min(row.lastUse, now), isPinned: isPinned))
            }
        }
    }

    private func query<Result>(
        _ body: () throws(DatabaseError) -> Result
    ) throws(StoreError) -> Result {
        do throws(DatabaseError) { return try body() } catch {
            noteFailure(error)
            throw StoreError(error)
        }
    }

    /// Sums over all contents.
    package func statistics() throws(StoreError) -> StoreStatistics {
        flush()
        return try query { () throws(DatabaseError) in
            var sums = try index.sums()
            sums.uniqueByteCount += sums.flatByteCount
            return StoreStatistics(
                contentCount: sums.contentCount, logicalByteCount: sums.logicalByteCount,
                uniqueByteCount: sums.uniqueByteCount,
                storedByteCount: sums.flatByteCount + sums.packedByteCount,
                chunkCount: sums.chunkCount)
        }
    }

    /// Sums over some contents, such as those of one repo: what they would take alone.
    package func statistics(
        of contents: [(hash: ContentHash, size: Int64)]
    ) throws(StoreError) -> StoreStatistics {
        flush()
        var sums = StoreStatistics()
        var seen: Set<RecordLocation> = []
        for content in contents {
            let key = ContentKey(hash: content.hash, size: content.size)
            guard let row = try query({ () throws(DatabaseError) in try index.row(of: key) })
            else { continue }
            sums.contentCount += 1
            sums.logicalByteCount += row.validByteCount
            sums.uniqueByteCount += row.flatByteCount
            sums.storedByteCount += row.flatByteCount
            let segmentCount = (key.size + RecipeSegment.contentByteCount - 1)
            for number in 0..<Int(segmentCount / RecipeSegment.contentByteCount) {
                let found = try query { () throws(DatabaseError) in
                    try index.recipe([number], id: row.id)
                }
                for entry in (found.first ?? nil)?.ownEntries ?? []
                where seen.insert(entry.location).inserted {
                    sums.chunkCount += 1
                    sums.uniqueByteCount += Int64(entry.rawByteCount)
                    sums.storedByteCount += Int64(entry.recordByteCount)
                }
            }
        }
        return sums
    }

    /// Reads and checks contents, and proves those that are complete; what is damaged is dropped.
    ///
    /// - Parameters:
    ///   - contents: all of the cache if nil.
    ///   - progress: called with the bytes read so far; the check ends early when it is false.
    package func verify(
        _ contents: [(hash: ContentHash, size: Int64)]? = nil,
        progress: (Int64) -> Bool = { _ in true }
    ) throws(StoreError) -> VerifyReport {
        var keys: [ContentKey] = []
        if let contents {
            keys = contents.map { ContentKey(hash: $0.hash, size: $0.size) }
        } else {
            try forEachContent { (content) throws(StoreError) in
                keys.append(ContentKey(hash: content.hash, size: content.size))
            }
        }
        var report = VerifyReport()
        for key in keys where key.size > 0 {
            let isToGoOn = try verify(key, &report, progress)
            if !isToGoOn { break }
        }
        flush()
        return report
    }

    private func verify(
        _ key: ContentKey, _ report: inout VerifyReport, _ progress: (Int64) -> Bool
    ) throws(StoreError) -> Bool {
        let before = missingRanges(key.hash, size: key.size, in: 0..<key.size)
        var hasher = ContentHasher(like: key.hash, size: key.size)
        let buffer = buffers.take()
        defer { buffers.give(buffer) }
        var isWhole = before.isEmpty
        report.contentCount += 1
        for block in 0..<key.blockCount {
            let bytes = key.bytes(of: block..<block + 1)
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer.bytes[..<bytes.count])
            let outcome = try unsafe readQuietly(key, at: bytes.lowerBound, into: target)
            if outcome == .missing {
                isWhole = false
                continue
            }
            report.byteCount += Int64(bytes.count)
            if isWhole { unsafe hasher.update(UnsafeRawBufferPointer(target)) }
            if !progress(report.byteCount) { return false }
        }
        let found = hasher.finish()
        if isWhole && found != key.hash {
            counters.proofFailures.add()
            drop(key.hash, size: key.size)
        }
        let lost = subtract(
            before, from: missingRanges(key.hash, size: key.size, in: 0..<key.size))
        if !lost.isEmpty {
            report.damaged.append(DamagedContent(hash: key.hash, size: key.size, lost: lost))
        }
        return true
    }

    // MARK: Pins

    /// Keeps a content from being evicted, whether it is here yet or not; or lets it go again.
    package func setPinned(
        _ content: ContentHash, size: Int64, _ isPinned: Bool
    ) throws(StoreError) {
        let name = ContentKey(hash: content, size: size).pinName
        if isPinned {
            try keep([MetadataItem(kind: ChunkStore.pinKind, key: name, payload: [])])
        } else {
            try forget(ChunkStore.pinKind, key: name)
        }
    }

    /// Whether a content is kept from being evicted.
    package func isPinned(_ content: ContentHash, size: Int64) throws(StoreError) -> Bool {
        try query { () throws(DatabaseError) in
            try index.isPinned(ContentKey(hash: content, size: size))
        }
    }

    /// The kind of the store's own metadata: pins, by hash and size.
    static let pinKind: UInt8 = 255
}

/// The parts of `ranges` that are in none of the ranges taken away; both are in order.
private func subtract(_ taken: [Range<Int64>], from ranges: [Range<Int64>]) -> [Range<Int64>] {
    ranges.flatMap { range in
        var parts: [Range<Int64>] = []
        var start = range.lowerBound
        for other in taken where other.overlaps(range) {
            if start < other.lowerBound { parts.append(start..<other.lowerBound) }
            start = max(start, other.upperBound)
        }
        if start < range.upperBound { parts.append(start..<range.upperBound) }
        return parts
    }
}

extension StoreIndex {
    struct Sums {
        var contentCount = 0
        var logicalByteCount: Int64 = 0
        var flatByteCount: Int64 = 0
        var packedByteCount: Int64 = 0
        var uniqueByteCount: Int64 = 0
        var chunkCount = 0
    }

    func sums() throws(DatabaseError) -> Sums {
        try readers.withReader { (connection) throws(DatabaseError) in
            var sums = Sums()
            try connection.query("SELECT count(*), sum(valid) FROM content") {
                (row) throws(DatabaseError) in
                sums.contentCount = Int(row.integer(0))
                sums.logicalByteCount = row.integer(1)
            }
            try connection.query("SELECT flat, packed, raw FROM total") {
                (row) throws(DatabaseError) in
                sums.flatByteCount = row.integer(0)
                sums.packedByteCount = row.integer(1)
                sums.uniqueByteCount = row.integer(2)
            }
            try connection.query("SELECT count(*) FROM record WHERE raw > 0") {
                (row) throws(DatabaseError) in sums.chunkCount = Int(row.integer(0))
            }
            return sums
        }
    }
}
