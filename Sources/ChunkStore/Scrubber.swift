// The thread that looks through flat contents: what the kernel reads by itself is not checked.
//
// It reads through the page cache, so it checks the very pages that the kernel serves, and those
// that are not in memory from the disk. A block that is not what its checksum says is dropped as by
// any read; whoever started the thread is told, has it fetched again, and the fresh bytes take the
// place of the wrong ones in the file that the kernel has open.

internal import Database
internal import Glibc
package import Hashing
internal import Platform
internal import Synchronization
internal import Telemetry

/// Runs `ScrubSchedule`.
final class Scrubber: Sendable {
    private let scheduling: Scheduling
    private let uses: Mailbox<ContentKey>
    private let thread = Lock<Thread?>(nil)

    init(_ scheduling: Scheduling) {
        self.scheduling = scheduling
        uses = Mailbox(scheduling)
    }

    /// A content came into use; more than fit are not told apart from those that were told.
    func use(_ key: ContentKey) {
        if uses.count < ScrubSchedule.contentCountMax { uses.send(key) }
    }

    /// - Parameter work: takes the uses, until they end.
    func start(_ work: @escaping @Sendable (Mailbox<ContentKey>) -> Void) throws(StoreError) {
        do throws(Errno) {
            var started: Thread? = try Thread(named: "store scrub", scheduling) { [uses] in
                // Of this thread alone, as Linux has it: everything else goes first.
                setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
                work(uses)
            }
            thread.withLock { $0 = started.take() }
        } catch {
            throw StoreError(error)
        }
    }

    func close() {
        uses.close()
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }
}

extension ChunkStore {
    /// Called with a part of a content that was found damaged and was dropped.
    package typealias DamageObserver = @Sendable (ContentHash, Int64, Range<Int64>) -> Void

    /// Looks through flat contents in the background from now on; called once, and only where
    /// something reads them without checks.
    ///
    /// - Parameter onDamage: called on the scrubbing thread.
    /// - Throws: when there is no room for a thread.
    package func startScrub(onDamage: @escaping DamageObserver) throws(StoreError) {
        try scrubber.start { [self] uses in scrub(uses, onDamage) }
    }

    /// A flat content is read without checks now: it is looked through soon.
    package func scrubSoon(_ content: ContentHash, size: Int64) {
        scrubber.use(ContentKey(hash: content, size: size))
    }

    private func scrub(_ uses: Mailbox<ContentKey>, _ onDamage: DamageObserver) {
        var schedule = ScrubSchedule(at: scheduling.now)
        var newest = scrubCursor()
        while !uses.isClosed {
            for key in uses.drain() { schedule.use(key, at: scheduling.now) }
            switch schedule.next(at: scheduling.now, flatByteCount: flatByteCount) {
            case .check(let key, let rate): scrub(key, rate, &schedule, uses, onDamage)
            case .goOn(let rate):
                let found = (try? index.nextProvenFlat(after: newest)) ?? nil
                guard let found else {
                    schedule.endPass()
                    newest = 0
                    setScrubCursor(0)
                    continue
                }
                newest = found.id
                scrub(found.key, rate, &schedule, uses, onDamage)
                if !uses.isClosed { setScrubCursor(newest) }
            case .wait(let instant):
                if let key = uses.receive(until: instant) { schedule.use(key, at: scheduling.now) }
            }
        }
    }

    /// Looks through one content, block by block.
    private func scrub(
        _ key: ContentKey, _ bytesPerSecond: Double, _ schedule: inout ScrubSchedule,
        _ uses: Mailbox<ContentKey>, _ onDamage: DamageObserver
    ) {
        let buffer = buffers.take()
        defer { buffers.give(buffer) }
        for block in 0..<key.blockCount {
            // It may have been packed, evicted or damaged meanwhile: then nobody is given it.
            guard state(of: key.hash, size: key.size).flatByteCount > 0 else { return }
            let bytes = key.bytes(of: block..<block + 1)
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer.bytes[..<bytes.count])
            let began = scheduling.now
            let failureCount = counters.checksumFailures.value
            let outcome = try? unsafe readQuietly(key, at: bytes.lowerBound, into: target)
            counters.scrubbedBytes.add(Int64(bytes.count))
            if outcome == .missing && counters.checksumFailures.value > failureCount {
                onDamage(key.hash, key.size, bytes)
            }
            let now = scheduling.now
            let rest = ScrubSchedule.rest(
                after: bytes.count, bytesPerSecond: bytesPerSecond,
                tookSeconds: now.seconds(since: began))
            if let used = uses.receive(until: now + rest) { schedule.use(used, at: now) }
            if uses.isClosed { return }
        }
    }

    // MARK: How far the pass has come

    private static let cursorName = "scrub cursor"

    private func scrubCursor() -> Int64 {
        let bytes = try? index.writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.setting(ChunkStore.cursorName, connection)
        }
        guard let bytes = bytes ?? nil, bytes.count == 8 else { return 0 }
        return Int64(bitPattern: littleEndian(bytes[...]))
    }

    private func setScrubCursor(_ id: Int64) {
        var bytes: [UInt8] = []
        appendNumber(UInt64(bitPattern: id), to: &bytes)
        let value = bytes
        // A pass that begins anew after a crash does no harm.
        try? index.writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.set(ChunkStore.cursorName, value, connection)
        }
    }
}

extension StoreIndex {
    /// The next content that lies flat in whole and was proven.
    func nextProvenFlat(
        after id: Int64
    ) throws(DatabaseError) -> (id: Int64, key: ContentKey)? {
        try readers.withReader { (connection) throws(DatabaseError) in
            let found = try connection.first(
                """
                SELECT id, hash, size FROM content
                WHERE id > ? AND flat > 0 AND flat = size AND verification = 1
                ORDER BY id LIMIT 1
                """, [.integer(id)]
            ) { (row) throws(DatabaseError) in
                ContentHash(bytes: row.blob(1)).map { hash in
                    (id: row.integer(0), key: ContentKey(hash: hash, size: row.integer(2)))
                }
            }
            return found ?? nil
        }
    }
}
