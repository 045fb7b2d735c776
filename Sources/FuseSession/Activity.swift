// Whether the threads that answer the kernel still do: the sign by which a watchdog knows.

internal import Platform
internal import Synchronization

/// How many threads are at work, and when one last took or finished a message.
final class Activity: Sendable {
    private let busyCount = Atomic<Int>(0)
    private let lastSignNanoseconds = Atomic<Int64>(MonotonicInstant.now.nanoseconds)

    func begin() {
        // First: who finds all of them at work is not to find a time when nobody asked.
        note()
        busyCount.add(1, ordering: .sequentiallyConsistent)
    }

    func end() {
        busyCount.subtract(1, ordering: .relaxed)
        note()
    }

    private func note() {
        lastSignNanoseconds.store(MonotonicInstant.now.nanoseconds, ordering: .releasing)
    }

    /// For how long all threads have been at work without one of them coming to an end; 0 while
    /// one waits for the kernel.
    func secondsSilent(threadCount: Int, now: MonotonicInstant) -> Double {
        if busyCount.load(ordering: .sequentiallyConsistent) < threadCount { return 0 }
        let last = MonotonicInstant(nanoseconds: lastSignNanoseconds.load(ordering: .acquiring))
        return max(0, now.seconds(since: last))
    }
}
