// How bytes came, kept by chunk: proofs over restarts, and dropping what is in doubt.

import ChunkStore
import Hashing
import Platform
import Telemetry
import TestSupport
import Testing
import Xet

@Suite struct DeliveryTests {
    let directory = TemporaryDirectory()

    /// A content and its chunks, in one xorb of nothing else.
    private struct Delivered {
        let content: Content
        let chunks: [IdentifiedChunk]
        let hash: XetHash

        init(_ count: Int, seed: UInt64) {
            content = Content(random: count, seed: seed)
            var parts: [(XetHash, Range<Int>)] = []
            var start = 0
            while start < count {
                let end = min(count, start + 50_000 + start % 7)
                parts.append((.chunk(Array(content.bytes[start..<end])), start..<end))
                start = end
            }
            let root = MerkleTree.root(
                of: parts.map { MerkleNode(hash: $0.0, byteCount: UInt64($0.1.count)) })
            hash = .file(root: root)
            chunks = parts.enumerated().map { index, part in
                IdentifiedChunk(
                    hash: part.0, fileOffset: Int64(part.1.lowerBound), byteCount: part.1.count,
                    xorb: root ?? .zero, index: index)
            }
        }

        func chunks(of range: Range<Int64>) -> [IdentifiedChunk] {
            chunks.filter { $0.fileRange.overlaps(range) }
        }
    }

    /// Brings some blocks, as a transfer does.
    private func bring(
        _ store: ChunkStore, _ delivered: Delivered, _ blocks: Range<Int>,
        as chunks: [IdentifiedChunk]? = nil, isNamed: Bool = true
    ) throws {
        let content = delivered.content
        let end = min(blocks.upperBound * block, content.bytes.count)
        let range = blocks.lowerBound * block..<end
        let bytes = Int64(range.lowerBound)..<Int64(range.upperBound)
        let id = store.beginDelivery(of: content.hash, size: content.size, bytes)
        try store.write(content, range)
        store.endDelivery(
            id, isNamed ? chunks ?? delivered.chunks(of: bytes) : [],
            unnamed: isNamed ? [] : [bytes])
    }

    private func verdict(_ store: ChunkStore, _ delivered: Delivered) throws -> FileVerdict {
        try store.proveByChunks(
            delivered.content.hash, size: delivered.content.size, delivered.hash)
    }

    @Test func `what came before a restart is proven with what came after it`() throws {
        let delivered = Delivered(10 * block + 77, seed: 1)
        var store = try openStore(directory.path)
        try bring(store, delivered, 0..<4)
        try bring(store, delivered, 7..<11)
        #expect(try verdict(store, delivered) == .unknown)
        store.close()
        store = try openStore(directory.path)
        defer { store.close() }
        try bring(store, delivered, 4..<7)
        #expect(try verdict(store, delivered) == .right)
        guard case .provenByChunks = store.state(delivered.content).verification else {
            Issue.record("not proven: \(store.state(delivered.content))")
            return
        }
        #expect(try store.prove(delivered.content.hash, size: delivered.content.size))
        #expect(store.state(delivered.content).verification.isProven)
    }

    @Test func `a proof by chunks outlives a restart`() throws {
        let delivered = Delivered(3 * block, seed: 2)
        var store = try openStore(directory.path)
        try bring(store, delivered, 0..<3)
        #expect(try verdict(store, delivered) == .right)
        let proven = store.state(delivered.content).verification
        store.close()
        store = try openStore(directory.path)
        defer { store.close() }
        guard case .provenByChunks(let time) = store.state(delivered.content).verification,
            case .provenByChunks(let before) = proven
        else {
            Issue.record("\(proven)")
            return
        }
        #expect(time.secondsSince1970 == before.secondsSince1970)
    }

    @Test func `bytes without names can only be proven by the content's own hash`() throws {
        let delivered = Delivered(4 * block, seed: 3)
        let store = try openStore(directory.path)
        defer { store.close() }
        try bring(store, delivered, 0..<2)
        try bring(store, delivered, 2..<4, isNamed: false)
        // What overlaps them has names for all.
        let id = store.beginDelivery(
            of: delivered.content.hash, size: delivered.content.size, 0..<1)
        store.endDelivery(id, delivered.chunks, unnamed: [])
        #expect(try verdict(store, delivered) == .unknown)
    }

    @Test func `a transfer that did not end leaves nothing proven`() throws {
        let delivered = Delivered(4 * block, seed: 4)
        var store = try openStore(directory.path)
        let content = delivered.content
        let lost = store.beginDelivery(of: content.hash, size: content.size, 0..<Int64(block))
        try store.write(content, 0..<block)
        store.flush()
        // As after a crash: nobody says how it ended.
        store.close()
        _ = lost
        store = try openStore(directory.path)
        defer { store.close() }
        try bring(store, delivered, 1..<4, as: delivered.chunks)
        #expect(try verdict(store, delivered) == .unknown)
        #expect(try store.prove(content.hash, size: content.size))
    }

    @Test func `what is in doubt is dropped, and its neighbours stay proven`() throws {
        let delivered = Delivered(20 * block, seed: 5)
        let store = try openStore(directory.path)
        defer { store.close() }
        let wrong = delivered.chunks[9]
        var came = delivered.chunks
        came[9] = IdentifiedChunk(
            hash: .zero, fileOffset: wrong.fileOffset, byteCount: wrong.byteCount,
            xorb: wrong.xorb, index: 9)
        try bring(store, delivered, 0..<20, as: came)
        #expect(try verdict(store, delivered) == .wrong)
        let content = delivered.content
        let doubtful = try #require(
            try store.doubtfulChunks(of: content.hash, size: content.size))
        #expect(doubtful.count == came.count, "its xorb has all of them")
        let lost = try store.dropChunks([came[9]], of: content.hash, size: content.size)
        #expect(lost == store.missing(content) && lost.count == 1)
        #expect(lost[0].count <= 2 * block && lost[0].contains(wrong.fileOffset))
        #expect(try verdict(store, delivered) == .unknown)
        let blocks = Int(lost[0].lowerBound) / block..<Int(lost[0].upperBound) / block
        try bring(store, delivered, blocks)
        #expect(try verdict(store, delivered) == .right)
    }

    @Test func `a content that is dropped takes its entries along`() throws {
        let delivered = Delivered(2 * block, seed: 6)
        var store = try openStore(directory.path)
        try bring(store, delivered, 0..<2)
        let content = delivered.content
        store.drop(content.hash, size: content.size)
        store.close()
        store = try openStore(directory.path)
        defer { store.close() }
        try store.write(content)
        #expect(try verdict(store, delivered) == .unknown)
    }
}
