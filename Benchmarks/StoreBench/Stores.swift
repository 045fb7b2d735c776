// Stores filled with weights: what the cases read from and write to.

import ChunkStore
import Hashing
import Telemetry

/// Reads and writes are done in pieces of this length, the longest that the kernel asks for.
let pieceByteCount = 1 << 20

/// Bytes with the hash that they are known by.
struct Content {
    let bytes: [UInt8]
    let hash: ContentHash
    var size: Int64 { Int64(bytes.count) }

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        hash = .sha256(SHA256Hasher.digest(of: bytes))
    }
}

/// Opens a store that evicts nothing.
///
/// - Parameter isCooling: whether it cools by itself, and warms nothing.
func openStore(_ path: String, isCooling: Bool = false) throws -> ChunkStore {
    let limit: Int64 = 1 << 40
    return try ChunkStore(
        directory: path, sizeLimitBytes: limit, hotLimitBytes: isCooling ? 0 : limit,
        log: Log(minimum: .warning, descriptor: 2))
}

extension ChunkStore {
    /// Writes a content piece by piece, and waits until the index has it.
    func write(_ content: Content) throws {
        try content.bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: pieceByteCount) {
                let end = min(start + pieceByteCount, bytes.count)
                try write(
                    content.hash, size: content.size, at: Int64(start),
                    UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
        }
        flush()
    }

    /// Moves a content into packs, if the store has not done so by itself meanwhile.
    func coolNow(_ content: Content) throws {
        if try cool(content.hash, size: content.size) { return }
        let state = state(of: content.hash, size: content.size)
        if !state.isComplete || state.flatByteCount > 0 {
            throw BenchError("a content could not be cooled")
        }
    }

    /// Reads a content piece by piece into one buffer.
    ///
    /// - Parameter body: is lent each piece, with its place.
    func readThrough(
        _ hash: ContentHash, _ size: Int64, _ buffer: UnsafeMutableRawBufferPointer,
        _ body: (Int, UnsafeRawBufferPointer) throws -> Void = { _, _ in }
    ) throws {
        var offset: Int64 = 0
        while offset < size {
            guard case .bytes(let count) = try read(hash, size: size, at: offset, into: buffer)
            else { throw BenchError("a content is not in the store any more") }
            try body(Int(offset), UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
        }
    }

    /// Reads a content and compares every byte.
    func check(_ content: Content, _ buffer: UnsafeMutableRawBufferPointer) throws {
        try content.bytes.withUnsafeBytes { expected in
            try readThrough(content.hash, content.size, buffer) { offset, bytes in
                let part = UnsafeRawBufferPointer(
                    rebasing: expected[offset..<offset + bytes.count])
                if !part.elementsEqual(bytes) { throw BenchError("the store gave wrong bytes") }
            }
        }
    }
}
