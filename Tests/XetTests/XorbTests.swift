// Chunk headers, xorbs and footers: there and back, in pieces, damaged, and beyond their limits.

import Compression
import Testing

@testable import Xet

/// A xorb in memory, for tests.
struct TestXorb {
    var content: [UInt8]
    var chunks: [[UInt8]]
    var footer: XorbFooter
}

func makeXorb(_ chunks: [[UInt8]], _ policy: CompressionPolicy) throws -> TestXorb {
    let scratch = CodecScratch()
    var writer = XorbWriter()
    for chunk in chunks {
        var failure: XetError?
        chunk.withUnsafeBytes { bytes in
            do throws(XetError) {
                try writer.add(bytes, hash: .chunk(chunk), policy: policy, scratch: scratch)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }
    return TestXorb(
        content: writer.content, chunks: chunks, footer: try #require(writer.footer()))
}

/// All chunks of a stream that comes in pieces, decoded.
func decodedChunks(
    _ bytes: [UInt8], chunkCount: Int?, piece: Int = .max
) throws(XetError) -> [[UInt8]] {
    let scratch = CodecScratch()
    var stream = ChunkStream(chunkCount: chunkCount)
    var chunks: [[UInt8]] = []
    try bytes.withUnsafeBufferPointer { bytes throws(XetError) in
        let bytes = UnsafeRawBufferPointer(bytes)
        var offset = 0
        while offset < bytes.count {
            let end = offset + min(piece, bytes.count - offset)
            let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
            try stream.feed(part) { header, payload throws(XetError) in
                var chunk = [UInt8](repeating: 0, count: header.chunkByteCount)
                try chunk.withUnsafeMutableBufferPointer { chunk throws(XetError) in
                    try header.decode(
                        payload, into: UnsafeMutableRawBufferPointer(chunk), scratch: scratch)
                }
                chunks.append(chunk)
            }
            offset = end
        }
    }
    try stream.finish()
    return chunks
}

let someChunks: [[UInt8]] = [
    congruence(seed: 7, count: 9000),
    Array(String(repeating: "the same again, ", count: 4000).utf8),
    [42],
    [UInt8](repeating: 0, count: 131_072),
    // Floats of like size: only grouping makes them shorter.
    (0..<16_384).flatMap { index -> [UInt8] in
        let noise = congruence(seed: UInt64(index), count: 4)
        return [noise[3], noise[2], noise[1], 0x3c]
    },
]

@Suite struct XorbTests {
    @Test(arguments: CompressionPolicy.allCases)
    func `a xorb is read back, in pieces of any length`(policy: CompressionPolicy) throws {
        let xorb = try makeXorb(someChunks, policy)
        for piece in [1, 7, 8, 9, 1000, 70_000, Int.max] {
            #expect(
                try decodedChunks(xorb.content, chunkCount: someChunks.count, piece: piece)
                    == someChunks)
        }
        let file = xorb.content + xorb.footer.bytes
        for piece in [1, 8, 5000, Int.max] {
            #expect(try decodedChunks(file, chunkCount: nil, piece: piece) == someChunks)
        }
        #expect(try decodedChunks(xorb.content, chunkCount: nil) == someChunks)
    }

    @Test func `each policy uses its schemes`() throws {
        func schemes(_ policy: CompressionPolicy) throws -> [ChunkScheme] {
            let xorb = try makeXorb(someChunks, policy)
            var schemes: [ChunkScheme] = []
            var stream = ChunkStream(chunkCount: nil)
            try xorb.content.withUnsafeBytes { bytes in
                try stream.feed(bytes) { header, _ in schemes.append(header.scheme) }
            }
            return schemes
        }
        #expect(try schemes(.none) == [.stored, .stored, .stored, .stored, .stored])
        #expect(try schemes(.lz4) == [.stored, .lz4, .stored, .lz4, .stored])
        #expect(
            try schemes(.grouped) == [
                .stored, .lz4GroupedBy4, .stored, .lz4GroupedBy4, .lz4GroupedBy4,
            ])
        #expect(try schemes(.auto) == [.stored, .lz4, .stored, .lz4, .lz4GroupedBy4])
    }

    @Test func `the stream ends exactly after the chunks announced`() throws {
        let xorb = try makeXorb(someChunks, .auto)
        let count = someChunks.count
        #expect(throws: XetError.trailingBytes) {
            try decodedChunks(xorb.content + [0], chunkCount: count)
        }
        #expect(throws: XetError.trailingBytes) {
            try decodedChunks(xorb.content, chunkCount: count - 1)
        }
        #expect(throws: XetError.trailingBytes) {
            try decodedChunks(xorb.content, chunkCount: count - 1, piece: 1)
        }
        #expect(throws: XetError.trailingBytes) {
            try decodedChunks(xorb.content + xorb.footer.bytes, chunkCount: count)
        }
        #expect(throws: XetError.truncated) {
            try decodedChunks(xorb.content, chunkCount: count + 1)
        }
        for cut in [1, 7, 8, 9, 5000, xorb.content.count - 1] {
            #expect(throws: XetError.truncated) {
                try decodedChunks(Array(xorb.content[..<cut]), chunkCount: count)
            }
            #expect(throws: XetError.truncated) {
                try decodedChunks(Array(xorb.content[..<cut]), chunkCount: nil, piece: 3)
            }
        }
    }

    @Test func `headers beyond the limits are refused before their payload comes`() {
        func header(_ bytes: [UInt8]) throws(XetError) {
            _ = try decodedChunks(bytes, chunkCount: 1)
        }
        #expect(throws: XetError.unsupportedChunkVersion(1)) {
            try header([1, 1, 0, 0, 0, 1, 0, 0])
        }
        #expect(throws: XetError.unknownScheme(3)) { try header([0, 1, 0, 0, 3, 1, 0, 0]) }
        #expect(throws: XetError.unknownScheme(99)) { try header([0, 1, 0, 0, 99, 1, 0, 0]) }
        #expect(throws: XetError.chunkLengths(packed: 262_145, unpacked: 1)) {
            try header([0, 1, 0, 4, 1, 1, 0, 0])
        }
        #expect(throws: XetError.chunkLengths(packed: 1, unpacked: 131_073)) {
            try header([0, 1, 0, 0, 1, 1, 0, 2])
        }
        #expect(throws: XetError.chunkLengths(packed: 0, unpacked: 1)) {
            try header([0, 0, 0, 0, 1, 1, 0, 0])
        }
        #expect(throws: XetError.chunkLengths(packed: 1, unpacked: 0)) {
            try header([0, 1, 0, 0, 1, 0, 0, 0])
        }
        #expect(throws: XetError.chunkLengths(packed: 5, unpacked: 6)) {
            try header([0, 5, 0, 0, 0, 6, 0, 0])
        }
    }

    @Test func `a xorb of more chunks than the limit is refused`() {
        let one: [UInt8] = [0, 1, 0, 0, 0, 1, 0, 0, 9]
        let most = Array(repeatElement(one, count: ChunkStream.mostChunks).joined())
        #expect(throws: Never.self) { try decodedChunks(most, chunkCount: nil) }
        #expect(throws: XetError.tooManyChunks) { try decodedChunks(most + one, chunkCount: nil) }
    }

    @Test func `a chunk that decodes to another length is refused`() throws {
        var content = try makeXorb([someChunks[1]], .lz4).content
        content[5] ^= 1
        #expect(throws: XetError.self) { try decodedChunks(content, chunkCount: 1) }
    }

    @Test func `footers of both versions are read`() throws {
        let xorb = try makeXorb(someChunks, .auto)
        let bytes = xorb.footer.bytes
        #expect(bytes.count == 96 + 40 * someChunks.count)
        let size = UInt64(xorb.content.count + bytes.count)
        #expect(try XorbFooter(tail: bytes, fileByteCount: size) == xorb.footer)
        let file = xorb.content + bytes
        #expect(try XorbFooter(tail: file, fileByteCount: size) == xorb.footer)
        #expect(
            MerkleTree.root(
                of: xorb.chunks.map {
                    MerkleNode(hash: .chunk($0), byteCount: UInt64($0.count))
                }) == xorb.footer.hash)

        func words(_ values: [UInt32]) -> [UInt8] {
            values.flatMap { value in [0, 8, 16, 24].map { UInt8(value >> $0 & 255) } }
        }
        var old = Array("XETBLOB".utf8) + [0] + xorb.footer.hash.bytes
        old += words([UInt32(someChunks.count)] + xorb.footer.packedEnds)
        old += xorb.footer.chunkHashes.flatMap(\.bytes) + [UInt8](repeating: 0, count: 16)
        old += words([UInt32(old.count)])
        let read = try XorbFooter(
            tail: old, fileByteCount: UInt64(xorb.content.count + old.count))
        #expect(read.unpackedEnds == nil)
        #expect(read.chunkHashes == xorb.footer.chunkHashes)
        #expect(read.packedEnds == xorb.footer.packedEnds)
    }

    @Test func `a footer cut off, or with a length or a number changed, is refused`() throws {
        let xorb = try makeXorb(someChunks, .auto)
        let bytes = xorb.footer.bytes
        let size = UInt64(xorb.content.count + bytes.count)
        for cut in 1..<bytes.count {
            #expect(throws: XetError.self) {
                try XorbFooter(tail: Array(bytes[cut...]), fileByteCount: size)
            }
        }
        // Hashes and the nonce may be anything; all else is fixed by the rest.
        let count = someChunks.count
        let hashes = Set(8..<40).union(52..<(52 + 32 * count))
        let unpacked = Set((64 + 36 * count)..<(64 + 40 * count))
        let nonce = Set((bytes.count - 20)..<(bytes.count - 4))
        for index in bytes.indices where !hashes.union(unpacked).union(nonce).contains(index) {
            var damaged = bytes
            damaged[index] ^= 0x80
            let footer = try? XorbFooter(tail: damaged, fileByteCount: size)
            // Ends of chunks in the middle may still be possible ones; then they differ.
            #expect(footer != xorb.footer)
        }
        #expect(throws: XetError.self) { try XorbFooter(tail: bytes, fileByteCount: size + 1) }
        #expect(throws: XetError.truncated) { try XorbFooter(tail: [1, 2], fileByteCount: 2) }
    }
}
