// Waiting for descriptors, always with a deadline.

internal import Glibc

/// What to wait for on one descriptor; negative numbers are skipped.
package struct AwaitedEvents: Sendable {
    package let descriptor: CInt
    package let events: CShort

    /// - Parameters:
    ///   - descriptor: a negative number waits for nothing.
    ///   - events: such as `POLLIN`.
    package init(_ descriptor: CInt, _ events: CInt) {
        self.descriptor = descriptor
        self.events = CShort(truncatingIfNeeded: events)
    }
}

/// Waits until something happens on one of the descriptors.
///
/// The C function is `poll`.
///
/// - Returns: what happened on each, in their order; all 0 when the deadline passed first.
package func waitForEvents(
    _ awaited: [AwaitedEvents], until deadline: MonotonicInstant
) throws(Errno) -> [CShort] {
    var descriptors = awaited.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
    while true {
        let seconds = deadline.seconds(since: .now)
        // Rounded up, so that a wait never ends just before its deadline; at most an hour, after
        // which the loop asks again.
        let milliseconds = CInt(min(max(0, seconds * 1000 + 1), 3_600_000))
        let count = unsafe poll(&descriptors, nfds_t(descriptors.count), milliseconds)
        if count < 0 && Errno.current != .interrupted { throw Errno.current }
        if count > 0 || MonotonicInstant.now >= deadline { return descriptors.map(\.revents) }
    }
}

/// Sleeps for so many seconds.
///
/// The corresponding C function is `clock_nanosleep`.
package func sleep(seconds: Double) {
    var end = timespec(MonotonicInstant.now + seconds)
    while unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nil) == EINTR {}
}
