// What a crash leaves behind is taken away after the store is open, and nobody waits for it.

import Glibc
import Hashing
import Platform
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
