// The filesystem: names, nodes, attributes and bytes, as pure questions to what is known.
//
// Every operation is an attempt that never waits. It looks into the catalog and the store and
// either has the answer (`done`), knows that there is none (`failed`), or names what it lacks
// (`lacks`). Whoever runs it asks the fetcher for that and makes the attempt again with the
// outcome; `Operation` does so. So no thread that answers the kernel waits for the network, and
// every operation can be tested without a kernel, a network or a thread.
//
// It knows neither FUSE nor HTTP. It has no table of open files and no table of inodes: a node is
// a row of the catalog, so a new process knows every node that the kernel knows.

package import Catalog
package import ChunkStore
package import Fetching
internal import Platform
package import Telemetry

/// How an attempt ended.
package enum Outcome<Value: Sendable>: Sendable {
    case done(Value)
    case failed(FileSystemError)
    /// Nothing can be said before this has come. `withinSeconds`: how long it is worth waiting
    /// for, where there is an older answer; nil for the usual deadline.
    case lacks(Need, withinSeconds: Double?)
}

/// What earlier attempts of the same operation led to.
package struct AttemptContext: Sendable {
    /// How often the operation was tried before.
    package private(set) var attemptCount = 0
    /// The needs that could not be met.
    package private(set) var failures: [Need: FetchError] = [:]
    /// The needs that were met.
    package private(set) var met: Set<Need> = []

    package init() {}

    /// A need was met, or failed.
    package mutating func record(_ need: Need, _ result: Result<Void, FetchError>) {
        attemptCount += 1
        switch result {
        case .success: met.insert(need)
        case .failure(let error): failures[need] = error
        }
    }
}

/// The way out of an attempt: thrown by what it is made of, turned into an `Outcome` at its end.
enum Detour: Error {
    case lacks(Need, withinSeconds: Double? = nil)
    case failed(FileSystemError)
}

/// How the tree behaves, by the user's choice.
package struct FileSystemOptions: Sendable {
    /// How long a ref's resolution holds.
    package var refSeconds: Int64 = 60
    /// How long an old resolution's renewal is waited for before the old one serves.
    package var renewalSeconds = 1.0
    /// How long owners' listings hold.
    package var listingSeconds: Int64 = 300
    /// Listings with more names are cut there.
    package var listingCountMax = 1000
    /// Where the cache lies, for who asks a mount; not told if empty.
    package var cachePath = ""

    package init() {}
}

/// The tree of one cache.
package final class FileSystem: Sendable {
    let catalog: Catalog
    let store: ChunkStore
    let fetcher: Fetcher
    let options: FileSystemOptions
    let log: Log
    /// Listings of directories that can change, as they were when a reader began.
    let snapshots = Lock(ListingSnapshots(seed: UInt64.random(in: 0...UInt64.max)))
    let uses = RecentUses()
    let touches = Lock(Touches())
    let planObserver = Lock<(@Sendable (ContentID, [Range<Int64>], Range<Int64>) -> Void)?>(nil)
    private let useObserver = Lock<(@Sendable (ContentID) -> Void)?>(nil)

    /// - Parameters:
    ///   - catalog: names, attributes and nodes.
    ///   - store: bytes.
    ///   - fetcher: told of reads that hit, so that it can go ahead of a reader.
    package init(
        catalog: Catalog, store: ChunkStore, fetcher: Fetcher,
        options: FileSystemOptions = FileSystemOptions(), log: Log
    ) {
        self.catalog = catalog
        self.store = store
        self.fetcher = fetcher
        self.options = options
        self.log = log
    }

    /// Has somebody told of contents that were looked up, each at most once a minute.
    ///
    /// It is called on the thread that answers the kernel, and must not wait.
    package func observeUses(_ observer: @escaping @Sendable (ContentID) -> Void) {
        useObserver.withLock { $0 = observer }
    }

    /// A lookup is the only sign of use that a hot file gives.
    func noteUse(of content: ContentID) {
        guard uses.isDue(content, at: store.scheduling.now) else { return }
        let observer = useObserver.withLock { $0 }
        observer?(content)
    }

    /// The node of a row, as the kernel knows it.
    package func nodeID(_ node: NamedNode) -> NodeID {
        .named(node.row, epoch: catalog.epoch)
    }

    /// The node of a content, as the kernel knows it.
    package func nodeID(_ content: ContentID) -> NodeID {
        .file(content, epoch: catalog.epoch)
    }

    /// The node of a row that is a directory or a link, as the kernel knows it.
    package func nodeID(row: Int64) -> NodeID { .named(row, epoch: catalog.epoch) }

    /// The node of `hf://`.
    package var root: NodeID { .named(NamedNode.rootRow, epoch: catalog.epoch) }

    /// Runs an attempt's parts and turns the way out that they took into an outcome.
    func attempt<Value>(
        _ body: () throws(Detour) -> Value
    ) -> Outcome<Value> {
        do throws(Detour) {
            return .done(try body())
        } catch {
            switch error {
            case .lacks(let need, let seconds): return .lacks(need, withinSeconds: seconds)
            case .failed(let error): return .failed(error)
            }
        }
    }

    /// A question to the catalog, whose failure is the operation's.
    func ask<Value>(
        _ question: () throws(CatalogError) -> Value
    ) throws(Detour) -> Value {
        do throws(CatalogError) {
            return try question()
        } catch {
            throw .failed(.unavailable)
        }
    }

    /// The directory or link that an id stands for.
    func named(_ id: NodeID) throws(Detour) -> NamedNode {
        if id.epoch != catalog.epoch { throw .failed(.stale) }
        if id.isFile { throw .failed(.notDirectory) }
        let node = try ask { () throws(CatalogError) in try catalog.node(id.row) }
        guard let node else { throw .failed(.stale) }
        return node
    }

    /// The content that an id stands for.
    func content(_ id: NodeID) throws(Detour) -> Content {
        if id.epoch != catalog.epoch { throw .failed(.stale) }
        if !id.isFile { throw .failed(.isDirectory) }
        let content = try ask { () throws(CatalogError) in
            try catalog.content(ContentID(row: id.row))
        }
        guard let content else { throw .failed(.stale) }
        return content
    }

    /// Throws when the need has failed before in this operation.
    func checkFailure(_ need: Need, _ context: AttemptContext) throws(Detour) {
        if let error = context.failures[need] { throw .failed(FileSystemError(error)) }
    }

    /// Asks for a need, unless it failed or was met before: met and still lacking is a fault.
    func demand(_ need: Need, _ context: AttemptContext) throws(Detour) -> Never {
        try checkFailure(need, context)
        if context.met.contains(need) { throw .failed(.unavailable) }
        throw .lacks(need)
    }
}
