// Pages ahead of their readers: decoded, and put into the kernel's page cache (FUSE_NOTIFY_STORE).
//
// What is pushed is what somebody is going to touch: the rest of a window that a reader goes
// through in order, or what a plan says. A touch of a pushed page costs no message. Only bytes that
// are in the store are pushed, and only as many as there is memory for; all else is left to the
// readers' own faults.
//
// The kernel locks each page that it is given, and waits where a READ of the page is under way. So
// this runs on threads of its own, which may be stuck for as long as that READ is; and a content
// some of whose READs wait for the network is not pushed at all.

internal import CFuse3
internal import Catalog
internal import FileSystem
internal import Glibc
internal import Platform
internal import Telemetry

/// Pushes pages of one mount.
final class PagePusher: Sendable {
    /// Two keep a decoding core busy while the other thread is in the kernel.
    static let threadCount = 2
    private static let niceness: CInt = 5

    private struct State {
        var queue = PushQueue()
        var streams = ReadStreams()
        var budget = PushBudget()
    }

    private let fileSystem: FileSystem
    private let buffers: BufferPool
    /// The kernel's number for a node.
    private let number: @Sendable (NodeID) -> UInt64
    private let state = Lock(State())
    private let wakeups = Mailbox<Void>()
    /// Bytes that the kernel took.
    let pushedBytes = Counter()
    /// Bytes that were not pushed because memory was short.
    let refusedBytes = Counter()

    init(
        _ fileSystem: FileSystem, _ buffers: BufferPool,
        number: @escaping @Sendable (NodeID) -> UInt64
    ) {
        self.fileSystem = fileSystem
        self.buffers = buffers
        self.number = number
    }

    /// Adds extents that will be touched in this order.
    ///
    /// - Parameter reading: what a reader waits for at the moment; nil if there is none.
    func plan(_ node: NodeID, _ extents: [Range<Int64>], reading: Range<Int64>?) {
        state.withLock { state in
            if let reading {
                state.queue.plan(node, extents, reading: reading)
            } else {
                state.queue.add(node, extents, isUrgent: false)
            }
        }
        wake()
    }

    /// Forgets what waits of a content.
    func cancel(_ node: NodeID) {
        state.withLock { state in
            state.queue.cancel(node)
            state.streams.forget(node)
        }
    }

    /// A READ was answered at once.
    func noteRead(_ node: NodeID, _ range: Range<Int64>) {
        guard let sizeBytes = fileSystem.sizeBytes(of: node) else { return }
        let hasWork = state.withLock { state in
            state.queue.skip(node, range)
            if state.queue.hasPlan(node) { return false }
            let extents = state.streams.read(node, range, sizeBytes: sizeBytes)
            state.queue.add(node, extents, isUrgent: true)
            return !extents.isEmpty
        }
        if hasWork { wake() }
    }

    /// Ends the threads, once what they do now is done.
    func close() {
        wakeups.close()
    }

    private func wake() {
        // More tokens than threads would only be found to be nothing.
        while wakeups.count < PagePusher.threadCount, wakeups.send(()) {}
    }

    // MARK: On the threads

    /// Pushes until `close`.
    ///
    /// - Parameters:
    ///   - device: the connection's descriptor.
    ///   - isUseless: whether pages of a content are not what its readers see.
    ///   - dropPages: has the kernel forget a content's pages, without waiting.
    func serve(
        _ device: CInt, isUseless: (NodeID) -> Bool, dropPages: (NodeID) -> Void
    ) {
        // Of this thread alone, as Linux has it: whoever answers goes first.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, PagePusher.niceness)
        guard let writer = try? PageWriter(device, niceness: PagePusher.niceness) else { return }
        defer { writer.close() }
        while wakeups.receive() != nil {
            while !wakeups.isClosed, let piece = state.withLock({ $0.queue.next() }) {
                if isUseless(piece.node) || !push(piece, writer, dropPages) { cancel(piece.node) }
            }
        }
    }

    /// - Returns: whether the rest of the content is worth pushing.
    private func push(
        _ piece: PushQueue.Piece, _ writer: PageWriter, _ dropPages: (NodeID) -> Void
    ) -> Bool {
        guard hasRoom(Int64(piece.range.count)) else {
            refusedBytes.add(Int64(piece.range.count))
            return false
        }
        let buffer = buffers.take()
        let bytes = unsafe buffer.prefix(piece.range.count)
        guard
            let count = unsafe fileSystem.storedBytes(
                piece.node, at: piece.range.lowerBound, into: bytes), count > 0
        else { return false }
        let head = KernelAnswer.store(
            number(piece.node), at: piece.range.lowerBound, byteCount: count)
        // It does not take pages of a node that it has forgotten.
        guard writer.write(head, buffer, byteCount: count) else { return false }
        pushedBytes.add(Int64(count))
        // What was found wrong meanwhile was dropped from the kernel before this came to it.
        let range = piece.range.lowerBound..<piece.range.lowerBound + Int64(count)
        if fileSystem.isStored(piece.node, range) { return true }
        dropPages(piece.node)
        return false
    }

    private func hasRoom(_ byteCount: Int64) -> Bool {
        let now = MonotonicInstant.now
        if state.withLock({ $0.budget.needsMeasure(at: now) }) {
            let rooms = MemoryRoom.all()
            state.withLock { $0.budget.measure(rooms, at: now) }
        }
        return state.withLock { $0.budget.take(byteCount, at: now) }
    }
}
