// The chunks of contents: what the ledger knows and forgets.

import Hashing
import Platform
import Testing
import Xet

@testable import Catalog
@testable import Fetching
@testable import HubAPI

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

    private func content(_ number: Int64, _ chunkCount: Int) throws -> Content {
        let digest = try #require(
            SHA256Digest(hex: String(repeating: "ab", count: 32)))
        return Content(
            id: ContentID(row: number), hash: .sha256(digest),
            sizeBytes: Int64(chunkCount) * 1000, modified: WallTime(secondsSince1970: 0),
            xetHash: nil)
    }

    @Test func `a chunk is found where it came first`() throws {
        let chunks = pieces(3)
        let (first, second) = (try content(1, 3), try content(2, 3))
        for chunk in chunks { ledger.add(chunk, of: first) }
        for chunk in chunks { ledger.add(chunk, of: second) }
        let place = try #require(ledger.place(chunks[2].xorb, 2))
        #expect(place.content.id == first.id && place.fileOffset == 2000)
        #expect(ledger.place(chunks[2].xorb, 3) == nil)
        ledger.forgetPlace(chunks[2].xorb, 2)
        #expect(ledger.place(chunks[2].xorb, 2) == nil)
        ledger.add(chunks[2], of: second)
        #expect(ledger.place(chunks[2].xorb, 2)?.content.id == second.id)
    }

    @Test func `the chunks of a wrong content serve nobody`() throws {
        let chunks = pieces(3)
        let content = try content(1, 3)
        for chunk in chunks { ledger.add(chunk, of: content) }
        ledger.forget(content.id)
        #expect(ledger.place(chunks[0].xorb, 0) == nil)
        for chunk in chunks { ledger.add(chunk, of: content) }
        #expect(ledger.place(chunks[0].xorb, 0)?.content.id == content.id)
    }

    @Test func `what is remembered has a limit`() throws {
        let count = 1000
        let most = XetLedger.chunkCountMax / count + 1
        for number in 0..<most {
            let content = try content(Int64(number), count)
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
