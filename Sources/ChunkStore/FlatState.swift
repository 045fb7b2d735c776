// What is known of one flat content: which blocks are valid, being written, or not yet committed.
//
// A pure state machine: no I/O, no time, no lock. `FlatContent` puts a lock around it, and the
// store carries out what it returns. An incarnation is the life of a content between two drops: it
// has its own row id and its own file, so what was begun for one can never touch another.

internal import Platform

/// The state of one content in the flat tier.
struct FlatState {
    let key: ContentKey
    /// The row's id, which is also part of the file's name.
    private(set) var id: Int64
    /// Whether the index was asked for this incarnation, or cannot know it.
    private(set) var isLoaded = false
    /// Whether every segment that is not in memory is empty.
    private(set) var isFresh = false
    private(set) var segments: [Int: BlockSegment] = [:]
    private(set) var validByteCount: Int64 = 0
    var verification = Verification.none
    /// Open while the content is in use.
    var file: (any StoreFile)?
    /// Whether the file's name may not be on the disk yet.
    private(set) var isFileNew = false
    /// When its use was last recorded in the index.
    var recordedUse = WallTime(secondsSince1970: 0)
    /// Blocks that a thread writes now, with those that wait for it.
    private var writing: [Int: [Mailbox<Void>]] = [:]
    private var dirtySegments: Set<Int> = []
    private var isRowDirty = false
    private var isEnlisted = false
    private var commitsUnderWay = 0
    /// Whether another object has taken over this content; nothing may be changed here any more.
    private(set) var isRetired = false

    /// - Parameter id: used if the index does not know the content.
    init(key: ContentKey, freshID: Int64) {
        self.key = key
        id = freshID
    }

    /// Whether nothing would be lost by forgetting this object.
    var canRetire: Bool {
        !isEnlisted && commitsUnderWay == 0 && writing.isEmpty && dirtySegments.isEmpty
            && !isRowDirty
    }

    mutating func retire() { isRetired = true }
}

// MARK: - Loading

extension FlatState {
    /// Takes what the index knows of the content; nil if it knows nothing.
    mutating func load(_ row: ContentRow?) {
        if isLoaded { return }
        isLoaded = true
        guard let row else {
            isFresh = true
            return
        }
        id = row.id
        validByteCount = row.validByteCount
        verification = row.verification
        recordedUse = row.lastUse
    }

    /// The segments of a range of blocks that have to be read from the index first.
    func segmentsToLoad(_ blocks: Range<Int>) -> [Int] {
        if isFresh || blocks.isEmpty { return [] }
        return segmentRange(blocks).filter { segments[$0] == nil }
    }

    /// Takes segments as the index has them, unless the content was dropped meanwhile.
    ///
    /// - Returns: how many segments are new in memory.
    mutating func load(_ loaded: [LoadedSegment], of incarnation: Int64) -> Int {
        guard incarnation == id, !isRetired else { return 0 }
        var count = 0
        for entry in loaded where segments[entry.index] == nil {
            segments[entry.index] =
                entry.segment ?? BlockSegment(blockCount: key.blockCount(ofSegment: entry.index))
            count += 1
            if entry.segment == nil {
                // A damaged row: its blocks are gone, and the row is to be written anew.
                validByteCount = max(0, validByteCount - entry.validByteCount)
                verification = .none
                dirtySegments.insert(entry.index)
            }
        }
        return count
    }

    /// Forgets segments that the index has; returns how many.
    mutating func unloadSegments() -> Int {
        if isFresh || commitsUnderWay > 0 || !writing.isEmpty { return 0 }
        let count = segments.count
        segments = segments.filter { dirtySegments.contains($0.key) }
        return count - segments.count
    }

    private func segmentRange(_ blocks: Range<Int>) -> ClosedRange<Int> {
        let most = BlockSegment.blockCountMax
        return blocks.lowerBound / most...(blocks.upperBound - 1) / most
    }
}

// MARK: - Reading

extension FlatState {
    func isValid(_ block: Int) -> Bool {
        let most = BlockSegment.blockCountMax
        return segments[block / most]?.isValid(block % most) ?? false
    }

    /// The checksum of each block, or nil if one of them is not valid.
    func checksums(of blocks: Range<Int>) -> [UInt64]? {
        let most = BlockSegment.blockCountMax
        var checksums: [UInt64] = []
        checksums.reserveCapacity(blocks.count)
        for block in blocks {
            guard let segment = segments[block / most], segment.isValid(block % most)
            else { return nil }
            checksums.append(segment.checksums[block % most])
        }
        return checksums
    }

    var isComplete: Bool { validByteCount == key.size }

    /// Takes blocks back that turned out to be damaged; returns how many bytes that were.
    mutating func invalidate(_ block: Int, checksum: UInt64, of incarnation: Int64) -> Int64 {
        guard incarnation == id, checksums(of: block..<block + 1) == [checksum] else { return 0 }
        let most = BlockSegment.blockCountMax
        segments[block / most]?.setInvalid(block % most)
        dirtySegments.insert(block / most)
        verification = .none
        let byteCount = Int64(key.byteCount(ofBlock: block))
        validByteCount = max(0, validByteCount - byteCount)
        return byteCount
    }
}

// MARK: - Writing

/// What a thread that wants to write may do.
enum WriteClaim {
    /// The object was replaced: look the content up again.
    case retired
    /// All blocks are valid: nothing to do.
    case valid
    /// Another thread writes the blocks that are left: wait for it, and ask again.
    case wait(Mailbox<Void>)
    /// Write these blocks now, into the file of this incarnation.
    case write([Range<Int>], incarnation: Int64)
}

extension FlatState {
    /// REQUIRES: the segments of the blocks are loaded.
    mutating func claim(_ blocks: Range<Int>) -> WriteClaim {
        if isRetired { return .retired }
        var runs: [Range<Int>] = []
        var busy: Int?
        for block in blocks where !isValid(block) {
            if writing[block] != nil {
                busy = block
            } else if let last = runs.last, last.upperBound == block {
                runs[runs.count - 1] = last.lowerBound..<block + 1
            } else {
                runs.append(block..<block + 1)
            }
        }
        if !runs.isEmpty {
            for run in runs { for block in run { writing[block] = [] } }
            if verification == .failed { verification = .none }
            return .write(runs, incarnation: id)
        }
        guard let busy else { return .valid }
        let mailbox = Mailbox<Void>()
        writing[busy]?.append(mailbox)
        return .wait(mailbox)
    }

    /// Ends the writing of a run; `checksums` is nil if it failed.
    ///
    /// - Returns: the bytes that became valid, and those that waited for the blocks.
    mutating func finish(
        _ run: Range<Int>, checksums: [UInt64]?, of incarnation: Int64
    ) -> (byteCount: Int64, waiting: [Mailbox<Void>]) {
        // After a drop the claims are those of the next incarnation.
        guard incarnation == id else { return (0, []) }
        var waiting: [Mailbox<Void>] = []
        var byteCount: Int64 = 0
        let most = BlockSegment.blockCountMax
        for (index, block) in run.enumerated() {
            waiting += writing.removeValue(forKey: block) ?? []
            guard let checksums else { continue }
            let segment = block / most
            segments[
                segment,
                default: BlockSegment(blockCount: key.blockCount(ofSegment: segment))
            ].setValid(block % most, checksum: checksums[index])
            dirtySegments.insert(segment)
            byteCount += Int64(key.byteCount(ofBlock: block))
        }
        validByteCount += byteCount
        return (byteCount, waiting)
    }

    /// Keeps an opened file, unless the content was dropped meanwhile.
    ///
    /// - Returns: whether it is now the file that is kept.
    mutating func adopt(_ opened: any StoreFile, isNew: Bool, of incarnation: Int64) -> Bool {
        guard incarnation == id else { return false }
        isFileNew = isFileNew || isNew
        if file != nil { return false }
        file = opened
        return true
    }

    /// Starts the next incarnation, with nothing in it. Until `endDrop` it cannot be forgotten,
    /// since the index still has the one before.
    mutating func drop(nextID: Int64, verification: Verification) -> DroppedIncarnation {
        let result = DroppedIncarnation(
            id: id, byteCount: validByteCount, segmentCount: segments.count,
            hadFile: file != nil, waiting: writing.values.flatMap { $0 })
        commitsUnderWay += 1
        id = nextID
        isLoaded = true
        isFresh = true
        segments = [:]
        validByteCount = 0
        self.verification = verification
        file = nil
        isFileNew = false
        writing = [:]
        dirtySegments = []
        isRowDirty = false
        return result
    }

    mutating func endDrop() { commitsUnderWay -= 1 }
}

/// What a drop took away.
struct DroppedIncarnation {
    let id: Int64
    let byteCount: Int64
    let segmentCount: Int
    let hadFile: Bool
    /// Threads that waited for blocks of it.
    let waiting: [Mailbox<Void>]
}

// MARK: - Committing

/// What is to be made durable of one content.
struct CommitSnapshot {
    let row: ContentRow
    let key: ContentKey
    /// Synchronized before the index is written; nil if only the row has changed.
    let file: (any StoreFile)?
    let isFileNew: Bool
    let segments: [LoadedSegment]
}

extension FlatState {
    /// Whether something has to be committed and nobody was told yet.
    mutating func enlist() -> Bool {
        if isEnlisted || isRetired || (dirtySegments.isEmpty && !isRowDirty) { return false }
        isEnlisted = true
        return true
    }

    mutating func markRowDirty() { isRowDirty = true }

    /// What has changed since the last commit; changes from now on belong to the next one.
    mutating func beginCommit() -> CommitSnapshot? {
        isEnlisted = false
        if dirtySegments.isEmpty && !isRowDirty { return nil }
        commitsUnderWay += 1
        let changed = dirtySegments.sorted().compactMap { index in
            segments[index].map { segment in
                LoadedSegment(
                    index: index, segment: segment,
                    validByteCount: validByteCount(of: segment, at: index))
            }
        }
        let snapshot = CommitSnapshot(
            row: ContentRow(
                id: id, validByteCount: validByteCount, verification: verification,
                lastUse: recordedUse),
            key: key, file: file, isFileNew: isFileNew, segments: changed)
        dirtySegments = []
        isRowDirty = false
        isFileNew = false
        return snapshot
    }

    /// Ends a commit; what could not be committed is to be committed again.
    mutating func endCommit(_ snapshot: CommitSnapshot, succeeded: Bool) {
        commitsUnderWay -= 1
        if snapshot.row.id != id { return }
        if succeeded {
            isFresh = false
            return
        }
        dirtySegments.formUnion(snapshot.segments.map(\.index))
        isRowDirty = true
        isFileNew = isFileNew || snapshot.isFileNew
    }

    private func validByteCount(of segment: BlockSegment, at index: Int) -> Int64 {
        let first = index * BlockSegment.blockCountMax
        return (0..<segment.blockCount).reduce(0) { sum, block in
            segment.isValid(block) ? sum + Int64(key.byteCount(ofBlock: first + block)) : sum
        }
    }
}
