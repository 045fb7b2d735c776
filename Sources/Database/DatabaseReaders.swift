// A pool of connections for reading, for threads that must not wait for the writer.
//
// Connections are opened when needed, up to `connectionCountMax`, and the one used last is used
// next, so that its pages are warm. More readers than that wait for one another; so do those for
// whom none can be opened, where descriptors have run out, as long as somebody has one.

package import Platform

/// Read connections to one database, shared by any number of threads.
package final class DatabaseReaders: Sendable {
    /// Connections at most.
    package static let connectionCountMax = 8
    /// Pages that all connections together keep, in KiB.
    package static let pageCacheKiB = 4_096

    private struct State {
        var idle: [LentConnection] = []
        /// Idle and lent.
        var openCount = 0
        /// Those who get the next one that is given back.
        var waiting: [Mailbox<LentConnection>] = []
    }

    private let path: String
    private let vfs: String?
    private let scheduling: Scheduling
    private let state = Lock(State())
    /// One element for each connection that may be in use: a counting semaphore.
    private let permits: Mailbox<Void>

    /// The file has to exist: the writer opens it first.
    package init(path: String, vfs: String? = nil, scheduling: Scheduling = .system) {
        self.path = path
        self.vfs = vfs
        self.scheduling = scheduling
        permits = Mailbox(scheduling)
        for _ in 0..<DatabaseReaders.connectionCountMax { permits.send(()) }
    }

    /// Lends a connection to `body`, which sees one committed state for each query.
    package func withReader<Result>(
        _ body: (Connection) throws(DatabaseError) -> Result
    ) throws(DatabaseError) -> Result {
        guard permits.receive() != nil else { throw .closed }
        defer { permits.send(()) }
        let lent = try take()
        defer { giveBack(lent) }
        return try body(lent.connection)
    }

    /// Closes the idle connections; calls from now on fail.
    package func close() {
        permits.close()
        _ = permits.drain()
        state.withLock { state in
            state.openCount -= state.idle.count
            state.idle.removeAll()
        }
    }

    private func take() throws(DatabaseError) -> LentConnection {
        if let idle = state.withLock({ $0.idle.popLast() }) { return idle }
        do throws(DatabaseError) {
            let share = DatabaseReaders.pageCacheKiB / DatabaseReaders.connectionCountMax
            let opened = LentConnection(
                connection: try Connection(
                    path: path, access: .readOnly, pageCacheKiB: share, vfs: vfs))
            state.withLock { $0.openCount += 1 }
            return opened
        } catch {
            let turn = Mailbox<LentConnection>(scheduling)
            let (idle, isLent) = state.withLock { state in
                let idle = state.idle.popLast()
                let isLent = idle == nil && state.openCount > 0
                if isLent { state.waiting.append(turn) }
                return (idle, isLent)
            }
            if let idle { return idle }
            guard isLent, let lent = turn.receive() else { throw error }
            return lent
        }
    }

    private func giveBack(_ lent: LentConnection) {
        let next = state.withLock { state -> Mailbox<LentConnection>? in
            if !state.waiting.isEmpty { return state.waiting.removeFirst() }
            state.idle.append(lent)
            return nil
        }
        next?.send(lent)
    }
}

/// A connection on its way between threads.
struct LentConnection: @unchecked Sendable {
    // Sendable because it is in one place at a time: in the pool, or with the thread that took it.
    let connection: Connection
}
