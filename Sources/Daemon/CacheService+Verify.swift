// Checking the cache's bytes, and fetching again what was damaged.

internal import Catalog
internal import ChunkStore
internal import Fetching
internal import Hashing
internal import HubAPI
internal import Platform

extension CacheService {
    /// Between two reports of progress, in seconds.
    private static let progressSeconds = 0.2
    /// What is asked for at once when something is repaired: 8 MiB.
    private static let repairByteCount: Int64 = 8 << 20
    /// How long a piece of a repair may take, in seconds.
    private static let repairSecondsMax = 300.0

    func verify(
        _ target: String?, repairs: Bool, _ progress: Progress
    ) throws(MountFailure) -> CacheCheck {
        let wanted = try target.map { (text) throws(MountFailure) in
            try contents(of: find(text)).map(\.stored)
        }
        let totalBytes = try totalBytes(wanted)
        var due = MonotonicInstant.now
        let report = try ask { () throws(StoreError) in
            try store.verify(wanted) { doneBytes in
                if MonotonicInstant.now < due { return true }
                due = .now + CacheService.progressSeconds
                return progress(CacheProgress(doneBytes: doneBytes, totalBytes: totalBytes))
            }
        }
        var check = CacheCheck()
        check.contentCount = report.contentCount
        check.checkedBytes = report.byteCount
        for damaged in report.damaged {
            let isRepaired = repairs && repair(damaged)
            check.damagedCount += 1
            check.repairedCount += isRepaired ? 1 : 0
            if check.damaged.count < CacheCheck.damageCountMax {
                check.damaged.append(
                    CacheCheck.Damage(
                        file: try file(damaged), hash: damaged.hash.hex, sizeBytes: damaged.size,
                        lostBytes: damaged.lost.reduce(0) { $0 + Int64($1.count) },
                        isRepaired: isRepaired))
            }
            // Whoever waits for the answer should know that something goes on.
            _ = progress(CacheProgress(doneBytes: report.byteCount, totalBytes: totalBytes))
        }
        return check
    }

    private func totalBytes(
        _ wanted: [(hash: ContentHash, size: Int64)]?
    ) throws(MountFailure) -> Int64 {
        if let wanted {
            return wanted.reduce(0) { $0 + store.state(of: $1.hash, size: $1.size).cachedByteCount }
        }
        return try ask { () throws(StoreError) in try store.statistics().logicalByteCount }
    }

    private func file(_ damaged: DamagedContent) throws(MountFailure) -> String {
        let name = Catalog.ContentName(hash: damaged.hash, sizeBytes: damaged.size)
        let source = try ask { () throws(CatalogError) in
            try catalog.contentID(of: name).flatMap { (id) throws(CatalogError) in
                try catalog.sources(of: id, countMax: 1).first
            }
        }
        return source.map { "\($0.repository)/\($0.path)" } ?? damaged.hash.hex
    }

    /// Fetches what was lost; whether all of the content that was lost is there again.
    private func repair(_ damaged: DamagedContent) -> Bool {
        let name = Catalog.ContentName(hash: damaged.hash, sizeBytes: damaged.size)
        guard let id = (try? catalog.contentID(of: name)) ?? nil else { return false }
        for lost in damaged.lost {
            var start = lost.lowerBound
            while start < lost.upperBound {
                let end = min(lost.upperBound, start + CacheService.repairByteCount)
                if !fetch(id, start..<end) { return false }
                start = end
            }
        }
        return damaged.lost.allSatisfy {
            store.missingRanges(damaged.hash, size: damaged.size, in: $0).isEmpty
        }
    }

    private func fetch(_ content: ContentID, _ range: Range<Int64>) -> Bool {
        let answers = Mailbox<Bool>()
        _ = fetcher.request(
            .bytes(content, range, insists: true), withinSeconds: CacheService.repairSecondsMax
        ) { result in
            if case .success = result { answers.send(true) } else { answers.send(false) }
        }
        return answers.receive() ?? false
    }
}
