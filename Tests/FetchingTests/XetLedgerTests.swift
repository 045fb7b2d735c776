// The chunks of contents: what the ledger knows and forgets.

import Hashing
import Platform
import Testing
import Xet

@testable import Fetching

@Suite struct XetLedgerTests {
    private let ledger = XetLedger()

    /// Pieces of 1,000 bytes in one xorb.
    private func pieces(_ count: Int) -> [IdentifiedChunk] {
        let xorb = XetHash.chunk([1])
        return (0..<count).map { index in
            IdentifiedChunk(
                hash: .chunk([1, UInt8(truncatingIfNeeded: index), UInt8(index >> 8 & 0xFF)]),
                fileOffset: Int64(index) * 1000, byteCount: 1000, xorb: xorb, index: index)
        }
    }

    private func source(_ number: UInt8, _ chunkCount: Int) -> XetLedger.Source {
        XetLedger.Source(
            hash: .sha256(SHA256Hasher.digest(of: [number])), sizeBytes: Int64(chunkCount) * 1000)
    }

    @Test func `a chunk is found where it came first`() throws {
        let chunks = pieces(3)
        let (first, second) = (source(1, 3), source(2, 3))
        for chunk in chunks { ledger.add(chunk, of: first) }
        for chunk in chunks { ledger.add(chunk, of: second) }
        let place = try #require(ledger.place(chunks[2].xorb, 2))
        #expect(place.source == first && place.fileOffset == 2000)
        #expect(ledger.place(chunks[2].xorb, 3) == nil)
        ledger.forgetPlace(chunks[2].xorb, 2)
        #expect(ledger.place(chunks[2].xorb, 2) == nil)
        ledger.add(chunks[2], of: second)
        #expect(ledger.place(chunks[2].xorb, 2)?.source == second)
    }

    @Test func `the chunks of a wrong content serve nobody`() throws {
        let chunks = pieces(3)
        let content = source(1, 3)
        for chunk in chunks { ledger.add(chunk, of: content) }
        ledger.forget(content)
        #expect(ledger.place(chunks[0].xorb, 0) == nil)
        for chunk in chunks { ledger.add(chunk, of: content) }
        #expect(ledger.place(chunks[0].xorb, 0)?.source == content)
    }

    @Test func `the store is asked once for a xorb, and again for what was forgotten`() {
        let chunks = pieces(2)
        let xorb = chunks[0].xorb
        #expect(!ledger.hasLearned(xorb))
        #expect(!ledger.hasLearned(xorb), "asking is not learning")
        ledger.noteLearned(xorb)
        #expect(ledger.hasLearned(xorb))
        for chunk in chunks { ledger.add(chunk, of: source(1, 2)) }
        #expect(ledger.hasLearned(xorb))
        ledger.forget(source(1, 2))
        #expect(!ledger.hasLearned(xorb))
    }

    @Test func `what is remembered has a limit`() throws {
        let count = 1000
        let most = XetLedger.chunkCountMax / count + 1
        for number in 0..<most {
            let content = source(UInt8(number), count)
            for index in 0..<count {
                ledger.add(
                    IdentifiedChunk(
                        hash: .zero, fileOffset: Int64(index) * 1000, byteCount: 1000,
                        xorb: .zero, index: number * count + index),
                    of: content)
            }
        }
        #expect(ledger.place(.zero, 0) == nil)
        #expect(ledger.place(.zero, most * count - 1) != nil)
    }
}
