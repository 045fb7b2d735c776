// Interrupts: acted on once the request may be answered, and never after it was.

import Platform
import TestSupport
import Testing

@testable import FuseSession

@Suite struct InterruptRegistryTests {
    private let registry = InterruptRegistry()

    @Test func anInterruptActs() {
        let acted = Lock(0)
        let token = registry.reserve()
        #expect(registry.arm(token) { acted.withLock { $0 += 1 } } == false)
        #expect(registry.count == 1)
        registry.interrupt(token)
        #expect(acted.withLock { $0 } == 1)
        registry.remove(token)
        #expect(registry.count == 0)
    }

    /// libfuse may tell of an interrupt while it holds the request's lock: nothing acts then.
    @Test func anInterruptBeforeTheRequestIsReadyIsToldAndDoesNotAct() {
        let acted = Lock(0)
        let token = registry.reserve()
        registry.interrupt(token)
        #expect(registry.arm(token) { acted.withLock { $0 += 1 } } == true)
        #expect(acted.withLock { $0 } == 0, "the caller acts")
    }

    @Test func anInterruptAfterTheAnswerIsNothing() {
        let acted = Lock(0)
        let token = registry.reserve()
        _ = registry.arm(token) { acted.withLock { $0 += 1 } }
        registry.remove(token)
        registry.interrupt(token)
        registry.interrupt(token + 1)
        #expect(acted.withLock { $0 } == 0)
        #expect(registry.count == 0, "nothing is left behind")
        #expect(registry.arm(token) {} == false, "a request that was answered stays answered")
        #expect(registry.count == 0)
    }

    @Test func tokensAreNeverReused() {
        var tokens: Set<UInt> = []
        for _ in 0..<100 {
            let token = registry.reserve()
            #expect(tokens.insert(token).inserted == true)
            registry.remove(token)
        }
    }

    /// Whatever comes first, an interrupt acts exactly once or is told exactly once.
    @Test func interruptsThatRaceWithArming() {
        for _ in 0..<300 {
            let acted = Lock(0)
            let token = registry.reserve()
            let thread = OwnedThread { [registry] in registry.interrupt(token) }
            let wasTold = registry.arm(token) { acted.withLock { $0 += 1 } }
            thread.join()
            #expect(acted.withLock { $0 } + (wasTold ? 1 : 0) == 1)
            registry.remove(token)
        }
        #expect(registry.count == 0)
    }
}
