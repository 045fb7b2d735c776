// Seeds of the simulation in every run of the tests; many more in `make simulate`.

import FileSystem
import Simulation
import TestSupport
import Testing

@Suite struct SimulationTests {
    /// Seeds that found something, and what; see docs/TESTING.md for what such a row is worth.
    static let regressions: [(seed: UInt64, story: String)] = [
        (7, "damaged blocks that had come again into a pack were missing after a restart"),
        (25, "the same, after a kill"),
        (2, "the simulated disk brought a journal back whose removal was on the disk"),
        (47, "the same"),
        (89, "a second damaged block was noticed by the proof of what had come again"),
        (218, "a disk that was full for a moment made a file too large for the cache"),
        (221, "the same"),
        (331, "the same, while others read"),
        (384, "a Hub that once was slow was not waited for, minutes later"),
        (390, "the same"),
        (515, "bytes that the disk lost again and again counted as progress of a reader's file"),
        (2464, "the same"),
        (4240, "a disk that fails for long was not an excuse for the judge"),
        (861, "the cooler looked at what had just been dropped, again and again"),
        (5134, "a bit of a pack's header made the whole pack unreadable after a restart"),
        (6023, "the same"),
    ]

    @Test(arguments: regressions)
    func whatWasFoundOnceIsMended(seed: UInt64, story: String) {
        let report = SimulatedWorld(seed: seed).run()
        #expect(report.problems == [], "\(story); simulator --seed \(seed) --log")
    }

    @Test func whoWaitsForAProofOutwaitsADiskThatIsFull() throws {
        let read = try #require(
            try SimulatedWorld(seed: 1).readProven(diskIsFullForSeconds: 30))
        #expect(try read.result?.get() == read.bytes)
        #expect((30..<60).contains(read.seconds))
    }

    @Test func aDiskThatStaysFullIsAnErrorAfterTheReadDeadline() throws {
        let read = try #require(
            try SimulatedWorld(seed: 1).readProven(diskIsFullForSeconds: 400))
        #expect(read.result == .failure(.unavailable))
        #expect((119..<140).contains(read.seconds))
    }

    @Test func whatCanNeverFitIsRefusedAtOnce() throws {
        let read = try #require(
            try SimulatedWorld(seed: 1).readProven(
                diskIsFullForSeconds: 0, sizeLimitBytes: 1_000_000))
        #expect(read.result == .failure(.tooLarge))
        #expect(read.seconds < 1)
    }

    @Test func aSeedIsTheSameRunTwice() {
        let reports = (0..<2).map { _ in SimulatedWorld(seed: 3).run(steps: 40) }
        #expect(reports[0].trace == reports[1].trace)
    }

    @Test(arguments: seeds(14))
    func everyAnswerIsOneThatMayBe(seed: UInt64) {
        let report = SimulatedWorld(seed: seed).run()
        #expect(report.problems == [], "simulator --seed \(seed) --log")
        #expect(report.answerCount > 0)
    }
}
