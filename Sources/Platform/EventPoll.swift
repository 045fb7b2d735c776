// Waiting for whatever happens first on many descriptors, which are told once and not at each wait.
//
// Owns an epoll descriptor and a bell, an eventfd that ends a wait from any thread. The descriptors
// that are waited for belong to others, who take them out before they close them.

internal import CShims

/// Descriptors and a bell.
package final class EventPoll: Sendable {
    /// What happened on a descriptor, or is waited for.
    package struct Event: OptionSet, Sendable {
        package let rawValue: CInt

        package init(rawValue: CInt) { self.rawValue = rawValue }

        /// Reading does not wait, be it for bytes, the end or an error.
        package static let reading = Event(rawValue: CInt(MODELFS_EVENT_READ))
        package static let writing = Event(rawValue: CInt(MODELFS_EVENT_WRITE))
        /// Told without being asked for.
        package static let failure = Event(rawValue: CInt(MODELFS_EVENT_FAILURE))
    }

    /// Events that one wait gives; what is beyond comes with the next one.
    private static let eventCountMax = 64

    private let poll: FileDescriptor
    private let bell: FileDescriptor

    /// The C functions are `epoll_create1` and `eventfd`.
    ///
    /// - Throws: `EMFILE` and the like.
    package init() throws(Errno) {
        poll = FileDescriptor(owning: try retryingOnInterrupt { modelfs_events_open() })
        bell = FileDescriptor(owning: try retryingOnInterrupt { modelfs_bell_open() })
        try watch(bell.rawValue, for: .reading)
    }

    /// Ends a wait, or the next one if there is none.
    ///
    /// Any thread.
    package func ring() { modelfs_bell_ring(bell.rawValue) }

    /// Waits for something on a descriptor from now on, or for something else than before.
    ///
    /// The C function is `epoll_ctl`.
    package func watch(_ descriptor: CInt, for event: Event) throws(Errno) {
        if modelfs_events_await(poll.rawValue, descriptor, event.rawValue) < 0 {
            throw Errno.current
        }
    }

    /// Waits for a descriptor no more.
    package func forget(_ descriptor: CInt) { modelfs_events_forget(poll.rawValue, descriptor) }

    /// Waits until something happens or the bell rings, at most so long.
    ///
    /// The C function is `epoll_wait`.
    ///
    /// - Parameter body: called for each descriptor on which something happened.
    package func wait(milliseconds: CInt, _ body: (CInt, Event) -> Void) {
        unsafe withUnsafeTemporaryAllocation(
            of: modelfs_event.self, capacity: EventPoll.eventCountMax
        ) { events in
            // Interrupted is as good as nothing: who waits looks at the clock anyway.
            let count = unsafe modelfs_events_wait(
                poll.rawValue, events.baseAddress, CInt(EventPoll.eventCountMax), milliseconds)
            for index in 0..<max(0, Int(count)) {
                let event = unsafe events[index]
                if event.descriptor == bell.rawValue {
                    modelfs_bell_silence(bell.rawValue)
                } else {
                    body(event.descriptor, Event(rawValue: event.what))
                }
            }
        }
    }
}
