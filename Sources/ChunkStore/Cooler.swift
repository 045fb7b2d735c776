// The thread that changes layouts: below everything else, one content at a time.

internal import Glibc
internal import Platform
internal import Synchronization

/// Runs requests to cool and to warm, and looks for what should be cooled when it is woken.
final class Cooler: Sendable {
    /// What the thread does.
    enum Request: Sendable {
        /// Look whether the flat tier is over its limit.
        case look
        case warm(ContentKey)
        /// Keep a copy of what the index knows about a flat content.
        case keepFlatMap(ContentKey)
        /// Take away what an earlier run has left.
        case clean
    }

    /// Requests that may wait; more are dropped, since they are only wishes.
    static let queueCountMax = 256

    private let scheduling: Scheduling
    private let mailbox: Mailbox<Request>
    private let thread = Lock<Thread?>(nil)
    private let closing = Atomic<Bool>(false)
    private let isAwake = Atomic<Bool>(false)
    /// One element, taken by whoever packs or must not be disturbed by packing.
    private let turn: Mailbox<Void>

    init(_ scheduling: Scheduling) {
        self.scheduling = scheduling
        mailbox = Mailbox(scheduling)
        turn = Mailbox(scheduling)
        turn.send(())
    }

    /// Waits until nothing is packed, and keeps it so until `resume`.
    func pause() { _ = turn.receive() }

    func resume() { turn.send(()) }

    func start(_ serve: @escaping @Sendable (Request) -> Void) throws(StoreError) {
        do throws(Errno) {
            var started: Thread? = try Thread(named: "store cool", scheduling) { [self] in
                // Of this thread alone, as Linux has it: everything else goes first.
                setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
                while let request = mailbox.receive() {
                    if case .look = request { isAwake.store(false, ordering: .releasing) }
                    guard turn.receive() != nil else { return }
                    if !isClosing { serve(request) }
                    turn.send(())
                }
            }
            thread.withLock { $0 = started.take() }
        } catch {
            throw StoreError(error)
        }
    }

    /// Has the thread look for work, once however often this is called.
    func wake() {
        if !isAwake.exchange(true, ordering: .acquiringAndReleasing) { mailbox.send(.look) }
    }

    /// Has a content made flat, when its turn comes.
    func warm(_ key: ContentKey) {
        if mailbox.count < Cooler.queueCountMax { mailbox.send(.warm(key)) }
    }

    /// Has a copy made of what the index knows about a flat content.
    func keepFlatMap(_ key: ContentKey) {
        if mailbox.count < Cooler.queueCountMax { mailbox.send(.keepFlatMap(key)) }
    }

    /// Has taken away what an earlier run has left.
    func clean() { mailbox.send(.clean) }

    /// Whether work under way should be given up.
    var isClosing: Bool { closing.load(ordering: .acquiring) }

    func close() {
        closing.store(true, ordering: .releasing)
        mailbox.close()
        let running = thread.withLock { $0.take() }
        if let running { running.join() }
    }
}
