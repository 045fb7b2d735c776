// One content in memory, and the bounded table of those in use.
//
// Lock order: the table's lock, then a content's. Neither is held across I/O or SQL. A content that
// leaves the table is retired, so a thread that still holds it looks it up again before a change.

internal import Platform
internal import Synchronization

/// The state of a content behind its lock.
final class CachedContent: Sendable {
    let key: ContentKey
    let state: Lock<CachedState>
    private let lastUse: Atomic<Int64>
    private let lastAccess: Atomic<Int64>
    private let scheduling: Scheduling

    init(key: ContentKey, freshID: Int64, scheduling: Scheduling) {
        self.key = key
        self.scheduling = scheduling
        state = Lock(CachedState(key: key, freshID: freshID, scheduling: scheduling))
        lastUse = Atomic(.min)
        lastAccess = Atomic(scheduling.now.nanoseconds)
    }

    /// Notes that the object is needed in memory.
    func keep() {
        lastAccess.store(scheduling.now.nanoseconds, ordering: .relaxed)
    }

    /// When the object was last needed, in nanoseconds of the monotonic clock.
    var lastAccessNanoseconds: Int64 { lastAccess.load(ordering: .relaxed) }

    /// Notes that somebody has used the content, which is what eviction goes by.
    func touch() {
        lastUse.store(scheduling.now.nanoseconds, ordering: .relaxed)
    }

    /// Nanoseconds of the monotonic clock; the least number if it was not used by this process.
    var lastUseNanoseconds: Int64 { lastUse.load(ordering: .relaxed) }
}

/// The contents in use, by key.
final class ContentTable: Sendable {
    /// Contents in memory; about 1 KiB each with an open file, so 2 MiB.
    static let contentCountMax = 2_048
    /// Segments of both kinds in memory.
    ///
    /// A segment of blocks takes 8.4 KiB at most and tells about 128 MiB, one of a recipe takes 32
    /// KiB and tells about 64 MiB: 16 MiB if all are recipes, for 32 GiB of contents.
    static let partCountMax = 512
    /// Open files, well under the usual limit of 1,024 descriptors.
    static let fileCountMax = 256

    private let contents = Lock<[ContentKey: CachedContent]>([:])
    private let partCount = Atomic<Int>(0)
    private let fileCount = Atomic<Int>(0)
    private let nextID: Atomic<Int64>
    private let scheduling: Scheduling

    init(newestID: Int64, scheduling: Scheduling) {
        nextID = Atomic(newestID + 1)
        self.scheduling = scheduling
    }

    /// An id that no content has or had.
    func freshID() -> Int64 {
        nextID.add(1, ordering: .relaxed).oldValue
    }

    /// The object of a content, made if needed.
    func content(_ key: ContentKey) -> CachedContent {
        let (content, count) = contents.withLock { table in
            if let known = table[key] { return (known, table.count) }
            let made = CachedContent(key: key, freshID: freshID(), scheduling: scheduling)
            table[key] = made
            return (made, table.count)
        }
        content.keep()
        if count > ContentTable.contentCountMax { trim() }
        return content
    }

    func countLoadedParts(_ count: Int) {
        if partCount.add(count, ordering: .relaxed).newValue > ContentTable.partCountMax {
            trim()
        }
    }

    func countOpenedFile() {
        if fileCount.add(1, ordering: .relaxed).newValue > ContentTable.fileCountMax { trim() }
    }

    func countDropped(parts: Int, hadFile: Bool) {
        partCount.subtract(parts, ordering: .relaxed)
        if hadFile { fileCount.subtract(1, ordering: .relaxed) }
    }

    /// Goes down to three quarters of each limit, those needed longest ago first.
    ///
    /// What a thread has just loaded may be gone when it looks: it has to load it again then.
    private func trim() {
        contents.withLock { table in
            let oldest = table.values.sorted {
                $0.lastAccessNanoseconds < $1.lastAccessNanoseconds
            }
            // Segments that writes have made are not counted one by one.
            partCount.store(
                oldest.reduce(0) { $0 + $1.state.withLock { $0.partCount } }, ordering: .relaxed)
            for content in oldest {
                let tooManyContents = table.count > ContentTable.contentCountMax * 3 / 4
                let tooManyParts =
                    partCount.load(ordering: .relaxed) > ContentTable.partCountMax * 3 / 4
                    || fileCount.load(ordering: .relaxed) > ContentTable.fileCountMax * 3 / 4
                if !tooManyContents && !tooManyParts { return }
                content.state.withLock { state in
                    if tooManyContents && state.canRetire {
                        countDropped(parts: state.partCount, hadFile: state.file != nil)
                        state.retire()
                        table[content.key] = nil
                    } else if tooManyParts {
                        let unloaded = state.unloadSegments()
                        let hadFile = state.canRetire && state.file != nil
                        if hadFile { state.file = nil }
                        countDropped(parts: unloaded, hadFile: hadFile)
                    }
                }
            }
        }
    }
}
