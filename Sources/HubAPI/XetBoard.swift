// What all Xet fetches of a client share: their threads, tokens, and what is known not to work.
//
// A fetch lives on one of the "xet" threads, where its bytes are decoded and hashed; the transfer
// thread, which every connection shares, only copies. Tokens are remembered for each repository
// and commit, and asked for once however many fetches want one. Everything here is bounded.

internal import Compression
internal import Hashing
internal import Platform
internal import Synchronization
internal import Transport
internal import Xet

/// The shared state of Xet fetches.
final class XetBoard: Sendable {
    /// Whose token it is.
    struct TokenKey: Hashable, Sendable {
        let id: RepositoryID
        let commit: GitObjectID
        let endpoint: Int
        /// Of the Hub's token that it was got with: with another one, another is asked for.
        let generation: UInt64
    }

    /// What a lasting failure is about.
    enum Refused: Hashable, Sendable {
        case repository(RepositoryID)
        case file(XetHash)
        /// One of several endpoints, for a repository.
        case endpoint(RepositoryID, Int)
        /// Tokens that nobody waits for yet.
        case ahead
    }

    typealias TokenCompletion = @Sendable (Result<XetToken, HubError>) -> Void

    private struct State {
        var tokens = RecentCache<TokenKey, XetToken>(costMax: tokenCountMax)
        var waiting: [TokenKey: [TokenCompletion]] = [:]
        var versions = RecentCache<String, ReconstructionVersion>(costMax: serverCountMax)
        var refusals = RecentCache<Refused, MonotonicInstant>(costMax: refusalCountMax)
    }

    /// Decoding and hashing run at some GB/s on one; two keep two processors busy.
    static let threadCount = 2
    /// Some kilobytes each.
    static let tokenCountMax = 256
    static let serverCountMax = 16
    static let refusalCountMax = 1024
    /// Xet is tried again after that, in seconds; until then plain ranges are fetched at once.
    static let refusalSeconds = 60.0
    /// Bytes handed on before others that come earlier in the same fetch, of all fetches, in bytes.
    ///
    /// Sinks may keep a part of them, until what lies between has come. Beyond it only what comes
    /// next in its fetch is decoded.
    static let aheadByteCountMax = 64 << 20

    /// Bytes handed on before their turn.
    let aheadByteCount = Atomic<Int>(0)
    let seams = XetSeams()
    let pieces = ReceivedPieces()
    private let workers: [XetWorker]
    private let scheduling: Scheduling
    private let state = Lock(State())

    /// - Throws: `EAGAIN` when the system has no room for a thread.
    init(threadCount: Int, scheduling: Scheduling) throws(Errno) {
        self.scheduling = scheduling
        var started: [XetWorker] = []
        for _ in 0..<threadCount { started.append(try XetWorker(scheduling)) }
        workers = started
    }

    /// Ends every fetch with `.cancelled`, and the threads.
    func close() {
        for worker in workers { worker.close() }
    }

    /// Whether anything is fetched through Xet.
    var isEnabled: Bool { !workers.isEmpty }

    /// The thread of a fetch; nil when Xet is disabled.
    func worker(of id: FetchID) -> XetWorker? {
        workers.isEmpty ? nil : workers[Int(id.number % UInt64(workers.count))]
    }

    /// Does something with a fetch on its thread, if it is a Xet fetch and still under way.
    func run(_ id: FetchID, _ body: @escaping @Sendable (XetFetch, XetLoop) -> Void) {
        worker(of: id)?.run { loop in
            if let fetch = loop.active[id] { body(fetch, loop) }
        }
    }
}

// What is remembered.
extension XetBoard {
    /// A token that is not due.
    func token(_ key: TokenKey, at now: WallTime) -> XetToken? {
        state.withLock { state in
            state.tokens.value(for: key).flatMap { $0.isDue(at: now) ? nil : $0 }
        }
    }

    /// Which version of reconstructions a server is asked for first.
    func version(of server: String?) -> ReconstructionVersion {
        guard let server else { return .two }
        return state.withLock { $0.versions.value(for: server) ?? .two }
    }

    func remember(_ version: ReconstructionVersion, of server: String) {
        state.withLock { $0.versions.insert(version, for: server) }
    }

    func isRefused(_ keys: [Refused], at now: MonotonicInstant) -> Bool {
        state.withLock { state in
            keys.contains { key in state.refusals.value(for: key).map { now < $0 } ?? false }
        }
    }

    /// The endpoints with which Xet did not work for a repository.
    func refused(by id: RepositoryID, at now: MonotonicInstant) -> Set<Int> {
        Set(
            (0..<HubConfiguration.endpointCountMax).filter {
                isRefused([.endpoint(id, $0)], at: now)
            })
    }

    func refuse(_ key: Refused, at now: MonotonicInstant) {
        state.withLock { $0.refusals.insert(now + XetBoard.refusalSeconds, for: key) }
    }

    /// Joins the fetches that want a token of one commit.
    ///
    /// - Parameter refused: a token that is no longer accepted.
    /// - Returns: true when the caller has to ask the Hub, and to call `tokenCame` with the answer.
    func wantToken(
        _ key: TokenKey, notLike refused: XetToken?, _ completion: @escaping TokenCompletion
    ) -> Bool {
        let now = scheduling.wallTime
        var known: XetToken?
        let isFirst = state.withLock { state -> Bool in
            if let token = state.tokens.value(for: key), !token.isDue(at: now), token != refused {
                known = token
                return false
            }
            state.waiting[key, default: []].append(completion)
            return state.waiting[key]?.count == 1
        }
        if let known { completion(.success(known)) }
        return isFirst
    }

    func tokenCame(_ key: TokenKey, _ result: Result<XetToken, HubError>) {
        let waiting = state.withLock { state -> [TokenCompletion] in
            switch result {
            case .success(let token): state.tokens.insert(token, for: key)
            case .failure: state.tokens.remove(key)
            }
            return state.waiting.removeValue(forKey: key) ?? []
        }
        for completion in waiting { completion(result) }
    }
}

/// A thread on which fetches live.
final class XetWorker: Sendable {
    typealias Work = @Sendable (XetLoop) -> Void

    private let work: Mailbox<Work>
    private let thread: ThreadBox

    init(_ scheduling: Scheduling) throws(Errno) {
        let work = Mailbox<Work>(scheduling)
        self.work = work
        thread = try ThreadBox(named: "xet", scheduling) { XetLoop(scheduling).run(work) }
    }

    /// Runs something on the thread; false after `close`, and it is not run.
    @discardableResult
    func run(_ body: @escaping Work) -> Bool { work.send(body) }

    func close() {
        work.send { $0.stop() }
        work.close()
        thread.join()
    }
}

/// Room for one decoded chunk.
@safe
final class ChunkRoom {
    private let bytes: UnsafeMutableRawBufferPointer

    init() {
        unsafe bytes = .allocate(byteCount: GearChunker.maximumByteCount, alignment: 64)
    }

    deinit {
        unsafe bytes.deallocate()
    }

    /// The first bytes; at most as many as the longest chunk has.
    func prefix(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[..<byteCount])
    }
}

/// The state of a "xet" thread; made and used on it alone.
final class XetLoop {
    /// The longest wait without looking at anything.
    private static let idleSeconds = 60.0

    let scratch = CodecScratch()
    let chunk = ChunkRoom()
    var active: [FetchID: XetFetch] = [:]
    private(set) var isStopping = false
    private let scheduling: Scheduling
    private var timers: [(at: MonotonicInstant, body: () -> Void)] = []

    init(_ scheduling: Scheduling) {
        self.scheduling = scheduling
    }

    func run(_ work: Mailbox<XetWorker.Work>) {
        while true {
            let next = timers.map(\.at).min() ?? scheduling.now + XetLoop.idleSeconds
            if let body = work.receive(until: next) {
                body(self)
            } else if work.isClosed && work.count == 0 {
                return
            }
            let now = scheduling.now
            let due = timers.filter { $0.at <= now }
            timers.removeAll { $0.at <= now }
            for timer in due { timer.body() }
        }
    }

    /// Has something done later, on this thread.
    func at(_ instant: MonotonicInstant, _ body: @escaping () -> Void) {
        timers.append((instant, body))
    }

    func stop() {
        isStopping = true
        timers = []
        for fetch in Array(active.values) { fetch.cancel() }
    }
}
