// The disk as one process has it: the store's files, until that process ends.

import ChunkStore
import Platform

/// The files of one process.
package final class SimulatedMount: StoreFiles, @unchecked Sendable {
    // Sendable because only the thread with the baton touches it.

    let disk: SimulatedDisk
    /// Whether the process is gone: what it does now changes nothing.
    private(set) var isDead = false
    private let vfs = Lock<SimulatedVFS?>(nil)

    init(_ disk: SimulatedDisk) {
        self.disk = disk
        vfs.withLock { $0 = SimulatedVFS(self) }
    }

    package var databaseVFS: String? { vfs.withLock { $0?.name } }

    /// The process is killed: all that it has open is closed.
    package func kill() {
        isDead = true
        disk.forgetLocks()
    }

    /// To be called when nothing of the process runs any more.
    package func close() {
        vfs.withLock { $0 = nil }
    }

    func begin(writes: Bool = false, yields: Bool = true) throws(Errno) {
        if isDead { throw .inputOutput }
        try disk.begin(writes: writes, yields: yields)
        if isDead { throw .inputOutput }
    }

    package func makeDirectory(_ path: String) throws(Errno) {
        try begin()
        if disk.folderExists(path) { return }
        if disk.faults.isReadOnly { throw .readOnly }
        disk.makeFolder(path)
    }

    package func open(_ path: String, create: Bool) throws(Errno) -> any StoreFile {
        try begin()
        return SimulatedFile(try disk.node(path, create: create), self)
    }

    package func lock(_ path: String) throws(Errno) -> any StoreFile {
        try begin()
        let node = try disk.node(path, create: true)
        if node.owner != nil { throw .wouldBlock }
        let file = SimulatedFile(node, self)
        node.owner = file
        return file
    }

    package func remove(_ path: String) throws(Errno) {
        try begin(writes: true)
        try disk.remove(path)
    }

    package func rename(_ path: String, to target: String) throws(Errno) {
        try begin(writes: true)
        try disk.rename(path, to: target)
    }

    package func names(in directory: String) throws(Errno) -> [String] {
        try begin()
        return try disk.names(in: directory)
    }

    package func synchronizeDirectory(_ path: String) throws(Errno) {
        try begin()
        disk.synchronizeNames(in: path)
    }
}

/// An open file of a process.
private final class SimulatedFile: StoreFile, @unchecked Sendable {
    private let node: SimulatedDisk.Node
    private let mount: SimulatedMount

    init(_ node: SimulatedDisk.Node, _ mount: SimulatedMount) {
        self.node = node
        self.mount = mount
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
        try mount.begin()
        return node.read(into: buffer, at: Int(offset))
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        try mount.begin(writes: true)
        try mount.disk.checkRoom()
        node.apply(.write(Int(offset), Array(bytes)))
    }

    func size() throws(Errno) -> Int64 { Int64(node.bytes.count) }

    func truncate(to size: Int64) throws(Errno) {
        try mount.begin(writes: true)
        node.apply(.truncate(Int(size)))
    }

    func punchHole(at offset: Int64, byteCount: Int64) throws(Errno) {
        try mount.begin(writes: true)
        node.apply(.hole(Int(offset)..<Int(offset + byteCount)))
    }

    func allocatedByteCount() throws(Errno) -> Int64 { Int64(node.bytes.count) }

    func synchronizeData() throws(Errno) {
        try mount.begin()
        node.synchronize()
    }

    /// The kernel reads nothing of this disk by itself.
    func duplicate() throws(Errno) -> FileDescriptor { throw .notSupported }
}

extension SimulatedDisk.Node {
    /// As much as there is.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = max(0, min(buffer.count, bytes.count - offset))
        if count == 0 { return 0 }
        bytes.withUnsafeBytes { source in
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + count]))
        }
        return count
    }
}

extension SimulatedDisk {
    /// The process that had them is gone.
    func forgetLocks() {
        for node in names.values {
            node.locks = DatabaseLocks()
            node.owner = nil
        }
    }
}
