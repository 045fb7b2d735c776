// Operations: answered exactly once, by an attempt, a deadline, an interrupt or the end of it all.

import Catalog
import Fetching
import FileSystem
import Platform
import ScriptedServer
import TestSupport
import Testing

@Suite struct OperationTests {
    let bench: TreeBench

    init() throws {
        bench = try TreeBench()
        bench.hub.commit("models/org/name", "a", ["f": randomBytes(3_000_000, seed: 1), "g": [1]])
    }

    private typealias Answers = Mailbox<Result<[UInt8], FileSystemError>>

    private func reading(
        _ stack: TreeStack, _ node: NodeID, _ range: Range<Int64>, _ answers: Answers
    ) -> Operation<[UInt8]> {
        Operation(stack.tree) { context in
            readAttempt(stack.tree, node, range, context)
        } answer: {
            answers.send($0)
        }
    }

    @Test func anInterruptAnswersAtOnceAndOnce() throws {
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/f")
        bench.hub.change { $0.fault = { _ in [.gate] } }
        let answers = Answers()
        let operation = reading(stack, file, 0..<10, answers)
        operation.start()
        #expect(answers.count == 0)
        let start = MonotonicInstant.now
        operation.interrupt()
        #expect(answers.receive(until: .now + 5) == .failure(.interrupted))
        #expect(MonotonicInstant.now.seconds(since: start) < 2)
        operation.interrupt()
        bench.hub.change { $0.fault = nil }
        bench.hub.openGate()
        #expect(try stack.read(file, 0..<10).count == 10)
        #expect(answers.count == 0)
    }

    @Test func anInterruptBeforeTheStartIsAnAnswerToo() throws {
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/f")
        let answers = Answers()
        let operation = reading(stack, file, 0..<10, answers)
        operation.interrupt()
        operation.start()
        #expect(answers.receive(until: .now + 5) == .failure(.interrupted))
        sleep(seconds: 0.2)
        #expect(answers.count == 0)
    }

    /// Interrupts at every moment: while it starts, waits, is woken and tries again.
    ///
    /// How many come in time is the machine's doing.
    @Test func interruptsThatRaceWithAnswers() throws {
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/f")
        var random = SeededGenerator(seed: 9)
        for round in 0..<150 as Range<Int64> {
            let answers = Answers()
            let start = round * 20_000
            let operation = reading(stack, file, start..<start + 10, answers)
            let delay = Double.random(in: 0...0.003, using: &random)
            let thread = OwnedThread {
                sleep(seconds: delay)
                operation.interrupt()
            }
            operation.start()
            let first = answers.receive(until: .now + 10)
            thread.join()
            switch first {
            case .success(let bytes): #expect(bytes.count == 10)
            case .failure(.interrupted): break
            case .failure, nil: Issue.record("\(String(describing: first))")
            }
            #expect(answers.count == 0, "answered twice")
        }
    }

    @Test func theDeadlineOfAReadIsKept() throws {
        bench.options.fetch.readDeadlineSeconds = 1
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/f")
        bench.hub.change { $0.fault = { _ in [.gate] } }
        let start = MonotonicInstant.now
        #expect(throws: FileSystemError.unavailable) { try stack.read(file, 0..<10) }
        let seconds = MonotonicInstant.now.seconds(since: start)
        #expect(seconds > 0.9 && seconds < 5, "\(seconds) s")
        // Whoever asks again at once, as the kernel does for a single page, does not wait again.
        #expect(throws: FileSystemError.unavailable) { try stack.read(file, 4..<5) }
        #expect(MonotonicInstant.now.seconds(since: start) < seconds + 0.9)
        bench.hub.change { $0.fault = nil }
        bench.hub.openGate()
        sleep(seconds: 0.6)
        #expect(try stack.read(file, 0..<10).count == 10)
    }

    @Test func theDeadlineOfANameIsKept() throws {
        bench.options.fetch.metadataDeadlineSeconds = 1
        let stack = try bench.stack()
        bench.hub.change { $0.fault = { _ in [.gate] } }
        let start = MonotonicInstant.now
        #expect(throws: FileSystemError.unavailable) { try stack.find("models/org") }
        let seconds = MonotonicInstant.now.seconds(since: start)
        #expect(seconds > 0.9 && seconds < 5, "\(seconds) s")
        bench.hub.change { $0.fault = nil }
        bench.hub.openGate()
    }

    /// Many readers of a Hub that says nothing all end at their deadline, not one after the other.
    @Test func manyDeadlinesPassTogether() throws {
        bench.options.fetch.readDeadlineSeconds = 1
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/f")
        bench.hub.change { $0.fault = { _ in [.gate] } }
        let answers = Answers()
        let start = MonotonicInstant.now
        let operations = (0..<200 as Range<Int64>).map { index in
            reading(stack, file, index * 10_000..<index * 10_000 + 5, answers)
        }
        for operation in operations { operation.start() }
        for _ in operations {
            #expect(answers.receive(until: .now + 5) == .failure(.unavailable))
        }
        #expect(MonotonicInstant.now.seconds(since: start) < 20)
        #expect(answers.count == 0)
        bench.hub.change { $0.fault = nil }
        bench.hub.openGate()
    }

    @Test func theEndAnswersEverybody() throws {
        let folder = TemporaryDirectory()
        let stack = try TreeStack(folder.path, bench.hub, bench.options)
        let file = try stack.node("models/org/name@main/f")
        bench.hub.change { $0.fault = { _ in [.gate] } }
        let answers = Answers()
        let operations = (0..<20 as Range<Int64>).map { index in
            reading(stack, file, index * 100_000..<index * 100_000 + 5, answers)
        }
        for operation in operations { operation.start() }
        stack.close()
        for _ in operations {
            #expect(answers.receive(until: .now + 5) == .failure(.interrupted))
        }
        let late = reading(stack, file, 0..<5, answers)
        late.start()
        guard case .failure? = answers.receive(until: .now + 5) else {
            Issue.record("a question after the end has an answer")
            return
        }
        bench.hub.openGate()
    }

    /// A need that is met again and again without effect ends in an error.
    @Test func anOperationDoesNotGoRoundForEver() throws {
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/g")
        _ = try stack.read(file, 0..<1)
        let attemptCount = Lock(0)
        #expect(throws: FileSystemError.unavailable) {
            try stack.run { (_: AttemptContext) -> Outcome<Int> in
                attemptCount.withLock { $0 += 1 }
                let content = ContentID(row: file.row)
                return .lacks(.bytes(content, 0..<1, insists: false), withinSeconds: nil)
            }
        }
        #expect(attemptCount.withLock { $0 } <= 20)
    }
}
