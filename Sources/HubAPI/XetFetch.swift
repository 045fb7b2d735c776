// A range of a file on its way through Xet: carries out what `RangeRead` decides.
//
// Lives on one "xet" thread. A long range is read in segments, each with a plan of its own, so
// what is kept has a limit whatever a plan says: a segment's bytes decoded, and for each download
// what `XetDownload` lets wait. Downloads run side by side; what they bring is handed on in the
// order of the file. When Xet fails for good, the rest comes over plain HTTP (`XetFetch+Plain`).

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
    /// A decoded chunk, at one place of the file.
    struct HeldChunk {
        let bytes: [UInt8]
        let identity: IdentifiedChunk
    }

    /// A download of the plan, from its first attempt on.
    struct Running {
        let planned: XorbDownload
        var policy: RetryPolicy
        /// How long it is tried again, once an attempt has failed.
        var patience: MonotonicInstant?
        /// Nil between attempts.
        var attempt: XetDownload?
        var decoder: DownloadDecoder
    }

    /// A plan's range: a transfer of `ContentPlan`, so that those need one plan each.
    static let segmentByteCountMax: Int64 = 8 << 20
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
    /// Counts the segments, so that what was meant for an earlier one is known as late.
    var segmentNumber = 0
    var segment: Range<Int64>
    /// The next byte of the file for the sink.
    var position: Int64
    var token: XetToken?
    /// Planned and not begun.
    var planned: [(id: Int, download: XorbDownload)] = []
    var running: [Int: Running] = [:]
    /// Decoded and not yet handed on, by where they stand in the file.
    var ahead: [Int64: HeldChunk] = [:]
    /// The chunk that the sink was told of last.
    var identified: Int64?
    var isSegmentRead = false
    /// Whether chunks that seemed to be here were not, so that all are fetched from then on.
    var ignoresLocal = false
    var isSinkPaused = false
    var isPumping = false
    var isFinished = false
    var plain: FetchID?

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
        position = request.bytes.lowerBound
        segment = position..<position
    }

    var tokenKey: XetBoard.TokenKey {
        XetBoard.TokenKey(id: request.id, commit: request.commit)
    }

    /// How long one question may be repeated.
    var patience: MonotonicInstant {
        min(request.deadline, .now + HubClient.xetPatienceSeconds)
    }

    func begin(_ loop: XetLoop) {
        segmentNumber += 1
        let end = min(position + XetFetch.segmentByteCountMax, request.bytes.upperBound)
        segment = position..<end
        isSegmentRead = false
        token = client.xet.token(tokenKey, at: .now)
        var read = RangeRead(
            range: segment, fileByteCount: request.expectedSize, token: token,
            version: client.xet.version(of: token?.serverURL))
        let actions = read.start()
        self.read = read
        carryOut(actions, loop)
    }

    func cancel() {
        if let plain { return client.cancel(plain) }
        finish(.failure(.cancelled))
    }

    func promote(to priority: TransferPriority) {
        self.priority = priority
        if let plain { return client.promote(plain, to: priority) }
        for item in running.values { item.attempt?.promote(to: priority) }
    }

    func resume() {
        if let plain { return client.resume(plain) }
        isSinkPaused = false
        onLoop { fetch, loop in fetch.pump(loop) }
    }

    /// Has something done on this fetch's thread, unless the fetch or the segment is over.
    func onLoop(_ body: @escaping @Sendable (XetFetch, XetLoop) -> Void) {
        let number = segmentNumber
        worker.run { [self] loop in
            if isFinished || plain != nil || segmentNumber != number { return }
            body(self, loop)
        }
    }

    /// Ends the fetch, once; not when the rest comes over plain HTTP.
    func finish(_ result: Result<Void, HubError>) {
        if isFinished { return }
        isFinished = true
        dropSegment()
        if case .failure(let error) = result {
            client.noteProblem(.data, request.id.description, error)
        }
        sink.contentDidFinish(result)
        let id = self.id
        worker.run { $0.active[id] = nil }
    }

    /// Lets go of everything that is under way and held.
    func dropSegment() {
        for item in running.values { item.attempt?.cancel() }
        running = [:]
        planned = []
        for held in ahead.values {
            client.xet.aheadByteCount.subtract(held.bytes.count, ordering: .relaxed)
        }
        ahead = [:]
    }
}

// The conversation.
extension XetFetch {
    func carryOut(_ actions: [RangeRead.Action], _ loop: XetLoop) {
        let number = segmentNumber
        for action in actions {
            if isFinished || plain != nil || segmentNumber != number { return }
            switch action {
            case .readToken(let mustBeNew): readToken(mustBeNew: mustBeNew)
            case .reconstruct(let token, let version, let range):
                reconstruct(token, version, range)
            case .download(let id, let download): planned.append((id, download))
            case .useLocal(let uses): useLocal(uses, loop)
            case .finish: isSegmentRead = true
            case .fallBack(let reason): fallBack(reason)
            }
        }
        beginDownloads(loop)
        pump(loop)
    }

    private func readToken(mustBeNew: Bool) {
        let refused = mustBeNew ? token : nil
        client.xetToken(
            tokenKey, notLike: refused, deadline: patience, priority: priority
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
            priority: priority
        ) { [self] answer in
            onLoop { fetch, loop in fetch.reconstructionCame(answer, version, loop) }
        }
    }

    private func reconstructionCame(
        _ answer: Result<HTTPAnswer, HubError>, _ version: ReconstructionVersion, _ loop: XetLoop
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
