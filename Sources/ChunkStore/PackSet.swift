// The packs of a cache: append-only files of records, one of them being written.
//
// Places are handed out under the lock, bytes are written outside of it, so any number of threads
// append at once. A pack is never appended to after a crash (its end is not known then), and its
// number is never used again: a location means one record for ever. Space that dead records leave
// is given back as holes; a pack with no living record is removed.

internal import Compression
internal import Hashing
internal import Platform
internal import Telemetry

/// An open pack.
final class PackFile: Sendable {
    let number: Int
    let salt: UInt64
    let file: any StoreFile

    init(number: Int, salt: UInt64, file: any StoreFile) {
        self.number = number
        self.salt = salt
        self.file = file
    }
}

/// The packs of one cache.
final class PackSet: Sendable {
    /// A pack is closed for appending at this length; offsets fit 32 bits with room to spare.
    static let packByteCountMax = 256 << 20
    /// Open packs, the one being written excepted.
    static let openCountMax = 64

    private struct State {
        var active: PackFile?
        var tail = 0
        var nextNumber: Int
        var open: [Int: (pack: PackFile, use: UInt64)] = [:]
        var uses: UInt64 = 0
        /// Lengths of all packs together.
        var fileByteCount: Int64 = 0
        /// Packs with bytes that were not synchronized.
        var dirty: [Int: PackFile] = [:]
        /// Packs that could not be synchronized: what was written to them may be gone.
        var broken: Set<Int> = []
        /// Records that are written or being written, but not yet in the index, by pack.
        var uncommitted: [Int: Int] = [:]
        /// Files named like packs that have neither a header nor a record of this cache.
        var strange: Set<Int> = []
    }

    let directory: String
    let cacheID: CacheID
    /// Whether the disk takes space back from the middle of a file; nil before it was tried.
    private let punches = Lock<Bool?>(nil)
    private let files: any StoreFiles
    private let log: Log
    private let state: Lock<State>
    /// One element, taken by the thread that begins a pack.
    private let turn: Mailbox<Void>
    /// One element, taken by the thread that synchronizes: who comes second must not believe that
    /// there is nothing to wait for.
    private let synchronizing: Mailbox<Void>

    /// - Parameter nextNumber: above every number that was ever used.
    init(
        directory: String, cacheID: CacheID, files: any StoreFiles, nextNumber: Int,
        scheduling: Scheduling, log: Log
    ) {
        self.log = log
        turn = Mailbox(scheduling)
        synchronizing = Mailbox(scheduling)
        self.directory = directory
        self.cacheID = cacheID
        self.files = files
        var fileByteCount: Int64 = 0
        for number in (try? PackSet.numbers(in: directory, files)) ?? [] {
            let file = try? files.open(PackSet.path(directory, number), create: false)
            fileByteCount += (try? file?.size()) ?? 0
        }
        state = Lock(State(nextNumber: nextNumber, fileByteCount: fileByteCount))
        turn.send(())
        synchronizing.send(())
    }

    /// Whether the disk takes space back from the middle of a file.
    ///
    /// Tried by the first who asks: it changes the disk, which readers of a successor need not
    /// wait for. Where two ask at once both try, and find the same.
    var canPunch: Bool {
        if let known = punches.withLock({ $0 }) { return known }
        let found = PackSet.probe(directory, files)
        punches.withLock { $0 = found }
        return found
    }

    /// Whether holes can be punched, tried on a file of two pages.
    private static func probe(_ directory: String, _ files: any StoreFiles) -> Bool {
        let path = "\(directory)/probe"
        defer { try? files.remove(path) }
        let page = Int64(PackHeader.byteCount)
        do throws(Errno) {
            let file = try files.open(path, create: true)
            try file.truncate(to: 2 * page)
            try file.punchHole(at: 0, byteCount: page)
            return true
        } catch {
            return false
        }
    }

    /// Lengths of all packs together.
    var fileByteCount: Int64 { state.withLock { $0.fileByteCount } }

    /// Where a pack's file is.
    static func path(_ directory: String, _ number: Int) -> String {
        let digits = String(number, radix: 16)
        return
            "\(directory)/\(String(repeating: "0", count: max(0, 8 - digits.count)))\(digits).pack"
    }

    /// The numbers of the packs in a directory.
    static func numbers(in directory: String, _ files: any StoreFiles) throws(Errno) -> [Int] {
        try files.names(in: directory).compactMap { name in
            name.hasSuffix(".pack") ? Int(name.dropLast(5), radix: 16) : nil
        }.sorted()
    }

    /// Goes on with a pack whose end is known, because the cache was closed in order.
    func resume(_ number: Int, tail: Int) {
        guard let pack = try? pack(number), (try? pack.file.size()) == Int64(tail) else { return }
        state.withLock { state in
            state.active = pack
            state.tail = tail
        }
    }

    /// The pack being written and its end, for the next start.
    var active: (number: Int, tail: Int)? {
        state.withLock { state in state.active.map { ($0.number, state.tail) } }
    }

    /// Above every number that was used.
    var nextNumber: Int { state.withLock { $0.nextNumber } }
}

// MARK: - Appending

extension PackSet {
    /// Writes a batch and empties it; the records are not yet synchronized.
    ///
    /// They count as uncommitted until `commit`, which the caller owes in any case.
    ///
    /// - Parameter beginPack: told the next pack's number, which has to be durable before its use.
    func append(
        _ batch: RecordBatch, beginPack: (Int) throws(StoreError) -> Void
    ) throws(StoreError) -> [RecordLocation] {
        if batch.isEmpty { return [] }
        var place = reserve(batch)
        while place == nil {
            try begin(batch, beginPack)
            place = reserve(batch)
        }
        guard let (pack, offset) = place else { return [] }
        do throws(Errno) {
            try unsafe batch.withBytes(salt: pack.salt, offset: offset) { (bytes) throws(Errno) in
                try unsafe pack.file.write(bytes, at: Int64(offset))
            }
        } catch {
            commit(pack: pack.number, count: batch.entries.count)
            throw StoreError(error)
        }
        state.withLock { $0.dirty[pack.number] = pack }
        let locations = batch.entries.map {
            RecordLocation(pack: pack.number, offset: offset + $0.start)
        }
        batch.removeAll()
        return locations
    }

    private func reserve(_ batch: RecordBatch) -> (PackFile, Int)? {
        state.withLock { state in
            guard let pack = state.active,
                state.tail + batch.byteCount <= PackSet.packByteCountMax
            else { return nil }
            let offset = state.tail
            state.tail += batch.byteCount
            state.fileByteCount += Int64(batch.byteCount)
            state.uncommitted[pack.number, default: 0] += batch.entries.count
            return (pack, offset)
        }
    }

    /// Begins another pack, unless another thread has done so meanwhile.
    private func begin(
        _ batch: RecordBatch, _ beginPack: (Int) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard turn.receive() != nil else { throw .closed }
        defer { turn.send(()) }
        let (hasRoom, number) = state.withLock { state in
            let hasRoom =
                state.active != nil
                && state.tail + batch.byteCount <= PackSet.packByteCountMax
            if !hasRoom { state.nextNumber += 1 }
            return (hasRoom, state.nextNumber - 1)
        }
        if hasRoom { return }
        try beginPack(number)
        let header = PackHeader(cacheID: cacheID, pack: number)
        let made: any StoreFile
        do throws(Errno) {
            made = try files.open(PackSet.path(directory, number), create: true)
            try unsafe header.bytes.span.bytes.withUnsafeBytes { (bytes) throws(Errno) in
                try unsafe made.write(bytes, at: 0)
            }
            try files.synchronizeDirectory(directory)
        } catch {
            throw StoreError(error)
        }
        let pack = PackFile(number: number, salt: header.salt, file: made)
        state.withLock { state in
            if let old = state.active { state.open[old.number] = (old, state.uses) }
            state.active = pack
            state.tail = PackHeader.byteCount
            state.dirty[number] = pack
        }
    }

    /// Tells that records are in the index now, or never will be.
    func commit(pack: Int, count: Int) {
        state.withLock { state in
            let left = (state.uncommitted[pack] ?? 0) - count
            state.uncommitted[pack] = left > 0 ? left : nil
        }
    }

    /// Tells that records are in the index now, or never will be.
    func commit(_ locations: [RecordLocation]) {
        for (pack, group) in Dictionary(grouping: locations, by: \.pack) {
            commit(pack: pack, count: group.count)
        }
    }

    /// Waits until all that was appended before is on the disk, or is known to be lost.
    func synchronize() throws(StoreError) {
        guard synchronizing.receive() != nil else { throw .closed }
        defer { synchronizing.send(()) }
        let dirty = state.withLock { state in
            let dirty = state.dirty
            state.dirty = [:]
            return dirty
        }
        for (number, pack) in dirty {
            do throws(Errno) { try pack.file.synchronizeData() } catch {
                state.withLock { state in
                    state.broken.insert(number)
                    if state.active?.number == number { state.active = nil }
                }
            }
        }
    }

    /// Whether one of the records is in a pack that could not be synchronized.
    func areLost(_ locations: [RecordLocation]) -> Bool {
        state.withLock { state in
            !state.broken.isEmpty && locations.contains { state.broken.contains($0.pack) }
        }
    }
}

// MARK: - Reading and giving back

extension PackSet {
    /// The open file of a pack.
    func pack(_ number: Int) throws(StoreError) -> PackFile {
        let known: PackFile? = state.withLock { state in
            if let active = state.active, active.number == number { return active }
            state.uses += 1
            guard let known = state.open[number] else { return nil }
            state.open[number] = (known.pack, state.uses)
            return known.pack
        }
        if let known { return known }
        let opened = try open(number)
        state.withLock { state in
            if state.open.count >= PackSet.openCountMax,
                let oldest = state.open.min(by: { $0.value.use < $1.value.use })
            {
                state.open[oldest.key] = nil
            }
            state.open[number] = (opened, state.uses)
        }
        return opened
    }

    private func open(_ number: Int) throws(StoreError) -> PackFile {
        let header = PackHeader(cacheID: cacheID, pack: number)
        let pack: PackFile
        let page: [UInt8]
        do throws(Errno) {
            let file = try files.open(PackSet.path(directory, number), create: false)
            pack = PackFile(number: number, salt: header.salt, file: file)
            page = try PackSet.headerPage(of: file)
        } catch {
            throw StoreError(error)
        }
        if PackHeader(page) != header {
            guard !PackHeader.isSound(page), try mendHeader(of: pack, header) else {
                throw StoreError(Errno.stale)
            }
        }
        return pack
    }

    /// Writes a damaged header anew, if a record behind it tells that the pack is this one.
    ///
    /// - Returns: whether there is such a record.
    private func mendHeader(
        of pack: PackFile, _ header: PackHeader
    ) throws(StoreError) -> Bool {
        if state.withLock({ $0.strange.contains(pack.number) }) { return false }
        var scanner = try PackScanner(pack)
        guard try scanner.next() != nil else {
            state.withLock { _ = $0.strange.insert(pack.number) }
            return false
        }
        log.warning(
            "the header of a pack was damaged and is written anew",
            ["path": PackSet.path(directory, pack.number)])
        // Where the disk does not take it, the records are as good, and the next to open it tries.
        try? unsafe header.bytes.span.bytes.withUnsafeBytes { (bytes) throws(Errno) in
            try unsafe pack.file.write(bytes, at: 0)
        }
        return true
    }

    /// A record's payload after all checks; only of records that are stored as they are.
    func payload(at location: RecordLocation, _ kind: RecordKind) -> [UInt8]? {
        guard let pack = try? pack(location.pack) else { return nil }
        let start = BlockBuffer(byteCount: RecordHeader.byteCount)
        guard (try? unsafe pack.file.read(into: start.bytes, at: Int64(location.offset))) != nil,
            let header = unsafe RecordHeader(
                UnsafeRawBufferPointer(start.bytes), salt: pack.salt, offset: location.offset),
            header.kind == kind, header.codec == .stored
        else { return nil }
        let payload = BlockBuffer(byteCount: max(1, header.storedByteCount))
        let bytes = unsafe UnsafeMutableRawBufferPointer(
            rebasing: payload.bytes[..<header.storedByteCount])
        let place = Int64(location.offset + RecordHeader.byteCount)
        guard (try? unsafe pack.file.read(into: bytes, at: place)) == header.storedByteCount,
            unsafe xxh3(UnsafeRawBufferPointer(bytes)) == header.payloadChecksum
        else { return nil }
        return unsafe [UInt8](bytes)
    }

    /// The header of a pack; nil if it is damaged or of no pack.
    static func header(of file: any StoreFile) throws(Errno) -> PackHeader? {
        PackHeader(try headerPage(of: file))
    }

    /// The first page of a file; empty where the file has none.
    private static func headerPage(of file: any StoreFile) throws(Errno) -> [UInt8] {
        let buffer = BlockBuffer()
        let page = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer.bytes[..<PackHeader.byteCount])
        let count = try unsafe file.read(into: page, at: 0)
        return unsafe count == page.count ? [UInt8](page) : []
    }

    /// Up to where the index knows every record of a pack; nil while it does not.
    ///
    /// What is appended from now on lies behind that.
    func settledEnd(_ number: Int) -> Int? {
        state.withLock { state in
            if state.uncommitted[number] != nil { return nil }
            return state.active?.number == number ? state.tail : PackSet.packByteCountMax
        }
    }

    /// Whether a pack gets more records.
    func isActive(_ number: Int) -> Bool {
        state.withLock { $0.active?.number == number }
    }

    /// Removes a pack that has no living record.
    func remove(_ number: Int) throws(StoreError) {
        let size = (try? pack(number).file.size()) ?? 0
        state.withLock { state in
            state.open[number] = nil
            state.dirty[number] = nil
            state.fileByteCount -= size
        }
        do throws(Errno) { try files.remove(PackSet.path(directory, number)) } catch {
            if error != .noEntry { throw StoreError(error) }
        }
    }
}
