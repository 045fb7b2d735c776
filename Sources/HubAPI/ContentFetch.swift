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
    private let file: SignedLocations.File
    /// The endpoint that is asked, and those that gave no usable answer.
    private var endpoint = 0
    private var tried: Set<Int> = []
    /// What the first of them said, if it was an answer.
    private var firstRefusal: HubError?
    /// What is still to come.
    private var missing: Range<Int64>

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
    /// Whether others wait to hear from this one where the data of the file lies.
    private var isLeading = false
    /// Whether this one waits for another to hear it.
    private var isFollowing = false
    /// Whether it has waited in vain, and asks by itself.
    private var asksAlone = false

    init(id: FetchID, request: ContentRequest, sink: any ContentSink, client: HubClient) {
        self.id = id
        self.request = request
        self.sink = sink
        self.client = client
        priority = request.priority
        file = SignedLocations.File(request)
        missing = request.bytes
        url = ContentFetch.resolveURL(request, client.configuration.endpoints[0])
    }

    private static func resolveURL(_ request: ContentRequest, _ endpoint: HubEndpoint) -> HTTPURL {
        let path = percentEncoded(request.path, keeping: "/")
        let id = request.id
        return endpoint.url(
            "/\(id.kind.resolvePrefix)\(id.name)/resolve/\(request.commit)/\(path)")
    }

    private var place: HubEndpoint { client.configuration.endpoints[endpoint] }
    private var credentials: Credentials { client.credentials[endpoint] }
    private var key: SignedLocations.Key { SignedLocations.Key(file: file, endpoint: endpoint) }

    /// Sends the first request.
    func begin() {
        if request.bytes.isEmpty { return finish(.success(())) }
        endpoint = client.endpoint(for: request)
        aim()
        // A host for data that is not the Hub's may be there while the Hub is away.
        if let refusal = client.readerRefusal, refusal == .offline || !hasLeftHub {
            return finish(.failure(refusal))
        }
        send()
    }

    /// Finds the URL for the present endpoint.
    private func aim() {
        if credentials.isDue(at: client.scheduling.now) { client.rereadToken(force: false) }
        let known = client.fetches.locations.location(of: key, at: client.scheduling.wallTime)
        url = known ?? ContentFetch.resolveURL(request, place)
        isRemembered = known != nil
        hasLeftHub = known.map { $0.origin != place.origin } ?? false
        redirectCount = 0
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
        // Whoever reads waits for no other request.
        if isFollowing && priority != .prefetch { learn(.goYourself) }
    }

    func resume() {
        if let transfer { client.transport.resume(transfer) }
    }

    private func send() {
        if waitsForPlace() { return }
        purpose = .unknown
        window = nil
        drainedByteCount = 0
        client.counters.countRequest(kind)
        sentToken = hasLeftHub ? nil : credentials.token(for: url)
        var headers = [(name: "User-Agent", value: client.configuration.userAgent)]
        if let sentToken { headers.append(("Authorization", sentToken.authorization)) }
        transfer = client.transport.start(
            TransferRequest(
                url: url, headers: headers, range: askedRange, priority: priority,
                connectTimeoutSeconds: client.connectSeconds(to: endpoint),
                stallTimeoutSeconds: client.configuration.downloadTimeoutSeconds,
                slowTimeoutSeconds: request.slowSeconds, deadline: request.deadline),
            self)
    }

    /// Nil for the whole file, which every server can give.
    private var askedRange: Range<Int64>? {
        missing == 0..<request.expectedSize ? nil : missing
    }

    private var kind: HubRequestKind { redirectCount == 0 && !isRemembered ? .resolve : .data }

    private func finish(_ result: Result<Void, HubError>) {
        if isFinished { return }
        isFinished = true
        stopLeading(.goYourself)
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
        client.noteAnswer(from: url, of: endpoint)
        purpose = judge(head)
        if case .content = purpose {
            // At once: what else is read of the file meanwhile need not ask for its place.
            if redirectCount > 0 {
                client.fetches.locations.remember(url, for: key, at: client.scheduling.wallTime)
            }
            stopLeading(.goYourself)
        }
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
                missing = missing.lowerBound + Int64(part.count)..<missing.upperBound
            }
            self.window = window
            // The rest of a whole answer is of no use to anyone.
            return window.isComplete && window.endsBeforeBody ? .cancel : .proceed
        }
    }

    func transferDidFinish(_ result: Result<TransferSummary, TransportError>) {
        transfer = nil
        if case .content = purpose, window?.isComplete == true { return finish(.success(())) }
        if isCancelled { return finish(.failure(.cancelled)) }
        switch purpose {
        case .redirect(let target):
            stopLeading(.follow(target))
            follow(target)
        case .resolveAgain: resolveAgain()
        case .rereadToken(let error): rereadToken(orFail: error)
        case .failure(let error):
            client.counters.count(HubFault(error))
            failOver(error)
        case .content, .unknown:
            guard case .failure(let error) = result else {
                client.counters.count(.wrongAnswer)
                return failOver(.malformed(reason: "fewer bytes than were asked for"))
            }
            fail(error)
        }
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
            failOver(hasLeftHub ? .dataUnreachable(error) : .unreachable(error))
        }
    }
}

// One question for where a file's data lies, however many ranges of it are fetched ahead.
extension ContentFetch {
    /// What a fetch hears of the one that it has waited for.
    enum Place {
        case follow(HTTPURL)
        /// There is nothing to be heard.
        case goYourself
    }

    /// Whether another fetch has asked already, and this one is told; nobody who reads waits.
    private func waitsForPlace() -> Bool {
        if isLeading || asksAlone || isRemembered || redirectCount > 0 { return false }
        if client.fetches.asking[key] == nil {
            client.fetches.asking[key] = []
            isLeading = true
            return false
        }
        if priority != .prefetch { return false }
        client.fetches.asking[key]?.append(self)
        isFollowing = true
        return true
    }

    /// Tells those who wait.
    private func stopLeading(_ place: Place) {
        if !isLeading { return }
        isLeading = false
        for fetch in client.fetches.asking.removeValue(forKey: key) ?? [] { fetch.learn(place) }
    }

    private func learn(_ place: Place) {
        if !isFollowing || isFinished { return }
        isFollowing = false
        switch place {
        case .follow(let target): follow(target)
        case .goYourself:
            asksAlone = true
            aim()
            send()
        }
    }
}

// Another endpoint where one is of no use.
extension ContentFetch {
    /// Fetches what is missing from another endpoint; ends the fetch where there is none.
    private func failOver(_ error: HubError) {
        stopLeading(.goYourself)
        tried.insert(endpoint)
        if firstRefusal == nil, error.status != nil { firstRefusal = error }
        note(error)
        guard !isCancelled, let next = client.otherEndpoint(than: tried, for: file) else {
            return finish(.failure(verdict(error)))
        }
        if missing.isEmpty { return finish(.success(())) }
        client.counters.retries.add()
        endpoint = next
        resolvedAgainCount = 0
        hasRereadToken = false
        aim()
        send()
    }

    /// What no endpoint could bring is told as the first one that was asked has it; nothing that
    /// a mirror lacks is lacking for good while one that is preferred to it is away.
    private func verdict(_ error: HubError) -> HubError {
        if case .unreachable = error { return error }
        let absence = client.withChoice { $0.absence(before: endpoint, at: client.scheduling.now) }
        return absence ?? firstRefusal ?? error
    }

    /// Has the client remember what is wrong with the endpoint, as far as that matters to others.
    private func note(_ error: HubError) {
        switch error {
        case .unreachable(let reason): client.noteFailure(of: endpoint, reason)
        case .dataUnreachable:
            client.noteUseless(endpoint, pauseSeconds: nil, error)
        case .rateLimited(let seconds), .server(_, let seconds):
            client.noteUseless(endpoint, pauseSeconds: seconds, error)
        case .malformed: client.noteContradiction(request, by: endpoint, error)
        case .repositoryNotFound, .revisionNotFound, .entryNotFound, .gated, .tokenRefused,
            .disabled, .forbidden, .deadline, .cancelled, .offline:
            break
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
                if client.configuration.endpoints.count > 1 {
                    client.doubts.withLock { $0.noteUse(file, endpoint) }
                }
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
        if target.origin != place.origin { hasLeftHub = true }
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
        url = ContentFetch.resolveURL(request, place)
        send()
    }

    private func rereadToken(orFail error: HubError) {
        hasRereadToken = true
        let refused = sentToken
        client.rereadToken(force: true) { [self] in
            // Back from the hub thread, which may read disks.
            let isTaken = client.transport.run { [self] in
                if isCancelled { return finish(.failure(.cancelled)) }
                if credentials.token(for: url) == refused { return failOver(error) }
                startOver()
            }
            if !isTaken { finish(.failure(.cancelled)) }
        }
    }
}
