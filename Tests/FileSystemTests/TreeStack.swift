// The whole tree unmounted: catalog, store, transport, Hub client, fetcher and filesystem, over a
// cache that can be closed and opened again, as a daemon would.

import Catalog
import ChunkStore
import Fetching
import FileSystem
import HubAPI
import Platform
import Telemetry
import TestSupport
import Testing
import Transport

/// What a tree is made with.
struct StackOptions: Sendable {
    var fetch = FetchOptions()
    var tree = FileSystemOptions()
    var storeByteCountMax: Int64 = 1 << 40
    var variables: [String: String] = [:]
    var files: any StoreFiles = DiskFiles()

    init() {
        fetch.readDeadlineSeconds = 20
        fetch.metadataDeadlineSeconds = 20
        fetch.prefetch = .nothing
        fetch.refusalSeconds = 30
        tree.renewalSeconds = 1
    }
}

/// One life of a daemon on a cache.
final class TreeStack: Sendable {
    let transport: Transport
    let hub: HubClient
    let catalog: Catalog
    let store: ChunkStore
    let fetcher: Fetcher
    let tree: FileSystem

    init(_ folder: String, _ small: SmallHub, _ options: StackOptions = StackOptions()) throws {
        let log = Log(minimum: .error, descriptor: -1)
        let environment = options.variables.merging(
            [
                "HF_ENDPOINT": small.url, "HOME": "/nonexistent", "HF_HUB_ETAG_TIMEOUT": "2",
                "HF_HUB_DOWNLOAD_TIMEOUT": "2", "HF_TOKEN_PATH": "\(folder)/token",
            ], uniquingKeysWith: { given, _ in given })
        catalog = try Catalog(path: "\(folder)/catalog.db", log: log)
        store = try ChunkStore(
            directory: folder, sizeLimitBytes: options.storeByteCountMax, log: log,
            files: options.files)
        transport = try Transport(TransportConfiguration())
        hub = try HubClient(
            HubConfiguration(environment: environment, agent: "modelfs/test"),
            transport: transport, log: log)
        fetcher = try Fetcher(
            hub: hub, catalog: catalog, store: store, options: options.fetch, log: log)
        tree = FileSystem(
            catalog: catalog, store: store, fetcher: fetcher, options: options.tree, log: log)
    }

    func close() {
        hub.close()
        fetcher.close()
        store.close()
        catalog.close()
        transport.shutdown()
    }

    // MARK: Questions, waited for

    func run<Value: Sendable>(
        seconds: Double = 120, _ attempt: @escaping @Sendable (AttemptContext) -> Outcome<Value>
    ) throws(FileSystemError) -> Value {
        let answers = Mailbox<Result<Value, FileSystemError>>()
        let operation = Operation(tree, attempt: attempt) { answers.send($0) }
        operation.start()
        guard let result = answers.receive(until: .now + seconds) else {
            Issue.record("an operation was not answered in \(seconds) s")
            throw .unavailable
        }
        return try result.get()
    }

    func lookup(
        _ parent: NodeID, _ name: String, now: WallTime = .now
    ) throws(FileSystemError) -> Entry {
        try lookup(parent, bytes: Array(name.utf8), now: now)
    }

    func lookup(
        _ parent: NodeID, bytes: [UInt8], now: WallTime = .now
    ) throws(FileSystemError) -> Entry {
        try run { [tree] context in tree.lookup(parent, bytes, now: now, context) }
    }

    /// Walks a path from `hf://`, without following links; nil when a name is missing.
    func find(_ path: String, now: WallTime = .now) throws(FileSystemError) -> Attributes? {
        var found: Attributes?
        var node = tree.root
        for name in path.split(separator: "/") {
            found = try lookup(node, String(name), now: now).attributes
            guard let next = found else { return nil }
            node = next.node
        }
        return found
    }

    /// The node of a path that is there.
    func node(_ path: String, now: WallTime = .now) throws(FileSystemError) -> NodeID {
        if path.isEmpty { return tree.root }
        guard let found = try find(path, now: now) else { throw .notFound }
        return found.node
    }

    func attributes(
        _ node: NodeID, now: WallTime = .now
    ) throws(FileSystemError) -> Attributes {
        try run { [tree] context in tree.attributes(of: node, now: now, context) }.attributes
    }

    /// All entries of a directory but `.` and `..`, batch by batch.
    func entries(
        _ node: NodeID, withAttributes: Bool = false, now: WallTime = .now
    ) throws(FileSystemError) -> [ListedEntry] {
        var all: [ListedEntry] = []
        var offset: Int64 = 0
        while true {
            let batch = try list(node, from: offset, withAttributes: withAttributes, now: now)
            guard let last = batch.last else { break }
            all += batch
            offset = last.nextOffset
        }
        return Array(all.dropFirst(2))
    }

    func list(
        _ node: NodeID, from offset: Int64, withAttributes: Bool = false, now: WallTime = .now
    ) throws(FileSystemError) -> [ListedEntry] {
        try run { [tree] context in
            tree.list(node, from: offset, withAttributes: withAttributes, now: now, context)
        }
    }

    func names(_ path: String, now: WallTime = .now) throws(FileSystemError) -> [String] {
        try entries(node(path, now: now), now: now).map { String(decoding: $0.name, as: UTF8.self) }
    }

    func target(_ node: NodeID) throws(FileSystemError) -> String {
        String(decoding: try run { [tree] _ in tree.target(of: node) }, as: UTF8.self)
    }

    func attribute(_ node: NodeID, _ name: String) throws(FileSystemError) -> String {
        let value = try run { [tree] _ in tree.extendedAttribute(node, "user.modelfs.\(name)") }
        return String(decoding: value, as: UTF8.self)
    }

    /// Reads a range, which is cut at the end of the file.
    func read(
        _ node: NodeID, _ range: Range<Int64>
    ) throws(FileSystemError) -> [UInt8] {
        try run { [tree] context in readAttempt(tree, node, range, context) }
    }

    func read(_ path: String) throws(FileSystemError) -> [UInt8] {
        let node = try node(path)
        let size = try attributes(node).sizeBytes
        var bytes: [UInt8] = []
        while bytes.count < size {
            let start = Int64(bytes.count)
            bytes += try read(node, start..<min(size, start + 1 << 20))
        }
        return bytes
    }

    /// Every path below a directory, links as `path -> target`.
    func walk(_ node: NodeID, _ prefix: String = "") throws(FileSystemError) -> [String] {
        var paths: [String] = []
        for entry in try entries(node, withAttributes: true) {
            let path = prefix + String(decoding: entry.name, as: UTF8.self)
            var found = entry.entry?.attributes
            if found == nil { found = try lookup(node, bytes: entry.name).attributes }
            guard let found else { throw .notFound }
            switch found.kind {
            case .file: paths.append(path)
            case .link: paths.append("\(path) -> \(try target(found.node))")
            case .directory:
                paths.append(path + "/")
                paths += try walk(found.node, path + "/")
            }
        }
        return paths
    }
}

/// An attempt to read a range into an array.
func readAttempt(
    _ tree: FileSystem, _ node: NodeID, _ range: Range<Int64>, _ context: AttemptContext
) -> Outcome<[UInt8]> {
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

/// A small Hub and a cache, for as many lives of a daemon as a test wants.
final class TreeBench {
    let hub: SmallHub
    let folder = TemporaryDirectory()
    var options = StackOptions()
    private var current: TreeStack?

    init() throws {
        hub = try SmallHub()
    }

    deinit {
        current?.close()
        hub.stop()
    }

    /// The tree that runs; the first question starts one.
    func stack() throws -> TreeStack {
        if let current { return current }
        let started = try TreeStack(folder.path, hub, options)
        current = started
        return started
    }

    /// Ends the tree and starts another on the same cache.
    func reopen() throws -> TreeStack {
        current?.close()
        current = nil
        return try stack()
    }

    /// How many requests `body` costs.
    func requests(_ body: () throws -> Void) rethrows -> Int {
        let before = settledCount
        try body()
        return hub.requestCount - before
    }

    /// The requests so far, once what was asked ahead of an earlier question is among them.
    private var settledCount: Int {
        var count = hub.requestCount
        for _ in 0..<100 {
            sleep(seconds: 0.1)
            let now = hub.requestCount
            if now == count { break }
            count = now
        }
        return count
    }
}

/// Says that bytes differ, and not what they are.
func expectSame(
    _ found: [UInt8], _ expected: [UInt8], _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    if found == expected { return }
    let place = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    Issue.record(
        "\(found.count) bytes, not \(expected.count); first difference: \(place ?? -1) \(comment)",
        sourceLocation: sourceLocation)
}

func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    return random.bytes(count)
}

extension WallTime {
    static func + (time: WallTime, seconds: Int64) -> WallTime {
        WallTime(secondsSince1970: time.secondsSince1970 + seconds)
    }
}
