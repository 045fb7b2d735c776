// Which chunks of a wrong file are fetched again, arrival by arrival.

import Testing
import Xet

@testable import Fetching

@Suite struct ChunkDoubtTests {
    private func chunk(_ place: Int, _ form: UInt8) -> IdentifiedChunk {
        IdentifiedChunk(
            hash: .chunk([form]), fileOffset: Int64(place) * 1000, byteCount: 1000, xorb: .zero,
            index: place)
    }

    @Test func `a chunk that comes alike twice is settled`() {
        var doubt = ChunkDoubt()
        let first = (0..<10).map { chunk($0, 1) }
        #expect(doubt.note(first) == first)
        var second = first
        second[3] = chunk(3, 2)
        second[7] = chunk(7, 2)
        #expect(doubt.note(second) == [chunk(3, 2), chunk(7, 2)])
        // One of them as it was first, one in a third form.
        #expect(doubt.note([chunk(3, 1), chunk(7, 3)]) == [chunk(7, 3)])
        #expect(doubt.forms.count == 13)
    }

    @Test func `what comes alike and is wrong all the same is given up`() {
        var doubt = ChunkDoubt()
        #expect(doubt.note([chunk(0, 1)]) != nil)
        #expect(doubt.note([chunk(0, 1)]) == nil)
        var empty = ChunkDoubt()
        #expect(empty.note([]) == nil)
    }

    @Test func `a server that never says the same twice is given up`() {
        var doubt = ChunkDoubt()
        for round in 0..<ChunkDoubt.roundCountMax {
            #expect(doubt.note([chunk(0, UInt8(round))]) != nil)
        }
        #expect(doubt.note([chunk(0, 100)]) == nil)
    }
}
