// Large files in xorbs: cut, packed once, found again by every range, and whole after a crash.

import Compression
import Glibc
import Hashing
import HubAPI
import Platform
import TestSupport
import Testing
import Xet

@testable import LocalHub

/// A root with files of a model, removed at the end.
private struct Fixture {
    let directory = TemporaryDirectory()
    let store: RepositoryStore
    let xet: XetStore
    let id: RepositoryID
    var source: String { "\(directory.path)/source" }

    init() throws {
        id = try #require(RepositoryID(kind: .model, name: "org/name"))
        let root = try HubRoot.create("\(directory.path)/root")
        store = RepositoryStore(root)
        xet = XetStore(root)
        mkdir(source, 0o700)
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try writeFile("\(source)/\(name)", bytes)
    }

    func add(hasXet: Bool = true, at seconds: Int64 = 1_700_000_000) throws -> Commit {
        var request = AddRequest(id, folder: source)
        request.hasXet = hasXet
        request.date = WallTime(secondsSince1970: seconds)
        let result = try store.add(request)
        return try #require(try store.commit(result.commit, of: id))
    }

    func hash(_ name: String, in commit: Commit) throws -> XetHash {
        try #require(commit.entry(at: name)?.xetHash)
    }

    /// The paths of all xorbs.
    func xorbs() throws -> [String] {
        let folder = store.root.xorbsPath
        return namesInDirectory(folder).flatMap { part in
            namesInDirectory("\(folder)/\(part)").map { "\(folder)/\(part)/\($0)" }
        }
    }

    /// A file's bytes, put together from xorbs by its record.
    func bytes(of hash: XetHash) throws -> [UInt8] {
        let record = try #require(try xet.file(hash))
        var bytes: [UInt8] = []
        for term in record.terms {
            let index = try xet.index(of: term.xorb)
            let range = index.packedRange(of: term.chunks)
            guard let file = try xet.open(term.xorb) else { return [] }
            let packed = try file.readBytes(countMax: range.count, at: range.lowerBound)
            bytes += try decoded(packed, chunkCount: term.chunks.count)
        }
        return bytes
    }
}

/// What chunks that follow each other decode to.
private func decoded(_ packed: [UInt8], chunkCount: Int) throws -> [UInt8] {
    var pieces: [(ChunkHeader, [UInt8])] = []
    var stream = ChunkStream(chunkCount: chunkCount)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: packed.count, alignment: 1)
    defer { piece.deallocate() }
    piece.copyBytes(from: packed)
    try stream.feed(UnsafeRawBufferPointer(piece)) { header, payload throws(XetError) in
        pieces.append((header, Array(payload)))
    }
    try stream.finish()
    let scratch = CodecScratch()
    let room = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 2 * ChunkHeader.mostPayloadBytes, alignment: 1)
    defer { room.deallocate() }
    var bytes: [UInt8] = []
    for (header, payload) in pieces {
        let source = UnsafeMutableRawBufferPointer(
            rebasing: room[
                GearChunker.maximumByteCount..<GearChunker.maximumByteCount + payload.count])
        source.copyBytes(from: payload)
        let target = UnsafeMutableRawBufferPointer(rebasing: room[..<header.chunkByteCount])
        try header.decode(UnsafeRawBufferPointer(source), into: target, scratch: scratch)
        bytes += target
    }
    return bytes
}

/// Random bytes, then some that compress well, then the beginning again.
private func mixedBytes(_ seed: UInt64, count: Int) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    let half = random.bytes(count / 2)
    let flat = (0..<count / 4).map { UInt8(truncatingIfNeeded: $0 >> 8) }
    return half + flat + half.prefix(count - half.count - flat.count)
}

@Suite struct XetStoreTests {
    @Test func filesAreFoundAgainInXorbs() throws {
        let fixture = try Fixture()
        let contents: [String: [UInt8]] = [
            "one.bin": [7], "short.bin": mixedBytes(1, count: 9000),
            "long.bin": mixedBytes(2, count: 1_500_000),
        ]
        for (name, bytes) in contents { try fixture.write(name, bytes) }
        try fixture.write("empty.bin", [])
        try fixture.write("small.txt", [1])
        let commit = try fixture.add()
        for (name, bytes) in contents {
            let hash = try fixture.hash(name, in: commit)
            #expect(try fixture.bytes(of: hash) == bytes, "\(name)")
            #expect(commit.holds(hash))
        }
        #expect(commit.entry(at: "empty.bin")?.xetHash == nil)
        #expect(commit.entry(at: "small.txt")?.xetHash == nil)
        // From the table of the protocol's facts: the hash of one byte of zero.
        try fixture.write("one.bin", [0])
        let next = try fixture.add(at: 1_700_000_001)
        #expect(
            try fixture.hash("one.bin", in: next).text
                == "41f5539a8d8bdd7509fd9a319268aca47ea6d40b33394170182e09fa86345c7e")
        #expect(namesInDirectory(fixture.store.root.incomingPath).isEmpty)
    }

    @Test func equalChunksArePackedOnce() throws {
        let fixture = try Fixture()
        var bytes = mixedBytes(3, count: 2_000_000)
        try fixture.write("a.bin", bytes)
        try fixture.write("b.bin", bytes)
        let first = try fixture.add()
        let xorb = try #require(try fixture.xorbs().first)
        #expect(try fixture.xorbs().count == 1)
        // The file has its beginning twice, so that a third of it at most is new.
        #expect(try contentsOfFile(xorb).count < 1_200_000)
        bytes[700_000] ^= 1
        try fixture.write("b.bin", bytes)
        let second = try fixture.add(at: 1_700_000_001)
        let added = try #require(try fixture.xorbs().first { $0 != xorb })
        #expect(try contentsOfFile(added).count <= 2 * 131_072 + 200)
        #expect(try fixture.hash("a.bin", in: second) == fixture.hash("a.bin", in: first))
        #expect(try fixture.bytes(of: fixture.hash("b.bin", in: second)) == bytes)
    }

    @Test func reconstructionsOfRangesAreThoseOfAllChunks() throws {
        let fixture = try Fixture()
        let bytes = mixedBytes(4, count: 1_200_000)
        try fixture.write("a.bin", Array(bytes[300_000..<500_000]))
        _ = try fixture.add()
        try fixture.write("b.bin", bytes)
        let hash = try fixture.hash("b.bin", in: fixture.add(at: 1_700_000_001))
        let record = try #require(try fixture.xet.file(hash))
        #expect(record.byteCount == 1_200_000 && record.terms.count > 2)
        var chunks: [FileChunk] = []
        for term in record.terms {
            let index = try fixture.xet.index(of: term.xorb)
            for chunk in term.chunks {
                let count = index.unpackedStart(of: chunk + 1) - index.unpackedStart(of: chunk)
                chunks.append(FileChunk(xorb: term.xorb, index: chunk, byteCount: count))
            }
        }
        var random = SeededGenerator(seed: 5)
        var ranges: [Range<Int64>] = [0..<1, 0..<1_200_000, 1_199_999..<1_200_000]
        for start in record.starts.dropFirst() {
            ranges += [start - 1..<start, start..<start + 1, start - 1..<start + 1]
        }
        for _ in 0..<300 {
            let start = Int64.random(in: 0..<1_199_999, using: &random)
            ranges.append(start..<Int64.random(in: start + 1...1_200_000, using: &random))
        }
        for range in ranges {
            let found = try fixture.xet.reconstruction(of: record, range: range) { xorb, bytes in
                "\(xorb) \(bytes)"
            }
            let wanted = try Reconstruction(of: chunks, range: range) { xorb, chunks in
                let bytes =
                    (try? fixture.xet.index(of: xorb))?.packedRange(of: chunks) ?? 0..<0
                return ("\(xorb) \(bytes)", bytes)
            }
            #expect(found == wanted, "\(range)")
        }
    }

    @Test func aWriterThatDiesLeavesNothingToBeFound() throws {
        let fixture = try Fixture()
        let bytes = mixedBytes(6, count: 400_000)
        try fixture.write("a.bin", bytes)
        let plain = try fixture.add(hasXet: false)
        let content = try #require(plain.entry(at: "a.bin")?.content)
        do {
            var intake = try XetIntake(fixture.store)
            let hash = try intake.take(content)
            #expect(try fixture.xet.file(hash) == nil)
        }
        try writeFile("\(fixture.store.root.incomingPath)/xet-1", [1, 2, 3])
        #expect(try fixture.xorbs().isEmpty)
        try fixture.write("b.bin", [1])
        let commit = try fixture.add(at: 1_700_000_001)
        #expect(try fixture.bytes(of: fixture.hash("a.bin", in: commit)) == bytes)
        #expect(namesInDirectory(fixture.store.root.incomingPath).isEmpty)
    }

    @Test func aRootWithoutXetStaysAsItIs() throws {
        let fixture = try Fixture()
        try fixture.write("a.bin", [1, 2, 3])
        let first = try fixture.add(hasXet: false)
        #expect(first.entry(at: "a.bin")?.xetHash == nil)
        let again = try fixture.add(at: 1_700_000_001)
        #expect(again.info.id == first.info.id && again.entry(at: "a.bin")?.xetHash == nil)
        #expect(try fixture.xorbs().isEmpty)
    }

    @Test func whatIsDamagedIsToldFromWhatIsMissing() throws {
        let fixture = try Fixture()
        try fixture.write("a.bin", mixedBytes(7, count: 300_000))
        let hash = try fixture.hash("a.bin", in: fixture.add())
        let xorb = try #require(try fixture.xet.file(hash)?.terms.first?.xorb)
        let path = fixture.store.root.xorbPath(xorb)
        #expect(try fixture.xet.file(.zero) == nil && fixture.xet.open(.zero) == nil)
        var bytes = try contentsOfFile(path)
        unlink(path)
        bytes.removeLast(5)
        try writeFile(path, bytes)
        #expect(throws: LocalHubError.damaged(path: path)) { _ = try fixture.xet.index(of: xorb) }
        let recordPath = fixture.store.root.xetFilePath(hash)
        var record = try contentsOfFile(recordPath)
        record.removeLast(3)
        unlink(recordPath)
        try writeFile(recordPath, record)
        let fresh = XetStore(fixture.store.root)
        #expect(throws: LocalHubError.damaged(path: recordPath)) { _ = try fresh.file(hash) }
    }
}

@Suite struct XetFileRecordTests {
    private static let xorb = XetHash(Digest256(1, 2, 3, 4))
    private let record = XetFileRecord([
        ReconstructionTerm(xorb: xorb, chunks: 3..<5, byteCount: 100_000),
        ReconstructionTerm(xorb: .zero, chunks: 0..<1, byteCount: 5),
        ReconstructionTerm(xorb: xorb, chunks: 0..<8192, byteCount: 500_000_000),
    ])

    @Test func isReadAsItWasWritten() {
        let bytes = record.bytes
        #expect(XetFileRecord(bytes: bytes) == record)
        #expect(record.byteCount == 500_100_005 && record.starts == [0, 100_000, 100_005])
        for count in bytes.indices.dropLast() {
            #expect(XetFileRecord(bytes: Array(bytes[..<count])) == nil, "\(count)")
        }
    }

    @Test func findsTheTermsOfARange() {
        #expect(record.terms(of: 0..<1) == 0..<1)
        #expect(record.terms(of: 99_999..<100_000) == 0..<1)
        #expect(record.terms(of: 99_999..<100_001) == 0..<2)
        #expect(record.terms(of: 100_004..<100_006) == 1..<3)
        #expect(record.terms(of: 100_005..<500_100_005) == 2..<3)
        #expect(record.terms(of: 0..<500_100_005) == 0..<3)
    }
}

@Suite struct XetAccessTests {
    private let access = XetAccess(secret: [UInt8](repeating: 7, count: 32))

    private func grant() throws -> XetGrant {
        XetGrant(
            repository: try #require(RepositoryID(kind: .dataset, name: "org/name")),
            commit: try #require(GitObjectID(hex: String(repeating: "ab", count: 20))),
            expiryDate: WallTime(secondsSince1970: 1000))
    }

    private func time(_ seconds: Int64) -> WallTime { WallTime(secondsSince1970: seconds) }

    @Test func isGoodUntilItEnds() throws {
        let grant = try grant()
        let token = access.token(for: grant)
        #expect(access.grant(of: token, at: time(999)) == grant)
        #expect(access.grant(of: token, at: time(1000)) == nil)
    }

    @Test func cannotBeMadeElsewhereOrChanged() throws {
        let token = access.token(for: try grant())
        let other = XetAccess(secret: [UInt8](repeating: 8, count: 32))
        #expect(other.grant(of: token, at: time(0)) == nil)
        for position in Array(token).indices {
            var letters = Array(token)
            letters[position] = letters[position] == "1" ? "2" : "1"
            #expect(access.grant(of: String(letters), at: time(0)) == nil, "\(position)")
        }
        for text in ["", "xet_", "xet_.", "hf_x", String(token.dropLast()), token + ".00"] {
            #expect(access.grant(of: text, at: time(0)) == nil, "\(text)")
        }
    }
}
