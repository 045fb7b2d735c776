// A range of a file on its way through Xet: carries out what `RangeRead` decides.
//
// Lives on one "xet" thread. There is one plan for the range; its downloads run side by side, and
// each chunk is handed on as soon as it is decoded, at its place in the file, so nothing is kept
// but what `XetDownload` lets wait. Where the range touches that of another fetch under way, the
// chunk over the seam comes from there (`XetFetch+Seams`). When Xet fails for good, the rest comes
// over plain HTTP (`XetFetch+Plain`).

internal import Hashing
internal import Platform
internal import Synchronization
internal import Telemetry
internal import Transport
internal import Xet

/// A fetch through Xet under way.
///
/// Sendable because it is made complete before it is handed to its thread, and from then on
/// touched on that thread only; `sink` is left to `PlainRest` when the way changes.
final class XetFetch: @unchecked Sendable {
    /// A download of the plan, from its first attempt on.
    struct Running {
        let planned: XorbDownload
        var policy: RetryPolicy
        /// How long it is tried again, once an attempt has failed.
        var patience: MonotonicInstant?
        /// Nil between attempts.
        var attempt: XetDownload?
        var decoder: DownloadDecoder
        /// Taken from the attempt and not yet decoded; of the first one the part behind
        /// `pieceOffset`.
        var pieces: [ReceivedPiece] = []
        var pieceOffset = 0
        /// How the attempt ended, once all that it brought was taken.
        var end: XetDownload.End?
    }

    /// Chunks that are here, on their way into the file.
    struct LocalRun {
        let use: LocalUse
        var index: Int
        var offset: Int64
    }

    /// A chunk that the sink did not take, until it goes on.
    struct HeldChunk {
        let bytes: [UInt8]
        let identities: [IdentifiedChunk]
    }

    /// Downloads of one fetch side by side; what comes next in the file is begun beyond that.
    static let runningCountMax = 4

    let id: FetchID
    let request: ContentRequest
    let hash: XetHash
    let sink: any XetSink
    let client: HubClient
    let worker: XetWorker

    var priority: TransferPriority
    var read: RangeRead?
    /// Counts the plans begun, so that what was meant for an earlier one is known as late.
    var roundNumber = 0
    /// What the plan under way is to bring.
    var asked: Range<Int64>
    /// What the sink has.
    var delivered = RangeSet()
    /// Of this fetch in `XetBoard.aheadByteCount`.
    var aheadByteCount = 0
    /// The endpoint whose token is used, and those that it did not work with.
    var endpoint: Int
    var tried: Set<Int> = []
    var token: XetToken?
    /// Planned and not begun.
    var planned: [(id: Int, download: XorbDownload)] = []
    var running: [Int: Running] = [:]
    var locals: [LocalRun] = []
    var held: HeldChunk?
    var isPlanRead = false
    /// Whether bytes have come from a server.
    var hasBegun = false
    /// Whether chunks that seemed to be here were not, so that all are fetched from then on.
    var ignoresLocal = false
    var isSinkPaused = false
    var isPumping = false
    var isFinished = false
    var plain: FetchID?
    var head = HeadSeam.none
    /// The seam at the end, as long as this fetch owes its neighbour the chunk over it.
    var tail: XetSeams.Key?

    init(
        id: FetchID, request: ContentRequest, hash: XetHash, sink: any XetSink, client: HubClient,
        worker: XetWorker
    ) {
        self.id = id
        self.request = request
        self.hash = hash
        self.sink = sink
        self.client = client
        self.worker = worker
        priority = request.priority
        endpoint = client.endpoint(
            for: request,
            avoiding: client.xet.refused(by: request.id, at: client.scheduling.now))
        asked = request.bytes.lowerBound..<request.bytes.lowerBound
    }

    var tokenKey: XetBoard.TokenKey {
        XetBoard.TokenKey(
            id: request.id, commit: request.commit, endpoint: endpoint,
            generation: client.credentials[endpoint].generation)
    }

    /// How long one question may be repeated.
    var patience: MonotonicInstant {
        client.xetPatience(afterTrying: tried.union([endpoint]), deadline: request.deadline)
    }

    /// Questions go before the prefetched bytes of others: without an answer nothing flows.
    var questionPriority: TransferPriority { priority == .prefetch ? .metadata : priority }

    var isOver: Bool { isFinished || plain != nil }

    /// Plans what is missing, except what comes over the seam.
    func begin(_ loop: XetLoop) {
        roundNumber += 1
        isPlanRead = false
        if client.credentials[endpoint].isDue(at: client.scheduling.now) {
            client.rereadToken(force: false)
        }
        if client.configuration.endpoints.count > 1 {
            client.doubts.withLock { $0.noteUse(SignedLocations.File(request), endpoint) }
        }
        token = client.xet.token(tokenKey, at: client.scheduling.wallTime)
        let gaps = delivered.gaps(in: head.end(after: request.bytes)..<request.bytes.upperBound)
        guard let first = gaps.first, let last = gaps.last else {
            asked = request.bytes.upperBound..<request.bytes.upperBound
            isPlanRead = true
            return endIfComplete(loop)
        }
        asked = first.lowerBound..<last.upperBound
        var read = RangeRead(
            range: asked, fileByteCount: request.expectedSize, token: token,
            version: client.xet.version(of: token?.serverURL))
        let actions = read.start()
        self.read = read
        carryOut(actions, loop)
    }

    func cancel() {
        if let plain { return client.cancel(plain) }
        finish(.failure(.cancelled))
    }

    func promote(to priority: TransferPriority, _ loop: XetLoop) {
        self.priority = priority
        if let plain { return client.promote(plain, to: priority) }
        for item in running.values { item.attempt?.promote(to: priority) }
        hastenSeam(loop)
    }

    func resume() {
        if let plain { return client.resume(plain) }
        isSinkPaused = false
        onLoop { fetch, loop in fetch.pump(loop) }
    }

    /// Has something done on this fetch's thread, unless the fetch or the plan is over.
    func onLoop(_ body: @escaping @Sendable (XetFetch, XetLoop) -> Void) {
        let number = roundNumber
        worker.run { [self] loop in
            if isOver || roundNumber != number { return }
            body(self, loop)
        }
    }

    /// Has something done on this fetch's thread after what is being done, unless it is over.
    func onNextTurn(_ body: @escaping @Sendable (XetFetch, XetLoop) -> Void) {
        roundNumber += 1
        onLoop(body)
    }

    /// Ends the fetch, once; not when the rest comes over plain HTTP.
    func finish(_ result: Result<Void, HubError>) {
        if isFinished { return }
        isFinished = true
        dropPlan()
        leaveSeams()
        if case .failure(let error) = result {
            client.noteProblem(.data, request.id.description, error)
        }
        sink.contentDidFinish(result)
        let id = self.id
        worker.run { $0.active[id] = nil }
    }

    func drop(_ item: Running) {
        item.attempt?.cancel()
        for piece in item.pieces { client.xet.pieces.give(piece) }
    }

    /// Lets go of everything that is under way and held.
    func dropPlan() {
        for item in running.values { drop(item) }
        running = [:]
        planned = []
        locals = []
        held = nil
        countAhead(0)
    }
}

// The conversation.
extension XetFetch {
    func carryOut(_ actions: [RangeRead.Action], _ loop: XetLoop) {
        let number = roundNumber
        for action in actions {
            if isOver || roundNumber != number { return }
            switch action {
            case .readToken(let mustBeNew): readToken(mustBeNew: mustBeNew)
            case .reconstruct(let token, let version, let range):
                reconstruct(token, version, range)
            case .download(let id, let download): planned.append((id, download))
            case .useLocal(let uses): addLocals(uses)
            case .finish: isPlanRead = true
            case .fallBack(let reason): fallBack(reason)
            }
        }
        beginDownloads(loop)
        pump(loop)
    }

    private func readToken(mustBeNew: Bool) {
        let refused = mustBeNew ? token : nil
        client.xetToken(
            tokenKey, notLike: refused, deadline: patience, priority: questionPriority
        ) { [self] result in
            onLoop { fetch, loop in fetch.tokenCame(result, loop) }
        }
    }

    private func tokenCame(_ result: Result<XetToken, HubError>, _ loop: XetLoop) {
        switch result {
        case .success(let token):
            self.token = token
            step(loop) { $0.tokenArrived(token) }
        case .failure(.cancelled): finish(.failure(.cancelled))
        case .failure(let error): step(loop) { $0.tokenFailed(status: error.status) }
        }
    }

    private func reconstruct(
        _ token: XetToken, _ version: ReconstructionVersion, _ range: Range<Int64>
    ) {
        client.reconstruction(
            of: hash, range, version, token, subject: request.id.description, deadline: patience,
            priority: questionPriority
        ) { [self] answer in
            onLoop { fetch, loop in fetch.reconstructionCame(answer, version, range, loop) }
        }
    }

    private func reconstructionCame(
        _ answer: Result<HubAnswer, HubError>, _ version: ReconstructionVersion,
        _ range: Range<Int64>, _ loop: XetLoop
    ) {
        switch answer {
        case .success(let answer):
            if let server = token?.serverURL { client.xet.remember(version, of: server) }
            let made: Result<Reconstruction, XetError>
            do throws(XetError) {
                made = .success(try Reconstruction(json: answer.body, version: version))
            } catch {
                made = .failure(error)
            }
            if case .success(let found) = made { tellSeam(found, range) }
            step(loop) { [sink, ignoresLocal] read in
                read.reconstructionArrived(made) { !ignoresLocal && sink.hasChunk($0, $1) }
            }
        case .failure(.cancelled): finish(.failure(.cancelled))
        case .failure(let error):
            step(loop) { $0.reconstructionRefused(status: error.status) }
        }
    }

    /// Tells the machine what happened, and does what it wants.
    func step(_ loop: XetLoop, _ event: (inout RangeRead) -> [RangeRead.Action]) {
        guard var read else { return }
        self.read = nil
        let actions = event(&read)
        self.read = read
        carryOut(actions, loop)
    }
}
