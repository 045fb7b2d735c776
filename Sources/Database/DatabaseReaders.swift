// A pool of connections for reading, for threads that must not wait for the writer.
//
// Connections are opened when needed, up to `connectionCountMax`, and the one used last is used
// next, so that its pages are warm. More readers than that wait for one another.

package import Platform

/// Read connections to one database, shared by any number of threads.
package final class DatabaseReaders: Sendable {
    /// Connections at most.
    package static let connectionCountMax = 8
    /// Pages that all connections together keep, in KiB.
    package static let pageCacheKiB = 4_096

    private let path: String
    private let vfs: String?
    private let idle = Lock<[LentConnection]>([])
    /// One element for each connection that may be in use: a counting semaphore.
    private let permits: Mailbox<Void>

    /// The file has to exist: the writer opens it first.
    package init(path: String, vfs: String? = nil, scheduling: Scheduling = .system) {
        self.path = path
        self.vfs = vfs
        permits = Mailbox(scheduling)
        for _ in 0..<DatabaseReaders.connectionCountMax { permits.send(()) }
    }

    /// Lends a connection to `body`, which sees one committed state for each query.
    package func withReader<Result>(
        _ body: (Connection) throws(DatabaseError) -> Result
    ) throws(DatabaseError) -> Result {
        guard permits.receive() != nil else { throw .closed }
        defer { permits.send(()) }
        let lent: LentConnection
        if let waiting = idle.withLock({ $0.popLast() }) {
            lent = waiting
        } else {
            let share = DatabaseReaders.pageCacheKiB / DatabaseReaders.connectionCountMax
            lent = LentConnection(
                connection: try Connection(
                    path: path, access: .readOnly, pageCacheKiB: share, vfs: vfs))
        }
        defer { idle.withLock { $0.append(lent) } }
        return try body(lent.connection)
    }

    /// Closes the idle connections; calls from now on fail.
    package func close() {
        permits.close()
        _ = permits.drain()
        idle.withLock { $0.removeAll() }
    }
}

/// A connection on its way between threads.
struct LentConnection: @unchecked Sendable {
    // Sendable because it is in one place at a time: in the pool, or with the thread that took it.
    let connection: Connection
}
