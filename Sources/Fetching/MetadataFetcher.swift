// Names, refs, trees and permissions: asked once for all who wait, recorded, remembered if refused.
//
// A refusal (not there, gated, token refused) is kept for a while, so that a program that looks for
// a missing file a thousand times costs one request. When a renewal of something already known
// was not answered in time, the next renewals do not wait at all until the Hub has answered
// something: a mount without a network is slow once, not at every name.

internal import Catalog
internal import Hashing
internal import HubAPI
internal import Platform
internal import Telemetry

/// Fetches everything but bytes.
final class MetadataFetcher: Sendable {
    struct Waiter {
        let completion: Fetcher.Completion
        let isRenewal: Bool
    }

    struct State {
        var flights = SingleFlight<Need>()
        /// What was asked ahead, and who wants it by now.
        var foreseen: [Need: Foresight] = [:]
        /// Trees that came ahead and that nobody has asked for yet.
        var aside = RecentCache<Need, TreeListing>(
            costMax: MetadataFetcher.asideEntryCountMax, cost: { $0.entries.count + 1 })
        var foreseenCount: UInt64 = 0
        var waiters: [UInt64: Waiter] = [:]
        var deadlines = Deadlines()
        var refused = RecentCache<Need, Refused>(costMax: 4096)
        /// A renewal was not answered in time, and nothing was answered since; until then nobody
        /// else waits for one.
        var slowUntil: MonotonicInstant?
        var isClosed = false
    }

    /// What the Hub said no to, for how long that is believed, and of which token.
    struct Refused {
        let error: HubError
        let until: MonotonicInstant
        let tokenGeneration: UInt64
    }

    /// How long a Hub that let a renewal wait counts as slow: then one reader waits again.
    private static let slowSeconds = 60.0

    private enum Step {
        case start
        case wait
        case answer(Result<Void, FetchError>)
        /// Fetch it, but answer now.
        case startAndAnswer(FetchError)
        /// Fetch it, if there is another token than the one that this was said to.
        case lookForToken(Refused)
    }

    let hub: HubClient
    let catalog: Catalog
    let mirrors = Lock(MirrorWords())
    private let alarms: AlarmClock
    private let refusals: RefusedRepositories
    private let options: FetchOptions
    let scheduling: Scheduling
    /// Nil where there is none, or it is not to be looked at.
    let clientCache: ClientCache?
    let log: Log
    let state = Lock(State())

    init(
        hub: HubClient, catalog: Catalog, alarms: AlarmClock, refusals: RefusedRepositories,
        clientCache: ClientCache?, options: FetchOptions, scheduling: Scheduling, log: Log
    ) {
        self.scheduling = scheduling
        self.hub = hub
        self.catalog = catalog
        self.alarms = alarms
        self.refusals = refusals
        self.options = options
        self.clientCache = clientCache
        self.log = log
    }

    func request(
        _ need: Need, _ ticket: Fetcher.Ticket, isRenewal: Bool, deadline: MonotonicInstant,
        _ completion: @escaping Fetcher.Completion
    ) {
        let now = scheduling.now
        let isTokenDue = hub.isTokenDue
        let generation = hub.tokenGeneration()
        var alarm: MonotonicInstant?
        var doubted: Refused?
        let step = state.withLock { state -> Step in
            if state.isClosed { return .answer(.failure(.stopped)) }
            if let refused = state.refused.value(for: need) {
                if now < refused.until && refused.tokenGeneration == generation {
                    if !isTokenDue { return .answer(.failure(.hub(refused.error))) }
                    doubted = refused
                } else {
                    state.refused.remove(need)
                }
            }
            let isFirst = state.flights.join(need, ticket.number)
            if state.foreseen[need] != nil { state.foreseen[need] = .wanted }
            if isRenewal, doubted == nil, let slowUntil = state.slowUntil, now < slowUntil {
                _ = state.flights.leave(ticket.number)
                let error = FetchError.hub(.deadline)
                return isFirst ? .startAndAnswer(error) : .answer(.failure(error))
            }
            state.waiters[ticket.number] = Waiter(completion: completion, isRenewal: isRenewal)
            alarm = state.deadlines.add(ticket.number, until: deadline)
            return isFirst ? doubted.map(Step.lookForToken) ?? .start : .wait
        }
        if let alarm { setAlarm(alarm) }
        switch step {
        case .wait: break
        case .answer(let result): completion(result)
        case .start: start(need)
        case .lookForToken(let refused): lookForToken(need, refused)
        case .startAndAnswer(let error):
            start(need)
            completion(.failure(error))
        }
    }

    /// A refusal is believed for the token that it was said to: there may be another one now.
    private func lookForToken(_ need: Need, _ refused: Refused) {
        hub.lookForToken { [self] in
            if hub.tokenGeneration() != refused.tokenGeneration {
                state.withLock { $0.refused.remove(need) }
                return start(need)
            }
            for waiter in leave(need) { waiter.completion(.failure(.hub(refused.error))) }
        }
    }

    /// Those who wait for something, who do so no longer.
    private func leave(_ need: Need) -> [Waiter] {
        state.withLock { leave(need, &$0) }
    }

    /// REQUIRES: the lock on `state`.
    func leave(_ need: Need, _ state: inout State) -> [Waiter] {
        state.flights.finish(need).compactMap { number in
            state.deadlines.remove(number)
            return state.waiters.removeValue(forKey: number)
        }
    }

    func cancel(_ ticket: Fetcher.Ticket) {
        state.withLock { state in
            _ = state.flights.leave(ticket.number)
            state.waiters[ticket.number] = nil
            state.deadlines.remove(ticket.number)
        }
    }

    private func setAlarm(_ instant: MonotonicInstant) {
        alarms.at(instant) { [self] in ring(instant) }
    }

    /// Deadlines have passed.
    private func ring(_ instant: MonotonicInstant) {
        let now = scheduling.now
        let (late, next) = state.withLock { state -> ([Waiter], MonotonicInstant?) in
            let (expired, next) = state.deadlines.ring(instant, at: now)
            let late = expired.compactMap { number -> Waiter? in
                _ = state.flights.leave(number)
                return state.waiters.removeValue(forKey: number)
            }
            if late.contains(where: \.isRenewal) {
                state.slowUntil = now + MetadataFetcher.slowSeconds
            }
            return (late, next)
        }
        if let next { setAlarm(next) }
        for waiter in late { waiter.completion(.failure(.hub(.deadline))) }
    }

    func close() {
        let waiting = state.withLock { state -> [Waiter] in
            state.isClosed = true
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiting { waiter.completion(.failure(.stopped)) }
    }

    /// The Hub has answered, or will not.
    private func finish(_ need: Need, _ result: Result<Void, FetchError>) {
        let generation = hub.tokenGeneration()
        let told = state.withLock { state -> [Waiter] in
            note(need, result, generation, &state)
            state.foreseen[need] = nil
            return leave(need, &state)
        }
        noteRefusal(need, result)
        if case .failure(let error) = result { report(need, error) }
        for waiter in told { waiter.completion(result) }
    }

    /// REQUIRES: the lock on `state`.
    private func note(
        _ need: Need, _ result: Result<Void, FetchError>, _ generation: UInt64,
        _ state: inout State
    ) {
        guard case .failure(let error) = result else {
            state.slowUntil = nil
            return
        }
        guard case .hub(let reason) = error, reason.isAnswer else { return }
        state.slowUntil = nil
        let until = scheduling.now + options.refusalSeconds
        state.refused.insert(
            Refused(error: reason, until: until, tokenGeneration: generation), for: need)
    }

    private func noteRefusal(_ need: Need, _ result: Result<Void, FetchError>) {
        guard let repository = need.repository else { return }
        var isAboutContents = false
        if case .access = need { isAboutContents = true }
        switch result {
        case .success:
            refusals.clear(repository, isAboutContents: isAboutContents, askedAt: scheduling.now)
        case .failure(.hub(let error)):
            refusals.note(
                error, repository, isAboutContents: isAboutContents, at: scheduling.now)
        case .failure: break
        }
    }

    private func report(_ need: Need, _ error: FetchError) {
        guard case .hub(let reason) = error else { return }
        let subject = need.subject
        switch reason {
        case .repositoryNotFound:
            // Asking whether a name at the top is a legacy repository is no mistake of anybody's.
            if need.repository?.organisation == nil {
                log.debug("no such repository", ["repository": subject])
            } else {
                log.warning(
                    "no such repository, or a private one that this token does not open",
                    ["repository": subject])
            }
        case .revisionNotFound:
            log.warning("no such revision", ["repository": subject])
        case .gated:
            log.warning(
                "the repository is gated: accept its conditions on its page, and use that token",
                ["repository": subject, "page": page(need)])
        case .tokenRefused:
            log.warning(
                "the Hub refused the token: log in again, or renew the token file",
                ["repository": subject])
        case .disabled, .forbidden:
            log.warning("the Hub refuses access", ["repository": subject, "reason": "\(reason)"])
        case .entryNotFound, .rateLimited, .unreachable, .dataUnreachable, .server, .malformed,
            .deadline, .offline:
            log.warning("a request to the Hub failed", ["about": subject, "reason": "\(reason)"])
        case .cancelled: break
        }
    }

    private func page(_ need: Need) -> String {
        guard let id = need.repository else { return hub.configuration.endpoint }
        return "\(hub.configuration.endpoint)/\(id.kind.resolvePrefix)\(id.name)"
    }

    // MARK: Asking and recording

    private func start(_ need: Need) {
        let deadline = scheduling.now + options.metadataDeadlineSeconds
        switch need {
        case .organisation(let kind, let name):
            hub.repositoriesFrom(
                kind, author: name, countMax: options.listingCountMax, deadline: deadline
            ) { result in
                self.record(need, result) { (said) throws(CatalogError) in
                    let listing = try self.settled(said)
                    try self.catalog.record(
                        listing: listing.repositories, of: name, kind: kind,
                        isTruncated: listing.isCut, at: self.scheduling.wallTime)
                }
            }
        case .revision(let id, let revision):
            let foreseen = foresee(id, revision, deadline)
            hub.revisionFrom(id, revision, deadline: deadline) { result in
                if let foreseen, case .success(let said) = result,
                    said.value.commit == foreseen.commit
                {
                    self.want(foreseen.need)
                }
                self.record(need, result) { (said) throws(CatalogError) in
                    let info = try self.settled(said, of: revision, in: id)
                    try self.catalog.record(
                        info, asked: id, revision: revision, at: self.scheduling.wallTime)
                }
            }
        case .refs(let id):
            hub.refsFrom(id, deadline: deadline) { result in
                self.record(need, result) { (said) throws(CatalogError) in
                    let refs = try self.settled(said, in: id)
                    try self.catalog.record(refs: refs, of: id, at: self.scheduling.wallTime)
                }
            }
        case .access(let id):
            hub.authCheck(id, deadline: deadline) { result in
                self.record(need, result) { (_) throws(CatalogError) in
                    try self.catalog.recordAccess(to: id)
                }
            }
        case .tree(let id, let commit): startTree(need, id, commit, deadline)
        case .bytes: preconditionFailure("bytes are the content fetcher's")
        }
    }

    func startTree(
        _ need: Need, _ id: RepositoryID, _ commitID: CommitID, _ deadline: MonotonicInstant
    ) {
        let commit: KnownCommit?
        do throws(CatalogError) {
            commit = try catalog.commit(commitID)
        } catch {
            finish(need, .failure(.catalog(error)))
            return
        }
        guard let commit else {
            finish(need, .failure(.hub(.revisionNotFound)))
            return
        }
        if let listing = takeAside(need) { return record(need, .success(listing), of: commit) }
        hub.tree(
            id, commit.oid, deadline: deadline, goesOn: { self.isWanted(need) }
        ) { result in
            switch result {
            case .failure(.cancelled):
                if let isWanted = self.isWantedAgain(need) {
                    if isWanted { self.startTree(need, id, commitID, deadline) }
                    return
                }
            case .success(let listing):
                if self.layAside(listing, for: need) { return }
            case .failure: break
            }
            self.record(need, result, of: commit)
        }
    }

    private func record(
        _ need: Need, _ result: Result<TreeListing, HubError>, of commit: KnownCommit
    ) {
        record(need, result) { (listing) throws(CatalogError) in
            let layout = try catalog.record(tree: listing.entries, of: commit)
            let leftOut = listing.unreadableNameCount + layout.rejected.values.reduce(0, +)
            if leftOut == 0 { return }
            log.warning(
                "entries were left out of a tree",
                [
                    "repository": commit.repository.description, "commit": commit.oid.hex,
                    "count": "\(leftOut)",
                    "reasons": layout.rejected.keys.map(\.rawValue).sorted()
                        .joined(separator: "; "),
                    "such_as": layout.examples.joined(separator: " "),
                ])
        }
    }

    private func record<Answer>(
        _ need: Need, _ result: Result<Answer, HubError>,
        _ body: (Answer) throws(CatalogError) -> Void
    ) {
        do throws(HubError) {
            let answer = try result.get()
            do throws(CatalogError) {
                try body(answer)
                finish(need, .success(()))
            } catch {
                finish(need, .failure(.catalog(error)))
            }
        } catch {
            let isKnown = takeLocally(need, after: error)
            finish(need, isKnown ? .success(()) : .failure(.hub(error)))
        }
    }
}

extension Need {
    /// The repository that it is about, if it is about one.
    var repository: RepositoryID? {
        switch self {
        case .revision(let id, _), .refs(let id), .tree(let id, _), .access(let id): id
        case .organisation, .bytes: nil
        }
    }

    /// For the log.
    var subject: String {
        switch self {
        case .organisation(let kind, let name): "\(kind.plural)/\(name)"
        case .revision(let id, let revision):
            revision.map { "\(id)@\($0.pathComponent)" } ?? id.description
        case .refs(let id), .tree(let id, _), .access(let id): id.description
        case .bytes(let content, _, _): "content \(content.row)"
        }
    }
}

extension HubError {
    /// Whether the Hub has said so, and would say so again.
    package var isAnswer: Bool {
        switch self {
        case .repositoryNotFound, .revisionNotFound, .entryNotFound, .gated, .tokenRefused,
            .disabled, .forbidden:
            true
        case .rateLimited, .unreachable, .dataUnreachable, .server, .malformed, .deadline,
            .cancelled, .offline:
            false
        }
    }

    /// Whether the user can do something about it.
    var isRefusal: Bool {
        switch self {
        case .gated, .tokenRefused, .disabled, .forbidden: true
        case .repositoryNotFound, .revisionNotFound, .entryNotFound, .rateLimited, .unreachable,
            .dataUnreachable, .server, .malformed, .deadline, .cancelled, .offline:
            false
        }
    }
}
