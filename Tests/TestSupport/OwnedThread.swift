// A thread that a test can keep in an array.

import Platform

/// A thread that is joined at the latest when its owner goes away.
package final class OwnedThread {
    private var thread: Thread?

    package init(_ body: @escaping @Sendable () -> Void) {
        thread = try? Thread(named: "test", .system, body)
    }

    deinit {
        join()
    }

    /// Waits for its end.
    package func join() {
        if let running = thread.take() { running.join() }
    }
}
