// The threads and the clocks of a simulation: one thread runs at a time, and the seed says which.
//
// Each thread is a real one, but it goes on only while it holds the baton, which it gives away
// where it waits and where the disk or the network is asked for something. Who gets it next is
// drawn among those that can go on. When none can, the clock jumps to the first deadline that
// somebody waits for; when nobody waits for a time either, that is a deadlock, and the process ends
// with a list of who waits for what.
//
// Assumes that whoever holds a `Lock` gives no baton away, which is the rule that no I/O is done
// and nothing is waited for under a lock. Where it is broken the process stands still, and the
// watchdog of `SimulatorRun` ends it.

import Glibc
import Platform
import TestSupport

/// The scheduler of one simulation.
package final class SimulatedThreads: ThreadScheduler, @unchecked Sendable {
    // Sendable because all of it is touched only by the thread that holds the baton.

    /// One thread.
    private final class Member {
        let number: Int
        let name: String
        /// How often it is drawn, compared with others.
        let weight: Int
        let turn: UnsafeMutablePointer<sem_t>
        /// Nil when it can go on.
        var awaited: ObjectIdentifier?
        var deadline = MonotonicInstant.distantFuture
        var isOver = false

        init(number: Int, name: String, weight: Int) {
            self.number = number
            self.name = name
            self.weight = weight
            turn = .allocate(capacity: 1)
            sem_init(turn, 0, 0)
        }

        deinit {
            sem_destroy(turn)
            turn.deallocate()
        }
    }

    /// Some seeds favour and neglect threads, so that rare orders become common.
    private static let weights = [1, 4, 4, 4, 16]
    /// What a turn takes, at most, in nanoseconds.
    private static let turnNanosecondsMax: Int64 = 20_000

    private var random: SeededGenerator
    private var members: [Member] = []
    private var running: Member
    private var startCount = 0
    private var clock: Int64 = 1_000_000_000_000
    private var wallOffset: Int64 = 1_800_000_000_000_000_000
    private var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    /// How often the baton changed hands.
    package private(set) var turnCount = 0

    /// The calling thread becomes the first member, and holds the baton.
    package init(seed: UInt64) {
        random = SeededGenerator(seed: seed ^ 0x5eed_7472)
        running = Member(number: 0, name: "driver", weight: 4)
        members = [running]
    }

    package var now: MonotonicInstant { MonotonicInstant(nanoseconds: clock) }
    package var wallNanoseconds: Int64 { clock + wallOffset }
    /// This scheduler as modules take it.
    package var scheduling: Scheduling { Scheduling(self) }
    /// A digest of all that was decided: equal in two runs that went the same way.
    package var trace: UInt64 { digest }

    /// The wall clock is set forward or back.
    package func setWallClock(bySeconds seconds: Int64) { wallOffset += seconds * 1_000_000_000 }

    /// Adds something to the trace.
    package func note(_ value: UInt64) {
        digest = (digest ^ value) &* 0x0000_0100_0000_01b3
    }

    /// Time that passes while the caller works, in which nobody else runs.
    package func spend(nanoseconds: Int64) { clock += nanoseconds }

    /// Lets others go first, if the seed says so.
    package func yield() {
        clock += Int64.random(in: 1...SimulatedThreads.turnNanosecondsMax, using: &random)
        passBaton()
    }

    /// Sleeps.
    package func sleep(seconds: Double) {
        let end = now + seconds
        while now < end { wait(on: self, until: end) }
    }

    package func start(
        named name: String, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) -> @Sendable () -> Void {
        startCount += 1
        let weight = SimulatedThreads.weights.randomElement(using: &random) ?? 1
        let member = Member(number: startCount, name: name, weight: weight)
        members.append(member)
        let box = UncheckedBox(member)
        let thread = try Thread(named: name) { [self] in
            SimulatedThreads.take(box.value.turn)
            body()
            end(box.value)
        }
        let handle = Lock<Thread?>(nil)
        var started: Thread? = consume thread
        handle.withLock { $0 = started.take() }
        let joined = JoinedThread(handle)
        return { [self] in
            while !box.value.isOver { wait(on: box.value, until: .distantFuture) }
            joined.join()
        }
    }

    package func wait(on object: AnyObject, until deadline: MonotonicInstant) {
        running.awaited = ObjectIdentifier(object)
        running.deadline = deadline
        clock += Int64.random(in: 1...SimulatedThreads.turnNanosecondsMax, using: &random)
        passBaton()
    }

    package func wake(_ object: AnyObject, all: Bool) {
        let id = ObjectIdentifier(object)
        let waiting = members.filter { $0.awaited == id }
        let chosen = all ? waiting : waiting.randomElement(using: &random).map { [$0] } ?? []
        for member in chosen { member.awaited = nil }
    }

    // MARK: The baton

    private func end(_ member: Member) {
        member.isOver = true
        members.removeAll { $0 === member }
        wake(member, all: true)
        let next = choose()
        running = next
        sem_post(next.turn)
    }

    private func passBaton() {
        let me = running
        let next = choose()
        if next === me { return }
        running = next
        sem_post(next.turn)
        SimulatedThreads.take(me.turn)
    }

    private func choose() -> Member {
        var ready = members.filter { $0.awaited == nil || $0.deadline.nanoseconds <= clock }
        if ready.isEmpty {
            let first = members.map(\.deadline).min() ?? .distantFuture
            if first == .distantFuture { reportDeadlock() }
            clock = first.nanoseconds
            ready = members.filter { $0.deadline.nanoseconds <= clock }
        }
        var left = Int.random(in: 0..<ready.reduce(0) { $0 + $1.weight }, using: &random)
        var chosen = ready[0]
        for member in ready {
            chosen = member
            left -= member.weight
            if left < 0 { break }
        }
        chosen.awaited = nil
        chosen.deadline = .distantFuture
        turnCount += 1
        note(UInt64(chosen.number))
        note(UInt64(bitPattern: clock))
        return chosen
    }

    /// Who is there, and whether they wait.
    package var description: String {
        members.map { member in
            let until =
                member.deadline == .distantFuture
                ? "" : " until \(member.deadline.seconds(since: now)) s from now"
            return "\(member.name): \(member.awaited == nil ? "runs" : "waits\(until)")"
        }.joined(separator: "\n")
    }

    private func reportDeadlock() -> Never {
        print("everybody waits for somebody else:\n\(description)")
        fflush(nil)
        abort()
    }

    private static func take(_ turn: UnsafeMutablePointer<sem_t>) {
        while sem_wait(turn) != 0 {}
    }
}

/// What goes to another thread together with the baton.
private struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}

/// A system thread whose work is done.
private final class JoinedThread: Sendable {
    private let thread: Lock<Thread?>

    init(_ thread: consuming Lock<Thread?>) { self.thread = thread }

    func join() {
        if let thread = thread.withLock({ $0.take() }) { thread.join() }
    }
}
