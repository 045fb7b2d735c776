// The one lock of the project, and the one condition variable.
//
// A plain pthread mutex: `Synchronization.Mutex` hands itself over through the kernel on every
// operation when more threads are runnable than there are processors, and is invisible to the
// thread sanitizer. The rule for every user: no I/O, no SQL and no callback while holding it.

internal import Glibc

/// Mutual exclusion around a value.
@safe
package struct Lock<State: ~Copyable>: ~Copyable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let state: UnsafeMutablePointer<State>

    /// Takes the value that is to be guarded.
    package init(_ initial: consuming sending State) {
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        let status = unsafe pthread_mutex_init(mutex, nil)
        precondition(status == 0)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: initial)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }

    /// Runs `body` with the value while no other thread can.
    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        let locked = unsafe pthread_mutex_lock(mutex)
        precondition(locked == 0)
        defer {
            let unlocked = unsafe pthread_mutex_unlock(mutex)
            precondition(unlocked == 0)
        }
        return try unsafe body(&state.pointee)
    }
}

// The mutex orders every access to the value, so the lock may be shared between threads.
extension Lock: @unchecked Sendable where State: ~Copyable {}

/// A queue between threads: producers never wait, consumers wait for an element or a time.
///
/// Bounded by its users, which all have a limit of their own on what they have under way.
@safe
package final class Mailbox<Element: Sendable>: @unchecked Sendable {
    // Sendable because `elements` and `closed` are touched only while `mutex` is held.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    /// Those before `head` are gone: nothing of them may stay in memory until the array is cut.
    private var elements: [Element?] = []
    private var head = 0
    private var closed = false
    /// Who is asked to wait in place of the system; nil outside of simulations.
    private let scheduler: (any ThreadScheduler)?

    /// - Parameter scheduling: whose threads use it, and by whose clock they wait.
    package init(_ scheduling: Scheduling = .system) {
        scheduler = scheduling.scheduler
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe condition = .allocate(capacity: 1)
        unsafe condition.initialize(to: pthread_cond_t())
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Adds an element; false when the mailbox is closed, and the element was not taken.
    @discardableResult
    package func send(_ element: Element) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        if closed { return false }
        elements.append(element)
        unsafe pthread_cond_signal(condition)
        scheduler?.wake(self, all: false)
        return true
    }

    /// The oldest element; waits for one.
    ///
    /// Nil once the mailbox is closed and empty.
    package func receive() -> Element? {
        if let scheduler { return receive(until: .distantFuture, scheduler) }
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while head == elements.count && !closed {
            unsafe pthread_cond_wait(condition, mutex)
        }
        return takeFirst()
    }

    /// The oldest element, waiting for one no longer than until `deadline`.
    package func receive(until deadline: MonotonicInstant) -> Element? {
        if let scheduler { return receive(until: deadline, scheduler) }
        var limit = timespec(deadline)
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while head == elements.count && !closed {
            if unsafe pthread_cond_timedwait(condition, mutex, &limit) == ETIMEDOUT { break }
        }
        return takeFirst()
    }

    /// The same where a simulation says who runs: none of its threads can come between the look and
    /// the wait.
    private func receive(
        until deadline: MonotonicInstant, _ scheduler: any ThreadScheduler
    ) -> Element? {
        while true {
            unsafe pthread_mutex_lock(mutex)
            let isOver = head < elements.count || closed || scheduler.now >= deadline
            let first = isOver ? takeFirst() : nil
            unsafe pthread_mutex_unlock(mutex)
            if isOver { return first }
            scheduler.wait(on: self, until: deadline)
        }
    }

    /// All that is there, without waiting.
    package func drain() -> [Element] {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        let taken = elements[head...].compactMap { $0 }
        elements.removeAll(keepingCapacity: true)
        head = 0
        return taken
    }

    /// Whether `close` was called; elements may still wait.
    package var isClosed: Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return closed
    }

    /// How many elements wait.
    package var count: Int {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return elements.count - head
    }

    /// Lets consumers take what is left and then return nil.
    package func close() {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        closed = true
        unsafe pthread_cond_broadcast(condition)
        scheduler?.wake(self, all: true)
    }

    /// REQUIRES: `mutex` is held.
    private func takeFirst() -> Element? {
        guard head < elements.count else { return nil }
        let element = elements[head].take()
        head += 1
        // The places of consumed elements are cut in bulk, so taking one stays cheap on average.
        if head == elements.count || head >= 1024 {
            elements.removeFirst(head)
            head = 0
        }
        return element
    }
}
