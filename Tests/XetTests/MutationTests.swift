// Valid data with a few bytes changed, cut out or put in: every parser must end, with an error or
// with values within the limits, and never touch what it was not given.
//
// The seed is fixed, so a failure comes back; XET_MUTATIONS sets how many are tried of each kind.

import FoundationEssentials
import Testing

@testable import Xet

private let rounds =
    ProcessInfo.processInfo.environment["XET_MUTATIONS"].flatMap { Int($0) } ?? 500

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // The low bits of a congruence are poor; a multiplication spreads the high ones.
        return (state ^ state >> 29) &* 0xbf58_476d_1ce4_e5b9
    }
}

/// A copy with one to four changes.
func mutated(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var copy = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
        if copy.isEmpty { break }
        let index = Int.random(in: 0..<copy.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: copy[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: copy[index] = [0, 0xff, 0x80, 0x7f].randomElement(using: &random) ?? 0
        case 2: copy.remove(at: index)
        case 3: copy.insert(UInt8.random(in: 0...255, using: &random), at: index)
        default: copy.removeSubrange(index..<min(copy.count, index + 100))
        }
    }
    return copy
}

@Suite struct MutationTests {
    @Test func `xorbs`() throws {
        var random = SeededGenerator(state: 1)
        let chunks = someChunks.map { Array($0.prefix(6000)) }
        let file = try makeXorb(chunks, .auto)
        let whole = file.content + file.footer.bytes
        for _ in 0..<rounds {
            let bytes = mutated(whole, &random)
            let piece = Int.random(in: 1...10_000, using: &random)
            let found = try? decodedChunks(bytes, chunkCount: nil, piece: piece)
            #expect((found?.count ?? 0) <= ChunkStream.mostChunks)
            // However the bytes are cut into pieces, the outcome is the same.
            #expect(found == (try? decodedChunks(bytes, chunkCount: nil)))
        }
    }

    @Test func `footers`() throws {
        var random = SeededGenerator(state: 2)
        let file = try makeXorb(someChunks, .none)
        let size = UInt64(file.content.count)
        for _ in 0..<rounds {
            let bytes = mutated(file.footer.bytes, &random)
            let footer = try? XorbFooter(tail: bytes, fileByteCount: size + UInt64(bytes.count))
            if let footer {
                #expect(footer.packedEnds.count == footer.chunkHashes.count)
                #expect(footer.packedEnds.last == UInt32(size))
            }
        }
    }

    @Test func `downloads`() throws {
        var random = SeededGenerator(state: 3)
        let file = try TestFile.make()
        let plan = try DownloadPlan(
            try file.reconstruction(file.range), range: file.range,
            fileByteCount: file.range.upperBound, isHere: { _, _ in false })
        for _ in 0..<rounds {
            let download = try #require(plan.downloads.randomElement(using: &random))
            // `put` would trap outside of the file.
            var target = TestTarget(file)
            try? target.take(download, mutated(file.data(download), &random), piece: 5000)
        }
    }

    @Test(arguments: ReconstructionVersion.allCases)
    func `answers`(version: ReconstructionVersion) throws {
        var random = SeededGenerator(state: 4)
        let file = try TestFile.make()
        let json = try file.reconstruction(20_000..<60_000).json(version)
        for _ in 0..<rounds {
            let answer = try? Reconstruction(json: mutated(json, &random), version: version)
            guard let answer else { continue }
            let plan = try? DownloadPlan(
                answer, range: 20_000..<60_000, fileByteCount: file.range.upperBound,
                isHere: { _, _ in false })
            if let plan { #expect(plan.fileRange.upperBound <= file.range.upperBound) }
        }
    }
}
