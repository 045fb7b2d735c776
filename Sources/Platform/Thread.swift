// Threads of our own: named, joined, and not known to any runtime scheduler.
//
// The data plane runs on these. Their number is fixed at start, so nothing here grows.

internal import CShims
internal import Glibc

/// A running thread that somebody will join.
@safe
package struct Thread: ~Copyable, Sendable {
    private let handle: pthread_t
    /// Waits for the end of a thread that a simulation runs; nil for one of the system.
    private let joinSimulated: (@Sendable () -> Void)?

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: shown by `ps -L`; the kernel keeps the first 15 bytes.
    ///   - scheduling: who runs it.
    ///   - body: runs once, on the new thread.
    /// - Throws: `EAGAIN` when the system has no room for another thread.
    package init(
        named name: String, _ scheduling: Scheduling = .system,
        _ body: @escaping @Sendable () -> Void
    ) throws(Errno) {
        if let scheduler = scheduling.scheduler {
            joinSimulated = try scheduler.start(named: name, body)
            handle = pthread_t()
            return
        }
        let start = ThreadStart(name: name, body: body)
        var handle = pthread_t()
        let context = unsafe Unmanaged.passRetained(start)
        let status = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
                Thread.nameCurrent(start.name)
                start.body()
                return nil
            }, context.toOpaque())
        if status != 0 {
            unsafe context.release()
            throw Errno(status)
        }
        self.handle = handle
        joinSimulated = nil
    }

    /// Gives the calling thread a name; on the main thread it is the process's name too.
    package static func nameCurrent(_ name: String) {
        _ = unsafe modelfs_set_thread_name(String(name.prefix(15)))
    }

    /// Waits for its end.
    ///
    /// The corresponding C function is `pthread_join`.
    package consuming func join() {
        if let joinSimulated { return joinSimulated() }
        _ = pthread_join(handle, nil)
    }

    /// Lets the thread go on alone.
    ///
    /// The corresponding C function is `pthread_detach`.
    package consuming func detach() {
        if joinSimulated != nil { return }
        _ = pthread_detach(handle)
    }
}

/// A thread that can be kept among others; joined once, by whoever ends it.
package final class ThreadBox: Sendable {
    private let thread: Lock<Thread?>

    /// As `Thread.init`.
    package init(
        named name: String, _ scheduling: Scheduling = .system,
        _ body: @escaping @Sendable () -> Void
    ) throws(Errno) {
        thread = Lock(nil)
        var started: Thread? = try Thread(named: name, scheduling, body)
        thread.withLock { $0 = started.take() }
    }

    /// Waits for its end, unless that was done before.
    package func join() {
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}
