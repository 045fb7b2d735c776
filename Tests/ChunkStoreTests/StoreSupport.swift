// What the tests of the store share: a store in a directory, contents, reads into arrays.

import ChunkStore
import Glibc
import Hashing
import Telemetry
import TestSupport

/// A new one each time, so that no line is held back as a repetition.
var quietLog: Log {
    Log(minimum: .error, descriptor: getenv("MODELFS_TEST_LOG") == nil ? -1 : 2)
}
let block = ChunkStore.blockByteCount

/// Bytes with the hash that they are known by.
struct Content: Sendable {
    let bytes: [UInt8]
    let hash: ContentHash
    var size: Int64 { Int64(bytes.count) }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        hash = .sha256(SHA256Hasher.digest(of: bytes))
    }

    init(random count: Int, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        self.init(generator.bytes(count))
    }
}

func openStore(
    _ path: String, limit: Int64 = 1 << 40, files: any StoreFiles = DiskFiles()
) throws -> ChunkStore {
    // Other tests of this process start programs, and a child has copies of our descriptors, those
    // of locks too, until it has become another program.
    for _ in 0..<50 {
        do throws(StoreError) {
            return try ChunkStore(
                directory: path, sizeLimitBytes: limit, log: quietLog, files: files)
        } catch {
            if error != .inUse { throw error }
        }
        usleep(10_000)
    }
    return try ChunkStore(directory: path, sizeLimitBytes: limit, log: quietLog, files: files)
}

extension ChunkStore {
    /// Writes the blocks of a range, or all of them.
    func write(_ content: Content, _ range: Range<Int>? = nil) throws {
        let range = range ?? 0..<content.bytes.count
        try content.bytes[range].withUnsafeBytes {
            try write(content.hash, size: content.size, at: Int64(range.lowerBound), $0)
        }
    }

    /// Nil when a part is missing.
    func read(_ content: Content, _ range: Range<Int>? = nil) throws -> [UInt8]? {
        let range = range ?? 0..<content.bytes.count
        var bytes = [UInt8](repeating: 0xee, count: range.count)
        let outcome = try bytes.withUnsafeMutableBytes {
            try read(content.hash, size: content.size, at: Int64(range.lowerBound), into: $0)
        }
        switch outcome {
        case .missing: return nil
        case .bytes(let count): return Array(bytes.prefix(count))
        }
    }

    func state(_ content: Content) -> ContentState {
        state(of: content.hash, size: content.size)
    }

    func missing(_ content: Content) -> [Range<Int64>] {
        missingRanges(content.hash, size: content.size, in: 0..<content.size)
    }
}

/// Flips one bit of a file.
func flipBit(_ path: String, _ bit: Int) throws {
    var bytes = try contentsOfFile(path)
    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    try writeFile(path, bytes)
}
