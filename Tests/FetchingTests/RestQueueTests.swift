// Whose rest comes next: turns, slots, and who is taken out.

import Catalog
import Testing

@testable import Fetching

@Suite struct RestQueueTests {
    private func content(_ row: Int64) -> ContentID { ContentID(row: row) }

    private func turns(_ count: Int, _ queue: inout RestQueue) -> [ContentID?] {
        var turns: [ContentID?] = []
        for _ in 0..<count { turns.append(queue.next()) }
        return turns
    }

    @Test func contentsTakeTurns() {
        var queue = RestQueue()
        let added = [1, 2, 3, 2].map { queue.add(content($0)) }
        #expect(added == [true, true, true, true], "once is enough, and no harm")
        #expect(turns(4, &queue) == [1, 2, 3, 1].map(content))
        queue.remove(content(2))
        #expect(!queue.contains(content(2)))
        // After the turn of 1 comes that of 3.
        #expect(turns(3, &queue) == [3, 1, 3].map(content))
        #expect(Set(queue.removeAll()) == Set([1, 3].map(content)))
        #expect(turns(1, &queue) == [nil])
        #expect(queue.isEmpty)
    }

    @Test func aGroupKeepsItsOrderAndTakesTurnsWithOthers() {
        var queue = RestQueue()
        queue.add(group: [1, 2, 3].map(content))
        queue.add(group: [2, 9].map(content))
        #expect(turns(4, &queue) == [1, 9, 1, 9].map(content))
        queue.remove(content(1))
        #expect(turns(2, &queue) == [2, 9].map(content))
        queue.remove(content(9))
        #expect(turns(2, &queue) == [2, 2].map(content))
    }

    @Test func fewAreUnderWayAndFewerBesideReaders() {
        var queue = RestQueue()
        for number in 0..<RestQueue.runningCountMax {
            #expect(queue.hasSlot(isBesideReaders: false))
            #expect(
                queue.hasSlot(isBesideReaders: true)
                    == (number < RestQueue.runningCountMaxBesideReaders))
            queue.began(content(1), number)
        }
        #expect(!queue.hasSlot(isBesideReaders: false))
        queue.ended(content(1), 0)
        queue.ended(content(1), 0)
        #expect(queue.hasSlot(isBesideReaders: false))
        #expect(queue.isRunning(content(1)) && !queue.isRunning(content(2)))
    }

    @Test func theLineIsBounded() {
        var queue = RestQueue()
        let taken = (0...Int64(RestQueue.contentCountMax)).filter { queue.add(content($0)) }
        #expect(taken.count == RestQueue.contentCountMax)
    }
}
