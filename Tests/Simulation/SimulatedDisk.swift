// A disk in memory that loses power.
//
// A write is seen by every reader at once, but is on the disk only when its file was synchronized;
// a new or removed name, when its folder was. When power is lost, each write that was not
// synchronized is there, half there (cut at a sector) or not there, as a seed says, and so are the
// names. A killed process loses nothing. What an earlier mount does after its end changes nothing.

import ChunkStore
import Glibc
import Platform
import TestSupport

/// The files of a machine.
package final class SimulatedDisk: @unchecked Sendable {
    // Sendable because only the thread with the baton touches it.

    /// A file, whoever has it open.
    final class Node {
        enum Change {
            case write(Int, [UInt8])
            case truncate(Int)
            case hole(Range<Int>)
        }

        var bytes: [UInt8] = []
        /// As of the last synchronization.
        var durable: [UInt8] = []
        var changes: [Change] = []
        /// Locks of SQLite, and its shared memory.
        var locks = DatabaseLocks()
        /// Whoever holds `StoreFiles.lock`.
        weak var owner: AnyObject?

        func apply(_ change: Change) {
            changes.append(change)
            Node.apply(change, to: &bytes)
        }

        static func apply(_ change: Change, to bytes: inout [UInt8]) {
            // Whole pieces: element by element takes minutes where nothing is optimised.
            switch change {
            case .write(let offset, let new):
                let end = offset + new.count
                if bytes.count < end { bytes.append(contentsOf: zeros(end - bytes.count)) }
                copy(new, to: &bytes, at: offset)
            case .truncate(let size):
                if size < bytes.count {
                    bytes.removeLast(bytes.count - size)
                } else {
                    bytes.append(contentsOf: zeros(size - bytes.count))
                }
            case .hole(let range):
                let part = range.clamped(to: 0..<bytes.count)
                copy(zeros(part.count), to: &bytes, at: part.lowerBound)
            }
        }

        private static func zeros(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }

        private static func copy(_ new: [UInt8], to bytes: inout [UInt8], at offset: Int) {
            bytes.withUnsafeMutableBytes { target in
                new.withUnsafeBytes {
                    UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + new.count])
                        .copyMemory(from: $0)
                }
            }
        }

        func synchronize() {
            durable = bytes
            changes = []
        }
    }

    /// What goes wrong for now.
    package struct Faults: Sendable {
        /// Of so many operations one fails; 0: none.
        package var errorEvery = 0
        /// Writes fail with ENOSPC.
        package var isFull = false
        package var isReadOnly = false

        package var isActive: Bool { errorEvery > 0 || isFull || isReadOnly }
    }

    private static let sectorByteCount = 512

    let threads: SimulatedThreads
    var random: SeededGenerator
    package var faults = Faults()
    /// How many errors were given.
    package private(set) var errorCount = 0
    private(set) var names: [String: Node] = [:]
    /// The names that are on the disk.
    private var durableNames: [String: Node] = [:]
    private var folders: Set<String> = []
    private var mountCount = 0

    package init(seed: UInt64, threads: SimulatedThreads) {
        random = SeededGenerator(seed: seed ^ 0xd15c)
        self.threads = threads
    }

    /// The disk for a new process.
    package func mount() -> SimulatedMount {
        mountCount += 1
        return SimulatedMount(self)
    }

    /// What was not synchronized is lost, or is not.
    package func losePower() {
        for (path, node) in sorted(names) where durableNames[path] !== node {
            // A new name may have come to the disk by itself.
            if chance(50) { durableNames[path] = node }
        }
        for (path, _) in sorted(durableNames) where names[path] == nil {
            if chance(50) { durableNames[path] = nil }
        }
        names = durableNames
        for (_, node) in sorted(names) { lose(node) }
    }

    private func lose(_ node: Node) {
        var bytes = node.durable
        for change in node.changes {
            switch (change, Int.random(in: 0..<3, using: &random)) {
            case (_, 0): continue
            case (.write(let offset, let new), 1):
                // Torn: only the sectors up to some place.
                let sector = SimulatedDisk.sectorByteCount
                let ends = stride(from: sector - offset % sector, to: new.count, by: sector)
                guard let end = Array(ends).randomElement(using: &random) else { continue }
                Node.apply(.write(offset, Array(new.prefix(end))), to: &bytes)
            default: Node.apply(change, to: &bytes)
            }
        }
        node.bytes = bytes
        node.synchronize()
        node.locks = DatabaseLocks()
        node.owner = nil
    }

    /// A bit of a file turns over by itself.
    package func rot(_ path: String, at offset: Int, bit: Int) {
        guard let node = names[path], offset < node.bytes.count else { return }
        node.bytes[offset] ^= 1 << UInt8(bit)
        if offset < node.durable.count { node.durable[offset] ^= 1 << UInt8(bit) }
    }

    /// The files below a folder, in order.
    package func paths(below folder: String) -> [String] {
        names.keys.filter { $0.hasPrefix(folder + "/") }.sorted()
    }

    /// The length of a file.
    package func size(of path: String) -> Int { names[path]?.bytes.count ?? 0 }

    private func sorted(_ names: [String: Node]) -> [(key: String, value: Node)] {
        names.sorted { $0.key < $1.key }
    }

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    // MARK: What mounts ask for

    /// Time that an operation takes, and a chance for others; fails if it is to.
    func begin(writes: Bool, yields: Bool = true) throws(Errno) {
        threads.spend(nanoseconds: Int64.random(in: 5_000...60_000, using: &random))
        if yields { threads.yield() }
        if faults.errorEvery > 0, Int.random(in: 0..<faults.errorEvery, using: &random) == 0 {
            errorCount += 1
            throw .inputOutput
        }
        if writes && faults.isReadOnly {
            errorCount += 1
            throw .readOnly
        }
    }

    func checkRoom() throws(Errno) {
        if faults.isFull {
            errorCount += 1
            throw .noSpace
        }
    }

    func makeFolder(_ path: String) { folders.insert(path) }

    func folderExists(_ path: String) -> Bool { folders.contains(path) }

    func node(_ path: String, create: Bool) throws(Errno) -> Node {
        if let known = names[path] { return known }
        if !create { throw .noEntry }
        let node = Node()
        names[path] = node
        return node
    }

    func remove(_ path: String) throws(Errno) {
        if names.removeValue(forKey: path) == nil { throw .noEntry }
    }

    func rename(_ path: String, to target: String) throws(Errno) {
        guard let node = names.removeValue(forKey: path) else { throw .noEntry }
        names[target] = node
    }

    func names(in folder: String) throws(Errno) -> [String] {
        if !folders.contains(folder) { throw .noEntry }
        let prefix = folder + "/"
        let all = Array(names.keys) + Array(folders)
        let found = all.filter { $0.hasPrefix(prefix) }.map {
            String($0.dropFirst(prefix.count).prefix { $0 != "/" })
        }
        return Set(found).sorted()
    }

    func synchronizeNames(in folder: String) {
        let prefix = folder + "/"
        func isIn(_ path: String) -> Bool {
            path.hasPrefix(prefix) && !path.dropFirst(prefix.count).contains("/")
        }
        for path in durableNames.keys where isIn(path) && names[path] == nil {
            durableNames[path] = nil
        }
        for (path, node) in names where isIn(path) { durableNames[path] = node }
    }
}
