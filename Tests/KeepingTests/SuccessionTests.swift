// The keeper's decisions, told events and times by hand.

import Platform
import Testing

@testable import Keeping

/// A succession, and a clock that a test moves.
private struct Life {
    var now = MonotonicInstant(nanoseconds: 1_000_000_000_000)
    var machine: Succession

    init(isEstablished: Bool = false) {
        machine = Succession(silenceSecondsMax: 30, isEstablished: isEstablished, now: now)
    }

    mutating func tell(
        _ event: Succession.Event, after seconds: Double = 0
    ) -> [Succession.Action] {
        now = now + seconds
        return machine.handle(event, at: now)
    }

    /// Time passes as the keeper sees it: in ticks.
    mutating func pass(_ seconds: Double) -> [Succession.Action] {
        var actions: [Succession.Action] = []
        var left = seconds
        while left > 0 {
            let step = min(left, Succession.tickSeconds)
            actions += tell(.tick, after: step)
            left -= step
        }
        return actions
    }
}

@Suite struct SuccessionTests {
    @Test func aWorkerThatWasReadyIsFollowed() {
        var life = Life()
        #expect(life.tell(.ready, after: 1) == [.settle])
        #expect(life.tell(.hungUp, after: 60) == [.start(.proven)])
        // Its end comes later, or never: it is of no interest any more.
        #expect(life.tell(.ready, after: 0.1) == [.settle])
        #expect(life.tell(.hungUp, after: 60) == [.start(.proven)])
    }

    @Test func aWorkerThatWasNeverReadyTakesTheKeeperAlong() {
        var life = Life()
        #expect(life.tell(.hungUp, after: 1) == [])
        #expect(life.tell(.ended(.exited(4))) == [.end(.exited(4))])
    }

    @Test func theOrderOfItsTwoEndsDoesNotMatter() {
        var life = Life()
        #expect(life.tell(.ended(.killed(signal: 6)), after: 1) == [.end(.killed(signal: 6))])
        life = Life(isEstablished: true)
        #expect(life.tell(.ended(.killed(signal: 6)), after: 1) == [.start(.proven)])
    }

    @Test func anOrderlyEndIsTheEnd() {
        var life = Life()
        _ = life.tell(.ready)
        #expect(life.tell(.finishing, after: 5) == [.dropAll])
        #expect(life.tell(.hungUp, after: 1) == [])
        #expect(life.tell(.ended(.exited(0))) == [.end(.exited(0))])
    }

    @Test func whoAsksTheKeeperToEndAsksTheWorker() {
        var life = Life()
        _ = life.tell(.ready)
        #expect(life.tell(.terminate(15)) == [.signal(15)])
        #expect(life.tell(.finishing) == [.dropAll])
        #expect(life.tell(.hungUp, after: 1) == [])
        #expect(life.tell(.ended(.exited(0))) == [.end(.exited(0))])
    }

    @Test func anEndThatCannotBeWaitedForIsNotWaitedForEver() {
        var life = Life()
        _ = life.tell(.hungUp)
        #expect(life.pass(Succession.reapSecondsMax) == [])
        #expect(life.pass(2).first == .end(.killed(signal: 9)))
    }

    @Test func deathsInARowCostGrowingPauses() {
        var life = Life()
        _ = life.tell(.ready)
        var pauses: [Double] = []
        for _ in 0..<20 {
            let actions = life.tell(.hungUp, after: 0.01)
            guard case .pausing(let seconds) = actions.first else {
                #expect(actions == [.start(.proven)])
                continue
            }
            pauses.append(seconds)
            #expect(life.tell(.tick, after: seconds * 0.9) == [])
            #expect(life.tell(.tick, after: seconds * 0.2) == [.start(.proven)])
        }
        #expect(pauses.count == 20 - Succession.shortLifeCount)
        #expect(pauses.first == Succession.pauseSecondsMin)
        #expect(pauses[1] == 2 * Succession.pauseSecondsMin)
        #expect(pauses.last == Succession.pauseSecondsMax)
        // One good life, and all is forgiven.
        _ = life.tell(.ready, after: 0.1)
        #expect(life.tell(.hungUp, after: Succession.wellSeconds) == [.start(.proven)])
    }

    @Test func whatCrashesIsGivenLessTrustThanWhatIsKilled() {
        for (signal, isPatient) in [(CInt(9), false), (15, false), (11, true), (6, true)] {
            var life = Life(isEstablished: true)
            var actions: [Succession.Action] = []
            for _ in 0...Succession.shortLifeCount {
                _ = life.tell(.ready)
                actions = life.tell(.ended(.killed(signal: signal)), after: 1)
            }
            let isPausing = actions != [.start(.proven)]
            #expect(isPausing == isPatient, "signal \(signal)")
        }
    }

    @Test func aSilentWorkerIsKilledAndFollowed() {
        var life = Life()
        _ = life.tell(.ready)
        #expect(life.pass(29) == [])
        _ = life.tell(.alive)
        #expect(life.pass(29) == [])
        #expect(life.pass(2) == [.tellStacks, .signal(9)])
        #expect(life.tell(.hungUp, after: 0.1) == [.start(.proven)])
    }

    @Test func aWorkerThatDoesNotEvenHangUpIsLeftToItself() {
        var life = Life()
        _ = life.tell(.ready)
        #expect(life.pass(31) == [.tellStacks, .signal(9)])
        #expect(life.pass(Succession.killSecondsMax) == [])
        #expect(life.pass(1) == [.start(.proven)])
    }

    @Test func whoWasStoppedItselfBlamesNobody() {
        var life = Life()
        _ = life.tell(.ready)
        #expect(life.tell(.tick, after: 60) == [])
        #expect(life.pass(29) == [])
        #expect(life.pass(2) == [.tellStacks, .signal(9)])
    }

    @Test func anUpgradeStartsWhatIsInstalled() {
        var life = Life()
        _ = life.tell(.ready)
        _ = life.tell(.replace)
        #expect(life.tell(.hungUp, after: 0.01) == [.start(.installed)])
        #expect(life.tell(.ready) == [.settle])
        #expect(life.tell(.hungUp, after: 5) == [.start(.proven)])
    }

    @Test func anUpgradeThatDoesNotWorkIsTakenBack() {
        var life = Life()
        _ = life.tell(.ready)
        _ = life.tell(.replace)
        #expect(life.tell(.hungUp) == [.start(.installed)])
        #expect(life.tell(.hungUp, after: 0.1) == [.start(.proven)])
        #expect(life.tell(.ready) == [.settle])
    }

    /// The keeper itself cannot take mounts away, so one more worker does.
    @Test func whoAsksAPausingKeeperToEndGetsAWorkerThatUnmounts() {
        var life = Life(isEstablished: true)
        while life.tell(.hungUp) == [.start(.proven)] {}
        #expect(life.tell(.terminate(15)) == [.start(.proven)])
        #expect(life.tell(.ready, after: 0.1) == [.settle, .signal(15)])
        #expect(life.tell(.finishing) == [.dropAll])
        #expect(life.tell(.hungUp) == [])
        #expect(life.tell(.ended(.exited(0))) == [.end(.exited(0))])
    }

    @Test func aSuccessorThatStartsIsAskedOnceItServes() {
        var life = Life()
        _ = life.tell(.ready)
        #expect(life.tell(.hungUp, after: 60) == [.start(.proven)])
        #expect(life.tell(.terminate(2)) == [])
        #expect(life.tell(.ready) == [.settle, .signal(2)])
        // One who asks twice does not want to wait.
        life = Life(isEstablished: true)
        #expect(life.tell(.terminate(15)) == [])
        #expect(life.tell(.terminate(15)) == [.signal(15)])
        // The first worker has nothing to take away.
        life = Life()
        #expect(life.tell(.terminate(15)) == [.signal(15)])
    }

    /// A worker that dies, or leaves to a successor, just as it is asked to end took nothing away.
    @Test func aWorkerThatIsAskedToEndAndDiesIsFollowedByOneThatUnmounts() {
        for isReplacing in [false, true] {
            var life = Life()
            _ = life.tell(.ready)
            #expect(life.tell(.terminate(15), after: 60) == [.signal(15)])
            if isReplacing { _ = life.tell(.replace) }
            #expect(life.tell(.hungUp) == [.start(.proven)])
            #expect(life.tell(.ready) == [.settle, .signal(15)])
            #expect(life.tell(.finishing) == [.dropAll])
            #expect(life.tell(.hungUp) == [])
            #expect(life.tell(.ended(.exited(0))) == [.end(.exited(0))])
        }
        // Asked twice, it ends at once, and nobody follows.
        var life = Life()
        _ = life.tell(.ready)
        #expect(life.tell(.terminate(15), after: 60) == [.signal(15)])
        #expect(life.tell(.terminate(15)) == [.signal(15)])
        #expect(life.tell(.ended(.exited(1))) == [.end(.exited(1))])
        // A successor that starts, too.
        life = Life(isEstablished: true)
        #expect(life.tell(.terminate(15)) == [])
        #expect(life.tell(.terminate(15)) == [.signal(15)])
        #expect(life.tell(.ended(.killed(signal: 15))) == [.end(.killed(signal: 15))])
    }

    @Test func workersThatCannotServeDoNotKeepTheKeeperFromItsEnd() {
        var life = Life(isEstablished: true)
        while life.tell(.hungUp) == [.start(.proven)] {}
        #expect(life.tell(.terminate(15)) == [.start(.proven)])
        for _ in 0..<Succession.lastLifeCount {
            #expect(life.tell(.ended(.killed(signal: 11))) == [.start(.proven)])
        }
        #expect(life.tell(.ended(.killed(signal: 11))) == [.end(.killed(signal: 11))])
    }
}
