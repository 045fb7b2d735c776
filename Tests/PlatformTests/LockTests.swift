import Platform
import Testing

@Suite struct LockTests {
    @Test func countsFromManyThreads() throws {
        final class Counter: Sendable { let value = Lock(0) }
        let counter = Counter()
        for _ in 0..<4 {
            let thread = try Thread(named: "count") {
                for _ in 0..<10_000 { counter.value.withLock { $0 += 1 } }
            }
            thread.join()
        }
        #expect(counter.value.withLock { $0 } == 40_000)
    }

    @Test func mailboxDeliversInOrderAndThenCloses() throws {
        let mailbox = Mailbox<Int>()
        let producer = try Thread(named: "producer") {
            for number in 0..<5_000 { mailbox.send(number) }
            mailbox.close()
        }
        var received: [Int] = []
        while let number = mailbox.receive() { received.append(number) }
        producer.join()
        #expect(received == Array(0..<5_000))
        #expect(!mailbox.send(1))
    }

    @Test func mailboxLetsGoOfWhatItGave() {
        final class Parcel: Sendable {}
        let mailbox = Mailbox<Parcel>()
        weak var first: Parcel?
        do {
            let parcel = Parcel()
            first = parcel
            mailbox.send(parcel)
        }
        // Another one waits, so the queue is not empty after the first was taken.
        mailbox.send(Parcel())
        #expect(first != nil)
        #expect(mailbox.receive() != nil)
        #expect(first == nil && mailbox.count == 1)
        #expect(mailbox.drain().count == 1)
    }

    @Test func mailboxGivesUpAtItsDeadline() {
        let mailbox = Mailbox<Int>()
        let start = MonotonicInstant.now
        #expect(mailbox.receive(until: start + 0.05) == nil)
        #expect(MonotonicInstant.now.seconds(since: start) >= 0.05)
    }
}
