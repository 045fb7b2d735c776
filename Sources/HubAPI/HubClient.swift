// The Hub's client: what is asked, when it is asked again, and who is told.
//
// Owns the thread "hub", on which answers to metadata requests are parsed, waits between attempts
// run out and completions are called; and the fetches of contents, which live on the transfer
// thread (`HubClient+Content.swift`). Every completion is called exactly once, also on `close`.
// Requests with equal arguments are not joined here, and nothing is remembered but signed URLs.
// Never logs a token or a URL's query.

package import Platform
internal import Synchronization
package import Telemetry
package import Transport

/// The Hub, as the rest of the process sees it.
package final class HubClient: Sendable {
    package let configuration: HubConfiguration
    package let counters = HubCounters()
    let transport: Transport
    /// Of each endpoint.
    let credentials: [Credentials]
    let log: Log
    /// Those of the transport.
    let scheduling: Scheduling
    let fetches = FetchBoard()
    let doubts = Lock(EndpointDoubts())
    let xet: XetBoard
    private let choice: Lock<EndpointChoice>
    private let problems = Lock<[HubProblem]>([])
    private let events: Mailbox<HubEvent>
    private let thread: Lock<Thread?>
    private let lastSeed: Atomic<UInt64>

    /// How many errors `status` remembers.
    package static let problemCountMax = 16

    /// Starts the hub thread.
    ///
    /// `close` has to be called before the transport is shut down.
    ///
    /// - Throws: `EAGAIN` when the system has no room for a thread.
    package init(
        _ configuration: HubConfiguration, transport: Transport, log: Log
    ) throws(Errno) {
        self.configuration = configuration
        self.transport = transport
        self.log = log
        scheduling = transport.scheduling
        events = Mailbox(scheduling)
        credentials = configuration.endpoints.indices.map {
            Credentials(configuration, endpoint: $0)
        }
        choice = Lock(
            EndpointChoice(
                count: configuration.endpoints.count, offline: configuration.isOffline))
        lastSeed = Atomic(UInt64(bitPattern: scheduling.now.nanoseconds))
        thread = Lock(nil)
        xet = try XetBoard(
            threadCount: configuration.disablesXet ? 0 : XetBoard.threadCount,
            scheduling: scheduling)
        let started = try Thread(named: "hub", scheduling) { [self] in
            let loop = HubLoop(client: self, events: events)
            loop.run()
        }
        keep(started)
    }

    private func keep(_ started: consuming sending Thread) {
        var started: Thread? = consume started
        thread.withLock { $0 = started.take() }
    }

    /// Ends what is under way with `.cancelled`, and the thread.
    ///
    /// Not to be called on that thread.
    package func close() {
        xet.close()
        transport.run { [self] in endAllFetches() }
        events.send(.stop)
        events.close()
        if let thread = thread.withLock({ $0.take() }) { thread.join() }
    }

    /// What `status` shows.
    package var status: HubStatus {
        let choice = choice.withLock { $0 }
        let now = scheduling.now
        let endpoints = configuration.endpoints.enumerated().map { index, endpoint in
            HubStatus.Endpoint(
                text: endpoint.text, reachability: choice.state(index),
                rests: choice.rests(index, at: now),
                hasToken: credentials[index].token(for: endpoint.url("/")) != nil)
        }
        return HubStatus(
            endpoint: configuration.endpoint, reachability: choice.state,
            hasToken: endpoints[0].hasToken, tokenSource: credentials[0].source,
            endpoints: endpoints,
            problems: problems.withLock { $0 })
    }

    /// What shows whether somebody has the token that goes to the first endpoint; nil without one.
    package func tokenMark(salt: [UInt8]) -> String? { credentials[0].mark(salt: salt) }

    /// Another number with every new token: what was refused before may be granted now.
    ///
    /// Asking for it has the token file looked at, if that was not done lately.
    package func tokenGeneration() -> UInt64 {
        let now = scheduling.now
        if credentials.contains(where: { $0.isDue(at: now) }) { rereadToken(force: false) }
        return credentials.reduce(0) { $0 &+ $1.generation }
    }

    /// Whether the token file was looked at too long ago for what was refused to be believed.
    package var isTokenDue: Bool {
        let now = scheduling.now
        return credentials.contains { $0.isDue(at: now) }
    }

    /// Has the token file looked at, and then something done, on the hub thread.
    package func lookForToken(then body: @escaping @Sendable () -> Void) {
        rereadToken(force: false, then: body)
    }

    /// To be called by whoever retries fetches, when no attempt got an answer until the deadline:
    /// from now on requests fail at once, until a probe gets through.
    package func noteUnreachable(_ error: TransportError) {
        noteUnreachable(error, isEarly: false)
    }

    /// - Parameter isEarly: whether readers of bytes would have waited longer.
    func noteUnreachable(_ error: TransportError, isEarly: Bool) {
        guard HubClient.showsAbsence(error) else { return }
        let isNews = choice.withLock { $0.exhausted(error, isEarly: isEarly, at: scheduling.now) }
        if isNews {
            log.warning(
                "the Hub is not reachable; only what is cached is served until it is",
                ["endpoint": configuration.endpoint, "reason": "\(error)"])
            events.send(.wake)
        }
    }

    /// Why no names and attributes are asked for now; nil if they are.
    package var refusal: HubError? { choice.withLock { $0.refusal } }

    /// Why no bytes are asked for now; nil if they are.
    package var readerRefusal: HubError? { choice.withLock { $0.readerRefusal } }

    /// Whether an error says that nobody answers, and not that we gave up or are too busy.
    static func showsAbsence(_ error: TransportError) -> Bool {
        switch error {
        case .nameResolution, .connectionRefused, .connectTimeout, .stalled, .closedEarly, .tls,
            .proxyRefused, .protocolError:
            true
        case .deadline, .tooLarge, .cancelled, .queueFull, .shutDown: false
        }
    }

    /// The Hub's own host has answered something.
    func noteAnswer(from url: HTTPURL, of index: Int) {
        let endpoint = configuration.endpoints[index]
        guard url.origin == endpoint.origin else { return }
        if choice.withLock({ $0.answered(index) }) {
            log.info("the Hub is reachable again", ["endpoint": endpoint.text])
        }
    }

    /// Remembers an error for `status`.
    func noteProblem(_ kind: HubRequestKind, _ subject: String, _ error: HubError) {
        if error == .cancelled { return }
        let problem = HubProblem(
            time: scheduling.wallTime, kind: kind, subject: subject, error: error)
        problems.withLock { problems in
            problems.append(problem)
            if problems.count > HubClient.problemCountMax { problems.removeFirst() }
        }
    }

    /// A seed for the jitter of one request.
    func nextSeed() -> UInt64 {
        lastSeed.wrappingAdd(0x9e37_79b9_7f4a_7c15, ordering: .relaxed).newValue
    }

    /// Hands a request to the hub thread.
    func begin(_ call: HubCall) {
        if !events.send(.begin(call)) { call.complete(.failure(.cancelled)) }
    }

    /// Has the token file read again on the hub thread, and then something done there.
    func rereadToken(force: Bool, then body: (@Sendable () -> Void)? = nil) {
        if !events.send(.rereadToken(force: force, then: body)) { body?() }
    }

    /// Something about the choice of endpoints.
    func withChoice<Result>(
        _ body: (inout sending EndpointChoice) -> sending Result
    ) -> Result {
        choice.withLock { body(&$0) }
    }

    /// Has the hub thread look when the next probe is due.
    func wake() { events.send(.wake) }
}

/// A failed request, as `status` shows it.
package struct HubProblem: Equatable, Sendable {
    package let time: WallTime
    package let kind: HubRequestKind
    /// Which repository, or the path of the request.
    package let subject: String
    package let error: HubError
}

/// The client's state for `status`.
package struct HubStatus: Sendable {
    /// One of several places that answer like the Hub.
    package struct Endpoint: Sendable {
        package let text: String
        package let reachability: Reachability.State
        /// Whether it is left alone for a while, though it answers.
        package let rests: Bool
        package let hasToken: Bool
    }

    package let endpoint: String
    package let reachability: Reachability.State
    package let hasToken: Bool
    /// Where the token of the first endpoint comes from.
    package let tokenSource: TokenSource
    /// Each endpoint, in order of preference.
    package let endpoints: [Endpoint]
    /// The newest errors, oldest first.
    package let problems: [HubProblem]
}

/// Requests by kind, since the start.
package final class HubCounters: Sendable {
    private let requests: [HubRequestKind: Counter]
    private let faults: [HubFault: Counter]
    /// Attempts after the first.
    package let retries = Counter()
    /// Body bytes of contents.
    package let contentBytes = Counter()
    /// Fetches that began through Xet and went on over plain HTTP.
    package let xetFallbacks = Counter()

    init() {
        requests = Dictionary(
            uniqueKeysWithValues: HubRequestKind.allCases.map { ($0, Counter()) })
        faults = Dictionary(uniqueKeysWithValues: HubFault.allCases.map { ($0, Counter()) })
    }

    /// Attempts that failed in that way.
    package func count(of fault: HubFault) -> Int64 { faults[fault]?.value ?? 0 }

    /// Counts what went wrong; nothing if nil.
    package func count(_ fault: HubFault?) {
        if let fault { faults[fault]?.add() }
    }

    /// HTTP requests of that kind, redirects and repeated attempts included.
    package func requestCount(_ kind: HubRequestKind) -> Int64 { requests[kind]?.value ?? 0 }

    func countRequest(_ kind: HubRequestKind) { requests[kind]?.add() }
}
