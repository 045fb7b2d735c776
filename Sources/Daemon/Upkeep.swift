// What is done beside the readers, on one thread: uses are noted, changed records are kept.
//
// Uses come from lookups, in any number; each content is noted once a minute, and what comes while
// too many wait is dropped, since the next lookup says the same.

internal import Catalog
internal import ChunkStore
internal import Platform
internal import Synchronization
internal import Telemetry

/// The thread behind a cache's readers.
final class Upkeep: Sendable {
    private enum Task: Sendable {
        case used(ContentID)
    }

    /// Uses that may wait; at 100 bytes each they are under half a megabyte.
    private static let waitingCountMax = 4096
    /// How long a change may wait until it is kept, in seconds.
    private static let keepSeconds = 1.0
    /// After a failure of the store, in seconds.
    private static let retrySeconds = 60.0

    private let catalog: Catalog
    private let store: ChunkStore
    private let log: Log
    private let tasks = Mailbox<Task>()
    private let thread = Lock<Thread?>(nil)
    private let repeated = Lock<(@Sendable () -> Void)?>(nil)

    init(catalog: Catalog, store: ChunkStore, log: Log) throws(Errno) {
        self.catalog = catalog
        self.store = store
        self.log = log
        var started: Thread? = try Thread(named: "upkeep") { [self] in run() }
        thread.withLock { $0 = started.take() }
    }

    /// A content is in use, though nobody may be reading it.
    func noteUse(of content: ContentID) {
        if tasks.count < Upkeep.waitingCountMax { tasks.send(.used(content)) }
    }

    /// Has something called once a second, and at the end.
    func everySecond(_ action: @escaping @Sendable () -> Void) {
        repeated.withLock { $0 = action }
    }

    /// Keeps what has changed, and ends.
    ///
    /// To be called before the store is closed.
    func close() {
        tasks.close()
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }

    private func run() {
        var keptCount = -1
        var due = MonotonicInstant.now
        while !tasks.isClosed {
            if let task = tasks.receive(until: due) { perform(task) }
            if MonotonicInstant.now < due { continue }
            repeated.withLock { $0 }?()
            let writeCount = catalog.writeCount
            if writeCount == keptCount {
                due = .now + Upkeep.keepSeconds
            } else if CatalogKeeping.keepChanges(catalog, store, log) {
                keptCount = writeCount
                due = .now + Upkeep.keepSeconds
            } else {
                due = .now + Upkeep.retrySeconds
            }
        }
        repeated.withLock { $0 }?()
        _ = CatalogKeeping.keepChanges(catalog, store, log)
    }

    private func perform(_ task: Task) {
        switch task {
        case .used(let id):
            guard let content = (try? catalog.content(id)) ?? nil else { return }
            store.touch(content.hash, size: content.sizeBytes)
        }
    }
}
