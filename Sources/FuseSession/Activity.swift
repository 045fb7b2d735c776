// Whether the threads that answer the kernel still do: the sign by which a watchdog knows.

internal import Platform
internal import Synchronization

/// How many threads are at work, and when one last finished a message.
final class Activity: Sendable {
    private let busyCount = Atomic<Int>(0)
    private let lastEndNanoseconds = Atomic<Int64>(MonotonicInstant.now.nanoseconds)

    func begin() { busyCount.add(1, ordering: .relaxed) }

    func end() {
        busyCount.subtract(1, ordering: .relaxed)
        lastEndNanoseconds.store(MonotonicInstant.now.nanoseconds, ordering: .relaxed)
    }

    /// For how long all threads have been at work without one of them coming to an end; 0 while
    /// one waits for the kernel.
    func secondsSilent(threadCount: Int, now: MonotonicInstant) -> Double {
        if busyCount.load(ordering: .relaxed) < threadCount { return 0 }
        let last = MonotonicInstant(nanoseconds: lastEndNanoseconds.load(ordering: .relaxed))
        return max(0, now.seconds(since: last))
    }
}
