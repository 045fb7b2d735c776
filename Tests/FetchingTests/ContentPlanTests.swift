// The plan of one content, case by case.

import Fetching
import Platform
import TestSupport
import Testing

@Suite struct ContentPlanTests {
    private static let unit: Int64 = 131_072
    private static let mebi: Int64 = 1 << 20

    private func plan(
        _ size: Int64, present: [Range<Int64>] = [], readsAhead: Bool = false, unit: Int64 = unit
    ) -> ContentPlan {
        var set = RangeSet()
        for range in present { set.insert(range) }
        return ContentPlan(
            sizeBytes: size, unitByteCount: unit, present: set, readsAhead: readsAhead)
    }

    private func starts(_ actions: [ContentPlan.Action]) -> [Range<Int64>] {
        actions.compactMap { if case .start(_, let range, _) = $0 { range } else { nil } }
    }

    private func woken(_ actions: [ContentPlan.Action]) -> [UInt64] {
        actions.flatMap { if case .wake(let waiters) = $0 { waiters } else { [] as [UInt64] } }
    }

    @Test func aReadIsRoundedToUnitsAndCutAtTheEnd() {
        let unit = ContentPlanTests.unit
        var first = plan(10 * unit + 5)
        #expect(
            first.read(unit + 7..<unit + 9, waiter: 1) == [
                .start(1, unit..<2 * unit, isUrgent: true)
            ])
        var last = plan(10 * unit + 5)
        #expect(
            starts(last.read(10 * unit + 1..<10 * unit + 5, waiter: 1)) == [
                10 * unit..<10 * unit + 5
            ])
    }

    @Test func whatIsPresentIsNotFetchedAndWakesAtOnce() {
        var plan = plan(1000, present: [0..<1000])
        #expect(plan.read(0..<10, waiter: 4) == [.wake([4])])
        #expect(plan.isIdle)
        #expect(plan.read(5..<5, waiter: 5) == [.wake([5])])
    }

    @Test func aSecondReaderJoinsWhatIsUnderWay() {
        let unit = ContentPlanTests.unit
        var plan = plan(10 * unit)
        #expect(starts(plan.read(0..<10, waiter: 1)).count == 1)
        #expect(plan.read(20..<30, waiter: 2) == [])
        #expect(plan.waiterCount == 2)
        #expect(plan.underWayByteCount == unit)
        #expect(woken(plan.arrived(1, 0..<unit)) == [1, 2])
        #expect(plan.underWayByteCount == 0)
        _ = plan.finished(1)
        #expect(plan.isIdle)
    }

    @Test func aReadOfSeveralTransfersWaitsForAll() {
        let each = ContentPlan.transferByteCountMax
        let size = 2 * each + 4 * ContentPlanTests.mebi
        var plan = plan(size)
        let started = starts(plan.read(0..<size, waiter: 1))
        guard started == [0..<each, each..<2 * each, 2 * each..<size] else {
            Issue.record("\(started)")
            return
        }
        #expect(woken(plan.arrived(3, started[2])) == [])
        #expect(woken(plan.arrived(1, started[0])) == [])
        #expect(woken(plan.arrived(2, started[1])) == [1])
    }

    /// The whole of a read is fetched, also when it is longer than the first window.
    @Test func aReadLongerThanTheWindowIsFetchedWhole() {
        let size = 40 * ContentPlanTests.mebi
        var plan = plan(size, readsAhead: true)
        let started = starts(plan.read(0..<10 << 20, waiter: 1))
        #expect(started.map(\.upperBound).max() ?? 0 >= 10 << 20)
    }

    @Test func aReaderMakesWhatWasAheadUrgent() {
        let mebi = ContentPlanTests.mebi
        let unit = ContentPlanTests.unit
        let first = ContentPlan.windowByteCountMin
        var plan = plan(100 * mebi, readsAhead: true)
        #expect(starts(plan.read(0..<4096, waiter: 1)) == [0..<first])
        var number = 0
        for step in 1...10 as ClosedRange<Int64> {
            for case .start(let started, let range, false) in plan.readHit(
                step * unit..<(step + 1) * unit) where range.lowerBound >= first
            { number = max(number, started) }
        }
        #expect(number > 0, "a reader in order gets a window ahead")
        let waiting = plan.read(first..<first + 10, waiter: 2)
        #expect(waiting.contains { if case .promote = $0 { true } else { false } })
        for case .start(_, let range, let isUrgent) in waiting {
            #expect(!isUrgent && range.lowerBound > 2 * first, "only the window ahead goes on")
        }
        #expect(
            !plan.read(first..<first + 10, waiter: 3).contains {
                if case .promote = $0 { true } else { false }
            }, "once is enough")
    }

    /// A reader in order costs a request for some MiB, not one for each of its reads, whether it
    /// finds the bytes or waits for them.
    @Test(arguments: [true, false])
    func aReaderInOrderCostsFewRequests(hits: Bool) {
        let size: Int64 = 512 << 20
        var plan = plan(size, readsAhead: true)
        var requestCount = 0
        var waiter: UInt64 = 0
        var position: Int64 = 0
        var pending: [(Int, Range<Int64>)] = []
        func note(_ actions: [ContentPlan.Action]) {
            for case .start(let number, let range, _) in actions {
                requestCount += 1
                pending.append((number, range))
            }
        }
        while position < size {
            let range = position..<position + ContentPlanTests.unit
            waiter += 1
            note(plan.read(range, waiter: waiter))
            plan.cancel(waiter)
            note(plan.readHit(range))
            // Bytes that arrive late: the reader is always inside what is under way.
            if hits || pending.count > 12 {
                for (number, range) in pending {
                    _ = plan.arrived(number, range)
                    _ = plan.finished(number)
                }
                pending = []
            }
            position = range.upperBound
        }
        #expect(requestCount < 120, "\(requestCount) requests for 512 MiB")
    }

    @Test func interleavedReadersAreStreamsOfTheirOwn() {
        let size: Int64 = 1 << 30
        var plan = plan(size, readsAhead: true)
        var ahead: [Int64: Int64] = [:]
        let places: [Int64] = [0, 200 << 20, 400 << 20, 600 << 20]
        var waiter: UInt64 = 0
        for step in 0..<8 as Range<Int64> {
            for place in places {
                waiter += 1
                let start = place + step * 1 << 20
                for case .start(let number, let range, _) in plan.read(
                    start..<start + 1 << 20, waiter: waiter)
                {
                    ahead[place] = max(ahead[place] ?? 0, range.upperBound - start)
                    _ = plan.arrived(number, range)
                    _ = plan.finished(number)
                }
            }
        }
        for place in places { #expect(ahead[place] ?? 0 > 8 << 20) }
    }

    /// The first read at the beginning brings what its file is said to need at once; no later one.
    @Test func theFirstReadOpensALongerWindow() {
        let mebi = ContentPlanTests.mebi
        let size = 500 * mebi
        func opened(_ first: Range<Int64>?) -> [Range<Int64>] {
            var plan = ContentPlan(
                sizeBytes: size, unitByteCount: ContentPlanTests.unit, present: RangeSet(),
                openingByteCount: 64 * mebi)
            if let first {
                for action in plan.read(first, waiter: 9) {
                    guard case .start(let number, let range, _) = action else { continue }
                    #expect(plan.isOpening(number))
                    _ = plan.arrived(number, range)
                    _ = plan.finished(number)
                }
            }
            let started = plan.read(0..<4096, waiter: 1)
            for case .start(let number, _, _) in started {
                #expect(plan.isOpening(number) == (first == nil))
            }
            return starts(started)
        }
        let whole = (0..<4).map { $0 * 16 * mebi..<($0 + 1) * 16 * mebi }
        #expect(opened(nil) == whole)
        #expect(opened(300 * mebi..<300 * mebi + 4096) == [0..<4 * mebi])
    }

    /// Many readers who go in order, each on his own, have no more on its way together than one
    /// of them may have several times over, in short transfers.
    @Test func severalReadersShareWhatIsOnItsWay() {
        let mebi = ContentPlanTests.mebi
        let size = 4096 * mebi
        var plan = plan(size, readsAhead: true)
        var waiter: UInt64 = 0
        var most: Int64 = 0
        for step in 0..<Int64(16) {
            for reader in 0..<Int64(16) {
                let begin = reader * 256 * mebi + 50 * mebi + step * mebi / 4
                waiter += 1
                for range in starts(plan.read(begin..<begin + mebi / 4, waiter: waiter))
                where waiter > 32 {
                    most = max(most, Int64(range.count))
                }
            }
        }
        // Nothing has come: windows of all of them, and the 4 MiB that each waits for.
        #expect(plan.underWayByteCount <= ContentPlan.sharedByteCountMax + 64 * mebi)
        #expect(plan.underWayByteCount >= ContentPlan.sharedByteCountMax / 2)
        #expect(most <= ContentPlan.sharedByteCountMax / 16)
        #expect(plan.startRest() == nil, "they have enough on its way")
    }

    /// From where somebody read last to the end, then from the beginning; around what is there.
    @Test func theRestGoesOnFromTheLastRead() {
        let mebi = ContentPlanTests.mebi
        let size = 32 * mebi + 5
        var plan = plan(size, present: [16 * mebi..<17 * mebi])
        #expect(starts(plan.read(12 * mebi..<13 * mebi, waiter: 1)) == [12 * mebi..<13 * mebi])
        var rest: [Range<Int64>] = []
        while let action = plan.startRest() {
            #expect(!plan.isIdle)
            rest += starts([action])
        }
        #expect(
            rest == [
                13 * mebi..<16 * mebi, 17 * mebi..<size, 0..<12 * mebi,
            ])
        #expect(starts(plan.read(0..<10, waiter: 2)) == [], "it is under way already")
    }

    /// A single read far from others costs a few blocks; so does one that is next to it in the end.
    @Test func aTouchCostsLittle() {
        var plan = plan(1 << 30, readsAhead: true)
        let place: Int64 = 300 << 20
        let started = starts(plan.read(place + 5000..<place + 9096, waiter: 1))
        let most = ContentPlan.touchByteCount + 2 * ContentPlanTests.unit
        #expect(started.count == 1 && started[0].count <= most)
        #expect(started[0].contains(place + 100_000))
        _ = plan.arrived(1, started[0])
        _ = plan.finished(1)
        #expect(plan.readHit(place + 9096..<place + 20_000) == [])
        // What is skipped was not read, and opens no window.
        let beyond = starts(plan.read(place + 3 << 20..<(place + 3 << 20) + 4096, waiter: 2))
        #expect(beyond.reduce(0) { $0 + $1.count } <= Int(2 * most))
    }

    /// Who reads here and there gets his blocks and no more, after some reads; who begins to read
    /// in order has a window again.
    @Test func readsHereAndThereBringNothingWithThem() {
        let unit = ContentPlanTests.unit
        var plan = plan(4 << 30, readsAhead: true)
        var generator = SeededGenerator(seed: 3)
        var places = Array(0..<Int64(1000)).map { $0 * 4 << 20 + 5000 }
        places.shuffle(using: &generator)
        for (number, place) in places.enumerated() {
            let started = starts(plan.read(place..<place + 4096, waiter: UInt64(number)))
            let count = started.reduce(0) { $0 + Int64($1.count) }
            #expect(plan.readHit(place..<place + 4096) == [])
            let most = number < ContentPlan.loneReadCountMax ? ContentPlan.touchByteCount : 0
            #expect(started.count == 1 && count <= most + unit, "read \(number): \(started)")
        }
        let last = places[999]
        let next = starts(plan.read(last + unit..<last + unit + 4096, waiter: 1000))
        #expect(next.count == 1 && next[0].count >= ContentPlan.touchByteCount)
    }

    /// The parts of a transfer come in any order; what is missing of it is told when it fails.
    @Test func partsOfATransferComeInAnyOrder() {
        let unit = ContentPlanTests.unit
        var plan = plan(8 * unit)
        _ = plan.read(0..<8 * unit, waiter: 1)
        #expect(plan.arrived(1, 5 * unit..<6 * unit) == [])
        #expect(plan.arrived(1, 0..<unit) == [])
        #expect(plan.underWayByteCount == 6 * unit)
        #expect(plan.remaining(of: 1) == unit..<8 * unit)
        // Another reader of what is still under way starts nothing.
        #expect(starts(plan.read(2 * unit..<3 * unit, waiter: 2)) == [])
        #expect(woken(plan.arrived(1, 2 * unit..<3 * unit)) == [2])
        #expect(plan.failed(1)?.remaining == unit..<8 * unit)
        #expect(woken(plan.arrived(1, unit..<2 * unit)) == [])
        #expect(woken(plan.arrived(1, 3 * unit..<5 * unit)) == [])
        #expect(woken(plan.arrived(1, 6 * unit..<8 * unit)) == [1])
        #expect(plan.finished(1) == [] && plan.isIdle)
    }

    @Test func theRestComesInTheOrderThatWasSet() {
        let mebi = ContentPlanTests.mebi
        var plan = plan(8 * mebi, present: [2 * mebi..<3 * mebi])
        plan.setOrder([6 * mebi..<7 * mebi, 1 * mebi..<4 * mebi, 7 * mebi..<20 * mebi])
        var rest: [Range<Int64>] = []
        while let action = plan.startRest(wantsAll: false) { rest += starts([action]) }
        #expect(
            rest == [
                6 * mebi..<7 * mebi, 1 * mebi..<2 * mebi, 3 * mebi..<4 * mebi,
                7 * mebi..<8 * mebi,
            ])
        #expect(starts([plan.startRest()].compactMap(\.self)) == [0..<mebi])
    }

    @Test func aCancelledReaderIsNotWokenAndItsBytesStillCome() {
        let unit = ContentPlanTests.unit
        var plan = plan(10 * unit)
        _ = plan.read(0..<10, waiter: 1)
        plan.cancel(1)
        #expect(!plan.isIdle)
        #expect(plan.arrived(1, 0..<unit) == [])
        _ = plan.finished(1)
        #expect(plan.isIdle)
        #expect(plan.read(0..<10, waiter: 2) == [.wake([2])])
    }

    @Test func failuresAreCountedSinceTheLastArrival() throws {
        let unit = ContentPlanTests.unit
        var plan = plan(4 * unit)
        _ = plan.read(0..<4 * unit, waiter: 1)
        #expect(plan.failed(1)?.attempts == 1)
        #expect(plan.failed(1)?.attempts == 2)
        _ = plan.arrived(1, 0..<unit)
        let failed = plan.failed(1)
        let left = try #require(failed)
        #expect(left.attempts == 1)
        #expect(left.remaining == unit..<4 * unit)
        #expect(left.hasWaiters)
        plan.cancel(1)
        #expect(plan.failed(1)?.hasWaiters == false)
        #expect(plan.failed(99) == nil)
    }

    @Test func whatIsGivenUpFailsItsReadersAndMayBeAskedForAgain() {
        let size = 2 * ContentPlan.transferByteCountMax
        var plan = plan(size)
        _ = plan.read(0..<10, waiter: 1)
        _ = plan.read(16 << 20..<(16 << 20) + 10, waiter: 2)
        #expect(plan.abandoned(1) == [1])
        #expect(plan.abandoned(1) == [])
        #expect(plan.waiterCount == 1)
        #expect(starts(plan.read(0..<10, waiter: 3)) == [0..<ContentPlanTests.unit])
    }

    /// Bytes of a transfer that was given up come late, while they are under way again.
    @Test func bytesThatComeLateAreWelcome() {
        let unit = ContentPlanTests.unit
        var plan = plan(4 * unit)
        _ = plan.read(0..<10, waiter: 1)
        _ = plan.abandoned(1)
        #expect(starts(plan.read(0..<10, waiter: 2)) == [0..<unit])
        #expect(woken(plan.arrived(1, 0..<unit)) == [2])
        #expect(plan.underWayByteCount == unit)
        #expect(starts(plan.lost(0..<unit)) == [])
        #expect(plan.read(0..<10, waiter: 3) == [], "the second transfer still brings it")
        #expect(woken(plan.arrived(2, 0..<unit)) == [3])
    }

    @Test func whatWasLostIsFetchedAgainForThoseWhoWait() {
        let unit = ContentPlanTests.unit
        var plan = plan(8 * unit, present: [0..<unit])
        #expect(starts(plan.read(0..<2 * unit, waiter: 1)) == [unit..<2 * unit])
        #expect(starts(plan.lost(0..<unit)) == [0..<unit])
        #expect(plan.lost(0..<unit) == [], "it is under way")
        #expect(woken(plan.arrived(1, unit..<2 * unit)) == [])
        #expect(woken(plan.arrived(2, 0..<unit)) == [1])
    }

    @Test func aTransferThatEndsShortLeavesNobodyWaiting() {
        let unit = ContentPlanTests.unit
        var plan = plan(4 * unit)
        _ = plan.read(0..<2 * unit, waiter: 1)
        _ = plan.arrived(1, 0..<unit)
        #expect(starts(plan.finished(1)) == [unit..<2 * unit])
    }

    @Test func aContentThatIsFetchedWhole() {
        var plan = plan(5000, unit: 5000)
        #expect(starts(plan.read(100..<200, waiter: 1)) == [0..<5000])
        #expect(woken(plan.arrived(1, 0..<5000)) == [1])
    }
}
