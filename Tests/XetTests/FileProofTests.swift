// What the chunks that came say about a file, and which of them are in doubt.

import Testing

@testable import Xet

@Suite struct FileProofTests {
    /// A file of chunks in whole xorbs of some chunks each, except the last, of which only a part
    /// is used.
    private func chunks(_ count: Int, perXorb: Int = 10, seed: UInt8 = 1) -> [IdentifiedChunk] {
        let hashes = (0..<count).map { XetHash.chunk([seed, UInt8($0 % 256), UInt8($0 / 256)]) }
        let lengths = (0..<count).map { 9000 + $0 }
        var made: [IdentifiedChunk] = []
        var offset: Int64 = 0
        for place in 0..<count {
            let first = place / perXorb * perXorb
            var nodes = (first..<min(first + perXorb, count)).map {
                MerkleNode(hash: hashes[$0], byteCount: UInt64(lengths[$0]))
            }
            // More chunks than the file has.
            if nodes.count < perXorb { nodes.append(MerkleNode(hash: .zero, byteCount: 1)) }
            made.append(
                IdentifiedChunk(
                    hash: hashes[place], fileOffset: offset, byteCount: lengths[place],
                    xorb: MerkleTree.root(of: nodes) ?? .zero, index: place - first))
            offset += Int64(lengths[place])
        }
        return made
    }

    private func fileHash(_ chunks: [IdentifiedChunk]) -> XetHash {
        let nodes = chunks.map {
            MerkleNode(hash: $0.hash, byteCount: UInt64($0.byteCount))
        }
        return .file(root: MerkleTree.root(of: nodes))
    }

    private func size(_ chunks: [IdentifiedChunk]) -> Int64 {
        chunks.last?.fileRange.upperBound ?? 0
    }

    private func changed(_ chunk: IdentifiedChunk) -> IdentifiedChunk {
        IdentifiedChunk(
            hash: .chunk([99]), fileOffset: chunk.fileOffset, byteCount: chunk.byteCount,
            xorb: chunk.xorb, index: chunk.index)
    }

    private func proof(
        _ lists: [[IdentifiedChunk]], size: Int64
    ) -> FileProof {
        var proof = FileProof(fileByteCount: size, keepsChunks: true)
        let runs = lists.flatMap { ChunkRun.runs(of: $0) }.sorted {
            $0.fileRange.lowerBound < $1.fileRange.lowerBound
        }
        for run in runs { proof.add(run) }
        return proof
    }

    @Test func `runs are read back from what is kept of them`() throws {
        let chunks = chunks(25)
        let runs = ChunkRun.runs(of: chunks)
        #expect(runs.map(\.chunks.count) == [10, 10, 5])
        #expect(runs.flatMap(\.chunks) == chunks)
        for run in runs {
            let first = run.chunks[0]
            #expect(run.entries.count == 35 * run.chunks.count)
            func read(_ entries: [UInt8]) -> ChunkRun? {
                ChunkRun(
                    entries: entries, fileOffset: first.fileOffset, xorb: first.xorb,
                    firstIndex: first.index)
            }
            #expect(read(run.entries) == run)
            #expect(read(run.entries.dropLast()) == nil)
            var long = run.entries
            long[34] = 0xFF
            #expect(read(long) == nil && read([]) == nil)
        }
    }

    @Test func `a file is right when all of its chunks came, some of them twice`() {
        let chunks = chunks(40)
        let hash = fileHash(chunks)
        let halves = [Array(chunks[..<21]), Array(chunks[18...])]
        #expect(proof(halves, size: size(chunks)).verdict(hash) == .right)
        #expect(proof(halves, size: size(chunks)).verdict(.zero) == .wrong)
        #expect(proof([chunks], size: size(chunks) + 1).verdict(hash) == .unknown)
        #expect(proof([chunks], size: size(chunks) - 1).verdict(hash) == .wrong)
        let gap = [Array(chunks[..<20]), Array(chunks[21...])]
        #expect(proof(gap, size: size(chunks)).verdict(hash) == .unknown)
        var unnamed = proof([chunks], size: size(chunks))
        unnamed.addUnnamed()
        #expect(unnamed.verdict(hash) == .unknown)
    }

    @Test func `a wrong chunk puts its xorb in doubt and no other`() {
        let chunks = chunks(35)
        var came = chunks
        came[13] = changed(chunks[13])
        let proof = proof([came], size: size(chunks))
        #expect(proof.verdict(fileHash(chunks)) == .wrong)
        // The last xorb has a chunk more than the file, so it cannot vouch for any.
        #expect(proof.doubtful.map(\.fileOffset) == (came[10..<20] + came[30...]).map(\.fileOffset))
    }

    @Test func `a chunk that came in two forms is in doubt though one of them is right`() {
        let chunks = chunks(30)
        let rest = [changed(chunks[20])] + chunks[21...]
        let proof = proof([Array(chunks[...20]), Array(rest)], size: size(chunks))
        #expect(proof.verdict(fileHash(chunks)) == .wrong)
        #expect(proof.doubtful.map(\.fileOffset) == [chunks[20].fileOffset])
    }

    @Test func `chunks with other boundaries contradict those that are known`() {
        let chunks = chunks(3)
        let other = IdentifiedChunk(
            hash: .chunk([7]), fileOffset: chunks[1].fileOffset + 5, byteCount: 100,
            xorb: chunks[1].xorb, index: 1)
        let proof = proof([chunks, [other]], size: size(chunks))
        #expect(proof.verdict(fileHash(chunks)) == .wrong)
        #expect(proof.doubtful.contains(chunks[1]))
    }

    @Test func `right chunks put together wrongly leave nothing in doubt`() {
        let chunks = chunks(20)
        let proof = proof([chunks], size: size(chunks))
        #expect(proof.verdict(.zero) == .wrong && proof.doubtful.isEmpty)
    }
}
