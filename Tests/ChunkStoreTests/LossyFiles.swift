// A disk that loses power: what was not synchronized is there, or half there, or not at all.
//
// Writes are kept in memory until their file is synchronized, and new names until their folder is.
// A seed decides which of them reach the disk before that, whole or torn, as disks do in any
// order. The process is then killed, and what was in memory is gone with it.

import ChunkStore
import Glibc
import Platform
import TestSupport

/// Files that forget.
final class LossyFiles: StoreFiles {
    fileprivate struct State {
        var generator: SeededGenerator
        var open: [String: LossyFile] = [:]
        /// Files whose names are not on the disk yet.
        var unnamed: Set<String> = []
        /// Files that are removed, but not on the disk yet.
        var removed: Set<String> = []
    }

    /// What is added to the name of a file until its folder is synchronized.
    static let suffix = ".unnamed"
    private let disk = DiskFiles()
    private let state: Lock<State>

    init(seed: UInt64) {
        state = Lock(State(generator: SeededGenerator(seed: seed)))
    }

    /// Removes what has no name after a loss of power.
    static func recover(_ directory: String) {
        for path in filesInTree(directory) where path.hasSuffix(suffix) { unlink(path) }
    }

    /// True in so many of 100 cases.
    func chance(_ percent: Int) -> Bool {
        state.withLock { Int.random(in: 0..<100, using: &$0.generator) < percent }
    }

    func makeDirectory(_ path: String) throws(Errno) { try disk.makeDirectory(path) }

    func lock(_ path: String) throws(Errno) -> any StoreFile { try disk.lock(path) }

    func open(_ path: String, create: Bool) throws(Errno) -> any StoreFile {
        let (known, isRemoved) = state.withLock { ($0.open[path], $0.removed.contains(path)) }
        if let known { return known }
        if isRemoved {
            if !create { throw .noEntry }
            try disk.remove(path)
            state.withLock { _ = $0.removed.remove(path) }
        }
        let file: LossyFile
        if let real = try? disk.open(path, create: false) {
            file = LossyFile(real, self)
        } else {
            if !create { throw .noEntry }
            file = LossyFile(try disk.open(path + LossyFiles.suffix, create: true), self)
            state.withLock { _ = $0.unnamed.insert(path) }
        }
        state.withLock { $0.open[path] = file }
        return file
    }

    func remove(_ path: String) throws(Errno) {
        let isUnnamed = state.withLock { state in
            state.open[path] = nil
            return state.unnamed.remove(path) != nil
        }
        if isUnnamed { return try disk.remove(path + LossyFiles.suffix) }
        if state.withLock({ $0.removed.contains(path) }) { throw .noEntry }
        if chance(50) { return try disk.remove(path) }
        _ = try disk.open(path, create: false)
        state.withLock { _ = $0.removed.insert(path) }
    }

    func rename(_ path: String, to target: String) throws(Errno) {
        try disk.rename(path, to: target)
    }

    func names(in directory: String) throws(Errno) -> [String] {
        let removed = state.withLock { $0.removed }
        return try disk.names(in: directory).filter { !removed.contains("\(directory)/\($0)") }
            .map { name in
                name.hasSuffix(LossyFiles.suffix)
                    ? String(name.dropLast(LossyFiles.suffix.count)) : name
            }
    }

    func synchronizeDirectory(_ path: String) throws(Errno) {
        let (unnamed, removed) = state.withLock { state in
            let unnamed = state.unnamed.filter { $0.hasPrefix(path + "/") }
            let removed = state.removed.filter { $0.hasPrefix(path + "/") }
            state.unnamed.subtract(unnamed)
            state.removed.subtract(removed)
            return (unnamed, removed)
        }
        for name in unnamed { try disk.rename(name + LossyFiles.suffix, to: name) }
        for name in removed { try? disk.remove(name) }
    }
}

/// A file whose last writes are in memory.
private final class LossyFile: StoreFile {
    private enum Change {
        case write(Int64, [UInt8])
        case truncate(Int64)
    }

    private let real: any StoreFile
    private let files: LossyFiles
    private let changes = Lock<[Change]>([])

    init(_ real: any StoreFile, _ files: LossyFiles) {
        self.real = real
        self.files = files
    }

    private func apply(_ change: Change) throws(Errno) {
        switch change {
        case .write(let offset, let bytes):
            try bytes.span.bytes.withUnsafeBytes { (bytes) throws(Errno) in
                try real.write(bytes, at: offset)
            }
        case .truncate(let size): try real.truncate(to: size)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(Errno) -> Int {
        var count = try real.read(into: buffer, at: offset)
        for change in changes.withLock({ $0 }) {
            switch change {
            case .truncate(let size):
                let end = Int(max(0, min(Int64(buffer.count), size - offset)))
                for place in count..<max(count, end) { buffer[place] = 0 }
                count = end
            case .write(let start, let bytes):
                let whole = start..<start + Int64(bytes.count)
                let part = whole.clamped(to: offset..<offset + Int64(buffer.count))
                if part.isEmpty { continue }
                for place in part { buffer[Int(place - offset)] = bytes[Int(place - start)] }
                count = max(count, Int(part.upperBound - offset))
            }
        }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        let change = Change.write(offset, Array(bytes))
        changes.withLock { $0.append(change) }
        if files.chance(15) { try apply(change) }
        if files.chance(15) { try apply(.write(offset, Array(bytes.prefix(bytes.count / 2)))) }
    }

    func truncate(to size: Int64) throws(Errno) {
        changes.withLock { $0.append(.truncate(size)) }
    }

    func synchronizeData() throws(Errno) {
        // Others may write meanwhile; that belongs to the next time.
        let before = changes.withLock { $0 }
        for change in before { try apply(change) }
        changes.withLock { $0.removeFirst(before.count) }
    }

    func size() throws(Errno) -> Int64 {
        var size = try real.size()
        for change in changes.withLock({ $0 }) {
            switch change {
            case .truncate(let other): size = other
            case .write(let start, let bytes): size = max(size, start + Int64(bytes.count))
            }
        }
        return size
    }

    func punchHole(at offset: Int64, byteCount: Int64) throws(Errno) {
        // What is dead stays readable for a while, or is gone at once.
        if files.chance(50) { try real.punchHole(at: offset, byteCount: byteCount) }
    }

    func allocatedByteCount() throws(Errno) -> Int64 { try real.allocatedByteCount() }
    func duplicate() throws(Errno) -> FileDescriptor { try real.duplicate() }
}
