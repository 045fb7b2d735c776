// Bytes of contents: a plan for each content that is read, and the hands that carry it out.
//
// Threads: readers call in on threads of their own and never wait. Bytes arrive on the transfer
// thread, which only gathers them into blocks (`TransferSink`). The "fill" threads write blocks
// to the store, tell the plan and wake readers; the "proof" thread hashes what has become
// complete. A transfer belongs to one fill thread, so its blocks and its end stay in order.
//
// When the store cannot take a block (disk full, read-only or failing), the block is kept in
// memory for a while instead, so that reading goes on from the network.

internal import Catalog
internal import ChunkStore
internal import HubAPI
internal import Hashing
internal import Platform
internal import Synchronization
internal import Telemetry

/// Fetches, stores and proves contents.
final class ContentFetcher: Sendable {
    struct Waiter {
        let content: ContentID
        let completion: Fetcher.Completion
        let deadline: MonotonicInstant
    }

    /// What is known of a content that is being read.
    struct Active {
        let content: Content
        var plan: ContentPlan
        var sources: [Catalog.Source]
        /// Which source is used; moves on when one refuses.
        var sourceIndex = 0
        var transfers: [ContentPlan.TransferNumber: RunningTransfer] = [:]
        /// How often the whole content was wrong in a row.
        var proofFailureCount = 0
        /// A refusal is final until then.
        var refusal: (error: FetchError, until: MonotonicInstant)?
    }

    struct RunningTransfer {
        var policy: RetryPolicy
        var fetch: FetchID?
        var isUrgent: Bool
    }

    struct State {
        var active: [ContentID: Active] = [:]
        var waiters: [UInt64: Waiter] = [:]
        var isClosed = false
    }

    struct BlockKey: Hashable {
        let content: ContentID
        let offset: Int64
    }

    enum Work: Sendable {
        case block(ContentID, ContentPlan.TransferNumber, Range<Int64>, [UInt8])
        case whole(ContentID, ContentPlan.TransferNumber, [UInt8])
        case end(ContentID, ContentPlan.TransferNumber, Result<Void, HubError>)
    }

    /// A content up to this size is fetched whole, and proven before its first byte is served.
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
    let options: FetchOptions
    let log: Log
    let damaged = Counter()
    /// Blocks that came again after their checksum had failed.
    let healedBlocks = Counter()
    /// What was found damaged on the disk and has not come again yet.
    let wounds = Lock<[ContentID: RangeSet]>([:])
    let state = Lock(State())
    let memory = Lock(
        RecentCache<BlockKey, [UInt8]>(costMax: memoryByteCountMax, cost: { $0.count }))
    let holdsMemory = Atomic<Bool>(false)
    let pending = PendingBytes(limitByteCount: pendingByteCountMax)
    private let work: [Mailbox<Work>]
    private let proofs = Mailbox<Content>()
    private let threads = Lock<[ThreadBox]>([])
    let damageObserver = Lock<(@Sendable (ContentID) -> Void)?>(nil)

    init(
        hub: HubClient, catalog: Catalog, store: ChunkStore, alarms: AlarmClock,
        options: FetchOptions, log: Log
    ) throws(Errno) {
        self.hub = hub
        self.catalog = catalog
        self.store = store
        self.alarms = alarms
        self.options = options
        self.log = log
        work = (0..<ContentFetcher.fillThreadCount).map { _ in Mailbox() }
        var started: [ThreadBox] = []
        for mailbox in work {
            started.append(
                try ThreadBox(named: "fill") { [self] in
                    while let item = mailbox.receive() { carryOut(item) }
                })
        }
        started.append(
            try ThreadBox(named: "proof") { [self] in
                while let content = proofs.receive() { prove(content) }
            })
        let all = started
        threads.withLock { $0 = all }
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
        for thread in threads.withLock({ $0 }) { thread.join() }
    }

    // MARK: Readers

    func read(
        _ content: Content, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        if holdsMemory.load(ordering: .relaxed), unsafe readMemory(content, offset, buffer) {
            return true
        }
        let outcome: ReadOutcome
        let failureCount = store.counters.checksumFailures.value
        do throws(StoreError) {
            outcome = try unsafe store.read(
                content.hash, size: content.sizeBytes, at: offset, into: buffer)
        } catch {
            log.error("the cache cannot be read", ["error": "\(error)"])
            return false
        }
        guard case .bytes = outcome else {
            if store.counters.checksumFailures.value > failureCount {
                noteWound(content, offset..<offset + Int64(buffer.count))
            }
            return false
        }
        goAhead(of: offset..<offset + Int64(buffer.count), content.id)
        return true
    }

    /// A reader that finds everything there still moves its window.
    private func goAhead(of range: Range<Int64>, _ id: ContentID) {
        let actions = state.withLock { state -> [ContentPlan.Action] in
            if state.isClosed { return [] }
            return state.active[id]?.plan.readHit(range) ?? []
        }
        carryOut(actions, id)
    }

    func request(
        _ id: ContentID, _ range: Range<Int64>, insists: Bool, _ ticket: Fetcher.Ticket,
        deadline: MonotonicInstant, _ completion: @escaping Fetcher.Completion
    ) {
        guard let prepared = prepare(id, range, insists: insists, completion) else { return }
        let now = MonotonicInstant.now
        var refusal: FetchError?
        let actions = state.withLock { state -> [ContentPlan.Action] in
            if state.isClosed {
                refusal = .stopped
                return []
            }
            var active = state.active[id] ?? prepared.active
            defer { state.active[id] = active }
            if let known = active.refusal, now < known.until {
                refusal = known.error
                return []
            }
            active.refusal = nil
            state.waiters[ticket.number] = Waiter(
                content: id, completion: completion, deadline: deadline)
            var actions: [ContentPlan.Action] = []
            if insists {
                for lost in prepared.missing { actions += active.plan.lost(lost) }
            }
            return actions + active.plan.read(range, waiter: ticket.number)
        }
        if let refusal {
            completion(.failure(refusal))
        } else {
            carryOut(actions, id)
        }
    }

    func cancel(_ ticket: Fetcher.Ticket) {
        _ = take(ticket)
    }

    func expire(_ ticket: Fetcher.Ticket) {
        take(ticket)?.completion(.failure(.hub(.deadline)))
    }

    private func take(_ ticket: Fetcher.Ticket) -> Waiter? {
        state.withLock { state in
            guard let waiter = state.waiters.removeValue(forKey: ticket.number) else { return nil }
            state.active[waiter.content]?.plan.cancel(ticket.number)
            return waiter
        }
    }

    private struct Prepared {
        let active: Active
        let missing: [Range<Int64>]
    }

    /// Everything that a plan needs from the catalog and the store, gathered without the lock.
    private func prepare(
        _ id: ContentID, _ range: Range<Int64>, insists: Bool, _ completion: Fetcher.Completion
    ) -> Prepared? {
        let isKnown = state.withLock { $0.active[id] != nil }
        do throws(CatalogError) {
            guard let content = try catalog.content(id) else {
                completion(.failure(.noSource))
                return nil
            }
            let sources = isKnown ? [] : try catalog.sources(of: id)
            if !isKnown && sources.isEmpty {
                completion(.failure(.noSource))
                return nil
            }
            let whole = 0..<content.sizeBytes
            let missing = store.missingRanges(
                content.hash, size: content.sizeBytes,
                in: isKnown && insists ? range : whole)
            var present = RangeSet()
            if !isKnown {
                present.insert(whole)
                for gap in missing { present.remove(gap) }
            }
            let plan = ContentPlan(
                sizeBytes: content.sizeBytes,
                unitByteCount: ContentFetcher.isFetchedWhole(content)
                    ? max(1, content.sizeBytes) : Int64(ChunkStore.blockByteCount),
                present: present, readsAhead: options.readsAhead)
            return Prepared(
                active: Active(content: content, plan: plan, sources: sources),
                missing: missing)
        } catch {
            completion(.failure(.catalog(error)))
            return nil
        }
    }

    static func isFetchedWhole(_ content: Content) -> Bool {
        switch content.hash {
        case .sha256: content.sizeBytes <= wholeByteCountMax
        case .gitBlob: content.sizeBytes <= ContentPlan.transferByteCountMax
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

    var progress: [FetchProgress] {
        let busy = state.withLock { state in
            state.active.values.filter { !$0.plan.isIdle }
        }
        return busy.map { active in
            FetchProgress(
                name: active.sources.first.map { "\($0.repository)/\($0.path)" }
                    ?? active.content.hash.hex,
                sizeBytes: active.content.sizeBytes,
                cachedBytes: store.state(
                    of: active.content.hash, size: active.content.sizeBytes
                ).cachedByteCount,
                underWayBytes: active.plan.underWayByteCount,
                waiterCount: active.plan.waiterCount)
        }
    }
}
