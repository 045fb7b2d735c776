// What happens on descriptors, told to one who waits for all of them.

import Glibc
import Testing

@testable import Platform

@Suite struct EventPollTests {
    /// The two ends of a pipe.
    private struct Pipe: ~Copyable {
        let reading: FileDescriptor
        let writing: FileDescriptor

        init() throws {
            var ends: [CInt] = [0, 0]
            try #require(Glibc.pipe(&ends) == 0)
            reading = FileDescriptor(owning: ends[0])
            writing = FileDescriptor(owning: ends[1])
        }
    }

    /// The events of one wait, which does not last.
    private func events(of poll: EventPoll) -> [CInt: EventPoll.Event] {
        var found: [CInt: EventPoll.Event] = [:]
        poll.wait(milliseconds: 0) { found[$0] = $1 }
        return found
    }

    @Test func whatIsWaitedForIsTold() throws {
        let poll = try EventPoll()
        let pipe = try Pipe()
        let (reading, writing) = (pipe.reading.rawValue, pipe.writing.rawValue)
        try poll.watch(reading, for: .reading)
        #expect(events(of: poll).isEmpty)
        try poll.watch(writing, for: .writing)
        #expect(events(of: poll) == [writing: .writing])
        #expect(Glibc.write(writing, [1], 1) == 1)
        #expect(events(of: poll) == [writing: .writing, reading: .reading])
        // As long as it is so, and not only when it becomes so.
        #expect(events(of: poll)[reading] == .reading)
        // Something else than before.
        try poll.watch(writing, for: [])
        #expect(events(of: poll) == [reading: .reading])
        poll.forget(reading)
        #expect(events(of: poll).isEmpty)
        poll.forget(reading)
    }

    @Test func anEndThatIsGoneIsAFailure() throws {
        let poll = try EventPoll()
        let pipe = try Pipe()
        let number = dup(pipe.writing.rawValue)
        try poll.watch(pipe.reading.rawValue, for: .reading)
        close(number)
        #expect(events(of: poll).isEmpty)
        let other = try Pipe()
        try poll.watch(other.writing.rawValue, for: .writing)
        shutdownReading(of: other)
        #expect(events(of: poll)[other.writing.rawValue]?.contains(.failure) == true)
    }

    /// Closes one end, whose owner closes another file then.
    private func shutdownReading(of pipe: borrowing Pipe) {
        let nowhere = open("/dev/null", O_RDONLY)
        dup2(nowhere, pipe.reading.rawValue)
        close(nowhere)
    }

    @Test func aBellEndsAWaitAndIsNoEvent() throws {
        let poll = try EventPoll()
        poll.ring()
        poll.ring()
        // Would last for an hour.
        poll.wait(milliseconds: 3_600_000) { _, _ in Issue.record("the bell is no descriptor") }
        let thread = try Thread(named: "ringer") { poll.ring() }
        poll.wait(milliseconds: 3_600_000) { _, _ in Issue.record("the bell is no descriptor") }
        thread.join()
        #expect(events(of: poll).isEmpty)
    }

    @Test func aClosedDescriptorIsRefused() throws {
        let poll = try EventPoll()
        #expect(throws: Errno(EBADF)) { try poll.watch(1_000_000, for: .reading) }
    }
}
