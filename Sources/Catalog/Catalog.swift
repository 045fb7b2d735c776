// The catalog: what is known of the Hub, and every node that the kernel was told of.
//
// It owns `catalog.db`: repositories, refs, commits and their folders, contents and where they can
// be fetched, and the nodes. What is here survives every restart; the caches in memory hold copies
// of a bounded number of rows and can be dropped at any time.
//
// It never asks the Hub: it is told answers (`record…`) and asked for what they said. A commit's
// tree is recorded once and for all; a ref is recorded with the time at which it was resolved, and
// whoever asks decides how old is too old.

internal import Database
internal import Glibc
package import Hashing
package import HubAPI
package import Platform
internal import Synchronization
package import Telemetry

/// A failure of the catalog's database.
///
/// What is asked cannot be answered; nothing is changed.
package enum CatalogError: Error, Equatable, Sendable {
    /// The database was written by a newer version of this program.
    case newerVersion
    /// The file is damaged.
    case damaged
    /// The disk is full, failing or read-only; the words are the database's.
    case unavailable(String)
}

/// A repository as it was last seen.
package struct KnownRepository: Sendable {
    package let row: RepositoryRow
    package let id: RepositoryID
    /// The id under which the Hub knows it now; equal to `id` unless that is an alias.
    package let canonical: RepositoryID
    package let isPrivate: Bool
    package let isGated: Bool
    /// Whether the Hub once let this user read a gated repository.
    package let isAccessGranted: Bool
    /// Whether somebody has looked at it, and not just at a list that names it.
    package let isUsed: Bool
}

/// A commit that is known to exist.
package struct KnownCommit: Sendable {
    package let id: CommitID
    package let oid: GitObjectID
    package let repository: RepositoryID
    /// When it was made; nil while only its id is known.
    package let date: WallTime?
    /// Whether its folders are recorded.
    package let hasTree: Bool
}

/// What a revision's name stood for when it was last resolved.
package struct Resolution: Sendable {
    package let commit: GitObjectID
    package let resolvedAt: WallTime
}

/// A content: what every file with these bytes shares.
package struct Content: Sendable {
    package let id: ContentID
    package let hash: ContentHash
    package let sizeBytes: Int64
    /// The date of the commit in which it was first seen; never changes.
    package let modified: WallTime
    /// The Xet file hash, where the Hub named one.
    package let xetHash: String?
}

/// The catalog of one cache.
package final class Catalog: Sendable {
    let writer: DatabaseWriter
    let readers: DatabaseReaders
    let log: Log
    let scheduling: Scheduling
    /// Drawn when the database was made; part of every node id.
    package let epoch: UInt32

    struct Memory {
        /// Counts the changes of rows that are copied here.
        ///
        /// A copy that was read before a change is not kept after it: it would stand for the row
        /// until it is forgotten.
        var changeCount: UInt64 = 0
        var nodes = RecentCache<Int64, NamedNode>(costMax: 65_536)
        var children = RecentCache<ChildKey, Int64>(costMax: 65_536)
        var commits = RecentCache<Int64, KnownCommit>(costMax: 4_096)
        var contents = RecentCache<Int64, Content>(costMax: 65_536)
        /// Encoded folders, by their bytes: ten revisions of ten thousand files.
        var directories = RecentCache<DirectoryKey, Directory>(
            costMax: 16 << 20, cost: { $0.bytes.count + 64 })
    }

    struct DirectoryKey: Hashable {
        let commit: CommitID
        let path: [UInt8]
    }

    let memory = Lock(Memory())
    /// Moves with every change of the database.
    private let writeCounter = Atomic<Int>(0)
    /// The database's file.
    let path: String
    /// Told of directories whose listing has changed.
    private let changeObserver = Lock<(@Sendable ([Int64]) -> Void)?>(nil)

    /// Opens or creates the catalog.
    ///
    /// - Parameters:
    ///   - path: the database's file.
    ///   - vfs: the SQLite VFS that does its I/O; the system's if nil.
    ///   - scheduling: whose threads and clocks it works with.
    package init(
        path: String, log: Log, vfs: String? = nil, scheduling: Scheduling = .system
    ) throws(CatalogError) {
        self.log = log
        self.scheduling = scheduling
        self.path = path
        let writer: DatabaseWriter
        do throws(DatabaseError) {
            writer = try DatabaseWriter(
                path: path, schema: Catalog.schema, vfs: vfs, scheduling: scheduling,
                keepsRoom: path != ":memory:" && vfs == nil)
        } catch {
            throw CatalogError(error)
        }
        self.writer = writer
        readers = DatabaseReaders(path: path, vfs: vfs, scheduling: scheduling)
        do throws(DatabaseError) {
            epoch = try Catalog.readEpoch(readers)
        } catch {
            // Its thread would keep the file open for ever.
            writer.close()
            readers.close()
            throw CatalogError(error)
        }
    }

    private static func readEpoch(_ readers: DatabaseReaders) throws(DatabaseError) -> UInt32 {
        let found = try readers.withReader { (connection) throws(DatabaseError) in
            try connection.first("SELECT value FROM meta WHERE key = 'epoch'") {
                (row) throws(DatabaseError) in row.integer(0)
            }
        }
        guard let found, found > 0, found < Int64(NodeID.epochLimit) else { throw .corrupt }
        return UInt32(found)
    }

    /// Commits what is pending and closes the database.
    package func close() {
        writer.close()
        readers.close()
    }

    /// Has somebody told of every directory whose listing changes, by the rows of their nodes.
    ///
    /// It is called on the thread that recorded the change, and must not wait.
    package func observeChanges(_ observer: @escaping @Sendable ([Int64]) -> Void) {
        changeObserver.withLock { $0 = observer }
    }

    func announceChange(of rows: [Int64]) {
        let observer = changeObserver.withLock { $0 }
        observer?(rows)
    }

    /// When the database's thread last showed that it is alive.
    package var writerHeartbeat: MonotonicInstant { writer.heartbeat }

    func read<Result>(
        _ body: (Connection) throws(DatabaseError) -> Result
    ) throws(CatalogError) -> Result {
        do throws(DatabaseError) {
            return try readers.withReader(body)
        } catch {
            throw report(error)
        }
    }

    func write<Result: Sendable>(
        _ body: @escaping @Sendable (Connection) throws(DatabaseError) -> Result
    ) throws(CatalogError) -> Result {
        defer { writeCounter.add(1, ordering: .relaxed) }
        do throws(DatabaseError) {
            return try writer.perform(body)
        } catch {
            throw report(error)
        }
    }

    /// A number that moves with every change, for those who look what has changed.
    package var writeCount: Int { writeCounter.load(ordering: .relaxed) }

    private func report(_ error: DatabaseError) -> CatalogError {
        log.error("the catalog's database failed", ["error": error.description])
        let failure = CatalogError(error)
        if failure == .damaged { Catalog.markDamaged(path) }
        return failure
    }

    /// Whether SQLite finds the file sound; reads all of it.
    package func isSound() -> Bool {
        do throws(DatabaseError) {
            return try readers.withReader { (connection) throws(DatabaseError) in
                try connection.integrityQuickCheck()
            }
        } catch {
            return !error.meansDamaged
        }
    }

    /// The file beside the database that has the next start rebuild it.
    package static func damageMark(_ path: String) -> String { "\(path).is-damaged" }

    /// Has the next start rebuild the database, since nobody could go on with it.
    package static func markDamaged(_ path: String) {
        _ = try? FileDescriptor.open(damageMark(path), O_WRONLY | O_CREAT)
    }
}

extension CatalogError {
    init(_ error: DatabaseError) {
        switch error {
        case .newerVersion: self = .newerVersion
        case .corrupt, .otherSchema, .unexpectedValue: self = .damaged
        case .cannotOpen, .busy, .full, .readOnly, .inputOutput, .constraint, .closed, .queueFull,
            .failed:
            self = .unavailable(error.description)
        }
    }
}
