// Threads that work on one thing together: each takes a part, and they meet at the same places.
//
// A prediction of one short text takes a few milliseconds with some forty meetings, so those who
// wait for each other spin, and only give the processor away when that takes long. Between the
// tasks the threads sleep. The team works for one caller at a time; a caller that finds it at work
// does all of its own work alone, which is as good when there is more work than processors.

internal import Platform
internal import Synchronization

/// One thread of those that work on a task.
package struct TeamMember: Sendable {
    /// From 0, which is the caller itself.
    package let index: Int
    /// How many there are.
    package let count: Int
    fileprivate let meeting: Meeting?

    /// One that works alone.
    package static let alone = TeamMember(index: 0, count: 1, meeting: nil)

    /// This one's part of `0..<total`, in multiples of `unit`.
    package func share(of total: Int, unit: Int = 1) -> Range<Int> {
        let unitCount = (total + unit - 1) / unit
        let start = unitCount * index / count * unit
        let end = unitCount * (index + 1) / count * unit
        return min(start, total)..<min(end, total)
    }

    /// Waits until all members are here; what they wrote before is seen by all after.
    package func meet() {
        meeting?.wait(count)
    }
}

/// Where members wait for each other.
private final class Meeting: Sendable {
    private let arrivedCount = Atomic<Int>(0)
    private let round = Atomic<Int>(0)
    /// Some microseconds of looking before the processor is given to others.
    private static let looksBeforeYield = 4_000

    func wait(_ count: Int) {
        if count == 1 { return }
        let own = round.load(ordering: .relaxed)
        if arrivedCount.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == count {
            arrivedCount.store(0, ordering: .relaxed)
            round.store(own &+ 1, ordering: .releasing)
            return
        }
        var lookCount = 0
        while round.load(ordering: .acquiring) == own {
            lookCount += 1
            if lookCount > Meeting.looksBeforeYield { Team.yield() }
        }
    }
}

/// Threads for work that can be shared out.
package final class Team: Sendable {
    /// More than this do not help with models of this size.
    package static let threadCountMax = 8

    /// The team of the process: as many threads as processors, and products on one thread each.
    package static let shared: Team = {
        setProductThreads(1)
        return Team(threadCount: min(Processor.usableCount, threadCountMax))
    }()

    private struct Task: Sendable {
        let member: TeamMember
        let body: @Sendable (TeamMember) -> Void
        let done: Mailbox<Int>
    }

    /// One for each thread beside the caller.
    private let mailboxes: [Mailbox<Task>]
    private let threads: [ThreadBox]
    private let isAtWork = Lock(false)

    /// Starts the threads; fewer than asked if the system has no room for them.
    package init(threadCount: Int) {
        var mailboxes: [Mailbox<Task>] = []
        var threads: [ThreadBox] = []
        for _ in 1..<max(threadCount, 1) {
            let mailbox = Mailbox<Task>()
            let thread = try? ThreadBox(named: "compute") {
                while let task = mailbox.receive() {
                    task.body(task.member)
                    task.done.send(task.member.index)
                }
            }
            guard let thread else { break }
            mailboxes.append(mailbox)
            threads.append(thread)
        }
        self.mailboxes = mailboxes
        self.threads = threads
    }

    deinit {
        for mailbox in mailboxes { mailbox.close() }
        for thread in threads { thread.join() }
    }

    /// How many threads work, with the caller.
    package var threadCount: Int { mailboxes.count + 1 }

    /// Runs `body` once for each member, all at the same time, and waits until all are done.
    package func run(_ body: @escaping @Sendable (TeamMember) -> Void) {
        let isFree = isAtWork.withLock { isAtWork in
            defer { isAtWork = true }
            return !isAtWork
        }
        if mailboxes.isEmpty || !isFree {
            body(.alone)
            if isFree { isAtWork.withLock { $0 = false } }
            return
        }
        let meeting = Meeting()
        let done = Mailbox<Int>()
        for (index, mailbox) in mailboxes.enumerated() {
            let member = TeamMember(index: index + 1, count: threadCount, meeting: meeting)
            mailbox.send(Task(member: member, body: body, done: done))
        }
        body(TeamMember(index: 0, count: threadCount, meeting: meeting))
        for _ in mailboxes { _ = done.receive() }
        isAtWork.withLock { $0 = false }
    }

    fileprivate static func yield() {
        Processor.yield()
    }
}
