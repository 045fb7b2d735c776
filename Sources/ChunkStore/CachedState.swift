// What is known of one content: which blocks are where, being written, or not yet committed.
//
// A pure state machine: no I/O, no time, no lock. `CachedContent` puts a lock around it, and the
// store carries out what it returns. A block is in the flat file, or covered by the recipe and so
// in packs, or both, or missing. What was begun for one incarnation never touches another.

internal import Platform

/// The state of one content of the cache.
struct CachedState {
    let key: ContentKey
    /// The incarnation: the row's id, and a part of the flat file's name.
    private(set) var id: Int64
    /// Whether the index was asked for this content, or cannot know it.
    private(set) var isLoaded = false
    /// Whether every segment and recipe segment that is not in memory is empty.
    private(set) var isFresh = false
    /// Whether blocks without a segment are in packs.
    private(set) var isPacked = false
    private(set) var segments: [Int: BlockSegment] = [:]
    private(set) var recipe: [Int: RecipeSegment] = [:]
    private(set) var validByteCount: Int64 = 0
    private(set) var flatByteCount: Int64 = 0
    var verification = Verification.none
    /// The flat file, open while the content is in use.
    var file: (any StoreFile)?
    /// Whether the file's name may not be on the disk yet.
    private(set) var isFileNew = false
    /// When its use was last recorded in the index.
    var recordedUse = WallTime(secondsSince1970: 0)
    /// Grows with every change of what is valid, so that a relayout can tell that one happened.
    private(set) var changeCount: UInt64 = 0
    /// Bytes that were decoded from packs since the last change of layout.
    var packedReadByteCount: Int64 = 0
    /// Blocks that a thread writes now, with those that wait for it.
    private var writing: [Int: [Mailbox<Void>]] = [:]
    /// Set while the layout is exchanged; writers wait.
    private var isFrozen = false
    private var waitingForThaw: [Mailbox<Void>] = []
    private var dirtySegments: Set<Int> = []
    /// A recipe that was made in memory, for a content whose first bytes went into a pack.
    private var uncommittedRecipe: RecipeChange?
    private var isRowDirty = false
    private let scheduling: Scheduling
    private var isEnlisted = false
    private var commitsUnderWay = 0
    /// Whether another object has taken over this content; nothing may be changed here any more.
    private(set) var isRetired = false

    /// - Parameter freshID: used if the index does not know the content.
    init(key: ContentKey, freshID: Int64, scheduling: Scheduling) {
        self.key = key
        self.scheduling = scheduling
        id = freshID
    }

    /// Whether nothing would be lost by forgetting this object.
    var canRetire: Bool { isSettled && commitsUnderWay == 0 && !isFrozen }

    /// Whether the index has all that is here.
    var isSettled: Bool {
        !isEnlisted && writing.isEmpty && dirtySegments.isEmpty && !isRowDirty
            && uncommittedRecipe == nil
    }

    var isComplete: Bool { validByteCount == key.size }

    mutating func retire() { isRetired = true }
}

// MARK: - Loading

extension CachedState {
    /// Takes what the index knows of the content; nil if it knows nothing.
    mutating func load(_ row: ContentRow?) {
        if isLoaded { return }
        isLoaded = true
        guard let row else {
            isFresh = true
            return
        }
        take(row)
    }

    private mutating func take(_ row: ContentRow) {
        id = row.id
        isFresh = false
        isPacked = row.isPacked
        validByteCount = row.validByteCount
        flatByteCount = row.flatByteCount
        verification = row.verification
        recordedUse = row.lastUse
    }

    /// The segments of a range of blocks that have to be read from the index first.
    func segmentsToLoad(_ blocks: Range<Int>) -> [Int] {
        if isFresh || blocks.isEmpty { return [] }
        let most = BlockSegment.blockCountMax
        return (blocks.lowerBound / most...(blocks.upperBound - 1) / most)
            .filter { segments[$0] == nil }
    }

    /// Whether all is in memory that tells about a range of blocks.
    func knows(_ blocks: Range<Int>) -> Bool { !isRetired && segmentsToLoad(blocks).isEmpty }

    /// Takes segments as the index has them, unless the layout has changed meanwhile.
    ///
    /// - Returns: how many segments are new in memory.
    mutating func load(_ loaded: [LoadedSegment], of incarnation: Int64) -> Int {
        guard incarnation == id, !isRetired else { return 0 }
        var count = 0
        for entry in loaded where segments[entry.index] == nil {
            let blockCount = key.blockCount(ofSegment: entry.index)
            segments[entry.index] =
                entry.segment ?? BlockSegment(blockCount: blockCount, isPacked: false)
            count += 1
            if entry.segment == nil {
                // A damaged row: its blocks are gone, and the row is to be written anew.
                // The sums are wrong until `recount`.
                verification = .none
                dirtySegments.insert(entry.index)
                changeCount += 1
            }
        }
        return count
    }

    /// Valid and flat bytes of one segment, by its bits.
    ///
    /// REQUIRES: it is loaded.
    func count(ofSegment index: Int) -> (valid: Int64, flat: Int64) {
        var (valid, flat): (Int64, Int64) = (0, 0)
        guard let segment = segments[index] else { return (0, 0) }
        let first = index * BlockSegment.blockCountMax
        for block in 0..<segment.blockCount where segment.isValid(block) {
            let byteCount = Int64(key.byteCount(ofBlock: first + block))
            valid += byteCount
            if segment.isFlat(block) { flat += byteCount }
        }
        return (valid, flat)
    }

    /// Takes sums that were counted anew, after segments were lost.
    ///
    /// - Returns: by how much the flat bytes are fewer.
    mutating func recount(valid: Int64, flat: Int64) -> Int64 {
        let lost = flatByteCount - flat
        validByteCount = valid
        flatByteCount = flat
        isRowDirty = true
        return lost
    }

    /// Takes recipe segments as the index has them.
    mutating func load(_ loaded: [RecipeSegment], of incarnation: Int64) -> Int {
        guard incarnation == id, !isRetired else { return 0 }
        var count = 0
        for segment in loaded where recipe[segment.index] == nil {
            recipe[segment.index] = segment
            count += 1
        }
        return count
    }

    /// Forgets segments that the index has; returns how many.
    mutating func unloadSegments() -> Int {
        if isFresh || commitsUnderWay > 0 || !writing.isEmpty || uncommittedRecipe != nil {
            return 0
        }
        let count = partCount
        segments = segments.filter { dirtySegments.contains($0.key) }
        recipe = [:]
        return count - partCount
    }

    /// Segments in memory, of both kinds.
    var partCount: Int { segments.count + recipe.count }
}

// MARK: - Reading

/// Where one block is read from.
enum BlockSource: Equatable {
    case flat(checksum: UInt64)
    case packed
}

extension CachedState {
    func isValid(_ block: Int) -> Bool {
        segments[block / BlockSegment.blockCountMax]?
            .isValid(block % BlockSegment.blockCountMax) ?? false
    }

    /// Where each block is, or nil if one of them is missing.
    func sources(of blocks: Range<Int>) -> [BlockSource]? {
        let most = BlockSegment.blockCountMax
        var sources: [BlockSource] = []
        sources.reserveCapacity(blocks.count)
        for block in blocks {
            guard let segment = segments[block / most] else { return nil }
            if let checksum = segment.checksum(block % most) {
                sources.append(.flat(checksum: checksum))
            } else if segment.isPacked(block % most) {
                sources.append(.packed)
            } else {
                return nil
            }
        }
        return sources
    }

    /// Takes a block back that turned out to be damaged where it was read from.
    ///
    /// - Returns: the flat bytes that are gone; nil if it was not there any more.
    mutating func invalidate(
        _ block: Int, _ source: BlockSource, of incarnation: Int64
    ) -> Int64? {
        guard incarnation == id, !isRetired, sources(of: block..<block + 1) == [source]
        else { return nil }
        let most = BlockSegment.blockCountMax
        let byteCount = Int64(key.byteCount(ofBlock: block))
        switch source {
        case .flat:
            segments[block / most]?.removeFlat(block % most)
            flatByteCount = max(0, flatByteCount - byteCount)
        case .packed: segments[block / most]?.removePacked(block % most)
        }
        if !isValid(block) { validByteCount = max(0, validByteCount - byteCount) }
        dirtySegments.insert(block / most)
        verification = .none
        changeCount += 1
        return source == .packed ? 0 : byteCount
    }
}

// MARK: - Writing

/// What a thread that wants to write may do.
enum WriteClaim {
    /// The object was replaced, or is not in memory any more: look the content up again.
    case unknown
    /// All blocks are valid: nothing to do.
    case valid
    /// Another thread writes the blocks that are left: wait for it, and ask again.
    case wait(Mailbox<Void>)
    /// Write these blocks now, into the file of this incarnation.
    case write([Range<Int>], incarnation: Int64)
}

extension CachedState {
    mutating func claim(_ blocks: Range<Int>) -> WriteClaim {
        if !knows(blocks) { return .unknown }
        let mailbox = Mailbox<Void>(scheduling)
        if isFrozen {
            waitingForThaw.append(mailbox)
            return .wait(mailbox)
        }
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
        for (index, block) in run.enumerated() {
            waiting += writing.removeValue(forKey: block) ?? []
            guard let checksums else { continue }
            edit(block) { segment, place in
                segment.setFlat(place, checksum: checksums[index])
            }
            byteCount += Int64(key.byteCount(ofBlock: block))
        }
        validByteCount += byteCount
        flatByteCount += byteCount
        if byteCount > 0 { changeCount += 1 }
        return (byteCount, waiting)
    }

    /// Ends the writing of all blocks of a content that went into a pack instead of a file.
    mutating func finish(
        packed change: RecipeChange, of incarnation: Int64
    ) -> [Mailbox<Void>]? {
        guard incarnation == id, !isFrozen, validByteCount == 0 else { return nil }
        let waiting = writing.values.flatMap { $0 }
        writing = [:]
        recipe[change.segment.index] = change.segment
        uncommittedRecipe = change
        isPacked = true
        for block in 0..<key.blockCount {
            edit(block) { segment, place in segment.setPacked(place) }
        }
        // A segment that is all packed needs no row, unless there is one, or about to be, that
        // tells otherwise: of blocks that were found damaged before they came again.
        if isFresh && commitsUnderWay == 0 { dirtySegments = [] }
        validByteCount = key.size
        isRowDirty = true
        changeCount += 1
        return waiting
    }

    private mutating func edit(_ block: Int, _ body: (inout BlockSegment, Int) -> Void) {
        let index = block / BlockSegment.blockCountMax
        let empty = BlockSegment(blockCount: key.blockCount(ofSegment: index), isPacked: false)
        body(&segments[index, default: empty], block % BlockSegment.blockCountMax)
        dirtySegments.insert(index)
    }

    /// Keeps an opened file, unless the layout has changed meanwhile.
    ///
    /// - Returns: whether it is now the file that is kept.
    mutating func adopt(_ opened: any StoreFile, isNew: Bool, of incarnation: Int64) -> Bool {
        guard incarnation == id else { return false }
        isFileNew = isFileNew || isNew
        if file != nil { return false }
        file = opened
        return true
    }
}

// MARK: - Changes of the whole

/// What a drop or a change of layout took away.
struct LeftIncarnation {
    let id: Int64
    let flatByteCount: Int64
    let partCount: Int
    let hadFile: Bool
    /// Records that were written for it and are in no index.
    let uncommitted: RecipeChange?
    /// Threads that waited for blocks of it.
    let waiting: [Mailbox<Void>]
}

extension CachedState {
    /// Starts the next incarnation, with nothing in it.
    ///
    /// Until `endDrop` it cannot be forgotten, since the index still has the one before.
    ///
    /// - Returns: nil if the object was replaced.
    mutating func drop(nextID: Int64, verification: Verification) -> LeftIncarnation? {
        if isRetired { return nil }
        let left = leave()
        commitsUnderWay += 1
        isLoaded = true
        isFresh = true
        id = nextID
        self.verification = verification
        return left
    }

    mutating func endDrop() { commitsUnderWay -= 1 }

    /// Stops writers for the exchange of the layout; false when something has changed since
    /// `changeCount` was taken, or is about to.
    mutating func freeze(_ incarnation: Int64, changeCount: UInt64) -> Bool {
        guard incarnation == id, changeCount == self.changeCount, !isRetired, !isFrozen,
            writing.isEmpty, commitsUnderWay == 0, uncommittedRecipe == nil
        else { return false }
        isFrozen = true
        return true
    }

    /// Ends the exchange: with the row of the next incarnation, or with the old one kept.
    mutating func thaw(_ row: ContentRow?) -> (left: LeftIncarnation?, waiting: [Mailbox<Void>]) {
        let waiting = waitingForThaw
        waitingForThaw = []
        isFrozen = false
        guard let row else { return (nil, waiting) }
        let left = leave()
        isLoaded = true
        take(row)
        return (left, waiting)
    }

    private mutating func leave() -> LeftIncarnation {
        let left = LeftIncarnation(
            id: id, flatByteCount: flatByteCount, partCount: partCount, hadFile: file != nil,
            uncommitted: uncommittedRecipe,
            waiting: writing.values.flatMap { $0 } + waitingForThaw)
        segments = [:]
        recipe = [:]
        isPacked = false
        validByteCount = 0
        flatByteCount = 0
        file = nil
        isFileNew = false
        writing = [:]
        isFrozen = false
        waitingForThaw = []
        dirtySegments = []
        uncommittedRecipe = nil
        isRowDirty = false
        packedReadByteCount = 0
        changeCount += 1
        return left
    }
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
    let recipe: RecipeChange?
}

extension CachedState {
    /// Whether something has to be committed and nobody was told yet.
    mutating func enlist() -> Bool {
        if isEnlisted || isRetired { return false }
        if dirtySegments.isEmpty && !isRowDirty && uncommittedRecipe == nil { return false }
        isEnlisted = true
        return true
    }

    mutating func markRowDirty() { isRowDirty = true }

    /// What the index would say of the content now.
    var row: ContentRow {
        ContentRow(
            id: id, validByteCount: validByteCount, flatByteCount: flatByteCount,
            isPacked: isPacked, verification: verification, lastUse: recordedUse)
    }

    /// What has changed since the last commit; changes from now on belong to the next one.
    mutating func beginCommit() -> CommitSnapshot? {
        isEnlisted = false
        if isFrozen || (dirtySegments.isEmpty && !isRowDirty && uncommittedRecipe == nil) {
            return nil
        }
        commitsUnderWay += 1
        let snapshot = CommitSnapshot(
            row: row, key: key, file: file, isFileNew: isFileNew,
            segments: dirtySegments.sorted().map {
                LoadedSegment(index: $0, segment: segments[$0])
            },
            recipe: uncommittedRecipe)
        dirtySegments = []
        uncommittedRecipe = nil
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
        uncommittedRecipe = uncommittedRecipe ?? snapshot.recipe
        isRowDirty = true
        isFileNew = isFileNew || snapshot.isFileNew
    }
}
