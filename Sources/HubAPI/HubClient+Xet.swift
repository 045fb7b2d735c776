// Contents through Xet: what a reader of them is told, and the two questions that are asked.
//
// A fetch through Xet looks to its sink like a plain one, and becomes one when Xet does not work:
// the rest of the range then comes from the resolve route. The token for the Hub goes to the Hub
// only, the access token that the Hub gives only to the server that it names, and neither to the
// hosts of data.

package import Hashing
package import Platform
package import Transport
package import Xet

/// Receives a fetch through Xet.
///
/// All calls come on one thread at a time, which is shared with other fetches, and none may wait
/// for the network; only `localChunk` may read a disk.
package protocol XetSink: AnyObject, Sendable {
    /// The first bytes have come from a server, before they are decoded; once or more often.
    func contentDidBegin()

    /// Bytes of the range, in any order, each of them once; `offset` is their place in the file,
    /// and `chunk` is the chunk that they are of, which may begin before the range or end after
    /// it; nil for bytes that come over plain HTTP. With `.pause` these bytes count as not taken,
    /// and come again after `HubClient.resume`, or over plain HTTP; `.cancel` ends the fetch.
    func contentDidReceive(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, of chunk: IdentifiedChunk?
    ) -> TransferDirective

    /// The end, exactly once. Success means that every byte of the range was delivered.
    func contentDidFinish(_ result: Result<Void, HubError>)

    /// Whether every byte has to come from the server, though a neighbour has it or it is here.
    var wantsFresh: Bool { get }

    /// Whether a chunk is here and need not be fetched.
    func hasChunk(_ xorb: XetHash, _ index: Int) -> Bool

    /// A chunk that is here; nil if it no longer is.
    func localChunk(_ xorb: XetHash, _ index: Int) -> LocalChunk?
}

/// The decoded bytes of a chunk that was here, and their hash, which was compared with them.
package struct LocalChunk: Sendable {
    package let hash: XetHash
    package let bytes: [UInt8]

    package init(hash: XetHash, bytes: [UInt8]) {
        self.hash = hash
        self.bytes = bytes
    }
}

extension XetSink {
    /// Nothing.
    package func contentDidBegin() {}
    /// No: what is here is as good.
    package var wantsFresh: Bool { false }
    /// No: everything is fetched.
    package func hasChunk(_ xorb: XetHash, _ index: Int) -> Bool { false }
    /// None.
    package func localChunk(_ xorb: XetHash, _ index: Int) -> LocalChunk? { nil }
}

extension HubClient {
    /// How long one question to a Xet server is repeated without success, in seconds, before the
    /// reader is served over plain HTTP.
    static let xetPatienceSeconds = 10.0

    /// The same where another endpoint can be asked instead.
    static let xetPatienceAmongMirrorsSeconds = 2.0

    /// Until when one question may be repeated that endpoints were tried for.
    func xetPatience(
        afterTrying tried: Set<Int>, deadline: MonotonicInstant
    ) -> MonotonicInstant {
        let seconds =
            hasOther(than: tried)
            ? HubClient.xetPatienceAmongMirrorsSeconds : HubClient.xetPatienceSeconds
        return min(deadline, scheduling.now + seconds)
    }

    /// Starts to bring the bytes through Xet, or over plain HTTP where Xet is disabled or does
    /// not work.
    ///
    /// - Parameter hash: the file's, as the tree names it.
    package func fetchXet(
        _ request: ContentRequest, hash: XetHash, sink: any XetSink
    ) -> FetchID {
        let keys = [XetBoard.Refused.repository(request.id), .file(hash)]
        let id = fetches.nextID()
        guard let worker = xet.worker(of: id), refusal != .offline, !request.bytes.isEmpty,
            !xet.isRefused(keys, at: scheduling.now)
        else {
            return fetch(
                request,
                sink: PlainRest(sink, from: request.bytes.lowerBound, delivered: RangeSet()) {})
        }
        let fetch = XetFetch(
            id: id, request: request, hash: hash, sink: sink, client: self, worker: worker)
        let isTaken = worker.run { loop in
            if loop.isStopping { return sink.contentDidFinish(.failure(.cancelled)) }
            loop.active[id] = fetch
            fetch.start(loop)
        }
        if !isTaken { sink.contentDidFinish(.failure(.cancelled)) }
        return id
    }

    /// What came of a file through Xet was wrong: for a while it comes over plain HTTP.
    package func distrustXet(of hash: XetHash) {
        xet.refuse(.file(hash), at: scheduling.now)
    }

    /// Asks for a token for the contents of a commit, which somebody is about to want.
    ///
    /// A Hub that gives none is not asked ahead again for a while.
    package func prepareXet(_ id: RepositoryID, _ commit: GitObjectID, deadline: MonotonicInstant) {
        let now = scheduling.now
        if !xet.isEnabled || refusal != nil || xet.isRefused([.repository(id), .ahead], at: now) {
            return
        }
        let endpoint = endpoint(avoiding: xet.refused(by: id, at: now))
        let key = XetBoard.TokenKey(
            id: id, commit: commit, endpoint: endpoint,
            generation: credentials[endpoint].generation)
        // A reader who joins has no more patience than this.
        let patience = xetPatience(afterTrying: [endpoint], deadline: deadline)
        xetToken(key, notLike: nil, deadline: patience, priority: .metadata) { [self] result in
            if case .failure = result { xet.refuse(.ahead, at: scheduling.now) }
        }
    }

    /// A token for the contents of a commit.
    ///
    /// - Parameter completion: called once, on any thread.
    func xetToken(
        _ key: XetBoard.TokenKey, notLike refused: XetToken?, deadline: MonotonicInstant,
        priority: TransferPriority, completion: @escaping XetBoard.TokenCompletion
    ) {
        guard xet.wantToken(key, notLike: refused, completion) else { return }
        let endpoint = configuration.endpoints[key.endpoint]
        let url = endpoint.url("/api/\(key.id)/xet-read-token/\(key.commit)")
        let isSecure = endpoint.origin.isSecure
        ask(
            .xetToken, subject: key.id.description,
            target: .one(url, endpoint: key.endpoint), deadline: deadline,
            priority: priority
        ) { [xet] answer in
            let token = answer.flatMap { answer -> Result<XetToken, HubError> in
                guard let token = try? XetToken(json: answer.body),
                    let server = HTTPURL(token.serverURL), server.query == nil,
                    server.origin.isSecure || !isSecure
                else { return .failure(.malformed(reason: "a token that cannot be used")) }
                return .success(token)
            }
            xet.tokenCame(key, token)
        }
    }

    /// How a range of a file is put together, as the server says it.
    ///
    /// - Parameter completion: called once, on the hub thread.
    func reconstruction(
        of hash: XetHash, _ range: Range<Int64>, _ version: ReconstructionVersion,
        _ token: XetToken, subject: String, deadline: MonotonicInstant,
        priority: TransferPriority,
        completion: @escaping @Sendable (Result<HubAnswer, HubError>) -> Void
    ) {
        guard let url = HTTPURL("\(token.serverURL)\(version.path)\(hash)"),
            let secret = AccessToken(token.accessToken)
        else { return completion(.failure(.malformed(reason: "a token that cannot be used"))) }
        ask(
            .reconstruction, subject: subject,
            target: .foreign(url, ForeignToken(token: secret, origin: url.origin)),
            deadline: deadline, priority: priority, range: range, completion: completion)
    }
}

extension HubError {
    /// The status that the error was made from, as far as a Xet fetch has to tell them apart;
    /// nil when no answer came.
    var status: Int? {
        switch self {
        case .tokenRefused: 401
        case .gated, .disabled, .forbidden: 403
        case .repositoryNotFound, .revisionNotFound, .entryNotFound: 404
        case .rateLimited: 429
        case .server(let status, _): status
        case .malformed: 200
        case .unreachable, .dataUnreachable, .deadline, .cancelled, .offline: nil
        }
    }
}
