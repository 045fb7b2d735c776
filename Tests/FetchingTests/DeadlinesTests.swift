// Deadlines of many with one alarm, and the clock that rings it.

import Platform
import TestSupport
import Testing

@testable import Fetching

@Suite struct DeadlinesTests {
    private func at(_ second: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: second * 1_000_000_000)
    }

    @Test func onlyTheEarliestHasAnAlarm() {
        var deadlines = Deadlines()
        #expect(deadlines.add(1, until: at(10)) == at(10))
        #expect(deadlines.add(2, until: at(20)) == nil)
        #expect(deadlines.add(3, until: at(5)) == at(5))
        #expect(deadlines.add(4, until: .distantFuture) == nil)
        #expect(deadlines[3] == at(5))
        let first = deadlines.ring(at(5), at: at(5))
        #expect(first.expired == [3])
        #expect(first.next == at(10))
        // The alarm at 10 was set twice; what it finds the second time is nothing.
        let second = deadlines.ring(at(10), at: at(11))
        #expect(second.expired == [1])
        #expect(second.next == at(20))
        let stale = deadlines.ring(at(10), at: at(11))
        #expect(stale.expired.isEmpty && stale.next == nil)
        deadlines.remove(2)
        let last = deadlines.ring(at(20), at: at(20))
        #expect(last.expired.isEmpty && last.next == nil)
        #expect(deadlines.add(5, until: at(30)) == at(30))
    }

    /// Alarms are set as asked and ring in order: nobody is late, nobody is early, and no more
    /// alarms wait than were asked for by ever earlier deadlines.
    @Test(arguments: seeds(40))
    func nobodyIsForgotten(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var deadlines = Deadlines()
        var waiting: [UInt64: Int64] = [:]
        var alarms: [Int64] = []
        var now: Int64 = 0
        for number in 1...400 as ClosedRange<UInt64> {
            now += Int64.random(in: 0...3, using: &random)
            while let due = alarms.filter({ $0 <= now }).min() {
                alarms.remove(at: alarms.firstIndex(of: due) ?? 0)
                let (expired, next) = deadlines.ring(at(due), at: at(due))
                for waiter in expired {
                    #expect(waiting.removeValue(forKey: waiter) ?? .max <= due)
                }
                if let next { alarms.append(next.nanoseconds / 1_000_000_000) }
            }
            #expect(!waiting.values.contains { $0 <= now }, "somebody is late")
            if Int.random(in: 0..<3, using: &random) == 0, let gone = waiting.keys.sorted().first {
                deadlines.remove(gone)
                waiting[gone] = nil
            } else {
                let until = now + Int64.random(in: 1...40, using: &random)
                waiting[number] = until
                if let alarm = deadlines.add(number, until: at(until)) {
                    alarms.append(alarm.nanoseconds / 1_000_000_000)
                }
            }
        }
        #expect(alarms.count < 20)
    }

    @Test func theClockRingsInOrder() throws {
        let clock = try AlarmClock()
        let rung = Mailbox<Int>()
        let start = MonotonicInstant.now
        for (index, delay) in [0.9, 0.3, 0.6, 0.0, -1.0].enumerated() {
            clock.at(start + delay) { rung.send(index) }
        }
        var order: [Int] = []
        for _ in 0..<5 { order.append(rung.receive(until: .now + 30) ?? -1) }
        #expect(Set(order.prefix(2)) == [3, 4])
        #expect(order.suffix(3) == [1, 2, 0])
        #expect(MonotonicInstant.now >= start + 0.9)
        clock.close()
    }

    @Test func manyAlarmsOfManyThreads() throws {
        let clock = try AlarmClock()
        let rung = Lock(0)
        let threads = (0..<4).map { thread in
            OwnedThread {
                for index in 0..<500 {
                    clock.at(.now + Double((index * 7 + thread) % 50) / 1000) {
                        rung.withLock { $0 += 1 }
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        let limit = MonotonicInstant.now + 10
        while rung.withLock({ $0 }) < 2000 && MonotonicInstant.now < limit { sleep(seconds: 0.01) }
        #expect(rung.withLock { $0 } == 2000)
        clock.close()
    }

    @Test func closingDropsWhatIsToCome() throws {
        let clock = try AlarmClock()
        let rung = Lock(false)
        clock.at(.now + 3600) { rung.withLock { $0 = true } }
        let start = MonotonicInstant.now
        clock.close()
        #expect(MonotonicInstant.now.seconds(since: start) < 2)
        clock.at(.now) { rung.withLock { $0 = true } }
        sleep(seconds: 0.02)
        #expect(!rung.withLock { $0 })
    }
}
