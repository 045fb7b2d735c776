// Single flight: one fetch for many who ask, and everybody told once.

import Fetching
import TestSupport
import Testing

@Suite struct SingleFlightTests {
    @Test func theFirstStartsAndAllAreTold() {
        var flights = SingleFlight<String>()
        #expect(flights.join("a", 1) == true)
        #expect(flights.join("a", 2) == false)
        #expect(flights.join("b", 3) == true)
        #expect(Set(flights.keysInFlight) == ["a", "b"])
        #expect(flights.finish("a") == [1, 2])
        #expect(flights.finish("a") == [])
        #expect(flights.join("a", 1) == true, "a new flight")
    }

    @Test func whoLeavesIsNotToldAndTheFetchGoesOn() {
        var flights = SingleFlight<String>()
        _ = flights.join("a", 1)
        #expect(flights.leave(1) == true)
        #expect(flights.leave(1) == false)
        #expect(flights.join("a", 2) == false, "it is still being fetched")
        #expect(flights.finish("a") == [2])
        #expect(flights.leave(2) == false)
    }

    @Test(arguments: seeds(30))
    func everybodyIsToldExactlyOnce(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var flights = SingleFlight<Int>()
        var waiting: [Int: [UInt64]] = [:]
        var inFlight: Set<Int> = []
        for number in 1...300 as ClosedRange<UInt64> {
            let key = Int.random(in: 0..<4, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                #expect(flights.join(key, number) == !inFlight.contains(key))
                inFlight.insert(key)
                waiting[key, default: []].append(number)
            case 2:
                #expect(flights.finish(key) == waiting[key] ?? [])
                inFlight.remove(key)
                waiting[key] = nil
            default:
                guard let gone = waiting[key]?.randomElement(using: &random) else { continue }
                #expect(flights.leave(gone) == true)
                waiting[key]?.removeAll { $0 == gone }
            }
            #expect(Set(flights.keysInFlight) == inFlight)
        }
    }
}
