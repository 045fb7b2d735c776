// The hub thread: sends metadata requests, judges their answers, waits and tries again, probes.

internal import Platform
internal import Telemetry
internal import Transport

/// What reaches the hub thread.
enum HubEvent: Sendable {
    case begin(HubCall)
    case answered(HubCall, Result<HTTPAnswer, TransportError>)
    case probed(endpoint: Int, Result<HTTPAnswer, TransportError>)
    case rereadToken(force: Bool, then: (@Sendable () -> Void)?)
    case wake
    case stop
}

/// The state of the hub thread; made and used on it alone.
final class HubLoop {
    /// The longest wait without looking at anything.
    private static let idleSeconds = 60.0
    /// How long a probe may take.
    private static let probeDeadlineSeconds = 5.0

    private let client: HubClient
    private let events: Mailbox<HubEvent>
    private var pending: [ObjectIdentifier: HubCall] = [:]
    private var timers: [(at: MonotonicInstant, call: HubCall)] = []

    init(client: HubClient, events: Mailbox<HubEvent>) {
        self.client = client
        self.events = events
    }

    private var now: MonotonicInstant { client.scheduling.now }

    func run() {
        while true {
            if let event = events.receive(until: nextInstant()) {
                if case .stop = event { break }
                handle(event)
            }
            fireTimers(now)
            probeIfDue(now)
        }
        for call in Array(pending.values) { finish(call, .failure(.cancelled)) }
        // What was sent while we stopped is told, not lost.
        while let event = events.receive() {
            switch event {
            case .begin(let call): call.complete(.failure(.cancelled))
            case .rereadToken(_, let body): body?()
            case .answered, .probed, .wake, .stop: break
            }
        }
    }

    private func nextInstant() -> MonotonicInstant {
        var next = now + HubLoop.idleSeconds
        for timer in timers { next = min(next, timer.at) }
        if let probe = client.withChoice({ $0.nextProbe }) { next = min(next, probe) }
        return next
    }

    private func handle(_ event: HubEvent) {
        switch event {
        case .begin(let call):
            // Another server may be there while the Hub is away.
            if let refusal = client.refusal, refusal == .offline || call.foreign == nil {
                return call.complete(.failure(refusal))
            }
            pending[ObjectIdentifier(call)] = call
            choose(call)
            send(call)
        case .answered(let call, .success(let answer)): judge(call, answer)
        case .answered(let call, .failure(let error)): judge(call, error)
        case .probed(let endpoint, let result): finishProbe(endpoint, result)
        case .rereadToken(let force, let body):
            for credentials in client.credentials { credentials.refresh(at: now, force: force) }
            body?()
        case .wake, .stop: break
        }
    }

    private func fireTimers(_ now: MonotonicInstant) {
        let due = timers.filter { $0.at <= now }
        if due.isEmpty { return }
        timers.removeAll { $0.at <= now }
        for timer in due where pending[ObjectIdentifier(timer.call)] != nil {
            client.counters.retries.add()
            // What was tried may be well again.
            timer.call.tried = []
            choose(timer.call)
            send(timer.call)
        }
    }

    private func send(_ call: HubCall) {
        call.attemptCount += 1
        client.counters.countRequest(call.kind)
        client.credentials[call.endpoint].refresh(at: now)
        if let foreign = call.foreign {
            call.sentToken = call.url.origin == foreign.origin ? foreign.token : nil
        } else {
            call.sentToken =
                call.hasLeftHub ? nil : client.credentials[call.endpoint].token(for: call.url)
        }
        var headers = [(name: "User-Agent", value: client.configuration.userAgent)]
        if let token = call.sentToken { headers.append(("Authorization", token.authorization)) }
        let request = TransferRequest(
            url: call.url, headers: headers, range: call.range, acceptCompressed: true,
            priority: call.priority,
            connectTimeoutSeconds: call.foreign == nil
                ? client.connectSeconds(to: call.endpoint) : HubClient.connectSeconds,
            stallTimeoutSeconds: client.configuration.metadataTimeoutSeconds,
            deadline: call.deadline, bodyLimitBytes: HubClient.answerByteCountMax)
        client.transport.gather(request) { [events] result in
            events.send(.answered(call, result))
        }
    }

    private func judge(_ call: HubCall, _ answer: HTTPAnswer) {
        if call.foreign == nil { client.noteAnswer(from: call.url, of: call.endpoint) }
        switch answer.status {
        case 300..<400: redirect(call, answer)
        case 200..<300:
            finish(
                call,
                .success(
                    HubAnswer(
                        body: answer.body, headers: answer.headers, endpoint: call.endpoint)))
        case 401 where changeToken(call): send(call)
        default:
            client.counters.count(HubFault(status: answer.status))
            let pause = requestedPause(answer.headers, status: answer.status)
            let error =
                HubError(status: answer.status, headers: answer.headers, kind: call.kind)
                ?? .server(status: answer.status)
            if goToMirror(call, answer.status, pause, error) { return }
            retry(call, after: .status(answer.status, pauseSeconds: pause), orFail: error)
        }
    }

    private func judge(_ call: HubCall, _ error: TransportError) {
        client.counters.count(HubFault(error))
        switch error {
        case .cancelled, .shutDown: finish(call, .failure(.cancelled))
        case .tooLarge: finish(call, .failure(HubClient.isTooLarge))
        case .deadline:
            // Nothing came in this attempt; what ended the ones before says more.
            giveUp(call, call.lastTransportError)
        case .nameResolution, .connectionRefused, .connectTimeout, .tls, .stalled, .closedEarly,
            .proxyRefused, .protocolError, .queueFull:
            call.lastTransportError = error
            if goToMirror(call, after: error) { return }
            retry(call, after: .transport(error), orFail: .unreachable(error))
        }
    }

    private func retry(_ call: HubCall, after failure: AttemptFailure, orFail error: HubError) {
        let now = self.now
        switch call.policy.next(after: failure, now: now, deadline: call.deadline) {
        case .retry(let seconds):
            timers.append((at: now + seconds, call: call))
        case .giveUp:
            if case .transport(let reason) = failure {
                giveUp(call, reason)
            } else {
                finish(call, .failure(told(call, error)))
            }
        }
    }

    private func giveUp(_ call: HubCall, _ reason: TransportError?) {
        guard let reason else { return finish(call, .failure(.deadline)) }
        // Another host that is away says nothing of the Hub.
        let origin = client.configuration.endpoints[call.endpoint].origin
        if call.foreign == nil && call.url.origin == origin {
            // A question for Xet is given less time than the reader has whom it serves.
            let leftSeconds = call.deadline.seconds(since: now)
            let isEarly = call.kind == .xetToken || leftSeconds > RetryPolicy.firstSeconds * 2
            client.noteUnreachable(reason, isEarly: isEarly)
        }
        finish(call, .failure(.unreachable(reason)))
    }

    /// Whether the token file holds another token than the one that was refused.
    private func changeToken(_ call: HubCall) -> Bool {
        if call.hasChangedToken || call.foreign != nil { return false }
        call.hasChangedToken = true
        let credentials = client.credentials[call.endpoint]
        credentials.refresh(at: now, force: true)
        let token = credentials.token(for: call.url)
        return token != nil && token != call.sentToken
    }

    private func redirect(_ call: HubCall, _ answer: HTTPAnswer) {
        call.redirectCount += 1
        guard call.redirectCount <= HubCall.redirectCountMax else {
            return finish(call, .failure(.malformed(reason: "too many redirects")))
        }
        guard let target = answer.headers["Location"].flatMap({ call.url.resolving($0) }),
            target.origin.isSecure || !call.url.origin.isSecure
        else {
            return finish(call, .failure(.malformed(reason: "a redirect that leads nowhere safe")))
        }
        if target.origin != client.configuration.endpoints[call.endpoint].origin {
            call.hasLeftHub = true
        }
        call.url = target
        send(call)
    }

    private func finish(_ call: HubCall, _ result: Result<HubAnswer, HubError>) {
        guard pending.removeValue(forKey: ObjectIdentifier(call)) != nil else { return }
        // That a Hub has no Xet is no problem; who falls back from it says so.
        if case .failure(let error) = result, call.kind != .xetToken || error.status != 404 {
            client.noteProblem(call.kind, call.subject, error)
        }
        call.complete(result)
    }
}

// Which endpoint is asked.
extension HubLoop {
    /// Turns a call to the endpoint that is preferred now.
    private func choose(_ call: HubCall) {
        guard client.configuration.endpoints.count > 1, call.home != nil else { return }
        turn(call, to: client.withChoice { $0.pick(at: now) })
    }

    private func turn(_ call: HubCall, to index: Int) {
        guard let home = call.home, index != call.endpoint || call.hasLeftHub else { return }
        call.endpoint = index
        call.url = client.configuration.endpoints[index].url(home.path, query: home.query)
        call.redirectCount = 0
        call.hasLeftHub = false
        call.hasChangedToken = false
    }

    /// Asks another endpoint at once where one gave no answer; false if there is none to ask.
    private func goToMirror(_ call: HubCall, after error: TransportError) -> Bool {
        guard call.foreign == nil, error != .queueFull else { return false }
        call.tried.insert(call.endpoint)
        guard let next = client.otherEndpoint(than: call.tried) else { return false }
        if call.hasLeftHub {
            client.noteUseless(call.endpoint, pauseSeconds: nil, .dataUnreachable(error))
        } else {
            client.noteFailure(of: call.endpoint, error)
        }
        if call.home == nil {
            // Only this endpoint has the answer; who asks begins anew at another.
            finish(call, .failure(.unreachable(error)))
        } else {
            client.counters.retries.add()
            turn(call, to: next)
            send(call)
        }
        return true
    }

    /// The same where one answered that it cannot, or does not have what another may have.
    private func goToMirror(
        _ call: HubCall, _ status: Int, _ pauseSeconds: Double?, _ error: HubError
    ) -> Bool {
        guard call.foreign == nil else { return false }
        let isTrouble = RetryPolicy.retriedStatuses.contains(status)
        // What a name stands for, the first one that answers decides; what a commit holds is the
        // same everywhere, but not every mirror has every commit.
        let isElsewhere = call.kind == .tree && (401...404).contains(status)
        guard isTrouble || isElsewhere else { return false }
        call.tried.insert(call.endpoint)
        if isElsewhere && call.firstRefusal == nil { call.firstRefusal = error }
        guard let next = client.otherEndpoint(than: call.tried) else { return false }
        if isTrouble {
            client.noteUseless(call.endpoint, pauseSeconds: pauseSeconds, error)
        }
        if call.home == nil {
            finish(call, .failure(error))
        } else {
            client.counters.retries.add()
            turn(call, to: next)
            send(call)
        }
        return true
    }

    /// The error of a call that no endpoint can answer.
    ///
    /// That there is no such thing, or that it may not be seen, is only believed of an endpoint to
    /// which none is preferred: a mirror need not have everything, and has no token.
    private func told(_ call: HubCall, _ error: HubError) -> HubError {
        guard call.foreign == nil, client.configuration.endpoints.count > 1 else { return error }
        if let absence = client.withChoice({ $0.absence(before: call.endpoint, at: now) }) {
            return absence
        }
        return call.firstRefusal ?? error
    }
}

// Looking whether an endpoint is back.
extension HubLoop {
    private func probeIfDue(_ now: MonotonicInstant) {
        while let index = client.withChoice({ $0.takeProbe(at: now) }) {
            client.counters.countRequest(.probe)
            // Any answer will do, an error too; no token is needed for that.
            let request = TransferRequest(
                method: .head,
                url: client.configuration.endpoints[index].url("/api/models", query: "limit=1"),
                headers: [("User-Agent", client.configuration.userAgent)],
                connectTimeoutSeconds: HubLoop.probeDeadlineSeconds,
                deadline: now + HubLoop.probeDeadlineSeconds, bodyLimitBytes: 64 << 10)
            client.transport.gather(request) { [events] in
                events.send(.probed(endpoint: index, $0))
            }
        }
    }

    private func finishProbe(_ index: Int, _ result: Result<HTTPAnswer, TransportError>) {
        switch result {
        case .success:
            client.noteAnswer(from: client.configuration.endpoints[index].url("/"), of: index)
        case .failure: client.withChoice { $0.probeFailed(index, at: now) }
        }
    }
}
