// One life of a daemon in a simulation: catalog, store, transport, Hub client, fetcher and tree,
// as `TreeBackend` puts them together, unmounted.

import Catalog
import ChunkStore
import Fetching
import FileSystem
import HubAPI
import Platform
import Telemetry
import Transport

/// What a daemon is started with.
package struct LifeOptions: Sendable {
    package var fetch = FetchOptions()
    package var tree = FileSystemOptions()
    package var sizeLimitBytes: Int64 = 1 << 40
    package var hotLimitBytes: Int64?
    /// The log goes to the standard output.
    package var isLoud = false

    package init() {}
}

/// A process that serves a cache.
package final class SimulatedLife {
    let mount: SimulatedMount
    let transport: Transport
    let hub: HubClient
    let catalog: Catalog
    let store: ChunkStore
    let fetcher: Fetcher
    let tree: FileSystem
    private let threads: SimulatedThreads

    static let folder = "/cache"

    init(
        _ disk: SimulatedDisk, _ hubAnswers: SimulatedHub, _ weather: SimulatedNetwork.Weather,
        _ threads: SimulatedThreads, _ options: LifeOptions, seed: UInt64
    ) throws {
        let scheduling = threads.scheduling
        let log = Log(
            minimum: options.isLoud ? .info : .error, descriptor: options.isLoud ? 1 : -1)
        let mount = disk.mount()
        self.mount = mount
        self.threads = threads
        store = try ChunkStore(
            directory: SimulatedLife.folder, sizeLimitBytes: options.sizeLimitBytes,
            hotLimitBytes: options.hotLimitBytes, log: log, files: mount, scheduling: scheduling)
        do {
            catalog = try Catalog(
                path: "\(SimulatedLife.folder)/catalog.db", log: log, vfs: mount.databaseVFS,
                scheduling: scheduling)
        } catch {
            store.close()
            throw error
        }
        let network = try SimulatedNetwork(
            hub: hubAnswers, weather: weather, threads: threads, seed: seed)
        transport = Transport(engine: network, scheduling: scheduling)
        hub = try HubClient(
            HubConfiguration(
                environment: [
                    "HF_ENDPOINT": SimulatedHub.origin, "HF_TOKEN_PATH": "/nonexistent/token",
                    "HOME": "/nonexistent", "HF_HUB_DISABLE_XET": "1",
                ], agent: "modelfs/simulated"),
            transport: transport, log: log)
        fetcher = try Fetcher(
            hub: hub, catalog: catalog, store: store, options: options.fetch, log: log)
        tree = FileSystem(
            catalog: catalog, store: store, fetcher: fetcher, options: options.tree, log: log)
    }

    /// Ends it in order.
    func close() {
        hub.close()
        fetcher.close()
        store.close()
        catalog.close()
        transport.shutdown()
        mount.close()
    }

    /// Ends it at once: nothing that it still does reaches the disk.
    func kill() {
        mount.kill()
        close()
    }

    // MARK: Questions

    /// An answer that is still to come.
    final class Question<Value: Sendable> {
        let operation: Operation<Value>
        private let answers: Mailbox<Result<Value, FileSystemError>>
        private let threads: SimulatedThreads
        let begunAt: MonotonicInstant

        init(
            _ life: SimulatedLife, _ attempt: @escaping @Sendable (AttemptContext) -> Outcome<Value>
        ) {
            let answers = Mailbox<Result<Value, FileSystemError>>(life.threads.scheduling)
            self.answers = answers
            threads = life.threads
            begunAt = threads.now
            operation = Operation(life.tree, attempt: attempt) { answers.send($0) }
            operation.start()
        }

        /// Nil when none has come in time.
        func answer(withinSeconds seconds: Double) -> Result<Value, FileSystemError>? {
            answers.receive(until: threads.now + seconds)
        }

        var answerCount: Int { answers.count }
    }

    func lookup(_ parent: NodeID, _ name: String) -> Question<Entry> {
        let now = threads.scheduling.wallTime
        return Question(self) { [tree] context in
            tree.lookup(parent, Array(name.utf8), now: now, context)
        }
    }

    func list(
        _ node: NodeID, from offset: Int64, withAttributes: Bool
    ) -> Question<[ListedEntry]> {
        let now = threads.scheduling.wallTime
        return Question(self) { [tree] context in
            tree.list(node, from: offset, withAttributes: withAttributes, now: now, context)
        }
    }

    func attribute(_ node: NodeID, _ name: String) -> Question<[UInt8]> {
        Question(self) { [tree] _ in tree.extendedAttribute(node, "user.modelfs.\(name)") }
    }

    func read(_ node: NodeID, _ range: Range<Int64>) -> Question<[UInt8]> {
        Question(self) { [tree] context in
            var bytes = [UInt8](repeating: 0xee, count: range.count)
            let outcome = bytes.withUnsafeMutableBytes {
                tree.read(node, at: range.lowerBound, into: $0, context)
            }
            switch outcome {
            case .done(let count): return .done(Array(bytes.prefix(count)))
            case .failed(let error): return .failed(error)
            case .lacks(let need, let seconds): return .lacks(need, withinSeconds: seconds)
            }
        }
    }
}
