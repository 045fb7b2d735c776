// A content that is being read: its plan, where its bytes come from, and what went wrong so far.
//
// A pure state machine, like the plan inside it: told what happened and when, it says what follows.
// `ContentFetcher` keeps one for each content that is read, under its lock, and does what it says.
//
// A content often stands in several repositories. When one refuses it, or sends other bytes than
// its hash says, the next is asked; when none is left, the readers are told, and for a short while
// everybody who asks is.

internal import Catalog
internal import HubAPI
internal import Platform
internal import Transport

/// The fetching of one content.
struct ActiveContent {
    /// What follows a failure.
    enum AfterFailure {
        case nothing
        case retry(afterSeconds: Double)
        /// These readers fail. `absence`: why the Hub has to be taken for away, if it has to.
        case giveUp([ContentPlan.WaiterID], FetchError, absence: TransportError?)
    }

    /// What a transfer needs to be sent.
    struct Attempt {
        let content: Content
        let source: Catalog.Source
        let range: Range<Int64>
        let isUrgent: Bool
        /// How often it was asked for before.
        let earlierCount: Int
        /// Whether a reader is expected to come to it at once.
        let isExpected: Bool
    }

    /// When something was last done that is done at most every some seconds.
    private struct Pace {
        var last: MonotonicInstant?

        mutating func isDue(at now: MonotonicInstant, every seconds: Double) -> Bool {
            if let last, now < last + seconds { return false }
            last = now
            return true
        }
    }

    /// How far the proof of a content has come that somebody waits for.
    private enum Reached {
        /// The most bytes of it that were here.
        case byteCount(Int64)
        /// All of it was here, and its hash was begun.
        case hash
    }

    private struct RunningTransfer {
        var policy: RetryPolicy
        var fetch: FetchID?
        var isUrgent: Bool
        /// Which source was asked last.
        var sourceIndex = 0
        var attemptCount = 0
        /// Answers in a row that contradicted the request.
        var malformedCount = 0
        var askedAt: MonotonicInstant
    }

    let content: Content
    private(set) var plan: ContentPlan
    private var pace: LinePace
    /// Never empty.
    private(set) var sources: [Catalog.Source]
    /// Sources that refused or sent wrong bytes; never all of them.
    private var avoided: Set<Int> = []
    private var transfers: [ContentPlan.TransferNumber: RunningTransfer] = [:]
    /// Whether its directory was read, and shows a weight file.
    var isWeightFile = false
    /// Whether somebody wants all of it, though nobody may be reading.
    var isWantedWhole = false
    /// How often the whole content was wrong in a row.
    private var wrongCount = 0
    /// A refusal is final until then.
    private var refusal: (error: FetchError, until: MonotonicInstant)?
    /// Whether the sources have to be looked up again, since all of them refused.
    private(set) var needsSources = false
    /// Why the last attempt got no answer; nil once bytes have arrived.
    private var absence: TransportError?
    /// When deadlines were last moved because bytes came.
    private var progress = Pace()
    /// How far it has come while somebody waited for all of it.
    private var reached = Reached.byteCount(0)
    /// When it was last asked whether it can have room at all.
    private var lackOfRoom = Pace()
    /// Whether a reader waited in vain since bytes arrived last.
    private var hasExpired = false
    /// Bytes that a reader has waited for in vain: who asks for them until then is told so at once.
    ///
    /// The kernel asks for a page again when the larger read ahead of it has failed.
    private var expired: (range: Range<Int64>, until: MonotonicInstant)?

    /// After that many wrong arrivals in a row the readers of a content get an error for a while;
    /// for longer if they were served wrong bytes before these were complete.
    static let wrongCountMax = 3
    private static let wrongSeconds = 60.0
    /// Long enough for the kernel to ask again, short enough for nobody else to notice.
    private static let expiredSeconds = 0.5
    /// A refused content is asked for again after that, so that a new token is noticed.
    private static let refusalSeconds = 2.0
    /// Without a reader who waits, a failing transfer is given up after so many attempts or then.
    private static let prefetchAttemptCountMax = 3
    private static let prefetchSeconds = 30.0
    /// Answers that contradict the request, one after another, are no passing trouble.
    private static let malformedAttemptCountMax = 4

    /// - Parameter pace: what is worth having on its way for several readers together.
    init?(
        _ content: Content, plan: ContentPlan, sources: [Catalog.Source],
        pace: LinePace = LinePace(byteCountMax: ContentPlan.sharedByteCountMax)
    ) {
        if sources.isEmpty { return nil }
        self.content = content
        self.plan = plan
        self.pace = pace
        self.plan.share(pace.byteCount)
        self.sources = sources
    }

    /// One place where the content stands, for people.
    var name: String { "\(sources[0].repository)/\(sources[0].path)" }

    /// Where it stands, as far as is known: never empty.
    var paths: [String] { sources.map(\.path) }

    /// Whether nothing is lost when it is forgotten.
    func isForgettable(at now: MonotonicInstant) -> Bool {
        plan.isIdle && (refusal.map { $0.until <= now } ?? true)
    }

    /// Why nothing of `range` is fetched now; nil if it is.
    mutating func currentRefusal(
        of range: Range<Int64>, at now: MonotonicInstant
    ) -> FetchError? {
        if let refusal, now < refusal.until { return refusal.error }
        refusal = nil
        if let expired, now < expired.until {
            return expired.range.overlaps(range) ? .hub(.deadline) : nil
        }
        expired = nil
        return nil
    }

    /// The sources were looked up again.
    mutating func replace(sources found: [Catalog.Source]) {
        needsSources = false
        if found.isEmpty { return }
        sources = found
        avoided = []
    }

    // MARK: Readers

    /// A reader waits for `range`; the store has none of `lost`, whatever the plan believes.
    mutating func read(
        _ range: Range<Int64>, lost: [Range<Int64>], waiter: ContentPlan.WaiterID,
        readsAhead: Bool
    ) -> [ContentPlan.Action] {
        plan.readsAhead = readsAhead
        var actions: [ContentPlan.Action] = []
        for range in lost { actions += plan.lost(range) }
        return actions + plan.read(range, waiter: waiter)
    }

    /// A reader waits until all of the content is here and proven; the store has none of `lost`.
    mutating func readProven(
        lost: [Range<Int64>], waiter: ContentPlan.WaiterID
    ) -> [ContentPlan.Action] {
        if plan.waiterCount == 0 { reached = .byteCount(0) }
        let actions = lost.flatMap { plan.lost($0) }
        return actions + plan.readProven(waiter: waiter)
    }

    mutating func readHit(_ range: Range<Int64>) -> [ContentPlan.Action] {
        plan.readHit(range)
    }

    mutating func startRest() -> ContentPlan.Action? {
        plan.startRest(wantsAll: isWeightFile || isWantedWhole)
    }

    mutating func setOrder(_ ranges: [Range<Int64>]) {
        plan.setOrder(ranges)
    }

    mutating func cancel(_ waiter: ContentPlan.WaiterID) {
        plan.cancel(waiter)
    }

    /// A reader's deadline has passed.
    ///
    /// - Returns: why the Hub has to be taken for away, if nothing was heard of it.
    mutating func expire(
        _ waiter: ContentPlan.WaiterID, at now: MonotonicInstant
    ) -> TransportError? {
        if let range = plan.cancel(waiter) {
            expired = (range, now + ActiveContent.expiredSeconds)
        }
        hasExpired = true
        return absence
    }

    // MARK: Transfers

    private var sourceIndex: Int { sources.indices.first { !avoided.contains($0) } ?? 0 }

    /// A transfer is to be sent for the first time.
    mutating func begin(
        _ number: ContentPlan.TransferNumber, isUrgent: Bool, seed: UInt64,
        now: MonotonicInstant
    ) -> Attempt? {
        transfers[number] = RunningTransfer(
            policy: RetryPolicy(seed: seed), fetch: nil, isUrgent: isUrgent, askedAt: now)
        return attempt(number, now: now)
    }

    /// What a transfer has to ask for, the first time or again; nil when it has ended.
    mutating func attempt(
        _ number: ContentPlan.TransferNumber, now: MonotonicInstant
    ) -> Attempt? {
        guard let transfer = transfers[number], let range = plan.remaining(of: number)
        else { return nil }
        let index = sourceIndex
        transfers[number]?.sourceIndex = index
        transfers[number]?.askedAt = now
        transfers[number]?.attemptCount += 1
        return Attempt(
            content: content, source: sources[index], range: range, isUrgent: transfer.isUrgent,
            earlierCount: transfer.attemptCount, isExpected: plan.isOpening(number))
    }

    /// An attempt is under way.
    ///
    /// - Returns: whether a reader waits for it by now; nil when nobody wants it any more.
    mutating func sent(_ number: ContentPlan.TransferNumber, as fetch: FetchID) -> Bool? {
        transfers[number]?.fetch = fetch
        return transfers[number]?.isUrgent
    }

    /// A reader now waits for it.
    mutating func promote(_ number: ContentPlan.TransferNumber) -> FetchID? {
        transfers[number]?.isUrgent = true
        return transfers[number]?.fetch
    }

    /// The first bytes of an attempt have come over the network.
    mutating func began(_ number: ContentPlan.TransferNumber, at now: MonotonicInstant) {
        guard let transfer = transfers[number] else { return }
        pace.began(afterSeconds: now.seconds(since: transfer.askedAt), at: now)
        plan.share(pace.byteCount)
    }

    mutating func arrived(
        _ number: ContentPlan.TransferNumber, _ range: Range<Int64>, at now: MonotonicInstant
    ) -> [ContentPlan.Action] {
        pace.came(Int64(range.count), at: now)
        plan.share(pace.byteCount)
        absence = nil
        hasExpired = false
        transfers[number]?.malformedCount = 0
        return plan.arrived(number, range)
    }

    /// Bytes came; whether it is long enough ago that they were counted.
    mutating func noteProgress(
        at now: MonotonicInstant, atMostEvery seconds: Double
    ) -> Bool {
        progress.isDue(at: now, every: seconds)
    }

    /// So many bytes are here now; whether there are more than there were while somebody waits.
    ///
    /// What is lost and comes again is no progress.
    mutating func hasGrown(to byteCount: Int64) -> Bool {
        guard case .byteCount(let most) = reached, byteCount > most else { return false }
        reached = .byteCount(byteCount)
        return true
    }

    /// All of it is here and is hashed; whether that is so for the first time while somebody waits.
    mutating func beginsHash() -> Bool {
        if case .hash = reached { return false }
        reached = .hash
        return true
    }

    /// The store had no room for bytes of it; whether the last time that mattered is long ago.
    mutating func noteLackOfRoom(
        at now: MonotonicInstant, atMostEvery seconds: Double
    ) -> Bool {
        lackOfRoom.isDue(at: now, every: seconds)
    }

    /// The repository that a transfer was last asked of, and when.
    func asked(
        _ number: ContentPlan.TransferNumber
    ) -> (repository: RepositoryID, at: MonotonicInstant)? {
        guard let transfer = transfers[number] else { return nil }
        let index = min(transfer.sourceIndex, sources.count - 1)
        return (sources[index].repository, transfer.askedAt)
    }

    mutating func finished(_ number: ContentPlan.TransferNumber) -> [ContentPlan.Action] {
        transfers[number] = nil
        return plan.finished(number)
    }

    // MARK: Failures

    /// An attempt of a transfer has failed.
    ///
    /// - Parameters:
    ///   - deadline: until when the most patient reader waits; nil if none does.
    ///   - isAway: whether the Hub is known to be away.
    mutating func failed(
        _ number: ContentPlan.TransferNumber, _ error: HubError, isAway: Bool,
        deadline: MonotonicInstant?, now: MonotonicInstant
    ) -> AfterFailure {
        guard transfers[number] != nil, let left = plan.failed(number) else { return .nothing }
        transfers[number]?.fetch = nil
        switch error {
        case .unreachable(let cause): absence = cause
        // The Hub has answered, whatever that brought.
        case .dataUnreachable, .server, .rateLimited, .malformed: absence = nil
        default: break
        }
        if case .malformed = error { transfers[number]?.malformedCount += 1 }
        let patience =
            left.hasWaiters
            ? deadline ?? now : now + ActiveContent.prefetchSeconds
        switch decide(number, error, isAway: isAway, patience, now) {
        case .anotherSource:
            avoided.insert(transfers[number]?.sourceIndex ?? 0)
            if avoided.count < sources.count { return .retry(afterSeconds: 0) }
            avoided = []
            needsSources = true
            refusal = (.hub(error), now + ActiveContent.refusalSeconds)
        case .retry(let seconds):
            if left.hasWaiters || left.attempts < ActiveContent.prefetchAttemptCountMax {
                return .retry(afterSeconds: seconds)
            }
        case .giveUp: break
        }
        let waiters = abandon(number)
        if !error.isAnswer && !waiters.isEmpty {
            expired = (left.remaining, now + ActiveContent.expiredSeconds)
        }
        let isFelt = !waiters.isEmpty || hasExpired
        return .giveUp(
            waiters, error == .cancelled ? .stopped : .hub(error),
            absence: isFelt ? absence : nil)
    }

    /// A transfer has brought the whole content, and it is not what its hash says.
    mutating func broughtWrong(
        _ number: ContentPlan.TransferNumber, now: MonotonicInstant
    ) -> AfterFailure {
        guard let transfer = transfers[number], plan.failed(number) != nil else { return .nothing }
        transfers[number]?.fetch = nil
        if noteWrong(transfer.sourceIndex, now, ActiveContent.refusalSeconds) {
            return .retry(afterSeconds: 0)
        }
        return .giveUp(abandon(number), .notProven, absence: nil)
    }

    /// What was stored of it turned out wrong when it was complete, and was dropped.
    ///
    /// - Returns: what is fetched again, and the readers who are told that it is in vain.
    mutating func foundWrong(
        now: MonotonicInstant
    ) -> (actions: [ContentPlan.Action], refused: [ContentPlan.WaiterID]) {
        reached = .byteCount(0)
        let isWorthIt = noteWrong(sourceIndex, now, ActiveContent.wrongSeconds)
        let refused = isWorthIt ? [] : plan.dismissWaiters()
        return (plan.lost(0..<content.sizeBytes), refused)
    }

    /// Parts of it were evicted before all of it was here; they are fetched again.
    mutating func foundMissing(_ ranges: [Range<Int64>]) -> [ContentPlan.Action] {
        ranges.flatMap { plan.lost($0) }
    }

    /// Parts of it may be wrong and were dropped; they are fetched again at once.
    mutating func foundDoubtful(_ ranges: [Range<Int64>]) -> [ContentPlan.Action] {
        ranges.flatMap { plan.lost($0) } + plan.complete()
    }

    mutating func foundRight() -> [ContentPlan.Action] {
        wrongCount = 0
        return plan.proven()
    }

    /// There is no room for all of it.
    mutating func foundTooLarge(now: MonotonicInstant) -> [ContentPlan.WaiterID] {
        refusal = (.tooLarge, now + ActiveContent.refusalSeconds)
        return plan.dismissWaiters()
    }

    /// Whether it is worth another attempt.
    private mutating func noteWrong(
        _ sourceIndex: Int, _ now: MonotonicInstant, _ pauseSeconds: Double
    ) -> Bool {
        wrongCount += 1
        // Another repository with the same content may have it right.
        avoided.insert(sourceIndex)
        if avoided.count >= sources.count { avoided = [] }
        if wrongCount < ActiveContent.wrongCountMax { return true }
        wrongCount = 0
        refusal = (.notProven, now + pauseSeconds)
        return false
    }

    private mutating func abandon(_ number: ContentPlan.TransferNumber) -> [ContentPlan.WaiterID] {
        transfers[number] = nil
        return plan.abandoned(number)
    }

    private enum Decision {
        case retry(afterSeconds: Double)
        case anotherSource
        case giveUp
    }

    private mutating func decide(
        _ number: ContentPlan.TransferNumber, _ error: HubError, isAway: Bool,
        _ deadline: MonotonicInstant, _ now: MonotonicInstant
    ) -> Decision {
        let failure: AttemptFailure
        switch error {
        case .repositoryNotFound, .revisionNotFound, .entryNotFound, .gated, .tokenRefused,
            .disabled, .forbidden:
            return .anotherSource
        case .cancelled, .offline: return .giveUp
        case .unreachable where isAway: return .giveUp
        case .malformed
        where transfers[number]?.malformedCount ?? 0 >= ActiveContent.malformedAttemptCountMax:
            return .giveUp
        // Of the transfer; who came later may wait for longer.
        case .deadline: failure = .transport(.stalled)
        case .rateLimited(let seconds): failure = .status(429, pauseSeconds: seconds)
        case .server(let status, let seconds):
            failure = .status(status, pauseSeconds: seconds)
        case .unreachable(let cause), .dataUnreachable(let cause): failure = .transport(cause)
        case .malformed: failure = .transport(.closedEarly)
        }
        guard
            case .retry(let seconds)? = transfers[number]?.policy.next(
                after: failure, now: now, deadline: deadline)
        else { return .giveUp }
        return .retry(afterSeconds: seconds)
    }
}
