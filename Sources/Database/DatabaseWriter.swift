// The one writer of a database: a thread that owns the connection and commits in groups.
//
// Jobs run in the order of their submission. Those that arrive within `groupSeconds` share a
// transaction, each in a savepoint of its own, so a failing job takes no other with it. A thread
// that waits (`perform`, `flush`) ends the group at once. Completions are called on the writer's
// thread after the commit, and must not wait for the writer.

package import Platform
internal import Synchronization

/// Runs changes of a database on a thread of its own.
package final class DatabaseWriter: Sendable {
    /// A change of the database.
    package typealias Job = @Sendable (Connection) throws(DatabaseError) -> Void
    /// Told how a job ended, after its commit: nil when it lasts.
    package typealias Completion = @Sendable (DatabaseError?) -> Void

    /// How long a job may wait for others to share its transaction.
    package static let groupSeconds = 0.05
    /// Jobs in one transaction: at some 20 µs each that is 20 ms of work.
    package static let groupCountMax = 1_000
    /// Jobs that may wait; at a few hundred bytes each they are under 32 MiB.
    package static let queueCountMax = 65_536

    private struct Entry: Sendable {
        let job: Job?
        let completion: Completion?
        let isUrgent: Bool
    }

    private let scheduling: Scheduling
    private let mailbox: Mailbox<Entry>
    private let thread = Lock<Thread?>(nil)
    private let isClosing = Atomic<Bool>(false)
    private let heartbeatNanoseconds: Atomic<Int64>
    private let spareRoom: Lock<SpareRoom?>

    /// Opens or creates the file, brings its schema up to date and starts the thread.
    ///
    /// The owner calls `close()`: until then the thread keeps this object alive.
    ///
    /// - Parameters:
    ///   - vfs: as `Connection`'s.
    ///   - keepsRoom: whether some room on the disk is held for the database (`SpareRoom`).
    package init(
        path: String, schema: [SchemaStep], durability: Connection.Durability = .checkpoint,
        vfs: String? = nil, scheduling: Scheduling = .system, keepsRoom: Bool = false
    ) throws(DatabaseError) {
        self.scheduling = scheduling
        mailbox = Mailbox(scheduling)
        heartbeatNanoseconds = Atomic(scheduling.now.nanoseconds)
        spareRoom = Lock(keepsRoom ? SpareRoom(for: path) : nil)
        let connection = try Connection(path: path, durability: durability, vfs: vfs)
        try connection.migrate(schema)
        let lent = LentConnection(connection: connection)
        do throws(Errno) {
            var started: Thread? = try Thread(named: "db writer", scheduling) { [self] in
                serve(lent.connection)
            }
            thread.withLock { $0 = started.take() }
        } catch {
            throw .failed(code: error.rawValue, message: "no thread for the database")
        }
    }

    /// Hands a job over without waiting for it.
    ///
    /// - Returns: false when the writer is closed or its queue is full: the job will not run.
    @discardableResult
    package func submit(_ job: @escaping Job, completion: Completion? = nil) -> Bool {
        if mailbox.count >= DatabaseWriter.queueCountMax { return false }
        return mailbox.send(Entry(job: job, completion: completion, isUrgent: false))
    }

    /// Runs a job and waits until it is committed.
    ///
    /// Not from a job or a completion.
    package func perform<Result: Sendable>(
        _ job: @escaping @Sendable (Connection) throws(DatabaseError) -> Result
    ) throws(DatabaseError) -> Result {
        if mailbox.count >= DatabaseWriter.queueCountMax { throw .queueFull }
        let slot = Slot<Result>(scheduling)
        let entry = Entry(
            job: { (connection) throws(DatabaseError) in
                let result = try job(connection)
                slot.result.withLock { $0 = result }
            },
            completion: { slot.done.send($0) }, isUrgent: true)
        guard mailbox.send(entry), let outcome = slot.done.receive() else { throw .closed }
        if let error = outcome { throw error }
        guard let result = slot.result.withLock({ $0 }) else { throw .closed }
        return result
    }

    /// Waits until every job submitted before is committed.
    package func flush() {
        let done = Mailbox<Bool>(scheduling)
        let entry = Entry(job: nil, completion: { _ in done.send(true) }, isUrgent: true)
        if mailbox.send(entry) { _ = done.receive() }
    }

    /// Commits what was submitted, closes the file and ends the thread.
    ///
    /// May be called twice.
    package func close() {
        mailbox.close()
        isClosing.store(true, ordering: .releasing)
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }

    /// When the thread last showed that it is alive, for a watchdog.
    ///
    /// It shows so every second.
    package var heartbeat: MonotonicInstant {
        MonotonicInstant(nanoseconds: heartbeatNanoseconds.load(ordering: .relaxed))
    }

    /// How many jobs wait.
    package var queueCount: Int { mailbox.count }

    // MARK: On the writer's thread

    private func serve(_ connection: Connection) {
        while let group = nextGroup() {
            beat()
            runGroup(group, connection)
            beat()
            takeRoom()
        }
        try? connection.checkpoint()
    }

    private func beat() {
        heartbeatNanoseconds.store(scheduling.now.nanoseconds, ordering: .relaxed)
    }

    /// Nil when the mailbox is closed and empty.
    private func nextGroup() -> [Entry]? {
        var group: [Entry] = []
        while group.isEmpty {
            if let entry = mailbox.receive(until: scheduling.now + 1) {
                group.append(entry)
            } else if isClosing.load(ordering: .acquiring) && mailbox.count == 0 {
                return nil
            }
            beat()
            if group.isEmpty { takeRoom() }
        }
        let deadline = scheduling.now + DatabaseWriter.groupSeconds
        var isUrgent = group[0].isUrgent
        while group.count < DatabaseWriter.groupCountMax {
            // An urgent group takes what is there already, and waits for nothing more.
            guard let entry = mailbox.receive(until: isUrgent ? scheduling.now : deadline) else {
                break
            }
            isUrgent = isUrgent || entry.isUrgent
            group.append(entry)
        }
        return group
    }

    private func runGroup(_ group: [Entry], _ connection: Connection) {
        var outcomes = outcomes(of: group, connection)
        if outcomes.contains(.full), giveRoom() {
            // What found no room, and what was undone with it.
            let again = outcomes.indices.filter { outcomes[$0] == .full }
            let second = self.outcomes(of: again.map { group[$0] }, connection)
            for (index, outcome) in zip(again, second) { outcomes[index] = outcome }
        }
        for (index, entry) in group.enumerated() { entry.completion?(outcomes[index]) }
    }

    private func takeRoom() {
        // Nobody else asks for the lock, which is there for the compiler.
        var room = spareRoom.withLock { $0 }
        room?.take(at: .now)
        spareRoom.withLock { $0 = room }
    }

    private func giveRoom() -> Bool {
        var room = spareRoom.withLock { $0 }
        let isGiven = room?.give(at: .now) ?? false
        spareRoom.withLock { $0 = room }
        return isGiven
    }

    private func outcomes(of group: [Entry], _ connection: Connection) -> [DatabaseError?] {
        var outcomes = [DatabaseError?](repeating: nil, count: group.count)
        do throws(DatabaseError) {
            try connection.transaction { () throws(DatabaseError) in
                for (index, entry) in group.enumerated() {
                    guard let job = entry.job else { continue }
                    outcomes[index] = try outcome(of: job, connection)
                }
            }
        } catch {
            for index in outcomes.indices where outcomes[index] == nil { outcomes[index] = error }
        }
        return outcomes
    }

    /// Runs a job in its savepoint; throws only when the whole transaction is gone.
    private func outcome(
        of job: Job, _ connection: Connection
    ) throws(DatabaseError) -> DatabaseError? {
        do throws(DatabaseError) {
            try connection.transaction { () throws(DatabaseError) in try job(connection) }
            return nil
        } catch {
            if !connection.isInTransaction { throw error }
            return error
        }
    }
}

/// Where a waiting thread finds what its job returned.
private final class Slot<Result: Sendable>: Sendable {
    let result = Lock<Result?>(nil)
    let done: Mailbox<DatabaseError?>

    init(_ scheduling: Scheduling) {
        done = Mailbox(scheduling)
    }
}
