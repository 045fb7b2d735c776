// Making the index anew from the packs.
//
// Packs hold all that is needed: chunks with their hashes, recipes, maps of flat files, the owner's
// small things. A scan enters every record as unused; then recipes and maps are entered, the newest
// of each content, as far as the records that they name are there; what is unused at the end is
// dead. Payloads of chunks are not read: that is done with every read anyway. What is lost is what
// was being fetched: flat files that were not complete and proven.

internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

/// Rebuilds one index.
final class Rebuilder {
    /// Records entered in one transaction: some 50 ms.
    private static let groupCount = 5_000

    private let directory: String
    private let index: StoreIndex
    private let files: any StoreFiles
    private let log: Log
    private let scheduling: Scheduling
    private let now: WallTime
    private var recipes: [RecordLocation] = []
    private var flatMaps: [RecordLocation] = []
    private var metadata: [RecordLocation] = []
    private var recordCount = 0

    init(
        directory: String, index: StoreIndex, files: any StoreFiles, log: Log,
        scheduling: Scheduling
    ) {
        self.scheduling = scheduling
        now = scheduling.wallTime
        self.directory = directory
        self.index = index
        self.files = files
        self.log = log
    }

    /// Fills an empty index.
    func run() throws(StoreError) {
        let folder = "\(directory)/packs"
        let numbers: [Int]
        do throws(Errno) { numbers = try PackSet.numbers(in: folder, files) } catch {
            throw StoreError(error)
        }
        guard let newest = numbers.last, let cacheID = firstCacheID(numbers) else { return }
        let packs = PackSet(
            directory: folder, cacheID: cacheID, files: files, nextNumber: newest + 1,
            scheduling: scheduling, log: log)
        do throws(DatabaseError) {
            try index.writer.perform { (connection) throws(DatabaseError) in
                try StoreIndex.set("cache", cacheID.bytes, connection)
            }
            for number in numbers { try scan(number, packs) }
            try enterRecipes(packs)
            try enterFlatMaps(packs)
            try enterMetadata(packs)
            let contentCount = try settleContents()
            try removeUnused()
            log.info(
                "the cache index was rebuilt",
                [
                    "packs": "\(numbers.count)", "records": "\(recordCount)",
                    "contents": "\(contentCount)",
                ])
        } catch {
            throw StoreError(error)
        }
    }

    private func firstCacheID(_ numbers: [Int]) -> CacheID? {
        for number in numbers {
            let path = PackSet.path("\(directory)/packs", number)
            if let file = try? files.open(path, create: false),
                let header = (try? PackSet.header(of: file)) ?? nil, header.pack == number
            {
                return header.cacheID
            }
        }
        return nil
    }

    private func scan(_ number: Int, _ packs: PackSet) throws(DatabaseError) {
        guard let pack = try? packs.pack(number), var scanner = try? PackScanner(pack) else {
            log.warning(
                "a pack is damaged or of another cache and is left alone",
                ["path": PackSet.path(packs.directory, number)])
            return
        }
        var group: [NewRecord] = []
        while let found = (try? scanner.next()) ?? nil {
            let header = found.header
            switch header.kind {
            case .chunk: break
            case .recipe: recipes.append(found.location)
            case .flatMap: flatMaps.append(found.location)
            case .metadata: metadata.append(found.location)
            }
            group.append(
                NewRecord(
                    location: found.location, storedByteCount: header.storedByteCount,
                    rawByteCount: header.kind == .chunk ? header.rawByteCount : 0,
                    hash: header.kind == .chunk ? header.hash : nil, uses: 0))
            if group.count == Rebuilder.groupCount {
                try enter(group)
                group = []
            }
        }
        try enter(group)
    }

    private func enter(_ group: [NewRecord]) throws(DatabaseError) {
        recordCount += group.count
        try index.writer.perform { (connection) throws(DatabaseError) in
            for record in group { try StoreIndex.insert(record, connection) }
        }
    }

    private func enterRecipes(_ packs: PackSet) throws(DatabaseError) {
        try inGroups(recipes) { (group) throws(DatabaseError) in
            let copies = group.compactMap { location in
                packs.payload(at: location, .recipe)
                    .flatMap { RecipeCopy($0[...]) }.map { (location, $0) }
            }
            try index.writer.perform { [now] (connection) throws(DatabaseError) in
                for (location, copy) in copies {
                    try Rebuilder.enter(copy, at: location, now: now, connection)
                }
            }
        }
    }

    private func inGroups(
        _ locations: [RecordLocation],
        _ body: (ArraySlice<RecordLocation>) throws(DatabaseError) -> Void
    ) throws(DatabaseError) {
        // Payloads of 8 KiB at most, but for the owner's own: some MiB.
        for start in stride(from: 0, to: locations.count, by: 256) {
            try body(locations[start..<min(start + 256, locations.count)])
        }
    }

    private static func enter(
        _ copy: RecipeCopy, at location: RecordLocation, now: WallTime, _ connection: Connection
    ) throws(DatabaseError) {
        guard try isKnown(copy, connection),
            try isNewest(copy.key, copy.incarnation, connection)
        else { return }
        let key = StoreIndex.key(copy.incarnation, copy.segment.index)
        try connection.run(
            "INSERT OR REPLACE INTO recipe VALUES (?, ?, ?)",
            [.integer(key), .integer(location.rawValue), .blob(copy.segment.blob(key: key))])
        // What is valid is counted at the end; the last segment knows whether it was proven.
        try StoreIndex.write(
            ContentRow(
                id: copy.incarnation, validByteCount: 0, flatByteCount: 0, isPacked: false,
                verification: copy.verification, lastUse: now), copy.key, connection)
    }

    /// Whether every chunk of a recipe was found where it says, and is the one it means.
    private static func isKnown(
        _ copy: RecipeCopy, _ connection: Connection
    ) throws(DatabaseError) -> Bool {
        var hashes: [Int64] = []
        for entry in copy.segment.entries {
            let hash = try connection.first(
                "SELECT hash FROM record WHERE id = ? AND length = ? AND raw = ?",
                [
                    .integer(entry.location.rawValue), .integer(Int64(entry.recordByteCount)),
                    .integer(Int64(entry.rawByteCount)),
                ]
            ) { (row) throws(DatabaseError) in row.integer(0) }
            guard let hash else { return false }
            hashes.append(hash)
        }
        return RecipeCopy.digest(hashes) == copy.chunkDigest
    }

    /// Whether an incarnation is the newest one of its content so far; an older one goes.
    private static func isNewest(
        _ key: ContentKey, _ incarnation: Int64, _ connection: Connection
    ) throws(DatabaseError) -> Bool {
        let known = try connection.first(
            "SELECT id FROM content WHERE hash = ? AND size = ?",
            [.blob(key.hash.bytes), .integer(key.size)]
        ) { (row) throws(DatabaseError) in row.integer(0) }
        guard let known, known != incarnation else { return true }
        if known > incarnation { return false }
        let range = StoreIndex.keyRange(known)
        try connection.run("DELETE FROM recipe WHERE key BETWEEN ? AND ?", range)
        try connection.run("DELETE FROM segment WHERE key BETWEEN ? AND ?", range)
        try connection.run("DELETE FROM content WHERE id = ?", [.integer(known)])
        return true
    }

    private func enterFlatMaps(_ packs: PackSet) throws(DatabaseError) {
        try inGroups(flatMaps) { (group) throws(DatabaseError) in
            let copies = group.compactMap { location in
                packs.payload(at: location, .flatMap)
                    .flatMap { FlatMapCopy($0[...]) }.map { (location, $0) }
            }.filter { hasFile($0.1) }
            try index.writer.perform { [now] (connection) throws(DatabaseError) in
                for (location, copy) in copies {
                    try Rebuilder.enter(copy, at: location, now: now, connection)
                }
            }
        }
    }

    private static func enter(
        _ copy: FlatMapCopy, at location: RecordLocation, now: WallTime, _ connection: Connection
    ) throws(DatabaseError) {
        guard try isNewest(copy.key, copy.incarnation, connection) else { return }
        let key = StoreIndex.key(copy.incarnation, copy.index)
        try connection.run(
            "INSERT OR REPLACE INTO segment VALUES (?, ?, ?)",
            [
                .integer(key), .integer(location.rawValue),
                .blob(copy.segment.blob(rowKey: key)),
            ])
        // The kernel reads flat files without checks, so they are proven anew first.
        try StoreIndex.write(
            ContentRow(
                id: copy.incarnation, validByteCount: 0, flatByteCount: 0, isPacked: false,
                verification: .none, lastUse: now), copy.key, connection)
    }

    private func hasFile(_ copy: FlatMapCopy) -> Bool {
        let name = "\(copy.key.hash.hex).\(copy.incarnation)"
        let path = "\(directory)/flat/\(copy.key.folderName)/\(name)"
        guard let file = try? files.open(path, create: false) else { return false }
        return (try? file.size()) == copy.key.size
    }

    private func enterMetadata(_ packs: PackSet) throws(DatabaseError) {
        try inGroups(metadata) { (group) throws(DatabaseError) in
            let rows = group.compactMap { location in
                packs.payload(at: location, .metadata).flatMap { MetadataPart($0) }
                    .map { (location, $0.kind, $0.key, $0.number) }
            }
            try index.writer.perform { (connection) throws(DatabaseError) in
                for (location, kind, key, number) in rows {
                    if number == 0 {
                        try connection.run(
                            "DELETE FROM metadata WHERE kind = ? AND key = ?",
                            [.integer(Int64(kind)), .blob(key)])
                    }
                    try connection.run(
                        "INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)",
                        [
                            .integer(Int64(kind)), .blob(key), .integer(Int64(number)),
                            .integer(location.rawValue),
                        ])
                }
            }
        }
        try index.writer.perform { (connection) throws(DatabaseError) in
            try connection.run(
                """
                UPDATE record SET uses = 1, tag = (id + length + raw + 1) % 251
                WHERE id IN (SELECT record FROM metadata)
                """)
        }
    }

    /// Counts what is valid of each content, and the uses of each record.
    private func settleContents() throws(DatabaseError) -> Int {
        var (last, count): (Int64, Int) = (0, 0)
        while true {
            let found = try index.contents(after: last, limit: 256)
            guard let (_, newest) = found.last else { return count }
            try index.writer.perform { [now] (connection) throws(DatabaseError) in
                for (key, id) in found { try Rebuilder.settle(key, id, now: now, connection) }
            }
            last = newest
            count += found.count
        }
    }

    private static func settle(
        _ key: ContentKey, _ id: Int64, now: WallTime, _ connection: Connection
    ) throws(DatabaseError) {
        var coverage = Coverage(key: key)
        var verification = Verification.none
        try connection.query(
            "SELECT verification, verified_at FROM content WHERE id = ?", [.integer(id)]
        ) { (row) throws(DatabaseError) in
            if row.integer(0) == 1 {
                verification = .proven(WallTime(secondsSince1970: row.integer(1)))
            }
        }
        var copies: [RecordLocation] = []
        var uses: [RecordLocation: Int] = [:]
        try connection.query(
            "SELECT key, record, data FROM recipe WHERE key BETWEEN ? AND ? ORDER BY key",
            StoreIndex.keyRange(id)
        ) { (row) throws(DatabaseError) in
            let index = Int(row.integer(0) % StoreIndex.segmentCountMax)
            copies.append(RecordLocation(rawValue: row.integer(1)))
            guard
                let segment = RecipeSegment(
                    blob: row.blob(2)[...], index: index, key: row.integer(0))
            else { return }
            coverage.add(segment)
            for entry in segment.ownEntries { uses[entry.location, default: 0] += 1 }
        }
        try connection.query(
            "SELECT key, record, data FROM segment WHERE key BETWEEN ? AND ? AND record <> 0",
            StoreIndex.keyRange(id)
        ) { (row) throws(DatabaseError) in
            let index = Int(row.integer(0) % StoreIndex.segmentCountMax)
            copies.append(RecordLocation(rawValue: row.integer(1)))
            let segment = BlockSegment(
                blob: row.blob(2), blockCount: key.blockCount(ofSegment: index),
                rowKey: row.integer(0))
            if let segment { coverage.add(segment, at: index) }
        }
        for (location, count) in uses {
            try connection.run(
                "UPDATE record SET uses = uses + ?1, tag = (tag + ?1) % 251 WHERE id = ?2",
                [.integer(Int64(count)), .integer(location.rawValue)])
        }
        for copy in copies {
            try connection.run(
                """
                UPDATE record SET uses = 1, tag = (id + length + raw + 1) % 251 WHERE id = ?
                """, [.integer(copy.rawValue)])
        }
        let isWhole = coverage.validByteCount == key.size
        try StoreIndex.write(
            ContentRow(
                id: id, validByteCount: coverage.validByteCount,
                flatByteCount: coverage.flatByteCount,
                isPacked: isWhole && coverage.flatByteCount == 0,
                verification: isWhole ? verification : .none, lastUse: now), key, connection)
        if !isWhole && coverage.flatByteCount == 0 {
            try StoreIndex.write(coverage.packedSegments, of: id, connection)
        }
    }

    /// Records that nobody uses are dead; their space is given back at the start.
    private func removeUnused() throws(DatabaseError) {
        while true {
            let isDone = try index.writer.perform { (connection) throws(DatabaseError) in
                var dead: [(RecordLocation, Int64, Int64)] = []
                try connection.query(
                    "SELECT id, length, raw FROM record WHERE uses = 0 LIMIT ?",
                    [.integer(Int64(Rebuilder.groupCount))]
                ) { (row) throws(DatabaseError) in
                    dead.append(
                        (RecordLocation(rawValue: row.integer(0)), row.integer(1), row.integer(2)))
                }
                for (location, byteCount, raw) in dead {
                    try StoreIndex.remove(
                        location, byteCount: byteCount, rawByteCount: raw, connection)
                }
                return dead.count < Rebuilder.groupCount
            }
            if isDone { return }
        }
    }
}

/// Which blocks of a content were found.
private struct Coverage {
    let key: ContentKey
    private(set) var validByteCount: Int64 = 0
    private(set) var flatByteCount: Int64 = 0
    private var packed: [Int: BlockSegment] = [:]

    init(key: ContentKey) {
        self.key = key
    }

    var packedSegments: [LoadedSegment] {
        packed.keys.sorted().map { LoadedSegment(index: $0, segment: packed[$0]) }
    }

    mutating func add(_ segment: RecipeSegment) {
        let first = Int(segment.start / Int64(ChunkStore.blockByteCount))
        let last = min(
            key.blockCount,
            first + Int(RecipeSegment.contentByteCount) / ChunkStore.blockByteCount)
        if first >= last { return }
        for block in first..<last {
            let bytes = key.bytes(of: block..<block + 1)
            guard segment.entries(covering: bytes) != nil else { continue }
            let index = block / BlockSegment.blockCountMax
            let empty = BlockSegment(
                blockCount: key.blockCount(ofSegment: index), isPacked: false)
            packed[index, default: empty].setPacked(block % BlockSegment.blockCountMax)
            validByteCount += Int64(bytes.count)
        }
    }

    mutating func add(_ segment: BlockSegment, at index: Int) {
        let first = index * BlockSegment.blockCountMax
        for block in 0..<segment.blockCount where segment.isFlat(block) {
            let byteCount = Int64(key.byteCount(ofBlock: first + block))
            validByteCount += byteCount
            flatByteCount += byteCount
        }
    }
}
