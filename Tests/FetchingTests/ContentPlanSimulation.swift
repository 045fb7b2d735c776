// The plan of one content under a random world, against the simplest reference: a flag a unit.
//
// Readers come, wait and give up; transfers bring their bytes in any order among each other, fail,
// are tried again or given up; stored bytes vanish. All of it from a seed that a failure names.

import Fetching
import Platform
import TestSupport
import Testing

/// A world around one plan.
private struct PlanWorld {
    static let unit: Int64 = 131_072

    let size: Int64
    var plan: ContentPlan
    var random: SeededGenerator
    /// By unit: whether it is stored.
    var isStored: [Bool]
    /// What each transfer has yet to bring.
    var transfers: [Int: Range<Int64>] = [:]
    var waiters: [UInt64: Range<Int64>] = [:]
    var urgent: Set<Int> = []
    var lastWaiter: UInt64 = 0
    var problems: [String] = []

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let unit = PlanWorld.unit
        let unitCount = Int64.random(in: 1...600, using: &random)
        size = (unitCount - 1) * unit + Int64.random(in: 1...unit, using: &random)
        isStored = (0..<unitCount).map { _ in Int.random(in: 0..<8, using: &random) == 0 }
        var present = RangeSet()
        for index in isStored.indices where isStored[index] {
            present.insert(Int64(index) * unit..<min(size, Int64(index + 1) * unit))
        }
        plan = ContentPlan(
            sizeBytes: size, unitByteCount: unit, present: present,
            readsAhead: Int.random(in: 0..<4, using: &random) != 0)
        self.random = random
    }

    private func units(_ range: Range<Int64>) -> Range<Int> {
        if range.isEmpty { return 0..<0 }
        return Int(
            range.lowerBound / PlanWorld.unit)..<Int(
                (range.upperBound + PlanWorld.unit - 1) / PlanWorld.unit)
    }

    private func isServed(_ range: Range<Int64>) -> Bool {
        units(range).allSatisfy { isStored[$0] }
    }

    private mutating func fail(_ problem: String) {
        if problems.count < 5 { problems.append(problem) }
    }

    private mutating func obey(_ actions: [ContentPlan.Action]) {
        for action in actions {
            switch action {
            case .start(let number, let range, let isUrgent):
                if range.isEmpty { fail("an empty transfer") }
                if range.lowerBound < 0 || range.upperBound > size { fail("\(range) past the end") }
                if range.lowerBound % PlanWorld.unit != 0 { fail("\(range) starts in a unit") }
                if range.upperBound % PlanWorld.unit != 0 && range.upperBound != size {
                    fail("\(range) ends in a unit")
                }
                if Int64(range.count) > ContentPlan.transferByteCountMax { fail("a long transfer") }
                if transfers[number] != nil { fail("number \(number) twice") }
                for (other, held) in transfers where held.overlaps(range) {
                    fail("\(range) is under way in \(other)")
                }
                for unit in units(range) where isStored[unit] { fail("unit \(unit) is here") }
                transfers[number] = range
                if isUrgent {
                    urgent.insert(number)
                    if !waiters.values.contains(where: { $0.overlaps(range) }) {
                        fail("\(range) is urgent for nobody")
                    }
                }
            case .promote(let number):
                if transfers[number] == nil { fail("a promotion of nothing") }
                if !urgent.insert(number).inserted { fail("promoted twice") }
            case .wake(let woken):
                for waiter in woken {
                    guard let range = waiters.removeValue(forKey: waiter) else {
                        fail("\(waiter) is woken and did not wait")
                        continue
                    }
                    if !isServed(range) { fail("\(waiter) is woken before its bytes are here") }
                }
            }
        }
    }

    mutating func step() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35: read()
        case 35..<70: arrive()
        case 70..<78: failTransfer()
        case 78..<86:
            if let waiter = waiters.keys.sorted().randomElement(using: &random) {
                waiters[waiter] = nil
                plan.cancel(waiter)
            }
        case 86..<92: lose()
        case 92..<95: obey(plan.startRest().map { [$0] } ?? [])
        default:
            let range = randomRange()
            if isServed(range) { obey(plan.readHit(range)) }
        }
        check()
    }

    private mutating func randomRange() -> Range<Int64> {
        // Most readers go on where one has been; some go anywhere.
        let start: Int64
        if let last = waiters[lastWaiter], Int.random(in: 0..<3, using: &random) > 0 {
            start = last.upperBound % size
        } else {
            start = .random(in: 0..<size, using: &random)
        }
        return start..<min(size, start + .random(in: 1...1 << 20, using: &random))
    }

    private mutating func read() {
        let range = randomRange()
        lastWaiter += 1
        waiters[lastWaiter] = range
        obey(plan.read(range, waiter: lastWaiter))
    }

    private mutating func arrive() {
        guard let number = transfers.keys.sorted().randomElement(using: &random),
            let left = transfers[number]
        else { return }
        let unit = PlanWorld.unit
        let unitCount = Int64.random(in: 1...max(1, Int64(units(left).count)), using: &random)
        let range = left.lowerBound..<min(left.upperBound, left.lowerBound + unitCount * unit)
        for unit in units(range) { isStored[unit] = true }
        transfers[number] = range.upperBound..<left.upperBound
        obey(plan.arrived(number, range))
        if range.upperBound == left.upperBound { finish(number) }
    }

    private mutating func finish(_ number: Int) {
        transfers[number] = nil
        urgent.remove(number)
        obey(plan.finished(number))
    }

    private mutating func failTransfer() {
        guard let number = transfers.keys.sorted().randomElement(using: &random),
            let left = transfers[number]
        else { return }
        guard let told = plan.failed(number) else { return fail("a transfer is not known") }
        if told.remaining != left { fail("\(told.remaining) is left, not \(left)") }
        if told.hasWaiters != waiters.values.contains(where: { $0.overlaps(left) }) {
            fail("who waits for \(left)?")
        }
        if Bool.random(using: &random) { return }
        let expected = waiters.filter { $0.value.overlaps(left) }.keys.sorted()
        transfers[number] = nil
        urgent.remove(number)
        let failed = plan.abandoned(number)
        if failed != expected { fail("\(failed) fail, not \(expected)") }
        for waiter in failed { waiters[waiter] = nil }
    }

    private mutating func lose() {
        let first = Int.random(in: isStored.indices, using: &random)
        let last = min(isStored.count, first + Int.random(in: 1...8, using: &random))
        for unit in first..<last { isStored[unit] = false }
        let unit = PlanWorld.unit
        obey(plan.lost(Int64(first) * unit..<min(size, Int64(last) * unit)))
    }

    private mutating func check() {
        if plan.waiterCount != waiters.count { fail("waiters: \(plan.waiterCount)") }
        let underWay = transfers.values.reduce(0) { $0 + Int64($1.count) }
        if plan.underWayByteCount != underWay { fail("under way: \(plan.underWayByteCount)") }
        if plan.isIdle != (waiters.isEmpty && transfers.isEmpty) { fail("idle?") }
        // 16 streams with their windows, what readers wait for, and all of the rest.
        let bound =
            16 * ContentPlan.windowByteCountMax + Int64(waiters.count + 1) * (2 << 20) + size
        if underWay > bound { fail("\(underWay) bytes are under way") }
        for (waiter, range) in waiters {
            let isCovered = units(range).allSatisfy { unit in
                let start = Int64(unit) * PlanWorld.unit
                return isStored[unit] || transfers.values.contains { $0.contains(start) }
            }
            if !isCovered { fail("\(waiter) waits for what nobody brings") }
            if isServed(range) { fail("\(waiter) waits for what is here") }
            for (number, held) in transfers where held.overlaps(range) && !urgent.contains(number) {
                // Only what is missing of the range makes a transfer urgent.
                let isNeeded = units(range.clamped(to: held)).contains { !isStored[$0] }
                if isNeeded { fail("\(waiter) waits for \(number), which is not urgent") }
            }
        }
    }

    /// All that is left is asked for, in transfers that nobody waits for, and is all of it then.
    mutating func finishRest() {
        while let action = plan.startRest(), problems.isEmpty {
            if case .start(_, _, isUrgent: false) = action {
            } else {
                fail("\(action) for the rest")
            }
            obey([action])
        }
        settle()
        if !isServed(0..<size) { fail("the rest is not all") }
    }

    /// Everything that is under way arrives.
    mutating func settle() {
        while !transfers.isEmpty && problems.isEmpty { arrive() }
        if !waiters.isEmpty { fail("\(waiters.count) readers wait for ever") }
        if !plan.isIdle { fail("not idle at the end") }
    }
}

@Suite struct ContentPlanSimulation {
    @Test(arguments: seeds(80))
    func everyReaderIsServedOnceAndEveryByteFetchedOnce(seed: UInt64) {
        var world = PlanWorld(seed: seed)
        for _ in 0..<250 where world.problems.isEmpty { world.step() }
        world.settle()
        world.finishRest()
        #expect(world.problems == [], "seed \(seed)")
    }
}
