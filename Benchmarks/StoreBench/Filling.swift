// Filling: what a content costs from its arrival until it lies in packs, stage by stage.
//
// Each round drops the content and goes through the stages in order. Beside them stand what they
// consist of: a native file written and synchronized, SHA-256, cutting, and the keyed BLAKE3.

import ChunkStore
import Compression
import Hashing
import Xet

/// The stages of one type of weights.
func fillingCase(_ specimen: Specimen, in folder: String) throws -> (Case, ChunkStore) {
    let name = specimen.element.rawValue
    let content = Content(try contents(of: specimen))
    let store = try openStore("\(folder)/\(name)-filling")
    let copy = "\(folder)/\(name)-copy.bin"
    let ways = [
        Way(name: "native file, fdatasync") {
            try content.bytes.withUnsafeBytes { try writeAndSync(copy, $0, piece: pieceByteCount) }
        },
        Way(name: "SHA-256 alone") {
            if ContentHash.sha256(SHA256Hasher.digest(of: content.bytes)) != content.hash {
                throw BenchError("SHA-256 is not what it was")
            }
        },
        Way(name: "cutting alone") { try cut(content.bytes) { _ in } },
        Way(name: "cutting and chunk hashes alone") {
            try cut(content.bytes) { _ = XetHash.chunk($0) }
        },
        Way(name: "cutting and coding alone") { try encodeChunks(content.bytes) },
        Way(
            name: "store: write flat, index synchronized",
            prepare: { store.drop(content.hash, size: content.size) },
            work: { try store.write(content) }),
        Way(name: "store: prove (read, check, SHA-256)") {
            if try !store.prove(content.hash, size: content.size) {
                throw BenchError("a content was not proven")
            }
        },
        Way(name: "store: cool into packs") { try store.coolNow(content) },
    ]
    let one = Case(
        name: "fill \(name)", byteCount: Int(specimen.size), isSequence: true, ways: ways)
    return (one, store)
}

/// Rates of BLAKE3 alone, on bytes that are in the cache and on those that are not.
func hashingCase(_ bytes: [UInt8]) -> Case {
    let chunk = 65_536
    return Case(
        name: "BLAKE3", byteCount: bytes.count,
        ways: [
            Way(name: "in one piece") { _ = Blake3.hash(bytes) },
            Way(name: "chunks of 64 KiB") {
                bytes.withUnsafeBytes { all in
                    for start in stride(from: 0, to: all.count, by: chunk) {
                        let end = min(start + chunk, all.count)
                        _ = XetHash.chunk(UnsafeRawBufferPointer(rebasing: all[start..<end]))
                    }
                }
            },
            Way(name: "one chunk of 64 KiB, again and again") {
                bytes.withUnsafeBytes { all in
                    let part = UnsafeRawBufferPointer(rebasing: all[..<min(chunk, all.count)])
                    for _ in 0..<all.count / part.count { _ = XetHash.chunk(part) }
                }
            },
        ])
}

private func contents(of specimen: Specimen) throws -> [UInt8] {
    let buffer = Buffer()
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(specimen.size))
    try specimen.flat.readThrough(specimen.hash, specimen.size, buffer.bytes) { _, piece in
        bytes.append(contentsOf: piece)
    }
    return bytes
}

/// Codes every chunk as the store does.
private func encodeChunks(_ bytes: [UInt8]) throws {
    let encoder = ChunkEncoder()
    try cut(bytes) { chunk in encoder.withEncoded(chunk, width: nil) { _, _ in } }
}

/// Cuts bytes by content and lends each chunk.
private func cut(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) throws {
    var chunker = GearChunker()
    var total = 0
    bytes.withUnsafeBytes { all in
        var rest = UnsafeRawBufferPointer(all)
        while let length = chunker.cut(rest) {
            body(UnsafeRawBufferPointer(rebasing: rest[..<length]))
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
            total += length
        }
        if rest.count > 0 { body(rest) }
        total += rest.count
    }
    if total != bytes.count { throw BenchError("the chunks are not the whole") }
}
