// Counters that any thread may add to without waiting.

internal import Synchronization

/// A number that only grows, such as requests sent or bytes fetched.
package final class Counter: Sendable {
    private let total = Atomic<Int64>(0)

    package init() {}

    /// The sum so far.
    package var value: Int64 { total.load(ordering: .relaxed) }

    /// Adds to the sum, from any thread.
    package func add(_ amount: Int64 = 1) {
        total.add(amount, ordering: .relaxed)
    }
}
