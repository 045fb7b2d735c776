// Which cache is chosen, what is accepted as one, and that one process alone gets it.

import Glibc
import Platform
import Settings
import Testing

@testable import Daemon

private func failure(_ path: String) -> MountFailure? {
    do throws(MountFailure) {
        _ = try CacheDirectory.open(creating: path)
        return nil
    } catch {
        return error
    }
}

@Suite struct CacheDirectoryTests {
    @Test func isMadeForItsOwnerAlone() throws {
        let temporary = try TemporaryFolder()
        let path = "\(temporary.path)/deep/er/cache"
        let cache = try CacheDirectory.open(creating: path)
        #expect(mode(of: path) == 0o700)
        guard let lock = try cache.tryLock() else {
            Issue.record("nobody holds it")
            return
        }
        try cache.prepare(holding: lock)
        #expect(text(of: "\(path)/format") == "modelfs cache 1\n")
        #expect(failure(path) == nil)
        #expect(try cache.diskSize() > ByteSize(0))
    }

    @Test func othersVersionsAreRefused() throws {
        let temporary = try TemporaryFolder()
        _ = try temporary.file("format", "modelfs cache 7\n")
        #expect(
            failure(temporary.path)
                == .cacheOfOtherVersion(
                    path: temporary.path, found: "modelfs cache 7", known: 1))
    }

    @Test func foldersOfOtherThingsAreRefused() throws {
        let temporary = try TemporaryFolder()
        let path = try temporary.file("letter.txt", "dear")
        #expect(failure(temporary.path) == .notACache(path: temporary.path, entry: "letter.txt"))
        #expect(failure(path) == .cacheNotDirectory(path: path))
        #expect(failure("\(path)/below") == .cacheNotDirectory(path: "\(path)/below"))
        #expect(text(of: path) == "dear")
    }

    @Test(.enabled(if: isRoot, "giving a folder away needs root"))
    func foldersOfOthersAreRefused() throws {
        let temporary = try TemporaryFolder()
        let path = try temporary.folder("cache")
        #expect(chown(path, 12345, 12345) == 0)
        #expect(failure(path) == .cacheOfOtherUser(path: path, userID: 12345))
    }

    @Test func whatCannotBeWrittenIsRefused() {
        #expect(failure("/proc/cache") == .cacheNotWritable(path: "/proc/cache", .noEntry))
    }

    @Test func oneHolderAtATime() throws {
        let temporary = try TemporaryFolder()
        let cache = try CacheDirectory.open(creating: temporary.path)
        let other = try CacheDirectory.open(creating: temporary.path)
        #expect(!other.isLocked())
        try holdAndLook(cache, other)
        #expect(!other.isLocked())
        #expect(try canLock(other))
    }

    private func canLock(_ cache: CacheDirectory) throws -> Bool {
        switch try cache.tryLock() {
        case .some: true
        case .none: false
        }
    }

    private func holdAndLook(_ cache: CacheDirectory, _ other: CacheDirectory) throws {
        guard let lock = try cache.tryLock() else {
            Issue.record("nobody holds it")
            return
        }
        try cache.noteHolder(lock, processID: 4242)
        #expect(try !canLock(other))
        #expect(other.isLocked())
        #expect(other.notedHolder() == 4242)
    }

    @Test func itsNoteIsNeverEmpty() throws {
        let temporary = try TemporaryFolder()
        let cache = try CacheDirectory.open(creating: temporary.path)
        guard let lock = try cache.tryLock() else {
            Issue.record("nobody holds it")
            return
        }
        try cache.noteHolder(lock, processID: 4242)
        let seen = Lock<Set<Int32?>>([])
        let reader = try Thread(named: "reader") {
            for _ in 0..<2_000 { seen.withLock { _ = $0.insert(cache.notedHolder()) } }
        }
        for round in 0..<2_000 {
            try cache.noteHolder(lock, processID: round % 2 == 0 ? 77 : 4242)
        }
        reader.join()
        #expect(seen.withLock { $0 }.isSubset(of: [77, 4242]))
    }

    @Test func aLargeLogIsPutAside() throws {
        let temporary = try TemporaryFolder()
        let cache = try CacheDirectory.open(creating: temporary.path)
        let log = try DaemonLog.open(cache)
        let elsewhere = try FileDescriptor.open("/dev/null", O_WRONLY)
        _ = write(log.rawValue, "0123456789", 10)
        DaemonLog.rotateIfLarge(cache, descriptors: [log.rawValue], sizeMax: 10)
        DaemonLog.rotateIfLarge(cache, descriptors: [elsewhere.rawValue], sizeMax: 1)
        #expect(text(of: "\(temporary.path)/daemon.log") == "0123456789")
        DaemonLog.rotateIfLarge(cache, descriptors: [log.rawValue], sizeMax: 9)
        _ = write(log.rawValue, "new", 3)
        #expect(text(of: "\(temporary.path)/daemon.log.old") == "0123456789")
        #expect(text(of: "\(temporary.path)/daemon.log") == "new")
    }

    @Test func theChoice() throws {
        let temporary = try TemporaryFolder()
        let home = Environment(["HOME": "/home/u"])
        func choose(_ option: String?, _ environment: Environment, _ disk: String) -> String {
            CacheDirectory.choose(option: option, environment: environment, dataDisk: disk)
        }
        #expect(choose("/c//x/./y/", home, "/none") == "/c/x/y")
        #expect(choose(nil, home, "/none") == "/home/u/.cache/modelfs")
        #expect(choose(nil, home, temporary.path) == "\(temporary.path)/.cache/modelfs")
        let named = Environment(["HOME": "/home/u", "MODELFS_CACHE": "~/c"])
        #expect(choose(nil, named, temporary.path) == "/home/u/c")
        #expect(choose("rel", named, "/none").hasSuffix("/rel"))
        #expect(choose("rel", named, "/none").hasPrefix("/"))
        let folder = temporary.path
        #expect(CacheDirectory.defaultMountpoint(dataDisk: folder) == "\(folder)/models")
        #expect(CacheDirectory.defaultMountpoint(dataDisk: "/none", userID: 0) == "/models")
        #expect(CacheDirectory.defaultMountpoint(dataDisk: "/none", userID: 7) == nil)
    }

    @Test func theUsualMountpointStandsInTheHelp() {
        let command = ModelFSCommand.mount { _, _, _ throws(MountFailure) in
            throw .failed(detail: "nothing is mounted here")
        }
        let help = HelpPage(command, path: ["modelfs", "mount"], style: .plain).rendered()
        let words = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains("mounted at /data/models where /data is a folder"))
        #expect(words.contains("else, for root, at /models"))
    }
}
