// One attempt to fetch a range: the resolve request, its redirects, and the body.
//
// Lives on the transfer thread. Each HTTP answer is judged at its head, which decides what its end
// will mean: bytes of the range, another URL, a token to read again, or an error. Bodies that are
// not contents are read to a small limit, so that their connection can be used again.

internal import Hashing
internal import Platform
internal import Telemetry
internal import Transport

/// A fetch under way.
///
/// Sendable because it is made complete before it is handed to the transfer thread, and from then
/// on touched on that thread only.
final class ContentFetch: TransferSink, @unchecked Sendable {
    /// What the end of the present answer means.
    private enum Purpose {
        case unknown
        case content
        case redirect(HTTPURL)
        case resolveAgain
        case rereadToken(orFail: HubError)
        case failure(HubError)
    }

    /// How often a URL for the data that is not accepted is asked for anew: one that was remembered
    /// and has expired, and one that was new and not good either.
    private static let resolvedAgainCountMax = 2
    /// How much of an answer that is no content is read, rather than closing its connection.
    private static let drainByteCountMax: Int64 = 64 << 10

    private let id: FetchID
    private let request: ContentRequest
    private let sink: any ContentSink
    private let client: HubClient
    private let key: SignedLocations.Key

    private var priority: TransferPriority
    private var transfer: TransferID?
    private var url: HTTPURL
    private var redirectCount = 0
    /// Whether the present URL was remembered and not just learned.
    private var isRemembered = false
    /// Whether a redirect led to another origin: from there on no URL gets the token.
    private var hasLeftHub = false
    private var sentToken: AccessToken?
    private var hasRereadToken = false
    private var resolvedAgainCount = 0
    private var purpose = Purpose.unknown
    private var window: ContentWindow?
    private var drainedByteCount: Int64 = 0
    private var isCancelled = false
    private var isFinished = false

    init(id: FetchID, request: ContentRequest, sink: any ContentSink, client: HubClient) {
        self.id = id
        self.request = request
        self.sink = sink
        self.client = client
        priority = request.priority
        key = SignedLocations.Key(id: request.id, commit: request.commit, path: request.path)
        url = ContentFetch.resolveURL(request, client)
    }

    private static func resolveURL(_ request: ContentRequest, _ client: HubClient) -> HTTPURL {
        let path = percentEncoded(request.path, keeping: "/")
        let id = request.id
        return client.configuration.url(
            "/\(id.kind.resolvePrefix)\(id.name)/resolve/\(request.commit)/\(path)")
    }

    /// Sends the first request.
    func begin() {
        if request.bytes.isEmpty { return finish(.success(())) }
        if client.credentials.isDue(at: client.scheduling.now) { client.rereadToken(force: false) }
        if let known = client.fetches.locations.location(
            of: key, at: client.scheduling.wallTime)
        {
            url = known
            isRemembered = true
            hasLeftHub = known.origin != client.configuration.origin
        }
        // A host for data that is not the Hub's may be there while the Hub is away.
        if let refusal = client.readerRefusal, refusal == .offline || !hasLeftHub {
            return finish(.failure(refusal))
        }
        send()
    }

    func cancel() {
        isCancelled = true
        if let transfer {
            client.transport.cancel(transfer)
        } else {
            finish(.failure(.cancelled))
        }
    }

    func promote(to priority: TransferPriority) {
        self.priority = priority
        if let transfer { client.transport.promote(transfer, to: priority) }
    }

    func resume() {
        if let transfer { client.transport.resume(transfer) }
    }

    private func send() {
        purpose = .unknown
        window = nil
        drainedByteCount = 0
        client.counters.countRequest(kind)
        sentToken = hasLeftHub ? nil : client.credentials.token(for: url)
        var headers = [(name: "User-Agent", value: client.configuration.userAgent)]
        if let sentToken { headers.append(("Authorization", sentToken.authorization)) }
        transfer = client.transport.start(
            TransferRequest(
                url: url, headers: headers, range: askedRange, priority: priority,
                stallTimeoutSeconds: client.configuration.downloadTimeoutSeconds,
                slowTimeoutSeconds: request.slowSeconds, deadline: request.deadline),
            self)
    }

    /// Nil for the whole file, which every server can give.
    private var askedRange: Range<Int64>? {
        request.bytes == 0..<request.expectedSize ? nil : request.bytes
    }

    private var kind: HubRequestKind { redirectCount == 0 && !isRemembered ? .resolve : .data }

    private func finish(_ result: Result<Void, HubError>) {
        if isFinished { return }
        isFinished = true
        client.fetches.active[id] = nil
        if case .failure(let error) = result {
            client.noteProblem(kind, request.id.description, error)
        }
        sink.contentDidFinish(result)
    }
}

// What the transport tells.
extension ContentFetch {
    func transferDidRespond(_ head: HTTPHead) -> TransferDirective {
        client.noteAnswer(from: url)
        purpose = judge(head)
        return .proceed
    }

    func transferDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        guard case .content = purpose, var window else {
            drainedByteCount += Int64(bytes.count)
            return drainedByteCount > ContentFetch.drainByteCountMax ? .cancel : .proceed
        }
        switch window.take(bytes.count) {
        case .tooMuch:
            purpose = .failure(.malformed(reason: "more bytes than were asked for"))
            return .cancel
        case .pass(let part):
            if !part.isEmpty {
                let directive = unsafe sink.contentDidReceive(
                    UnsafeRawBufferPointer(rebasing: bytes[part]))
                if directive == .pause { return .pause }
                if directive == .cancel {
                    isCancelled = true
                    return .cancel
                }
                client.counters.contentBytes.add(Int64(part.count))
            }
            self.window = window
            // The rest of a whole answer is of no use to anyone.
            return window.isComplete && window.endsBeforeBody ? .cancel : .proceed
        }
    }

    func transferDidFinish(_ result: Result<TransferSummary, TransportError>) {
        transfer = nil
        if case .content = purpose, window?.isComplete == true { return succeed() }
        if isCancelled { return finish(.failure(.cancelled)) }
        switch purpose {
        case .redirect(let target): follow(target)
        case .resolveAgain: resolveAgain()
        case .rereadToken(let error): rereadToken(orFail: error)
        case .failure(let error):
            client.counters.count(HubFault(error))
            finish(.failure(error))
        case .content, .unknown:
            guard case .failure(let error) = result else {
                client.counters.count(.wrongAnswer)
                return finish(.failure(.malformed(reason: "fewer bytes than were asked for")))
            }
            fail(error)
        }
    }

    private func succeed() {
        if redirectCount > 0 {
            client.fetches.locations.remember(
                url, for: key, at: client.scheduling.wallTime)
        }
        finish(.success(()))
    }

    private func fail(_ error: TransportError) {
        client.counters.count(HubFault(error))
        // Where the data lies may have changed; the next attempt asks.
        client.fetches.locations.forget(key)
        switch error {
        case .cancelled, .shutDown: finish(.failure(.cancelled))
        case .deadline: finish(.failure(.deadline))
        case .tooLarge: finish(.failure(.malformed(reason: "a head that is too long")))
        case .nameResolution, .connectionRefused, .connectTimeout, .tls, .stalled, .closedEarly,
            .proxyRefused, .protocolError, .queueFull:
            finish(.failure(hasLeftHub ? .dataUnreachable(error) : .unreachable(error)))
        }
    }
}

// What an answer's head means, and what follows.
extension ContentFetch {
    private func judge(_ head: HTTPHead) -> Purpose {
        switch head.status {
        case 200..<300:
            if let error = contradiction(head) { return .failure(error) }
            do throws(HubError) {
                window = try ContentWindow(head, range: askedRange, size: request.expectedSize)
                return .content
            } catch {
                return .failure(error)
            }
        case 300..<400:
            return judgeRedirect(head)
        case 401 where sentToken != nil && !hasRereadToken:
            return .rereadToken(
                orFail: HubError(status: head.status, headers: head.headers, kind: kind)
                    ?? .tokenRefused)
        case 400..<500
        where (isRemembered || isURLRefused(head)) && head.status != 429 && head.status != 408
            && resolvedAgainCount < ContentFetch.resolvedAgainCountMax:
            return .resolveAgain
        case 400..<500 where hasLeftHub && head.status != 429:
            // Whether the user may read the file, the Hub has said before.
            return .failure(.server(status: head.status))
        default:
            return .failure(
                HubError(status: head.status, headers: head.headers, kind: kind)
                    ?? .server(status: head.status))
        }
    }

    /// Whether the place of the data refuses what the Hub has just sent us there for: the URL has
    /// expired, or its signature is not accepted.
    ///
    /// What the Hub itself refuses, it names.
    private func isURLRefused(_ head: HTTPHead) -> Bool {
        kind == .data && (hasLeftHub || head.headers["X-Error-Code"] == nil)
    }

    private func judgeRedirect(_ head: HTTPHead) -> Purpose {
        if let error = contradiction(head) { return .failure(error) }
        if redirectCount >= HubCall.redirectCountMax {
            return .failure(.malformed(reason: "too many redirects"))
        }
        guard let target = head.headers["Location"].flatMap({ url.resolving($0) }) else {
            return .failure(.malformed(reason: "a redirect to nowhere"))
        }
        if url.origin.isSecure && !target.origin.isSecure {
            return .failure(.malformed(reason: "a redirect from https to http"))
        }
        return .redirect(target)
    }

    /// What the Hub says about the file must be what its tree said.
    private func contradiction(_ head: HTTPHead) -> HubError? {
        guard !hasLeftHub else { return nil }
        if let commit = head.headers["X-Repo-Commit"], commit.lowercased() != request.commit.hex {
            return .malformed(reason: "the answer is of another commit")
        }
        if let size = head.headers["X-Linked-Size"], Int64(size) != request.expectedSize {
            return .malformed(
                reason: "the file has \(HubError.clean(size)) bytes and not \(request.expectedSize)"
            )
        }
        return nil
    }

    private func follow(_ target: HTTPURL) {
        redirectCount += 1
        if target.origin != client.configuration.origin { hasLeftHub = true }
        url = target
        send()
    }

    private func resolveAgain() {
        resolvedAgainCount += 1
        client.counters.count(.expiredURL)
        startOver()
    }

    private func startOver() {
        client.fetches.locations.forget(key)
        isRemembered = false
        hasLeftHub = false
        redirectCount = 0
        url = ContentFetch.resolveURL(request, client)
        send()
    }

    private func rereadToken(orFail error: HubError) {
        hasRereadToken = true
        let refused = sentToken
        client.rereadToken(force: true) { [self] in
            // Back from the hub thread, which may read disks.
            let isTaken = client.transport.run { [self] in
                if isCancelled { return finish(.failure(.cancelled)) }
                if client.credentials.token(for: url) == refused {
                    return finish(.failure(error))
                }
                startOver()
            }
            if !isTaken { finish(.failure(.cancelled)) }
        }
    }
}
