// A content that is served only when all of it was proven, or that is to be whole again: its plan.

import Fetching
import Platform
import Testing

@Suite struct ProvenPlanTests {
    private static let unit: Int64 = 131_072
    private static let size: Int64 = 200 << 20

    private func plan(present: [Range<Int64>] = []) -> ContentPlan {
        var set = RangeSet()
        for range in present { set.insert(range) }
        return ContentPlan(
            sizeBytes: Self.size, unitByteCount: Self.unit, present: set, readsAhead: true)
    }

    private func starts(
        _ actions: [ContentPlan.Action]
    ) -> [(number: Int, range: Range<Int64>, isUrgent: Bool)] {
        actions.compactMap { action in
            if case .start(let number, let range, let isUrgent) = action {
                (number, range, isUrgent)
            } else {
                nil
            }
        }
    }

    /// Brings what is under way until nothing is; returns the ranges in their order.
    private func bringAll(
        _ plan: inout ContentPlan, _ actions: [ContentPlan.Action]
    ) -> (ranges: [Range<Int64>], woken: [UInt64], most: Int64) {
        var waiting = starts(actions)
        var ranges: [Range<Int64>] = []
        var woken: [UInt64] = []
        var most: Int64 = 0
        while !waiting.isEmpty {
            most = max(most, plan.underWayByteCount)
            let next = waiting.removeFirst()
            ranges.append(next.range)
            let after = plan.arrived(next.number, next.range) + plan.finished(next.number)
            for case .wake(let waiters) in after { woken += waiters }
            waiting += starts(after)
        }
        return (ranges, woken, most)
    }

    @Test func `all is fetched a window at a time, and nobody is woken before the proof`() {
        var plan = plan(present: [0..<Self.unit, 50 << 20..<60 << 20])
        let first = plan.readProven(waiter: 1)
        #expect(!starts(first).contains { !$0.isUrgent })
        let brought = bringAll(&plan, first)
        #expect(brought.most == ContentPlan.windowByteCountMax)
        #expect(brought.woken.isEmpty && plan.waiterCount == 1)
        #expect(brought.ranges.first?.lowerBound == Self.unit)
        #expect(brought.ranges.reduce(0) { $0 + $1.count } == Self.size - Self.unit - 10 << 20)
        #expect(plan.proven() == [.wake([1])])
        #expect(plan.isIdle)
    }

    @Test func `a second reader joins and waits for the same proof`() {
        var plan = plan()
        let first = plan.readProven(waiter: 1)
        #expect(plan.readProven(waiter: 2) == [])
        let transfer = ContentPlan.transferByteCountMax
        #expect(bringAll(&plan, first).ranges.count == Int((Self.size + transfer - 1) / transfer))
        #expect(plan.proven() == [.wake([1, 2])])
    }

    @Test func `what is lost before the proof is fetched again`() {
        var plan = plan()
        let first = plan.readProven(waiter: 1)
        _ = bringAll(&plan, first)
        let again = plan.lost(10..<20)
        #expect(starts(again).map(\.range) == [0..<Self.unit])
        #expect(bringAll(&plan, again).woken.isEmpty)
        #expect(plan.proven() == [.wake([1])])
    }

    @Test func `a failure tells everybody, and the next reader begins anew`() {
        var plan = plan()
        let first = starts(plan.readProven(waiter: 1))
        #expect(plan.failed(first[3].number)?.hasWaiters == true)
        #expect(plan.abandoned(first[3].number) == [1])
        for transfer in first where transfer.number != first[3].number {
            // Nobody waits: nothing is started for what is left.
            _ = plan.arrived(transfer.number, transfer.range)
            #expect(plan.finished(transfer.number) == [])
        }
        #expect(plan.isIdle)
        let rest = plan.readProven(waiter: 2)
        #expect(starts(rest)[0].range.lowerBound == first[3].range.lowerBound)
    }

    @Test func `who is dismissed is told, and nothing more is fetched for them`() {
        var plan = plan()
        let first = starts(plan.readProven(waiter: 7))
        #expect(plan.dismissWaiters() == [7])
        _ = plan.arrived(first[0].number, first[0].range)
        #expect(plan.finished(first[0].number) == [])
    }

    @Test func `what was lost of a whole content is fetched without a reader`() {
        var plan = plan(present: [0..<Self.size])
        #expect(plan.lost(100 << 20..<180 << 20) == [])
        let actions = plan.complete()
        #expect(!starts(actions).contains { $0.isUrgent })
        let brought = bringAll(&plan, actions)
        #expect(brought.ranges.reduce(0) { $0 + $1.count } == 80 << 20)
        #expect(brought.most == min(80 << 20, ContentPlan.windowByteCountMax))
        #expect(plan.isIdle)
    }
}
