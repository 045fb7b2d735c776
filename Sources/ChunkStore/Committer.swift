// The background of the store: makes what was written durable, in groups.
//
// A round takes the contents that have changed, notes for each which blocks are valid now,
// synchronizes their files and the packs, and only then records the validity in one transaction.
// Blocks written during a round belong to the next one. What fails stays to be done, and is tried
// again; bytes that the disk failed to write back are given up at once.

internal import Database
internal import Platform
internal import Synchronization
internal import Telemetry

/// The thread that commits.
final class Committer: Sendable {
    /// A crash loses what was written in about this time.
    static let intervalSeconds = 0.2
    /// How long a failed round waits before it is tried again.
    static let retrySeconds = 1.0

    /// What is told on the thread.
    struct Callbacks: Sendable {
        /// After each round.
        let afterRound: @Sendable () -> Void
        /// A content's bytes, or records that it shares, are not on the disk.
        let onLost: @Sendable (CachedContent) -> Void
        /// The index could not be written.
        let onFailure: @Sendable (DatabaseError) -> Void
        /// So many bytes of records came into the index.
        let onPacked: @Sendable (Int64) -> Void
    }

    private enum Message: Sendable {
        case changed
        case flush(Mailbox<Void>)
    }

    /// One content in a round.
    private struct Member: Sendable {
        let content: CachedContent
        let snapshot: CommitSnapshot
        var isOnDisk: Bool
        var isInIndex = false
    }

    private let index: StoreIndex
    private let packs: PackSet
    private let deliveries: DeliveryBook
    private let files: any StoreFiles
    private let directory: String
    private let log: Log
    private let changed = Lock<[CachedContent]>([])
    private let scheduling: Scheduling
    private let mailbox: Mailbox<Message>
    private let thread = Lock<Thread?>(nil)
    private let isClosing = Atomic<Bool>(false)

    init(
        index: StoreIndex, packs: PackSet, deliveries: DeliveryBook, files: any StoreFiles,
        directory: String, scheduling: Scheduling, log: Log
    ) {
        self.index = index
        self.packs = packs
        self.deliveries = deliveries
        self.files = files
        self.directory = directory
        self.scheduling = scheduling
        mailbox = Mailbox(scheduling)
        self.log = log
    }

    func start(_ callbacks: Callbacks) throws(StoreError) {
        do throws(Errno) {
            var started: Thread? = try Thread(named: "store commit", scheduling) { [self] in
                serve(callbacks)
            }
            thread.withLock { $0 = started.take() }
        } catch {
            throw StoreError(error)
        }
    }

    /// Has a content's changes committed in the next round.
    func add(_ content: CachedContent) {
        let isFirst = changed.withLock { list in
            list.append(content)
            return list.count == 1
        }
        if isFirst { mailbox.send(.changed) }
    }

    /// Waits until all that has changed is committed, or has failed to.
    func flush() {
        let done = Mailbox<Void>(scheduling)
        if mailbox.send(.flush(done)) { _ = done.receive() }
    }

    func close() {
        isClosing.store(true, ordering: .releasing)
        flush()
        mailbox.close()
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }

    private func serve(_ callbacks: Callbacks) {
        while true {
            guard let message = mailbox.receive() else { return }
            var waiting: [Mailbox<Void>] = []
            if case .flush(let done) = message { waiting.append(done) }
            // More changes join the round, unless somebody waits for its end.
            let deadline = scheduling.now + Committer.intervalSeconds
            while waiting.isEmpty, let more = mailbox.receive(until: deadline) {
                if case .flush(let done) = more { waiting.append(done) }
            }
            let succeeded = runRound(callbacks)
            for done in waiting { done.send(()) }
            callbacks.afterRound()
            if !succeeded && !isClosing.load(ordering: .acquiring) {
                // No tight loop on a full disk; a flush ends the pause.
                if let more = mailbox.receive(until: scheduling.now + Committer.retrySeconds) {
                    mailbox.send(more)
                }
                mailbox.send(.changed)
            }
        }
    }

    /// False when something could not be committed.
    private func runRound(_ callbacks: Callbacks) -> Bool {
        let contents = changed.withLock { list in
            let taken = list
            list = []
            return taken
        }
        var members: [Member] = []
        for content in contents {
            if let snapshot = content.state.withLock({ $0.beginCommit() }) {
                members.append(
                    Member(content: content, snapshot: snapshot, isOnDisk: synchronize(snapshot)))
            }
        }
        if members.isEmpty && deliveries.isEmpty { return true }
        synchronizePacks(&members)
        var isWritten = true
        let taken = Lock(DeliveryChanges())
        do throws(DatabaseError) {
            let ready = members
            members = try index.writer.perform { [deliveries] (connection) throws(DatabaseError) in
                // How bytes came is known no later than that they are valid.
                let changes = deliveries.take()
                taken.withLock { $0 = changes }
                try StoreIndex.write(changes, connection)
                return try Committer.write(ready, connection)
            }
        } catch {
            isWritten = false
            deliveries.putBack(taken.withLock { $0 })
            callbacks.onFailure(error)
        }
        for member in members { end(member, isWritten: isWritten, callbacks) }
        return isWritten
    }

    private func synchronizePacks(_ members: inout [Member]) {
        if !members.contains(where: { $0.snapshot.recipe != nil }) { return }
        let isDone = (try? packs.synchronize()) != nil
        for place in members.indices {
            guard let change = members[place].snapshot.recipe else { continue }
            if !isDone || packs.areLost(change.locations) { members[place].isOnDisk = false }
        }
    }

    /// On the writer's thread: all that is on the disk, each content in a savepoint of its own.
    private static func write(
        _ members: [Member], _ connection: Connection
    ) throws(DatabaseError) -> [Member] {
        var written = members
        for place in written.indices where written[place].isOnDisk {
            let member = written[place]
            // A content that was dropped meanwhile must not come back.
            guard member.content.state.withLock({ $0.id == member.snapshot.row.id })
            else { continue }
            do throws(DatabaseError) {
                try connection.transaction { () throws(DatabaseError) in
                    try write(member.snapshot, connection)
                }
                written[place].isInIndex = true
            } catch  where error == .sharedRecordIsGone {
                written[place].isOnDisk = false
            }
        }
        return written
    }

    private static func write(
        _ snapshot: CommitSnapshot, _ connection: Connection
    ) throws(DatabaseError) {
        if let change = snapshot.recipe {
            try StoreIndex.add(change, of: snapshot.row.id, connection)
        }
        try StoreIndex.write(snapshot.row, snapshot.key, connection)
        try StoreIndex.write(snapshot.segments, of: snapshot.row.id, connection)
    }

    private func end(_ member: Member, isWritten: Bool, _ callbacks: Callbacks) {
        let isToRepeat = member.content.state.withLock { state in
            state.endCommit(member.snapshot, succeeded: isWritten && member.isOnDisk)
            return member.isOnDisk && !isWritten && state.enlist()
        }
        if isToRepeat { changed.withLock { $0.append(member.content) } }
        // After a failed write-back the system forgets which pages were dirty, so trying again
        // would succeed and prove nothing.
        if !member.isOnDisk { callbacks.onLost(member.content) }
        guard let change = member.snapshot.recipe, isWritten || !member.isOnDisk else { return }
        packs.commit(change.locations)
        if member.isInIndex { callbacks.onPacked(change.newByteCount) }
    }

    /// Waits until a content's bytes, and the name of its file, are on the disk.
    private func synchronize(_ snapshot: CommitSnapshot) -> Bool {
        if snapshot.segments.isEmpty { return true }
        do throws(Errno) {
            try snapshot.file?.synchronizeData()
            if snapshot.isFileNew {
                let folder = "\(directory)/flat/\(snapshot.key.folderName)"
                try files.synchronizeDirectory(folder)
                try files.synchronizeDirectory("\(directory)/flat")
            }
            return true
        } catch {
            log.error("the cache disk failed to write back", ["error": "\(error)"])
            return false
        }
    }
}
