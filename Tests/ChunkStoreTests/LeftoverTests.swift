// What a crash leaves behind is taken away after the store is open, and nobody waits for it.

import Database
import Glibc
import Hashing
import Platform
import Telemetry
import TestSupport
import Testing

@testable import ChunkStore

@Suite struct LeftoverTests {
    /// Makes leftovers: a flat file of nothing, one with no number, and an empty pack.
    private func litter(_ folder: String) throws -> [String] {
        let paths = [
            "\(folder)/flat/00/\(String(repeating: "0", count: 64)).77",
            "\(folder)/flat/00/nothing", "\(folder)/packs/000000ff.pack",
        ]
        #expect(mkdir("\(folder)/flat/00", 0o700) == 0 || errno == EEXIST)
        let store = try openStore(folder)
        let header = PackHeader(cacheID: store.packs.cacheID, pack: 255)
        store.close()
        for path in paths {
            try FileDescriptor.open(path, O_WRONLY | O_CREAT).writeBytes(header.bytes)
        }
        return paths
    }

    @Test(.timeLimit(.minutes(1)))
    func openingDoesNotWaitForADiskThatRemovesNothing() throws {
        let folder = TemporaryDirectory()
        try openStore(folder.path).close()
        let paths = try litter(folder.path)
        let files = HeldFiles()
        let store = try openStore(folder.path, files: files)
        // Open, while no file can be removed.
        #expect(paths.allSatisfy { access($0, F_OK) == 0 })
        // Nothing new is written to what is to go.
        #expect(store.table.freshID() > 77)
        files.letGo()
        store.close()
        #expect(paths.allSatisfy { access($0, F_OK) != 0 })
    }

    @Test func anEvictionCountsOnWhatIsAboutToBeFree() throws {
        let folder = TemporaryDirectory()
        let contents = [64, 64, 128].enumerated().map {
            Content(random: $0.element * block, seed: UInt64($0.offset + 1))
        }
        let size = contents[0].size
        // The last one fits beside one of the others.
        let store = try openStore(folder.path, limit: 3 * size + size / 2)
        for content in contents[..<2] {
            try store.write(content)
            #expect(try store.cool(content.hash, size: size))
        }
        // As a crash leaves it between an eviction and the end of what was evicted.
        let key = ContentKey(hash: contents[0].hash, size: size)
        let id = try #require(try store.index.row(of: key)?.id)
        try store.index.writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.condemn(id, connection)
        }
        store.leftovers.withLock { $0 = Leftovers(condemned: [id]) }
        try store.write(contents[2])
        #expect(try store.read(contents[1]) == contents[1].bytes)
        #expect(store.counters.evictions.value == 0)
        store.close()
    }

    @Test func aFileWithAnImpossibleNumberIsNoReasonNotToStart() throws {
        let folder = TemporaryDirectory()
        let store = try openStore(folder.path)
        try store.write(Content(random: block, seed: 1))
        store.close()
        let path = "\(folder.path)/flat/00/nothing.\(Int64.min)"
        #expect(mkdir("\(folder.path)/flat/00", 0o700) == 0 || errno == EEXIST)
        try FileDescriptor.open(path, O_WRONLY | O_CREAT).writeBytes([1])
        try openStore(folder.path).close()
        #expect(access(path, F_OK) != 0)
    }

    @Test(.timeLimit(.minutes(1)))
    func theDiskIsTriedByTheFirstWhoAsks() throws {
        let folder = TemporaryDirectory()
        try openStore(folder.path).close()
        let files = HeldFiles()
        let store = try openStore(folder.path, files: files)
        #expect(access("\(folder.path)/packs/probe", F_OK) != 0)
        files.letGo()
        #expect(store.packs.canPunch)
        store.close()
    }
}

/// Real files, of which none can be removed until that is allowed.
private final class HeldFiles: StoreFiles {
    private let disk = DiskFiles()
    private let gate = Mailbox<Void>()

    func letGo() { gate.close() }

    func remove(_ path: String) throws(Errno) {
        _ = gate.receive()
        try disk.remove(path)
    }

    func makeDirectory(_ path: String) throws(Errno) { try disk.makeDirectory(path) }
    func lock(_ path: String) throws(Errno) -> any StoreFile { try disk.lock(path) }
    func names(in directory: String) throws(Errno) -> [String] { try disk.names(in: directory) }
    func synchronizeDirectory(_ path: String) throws(Errno) {
        try disk.synchronizeDirectory(path)
    }
    func rename(_ path: String, to target: String) throws(Errno) {
        try disk.rename(path, to: target)
    }
    func open(_ path: String, create: Bool) throws(Errno) -> any StoreFile {
        try disk.open(path, create: create)
    }
}
