// Sessions on real mounts: a connection that is taken over, and pages that a plan has pushed.
//
// Everything that touches the mount is a process of its own with a time limit.

import Catalog
import ChunkStore
import Fetching
import FileSystem
import Glibc
import Hashing
import Platform
import Telemetry
import TestSupport
import Testing
import Transport

@testable import FuseSession
@testable import HubAPI

/// Whether this machine lets a test mount, and has a kernel that reads files by itself.
private let canMount = geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0

/// A filesystem of one revision with two files, all of it known, so that nobody is asked.
private final class SmallTree {
    let folder = TemporaryDirectory()
    let contents: [[UInt8]]
    let catalog: Catalog
    let store: ChunkStore
    let transport: Transport
    let hub: HubClient
    let fetcher: Fetcher
    let tree: FileSystem
    private(set) var nodes: [NodeID] = []

    init() throws {
        let log = Log(minimum: .error, descriptor: -1)
        var random = SeededGenerator(seed: 6)
        contents = [random.bytes(3 << 20), random.bytes(2 << 20)]
        catalog = try Catalog(path: "\(folder.path)/catalog.db", log: log)
        store = try ChunkStore(directory: folder.path, sizeLimitBytes: 1 << 30, log: log)
        transport = try Transport(TransportConfiguration())
        let variables = ["HF_HUB_OFFLINE": "1", "HF_TOKEN_PATH": "\(folder.path)/token"]
        hub = try HubClient(
            HubConfiguration(environment: variables, agent: "modelfs/test"), transport: transport,
            log: log)
        fetcher = try Fetcher(
            hub: hub, catalog: catalog, store: store, options: FetchOptions(), log: log)
        tree = FileSystem(catalog: catalog, store: store, fetcher: fetcher, log: log)
        try learn()
    }

    /// An empty directory to mount at.
    func makeMountpoint() -> String {
        let path = "\(folder.path)/mount"
        #expect(mkdir(path, 0o700) == 0)
        return path
    }

    func options(_ passthrough: PassthroughWish) -> FuseSessionOptions {
        FuseSessionOptions(
            sourceName: "test", root: tree.root, owner: Ownership(user: 0, group: 0),
            allowsOthers: false, passthrough: passthrough)
    }

    private func learn() throws {
        let id = try #require(RepositoryID(kind: .model, name: "org/name"))
        let commit = try #require(GitObjectID(hex: String(repeating: "1", count: 40)))
        let info = RevisionInfo(
            canonicalID: id, commit: commit, lastModified: .now, isPrivate: false, isGated: false,
            isDisabled: false)
        try catalog.record(info, asked: id, revision: nil, at: .now)
        let known = try #require(try catalog.commit(commit, in: id))
        let entries = contents.enumerated().map { index, bytes in
            TreeEntry(
                path: "\(index).bin", kind: .file, size: Int64(bytes.count),
                oid: GitObjectHasher.id(of: .blob, bytes), sha256: SHA256Hasher.digest(of: bytes),
                xetHash: nil)
        }
        _ = try catalog.record(tree: entries, of: known)
        for bytes in contents {
            let hash = ContentHash.sha256(SHA256Hasher.digest(of: bytes))
            let size = Int64(bytes.count)
            try bytes.withUnsafeBytes { try store.write(hash, size: size, at: 0, $0) }
            #expect(try store.prove(hash, size: size))
            let row = try #require(try catalog.contentIDs(of: hash).first)
            nodes.append(tree.nodeID(row))
        }
    }

    func close() {
        hub.close()
        fetcher.close()
        store.close()
        catalog.close()
        transport.shutdown()
    }
}

/// What a program that reads the file says of it, within ten seconds.
private func checksum(of path: String) -> OwnedProcess {
    OwnedProcess(["/usr/bin/timeout", "--signal=KILL", "10", "/usr/bin/sha256sum", path])
}

@Suite struct MountedSessionTests {
    /// No READ comes for what was planned.
    @Test(.enabled(if: canMount), .timeLimit(.minutes(1)))
    func plannedPagesAreThereBeforeTheyAreTouched() throws {
        let small = try SmallTree()
        let mountpoint = small.makeMountpoint()
        let session = try FuseSession(
            small.tree, at: mountpoint,
            options: small.options(.unwanted(.checkedReads)))
        defer { try? Mounting.unmount(mountpoint, isLazy: true) }
        let path = "\(mountpoint)/models/org/name/0.bin"
        let row = ContentID(row: small.nodes[0].row)
        let size = Int64(small.contents[0].count)
        // The kernel takes no pages of a file that it does not know.
        #expect(OwnedProcess(["/usr/bin/timeout", "10", "/usr/bin/stat", path]).output() != "")
        session.push(row, [0..<size])
        let deadline = MonotonicInstant.now + 20
        while session.pushedByteCount < size && .now < deadline { usleep(10_000) }
        #expect(session.pushedByteCount == size)
        #expect(
            checksum(of: path).output().hasPrefix(
                SHA256Hasher.digest(of: small.contents[0]).hex))
        #expect(session.messageCounts["READ"] == nil)
        session.cancelPush(of: row)
        try Mounting.unmount(mountpoint, isLazy: true)
        session.close()
        small.close()
    }

    /// Who mounts and unmounts all day does not grow.
    @Test(.enabled(if: canMount), .timeLimit(.minutes(1)))
    func aClosedSessionLetsGoOfWhatItHad() throws {
        let small = try SmallTree()
        defer { small.close() }
        let mountpoint = small.makeMountpoint()
        weak var context: MountContext?
        do {
            let session = try FuseSession(
                small.tree, at: mountpoint,
                options: small.options(.unwanted(.checkedReads)))
            context = session.context
            try Mounting.unmount(mountpoint, isLazy: true)
            session.close()
        }
        let deadline = MonotonicInstant.now + 20
        while context != nil && .now < deadline { usleep(10_000) }
        #expect(context == nil)
    }

    /// The first session has no thread that answers, as if its process had stopped.
    @Test(.enabled(if: canMount), .timeLimit(.minutes(1)))
    func requestsWaitForASuccessorAndModesStay() throws {
        let small = try SmallTree()
        let mountpoint = small.makeMountpoint()
        var options = small.options(
            .wanted(
                PassthroughOptions(
                    probePath: "\(small.folder.path)/store.lock",
                    recordPath: "\(small.folder.path)/opens", stackDepth: 1)))
        options.threadCount = 0
        let first = try FuseSession(small.tree, at: mountpoint, options: options)
        defer { try? Mounting.unmount(mountpoint, isLazy: true) }
        let readers = (0..<2).map { checksum(of: "\(mountpoint)/models/org/name/\($0).bin") }
        let isPossible = first.passthroughObstacle == nil
        if isPossible {
            // As if the first process had answered an OPEN of it in this way.
            var records = try OpenRecords(path: "\(small.folder.path)/opens", resuming: true)
            records.note(small.nodes[1], .cached, count: 1)
        }
        options.threadCount = 2
        let second = try FuseSession(
            small.tree, continuing: try first.keep(), options: options)
        for (reader, bytes) in zip(readers, small.contents) {
            #expect(reader.output().hasPrefix(SHA256Hasher.digest(of: bytes).hex))
        }
        if isPossible {
            let ways = Dictionary(
                uniqueKeysWithValues: second.readings.map { ($0.name, $0.isByKernel) })
            let folder = "org/name@111111111111"
            #expect(ways == ["\(folder)/0.bin": true, "\(folder)/1.bin": false])
        }
        #expect(second.messageCounts["LOOKUP", default: 0] > 0)
        try Mounting.unmount(mountpoint, isLazy: true)
        first.close()
        second.close()
        small.close()
    }

    /// Whoever hangs in a mount is freed when the session that was to answer finds no threads.
    @Test(.enabled(if: canMount), .timeLimit(.minutes(1)), arguments: [0, 2, 3])
    func aTakeoverWithoutThreadsFreesTheConnection(threadsLeft: Int) throws {
        let small = try SmallTree()
        let mountpoint = small.makeMountpoint()
        var options = small.options(.unwanted(.checkedReads))
        options.threadCount = 0
        let first = try FuseSession(small.tree, at: mountpoint, options: options)
        let kept = try first.keep()
        // As if its process had ended: nothing but what was kept has the connection.
        first.close()
        defer { try? Mounting.unmount(mountpoint, isLazy: true) }
        options.threadCount = 2
        options.scheduling = Scheduling(ScarceThreads(left: threadsLeft))
        var failure: FuseSessionError?
        do throws(FuseSessionError) {
            _ = try FuseSession(small.tree, continuing: kept, options: options)
        } catch {
            failure = error
        }
        #expect(failure == .noThread(Errno(EAGAIN)))
        let said = OwnedProcess([
            "/usr/bin/timeout", "--signal=KILL", "10", "/usr/bin/stat", "-f", mountpoint, "2>&1",
        ]).output()
        #expect(said.contains("not connected") || said.contains("connection abort"))
        small.close()
    }

    /// Slower, and that is all.
    @Test(.enabled(if: canMount), .timeLimit(.minutes(1)))
    func oneThreadIsEnoughToAnswer() throws {
        let small = try SmallTree()
        let mountpoint = small.makeMountpoint()
        var options = small.options(.unwanted(.checkedReads))
        options.scheduling = Scheduling(ScarceThreads(left: 4))
        let session = try FuseSession(small.tree, at: mountpoint, options: options)
        defer { try? Mounting.unmount(mountpoint, isLazy: true) }
        #expect(
            checksum(of: "\(mountpoint)/models/org/name/0.bin").output().hasPrefix(
                SHA256Hasher.digest(of: small.contents[0]).hex))
        try Mounting.unmount(mountpoint, isLazy: true)
        session.close()
        small.close()
    }
}

/// A system that has room for so many threads.
private final class ScarceThreads: ThreadScheduler {
    private let left: Lock<Int>

    init(left: Int) { self.left = Lock(left) }

    var now: MonotonicInstant { .now }
    var wallNanoseconds: Int64 { 0 }

    func start(
        named name: String, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) -> @Sendable () -> Void {
        let hasRoom = left.withLock { left in
            left -= 1
            return left >= 0
        }
        if !hasRoom { throw Errno(EAGAIN) }
        let box = try ThreadBox(named: name, .system, body)
        return { box.join() }
    }

    func wait(on object: AnyObject, until deadline: MonotonicInstant) {}
    func wake(_ object: AnyObject, all: Bool) {}
}

/// A program whose output is read.
private struct OwnedProcess {
    private let stream: UnsafeMutablePointer<FILE>?

    init(_ words: [String]) {
        stream = popen(words.joined(separator: " "), "r")
    }

    /// All that it says, until it ends.
    func output() -> String {
        guard let stream else { return "" }
        var text = ""
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, 512, stream) != nil {
            text += String(
                decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        pclose(stream)
        return text
    }
}
