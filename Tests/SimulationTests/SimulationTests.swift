// Seeds of the simulation in every run of the tests; many more in `make simulate`.

import Simulation
import TestSupport
import Testing

@Suite struct SimulationTests {
    @Test(arguments: seeds(40))
    func everyAnswerIsOneThatMayBe(seed: UInt64) {
        let report = SimulatedWorld(seed: seed).run()
        #expect(report.problems == [], "simulator --seed \(seed) --log")
        #expect(report.answerCount > 0)
    }
}
