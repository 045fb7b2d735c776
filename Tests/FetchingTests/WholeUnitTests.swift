// A content that is proven before it is served comes whole or not at all, whatever part of it the
// store has lost.

import Fetching
import Platform
import Testing

@Suite struct WholeUnitTests {
    private let size: Int64 = 300_000
    private let block: Int64 = 131_072

    private func plan(present: RangeSet) -> ContentPlan {
        ContentPlan(sizeBytes: size, unitByteCount: size, present: present, readsAhead: false)
    }

    private var everything: RangeSet {
        var set = RangeSet()
        set.insert(0..<size)
        return set
    }

    @Test func `a part that was lost is fetched with all the rest`() {
        var plan = plan(present: everything)
        #expect(plan.lost(0..<block).isEmpty)
        let actions = plan.read(0..<10, waiter: 1)
        #expect(actions == [.start(1, 0..<size, isUrgent: true)])
    }

    @Test func `a part that is stored already does not make the fetch shorter`() {
        var stored = RangeSet()
        stored.insert(block..<size)
        var plan = plan(present: stored)
        let actions = plan.read(block..<block + 10, waiter: 1)
        #expect(actions == [.start(1, 0..<size, isUrgent: true)])
        #expect(plan.arrived(1, 0..<size) == [.wake([1])])
    }

    @Test func `blocks of a large content are lost one by one`() {
        var plan = ContentPlan(
            sizeBytes: size, unitByteCount: block, present: everything, readsAhead: false)
        #expect(plan.lost(10..<20).isEmpty)
        #expect(plan.read(0..<size, waiter: 1) == [.start(1, 0..<block, isUrgent: true)])
    }
}
