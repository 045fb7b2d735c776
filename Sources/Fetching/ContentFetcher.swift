// Bytes of contents: a plan for each content that is read, and the hands that carry it out.
//
// Threads: readers call in on threads of their own and never wait. Bytes arrive on the transfer
// thread, which only gathers them into blocks (`TransferSink`). The "fill" threads write blocks
// to the store, tell the plan and wake readers; the "proof" and "hash" threads prove what has
// become complete; the "planner" thread has the rest of weight files fetched; the "page in" thread
// reads pages of flat files into memory. A transfer belongs to one fill thread, so its blocks and
// its end stay in order.
//
// When the store cannot take a block (disk full, read-only or failing), the block is kept in
// memory for a while instead, so that reading goes on from the network.

internal import Catalog
internal import ChunkStore
internal import Glibc
internal import Hashing
internal import HubAPI
internal import Platform
internal import Synchronization
internal import Telemetry

/// Fetches, stores and proves contents.
final class ContentFetcher: Sendable {
    /// Told which bytes of a content were dropped because they were wrong, or may be.
    typealias DamageObserver = @Sendable (ContentID, [Range<Int64>]) -> Void

    struct Waiter {
        let content: ContentID
        let completion: Fetcher.Completion
    }

    struct State {
        var active: [ContentID: ActiveContent] = [:]
        var waiters: [UInt64: Waiter] = [:]
        var deadlines = Deadlines()
        var rest = RestQueue()
        /// Contents that somebody wants whole, and why one did not come.
        var brought: [ContentID: FetchError?] = [:]
        /// Until when nobody is put in line.
        var restPause: MonotonicInstant?
        /// Counts what the planner itself has asked for.
        var ownTicketCount: UInt64 = 0
        var isClosed = false
    }

    struct BlockKey: Hashable {
        let content: ContentID
        let offset: Int64
    }

    enum Work: Sendable {
        /// The buffer begins with the bytes of the range.
        case block(ContentID, ContentPlan.TransferNumber, Range<Int64>, BlockBuffer)
        /// A whole content, which ends its transfer.
        case whole(ContentID, ContentPlan.TransferNumber, [UInt8])
        case end(ContentID, ContentPlan.TransferNumber, Result<Void, HubError>)
        /// What the store could not take is tried again.
        case heldBlocks
    }

    /// A content up to this size is fetched whole, and proven before its first byte is served.
    ///
    /// So is everything kept in git, which the Hub limits to 10 MiB, up to a transfer's length.
    static let wholeByteCountMax: Int64 = 1 << 20
    /// Blocks that have come and are not yet stored; beyond it transfers pause.
    static let pendingByteCountMax = 64 << 20
    /// Blocks that the store could not take, kept for the readers that wait for them.
    static let memoryByteCountMax = 64 << 20
    /// Contents with a plan; those that nobody waits for are forgotten first.
    static let activeCountMax = 1024
    static let fillThreadCount = 2

    let hub: HubClient
    let catalog: Catalog
    let store: ChunkStore
    let alarms: AlarmClock
    let refusals: RefusedRepositories
    let options: FetchOptions
    let log: Log
    let scheduling: Scheduling
    let damaged = Counter()
    /// How often the store did not take what had come.
    let untaken = Counter()
    /// Blocks that came again after their checksum had failed.
    let healedBlocks = Counter()
    /// What was found damaged on the disk and has not come again yet.
    let wounds = Lock<[ContentID: RangeSet]>([:])
    let xetChunks = XetLedger()
    /// Contents whose chunks are being compared.
    let doubts = Lock<[ContentID: ChunkDoubt]>([:])
    /// Chunks that a comparison showed to have come wrong.
    let wrongXetChunks = Counter()
    let state = Lock(State())
    let memory = Lock(
        RecentCache<BlockKey, HeldBlock>(
            costMax: memoryByteCountMax, cost: { $0.bytes.count }))
    let holdsMemory = Atomic<Bool>(false)
    let pending = PendingBytes(limitByteCount: pendingByteCountMax)
    /// Of what has come: 64 idle ones are 8 MiB.
    let blocks = BlockBufferPool(byteCount: ChunkStore.blockByteCount, idleCountMax: 64)
    private let work: [Mailbox<Work>]
    private let proofs: Mailbox<Content>
    let planner: Mailbox<PlannerTask>
    /// Nil where there is none, or it is not to be looked at.
    let clientCache: ClientCache?
    let localKnowledge = Lock(LocalKnowledge())
    let locals: Mailbox<LocalTransfer>
    /// Bytes that came from the official client's cache.
    let localBytes = Counter()
    private let hashes: Mailbox<Content>
    /// Those that are known to be right otherwise, so that nobody waits for their hash.
    private let lateHashes: Mailbox<Content>
    let pages: Mailbox<PageTask>
    /// Contents that were opened since the start, and that the kernel reads by itself.
    let kernelReads = Lock<Set<ContentID>>([])
    private let threads = Lock<[ThreadBox]>([])
    let damageObserver = Lock<DamageObserver?>(nil)

    init(
        hub: HubClient, catalog: Catalog, store: ChunkStore, alarms: AlarmClock,
        refusals: RefusedRepositories, clientCache: ClientCache?, options: FetchOptions, log: Log
    ) throws(Errno) {
        self.hub = hub
        self.catalog = catalog
        self.store = store
        self.alarms = alarms
        self.refusals = refusals
        self.options = options
        self.log = log
        self.clientCache = clientCache
        let scheduling = store.scheduling
        self.scheduling = scheduling
        proofs = Mailbox(scheduling)
        planner = Mailbox(scheduling)
        locals = Mailbox(scheduling)
        hashes = Mailbox(scheduling)
        lateHashes = Mailbox(scheduling)
        pages = Mailbox(scheduling)
        work = (0..<ContentFetcher.fillThreadCount).map { _ in Mailbox(scheduling) }
        var started: [ThreadBox] = []
        for mailbox in work {
            started.append(
                try ThreadBox(named: "fill", scheduling) { [self] in
                    while let item = mailbox.receive() { carryOut(item) }
                })
        }
        started.append(
            try ThreadBox(named: "proof", scheduling) { [self] in
                proveLeftOver()
                while let content = proofs.receive() { proveByChunks(content) }
            })
        started.append(
            try ThreadBox(named: "hash", scheduling) { [self] in
                while let content = hashes.receive() { prove(content) }
            })
        started.append(
            try ThreadBox(named: "late hash", scheduling) { [self] in
                // Not at the cost of what is fetched, decoded and read meanwhile.
                setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
                while let content = lateHashes.receive() { prove(content) }
            })
        started.append(
            try ThreadBox(named: "planner", scheduling) { [self] in
                while let task = planner.receive() { perform(task) }
            })
        if clientCache != nil {
            started.append(
                try ThreadBox(named: "local", scheduling) { [self] in
                    while let transfer = locals.receive() { perform(transfer) }
                })
        }
        started.append(
            try ThreadBox(named: "page in", scheduling) { [self] in
                while let task = pages.receive() { perform(task) }
            })
        let all = started
        threads.withLock { $0 = all }
        store.observeWrong { [weak self] hash, size in self?.enqueueProof(hash, size) }
    }

    func close() {
        let waiting = state.withLock { state -> [Waiter] in
            state.isClosed = true
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiting { waiter.completion(.failure(.stopped)) }
        for mailbox in work { mailbox.close() }
        proofs.close()
        planner.close()
        locals.close()
        hashes.close()
        lateHashes.close()
        pages.close()
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    static func isFetchedWhole(_ content: Content) -> Bool {
        switch content.hash {
        case .sha256: content.sizeBytes <= wholeByteCountMax
        case .gitBlob: content.sizeBytes <= ContentPlan.transferByteCountMax
        }
    }

    /// For a request of the fetcher's own; readers' tickets are counted from 1.
    func ownTicket() -> Fetcher.Ticket {
        state.withLock { state in
            state.ownTicketCount += 1
            return Fetcher.Ticket(number: 1 << 63 | state.ownTicketCount)
        }
    }

    // MARK: Threads

    /// Hands a piece of work to the thread of its transfer.
    func hand(_ item: Work, _ number: ContentPlan.TransferNumber) {
        work[number % work.count].send(item)
    }

    /// Has a content proven when everything before it is.
    func enqueueProof(_ content: Content) {
        proofs.send(content)
    }

    /// Has a content hashed when those before it are.
    ///
    /// - Parameter isLate: whether its chunks have proven it, and nobody waits for more.
    func enqueueHash(_ content: Content, isLate: Bool = false) {
        if isLate && !options.hashesLate { return }
        (isLate ? lateHashes : hashes).send(content)
    }

    var progress: [FetchProgress] {
        let busy = state.withLock { state in
            state.active.values.filter { !$0.plan.isIdle }
        }
        return busy.map { active in
            FetchProgress(
                content: active.content.id, name: active.name,
                sizeBytes: active.content.sizeBytes,
                cachedBytes: store.state(
                    of: active.content.hash, size: active.content.sizeBytes
                ).cachedByteCount,
                underWayBytes: active.plan.underWayByteCount,
                waiterCount: active.plan.waiterCount)
        }
    }
}
