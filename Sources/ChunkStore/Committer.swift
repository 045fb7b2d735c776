// The background of the store: makes what was written durable, in groups.
//
// A round takes the contents that have changed, notes for each which blocks are valid now,
// synchronizes their files, and only then records the validity in one transaction. Blocks written
// during a round belong to the next one. What fails stays to be done, and is tried again.

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

    private enum Message: Sendable {
        case changed
        case flush(Mailbox<Void>)
    }

    private let index: StoreIndex
    private let files: any StoreFiles
    private let directory: String
    private let log: Log
    private let changed = Lock<[FlatContent]>([])
    private let mailbox = Mailbox<Message>()
    private let thread = Lock<Thread?>(nil)
    private let isClosing = Atomic<Bool>(false)

    init(index: StoreIndex, files: any StoreFiles, directory: String, log: Log) {
        self.index = index
        self.files = files
        self.directory = directory
        self.log = log
    }

    /// - Parameters:
    ///   - afterRound: called on the thread after each round.
    ///   - onLost: called for a content whose bytes could not be written back.
    ///   - onFailure: called when the index could not be written.
    func start(
        afterRound: @escaping @Sendable () -> Void,
        onLost: @escaping @Sendable (FlatContent) -> Void,
        onFailure: @escaping @Sendable (DatabaseError) -> Void
    ) throws(StoreError) {
        do throws(Errno) {
            var started: Thread? = try Thread(named: "store commit") { [self] in
                serve(afterRound, onLost, onFailure)
            }
            thread.withLock { $0 = started.take() }
        } catch {
            throw StoreError(error)
        }
    }

    /// Has a content's changes committed in the next round.
    func add(_ content: FlatContent) {
        let isFirst = changed.withLock { list in
            list.append(content)
            return list.count == 1
        }
        if isFirst { mailbox.send(.changed) }
    }

    /// Waits until all that has changed is committed, or has failed to.
    func flush() {
        let done = Mailbox<Void>()
        if mailbox.send(.flush(done)) { _ = done.receive() }
    }

    func close() {
        flush()
        mailbox.close()
        isClosing.store(true, ordering: .releasing)
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }

    private func serve(
        _ afterRound: @Sendable () -> Void, _ onLost: @Sendable (FlatContent) -> Void,
        _ onFailure: @Sendable (DatabaseError) -> Void
    ) {
        while true {
            guard let message = mailbox.receive() else { return }
            var waiting: [Mailbox<Void>] = []
            if case .flush(let done) = message { waiting.append(done) }
            // More changes join the round, unless somebody waits for its end.
            let deadline = MonotonicInstant.now + Committer.intervalSeconds
            while waiting.isEmpty, let more = mailbox.receive(until: deadline) {
                if case .flush(let done) = more { waiting.append(done) }
            }
            let succeeded = runRound(onLost, onFailure)
            for done in waiting { done.send(()) }
            afterRound()
            if !succeeded && !isClosing.load(ordering: .acquiring) {
                // No tight loop on a full disk; a flush ends the pause.
                if let more = mailbox.receive(until: .now + Committer.retrySeconds) {
                    mailbox.send(more)
                }
                mailbox.send(.changed)
            }
        }
    }

    /// False when something could not be committed.
    private func runRound(
        _ onLost: @Sendable (FlatContent) -> Void, _ onFailure: @Sendable (DatabaseError) -> Void
    ) -> Bool {
        let contents = changed.withLock { list in
            let taken = list
            list = []
            return taken
        }
        var begun: [(content: FlatContent, snapshot: CommitSnapshot, isOnDisk: Bool)] = []
        for content in contents {
            guard let snapshot = content.state.withLock({ $0.beginCommit() }) else { continue }
            begun.append((content, snapshot, synchronize(snapshot)))
        }
        if begun.isEmpty { return true }
        let ready = begun.filter(\.isOnDisk).map { ($0.content, $0.snapshot) }
        var isWritten = true
        do throws(DatabaseError) {
            try index.writer.perform { (connection) throws(DatabaseError) in
                for (content, snapshot) in ready {
                    // A content that was dropped meanwhile must not come back.
                    guard content.state.withLock({ $0.id == snapshot.row.id }) else { continue }
                    try StoreIndex.write(snapshot, connection)
                }
            }
        } catch {
            isWritten = false
            onFailure(error)
        }
        for (content, snapshot, isOnDisk) in begun {
            let isToRepeat = content.state.withLock { state in
                state.endCommit(snapshot, succeeded: isWritten && isOnDisk)
                return isOnDisk && !isWritten && state.enlist()
            }
            if isToRepeat { changed.withLock { $0.append(content) } }
            // After a failed write-back the system forgets which pages were dirty, so trying
            // again would succeed and prove nothing.
            if !isOnDisk { onLost(content) }
        }
        return isWritten
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
