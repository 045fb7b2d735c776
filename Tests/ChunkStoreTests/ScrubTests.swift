// Looking through flat files in the background: when, how fast, and what becomes of damage.

import Hashing
import Platform
import Telemetry
import TestSupport
import Testing

@testable import ChunkStore

private func key(_ number: UInt64) -> ContentKey {
    Content([UInt8](repeating: 1, count: 1)).key(sized: Int64(number) + 1)
}

extension Content {
    fileprivate func key(sized size: Int64) -> ContentKey { ContentKey(hash: hash, size: size) }
}

private func instant(_ seconds: Double) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: 0) + seconds
}

@Suite struct ScrubTests {
    @Test func whatCameIntoUseIsLookedThroughOnceItSettled() {
        var schedule = ScrubSchedule(at: instant(0))
        schedule.endPass()
        schedule.use(key(1), at: instant(10))
        schedule.use(key(1), at: instant(11))
        #expect(schedule.next(at: instant(12), flatByteCount: 0) == .wait(until: instant(70)))
        #expect(
            schedule.next(at: instant(71), flatByteCount: 0)
                == .check(key(1), bytesPerSecond: ScrubSchedule.bytesPerSecondMax))
        schedule.use(key(1), at: instant(72))
        #expect(
            schedule.next(at: instant(200), flatByteCount: 0)
                == .wait(until: instant(ScrubSchedule.passSeconds)))
    }

    @Test func aPassTakesAWeekAndBeginsAgain() {
        var schedule = ScrubSchedule(at: instant(0))
        let week = ScrubSchedule.passSeconds
        let total = Int64(10e6 * week)
        #expect(schedule.next(at: instant(0), flatByteCount: total) == .goOn(bytesPerSecond: 10e6))
        #expect(schedule.next(at: instant(1), flatByteCount: 1) == .goOn(bytesPerSecond: 1e6))
        #expect(schedule.next(at: instant(1), flatByteCount: .max) == .goOn(bytesPerSecond: 32e6))
        schedule.endPass()
        #expect(schedule.next(at: instant(9), flatByteCount: 1) == .wait(until: instant(week)))
        #expect(schedule.next(at: instant(week), flatByteCount: 1) == .goOn(bytesPerSecond: 1e6))
    }

    @Test func manyUsesAreBounded() {
        var schedule = ScrubSchedule(at: instant(0))
        for number in 0..<UInt64(ScrubSchedule.contentCountMax * 2) {
            schedule.use(key(number), at: instant(0))
        }
        schedule.endPass()
        var count = 0
        while case .check = schedule.next(at: instant(100), flatByteCount: 0) { count += 1 }
        #expect(count <= ScrubSchedule.contentCountMax)
    }

    @Test func restsMakeTheRate() {
        #expect(ScrubSchedule.rest(after: 1000, bytesPerSecond: 1000, tookSeconds: 0.25) == 0.75)
        #expect(ScrubSchedule.rest(after: 1000, bytesPerSecond: 1000, tookSeconds: 2) == 0)
    }

    @Test func damageIsFoundDroppedAndTold() throws {
        let folder = TemporaryDirectory()
        let store = try openStore(folder.path)
        let content = Content(random: 3 * block + 5, seed: 1)
        let packed = Content(random: 2 * block, seed: 2)
        for each in [content, packed] {
            try store.write(each)
            #expect(try store.prove(each.hash, size: each.size))
        }
        #expect(try store.cool(packed.hash, size: packed.size))
        store.flush()
        let path = try #require(
            filesInTree(folder.path + "/flat").first { $0.contains(content.hash.hex) })
        try flipBit(path, 8 * (block + 77))
        let told = Mailbox<Range<Int64>>()
        try store.startScrub { hash, size, range in
            #expect(hash == content.hash && size == content.size)
            told.send(range)
        }
        let range = told.receive(until: .now + 20)
        #expect(range == Int64(block)..<Int64(2 * block))
        #expect(store.missing(content) == [Int64(block)..<Int64(2 * block)])
        #expect(try store.provenFile(content.hash, size: content.size) == nil)
        store.close()
        #expect(store.counters.scrubbedBytes.value <= content.size)
    }
}
