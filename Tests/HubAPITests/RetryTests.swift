import HubAPI
import Platform
import Testing
import Transport

@Suite struct RetryPolicyTests {
    private let start = MonotonicInstant(nanoseconds: 1_000_000_000)

    @Test func waitsDoubleUntilTheLongest() {
        var policy = RetryPolicy(seed: 1)
        var now = start
        let expected = [0.25, 0.5, 1, 2, 4, 8, 8, 8]
        for wait in expected {
            guard
                case .retry(let seconds) = policy.next(
                    after: .transport(.connectionRefused), now: now, deadline: .distantFuture)
            else {
                Issue.record("gave up")
                return
            }
            #expect((wait * 0.75...wait).contains(seconds))
            now = now + seconds
        }
    }

    @Test(arguments: [TransportError.connectionRefused, .nameResolution])
    func aHostThatIsNotThereIsNotWaitedForLong(error: TransportError) {
        var policy = RetryPolicy(seed: 1, absentHostSeconds: RetryPolicy.absentHostSeconds)
        var now = start
        var count = 0
        while case .retry(let seconds) = policy.next(
            after: .transport(error), now: now, deadline: .distantFuture)
        {
            now = now + seconds
            count += 1
        }
        #expect((2..<3).contains(now.seconds(since: start)) && count >= 4)
    }

    @Test func aHostThatIsSlowIsNoneThatIsNotThere() {
        var policy = RetryPolicy(seed: 1, absentHostSeconds: 3)
        var now = start
        for index in 0..<20 {
            // Each time another sign of life comes between.
            let failure: TransportError = index % 2 == 0 ? .connectionRefused : .stalled
            guard
                case .retry(let seconds) = policy.next(
                    after: .transport(failure), now: now, deadline: .distantFuture)
            else {
                Issue.record("gave up")
                return
            }
            now = now + seconds
        }
    }

    @Test func neverPassesTheDeadline() {
        var policy = RetryPolicy(seed: 7)
        var now = start
        let deadline = start + 10
        var count = 0
        while case .retry(let seconds) = policy.next(
            after: .transport(.stalled), now: now, deadline: deadline)
        {
            now = now + seconds
            count += 1
            #expect(now < deadline)
        }
        // Waits of 0.25 + 0.5 + 1 + 2 s, and halves of the six that are left.
        #expect((7...9).contains(count))
        #expect(deadline.seconds(since: now) < 0.5)
    }

    @Test func seedsDecideTheJitter() {
        func waits(_ seed: UInt64) -> [RetryDecision] {
            var policy = RetryPolicy(seed: seed)
            return (0..<5).map { _ in
                policy.next(after: .transport(.stalled), now: start, deadline: .distantFuture)
            }
        }
        #expect(waits(1) == waits(1))
        #expect(waits(1) != waits(2))
    }

    @Test func doesWhatTheServerAsks() {
        var policy = RetryPolicy(seed: 1)
        let failure = AttemptFailure.status(429, pauseSeconds: 56)
        #expect(
            policy.next(after: failure, now: start, deadline: start + 60)
                == .retry(afterSeconds: 56))
        #expect(policy.next(after: failure, now: start, deadline: start + 50) == .giveUp)
    }

    @Test(arguments: [408, 429, 500, 502, 503, 504])
    func givesUpOnServersThatGoOnFailing(status: Int) {
        var policy = RetryPolicy(seed: 1)
        var count = 1
        while case .retry = policy.next(
            after: .status(status, pauseSeconds: nil), now: start, deadline: .distantFuture)
        {
            count += 1
        }
        #expect(count == RetryPolicy.statusAttemptsMax)
    }

    @Test(arguments: [400, 401, 403, 404, 410, 416, 501])
    func doesNotRetryAnswersThatStay(status: Int) {
        var policy = RetryPolicy(seed: 1)
        #expect(
            policy.next(
                after: .status(status, pauseSeconds: nil), now: start, deadline: .distantFuture)
                == .giveUp)
    }

    @Test(arguments: [
        TransportError.tls("not trusted"), .protocolError(curlCode: 1), .proxyRefused(status: 407),
    ])
    func soonTellsWhatMostlyStays(error: TransportError) {
        var policy = RetryPolicy(seed: 1)
        var now = start
        while case .retry(let seconds) = policy.next(
            after: .transport(error), now: now, deadline: .distantFuture)
        {
            now = now + seconds
        }
        #expect((1..<2).contains(now.seconds(since: start)))
    }

    @Test(arguments: [TransportError.cancelled, .shutDown, .tooLarge, .deadline])
    func doesNotRetryOurOwnEnds(error: TransportError) {
        var policy = RetryPolicy(seed: 1)
        #expect(
            policy.next(after: .transport(error), now: start, deadline: .distantFuture) == .giveUp)
    }
}

@Suite struct RequestedPauseTests {
    @Test(arguments: [
        (429, [("RateLimit", "\"api\";r=0;t=55")], 56.0),
        (429, [("RateLimit", "\"api\" ; r = 0 ; t = 55"), ("Retry-After", "3")], 56),
        // Some of the quota is left: it is not the reason.
        (429, [("RateLimit", "\"api\";r=4;t=55"), ("Retry-After", "3")], 4),
        (503, [("RateLimit", "\"api\";r=0;t=55"), ("retry-after", " 7 ")], 8),
        (503, [("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")], nil),
        (503, [("Retry-After", "-5")], nil), (429, [("RateLimit", "rubbish;;=;t=x")], nil),
        (429, [], nil), (503, [("Retry-After", "9223372036854775807")], 604_800),
        (429, [("RateLimit", "\"api\";r=0;t=9223372036854775807")], 604_800),
    ])
    func reads(status: Int, fields: [(String, String)], seconds: Double?) {
        let headers = HTTPHeaders(fields.map { (name: $0.0, value: $0.1) })
        #expect(requestedPause(headers, status: status) == seconds)
        // What the Hub says ends in a text for people, whatever number it is.
        let error = HubError(status: 429, headers: headers, kind: .revision)
        #expect(error?.description.contains("rate limit") == true)
    }
}

@Suite struct ReachabilityTests {
    private let start = MonotonicInstant(nanoseconds: 0)

    @Test func isAwayUntilAnAnswer() {
        var hub = Reachability(offline: false)
        #expect(hub.refusal == nil && hub.nextProbe == nil)
        let isNews = hub.requestExhausted(.stalled, at: start)
        #expect(isNews)
        let isNewsAgain = hub.requestExhausted(.nameResolution, at: start)
        #expect(!isNewsAgain)
        #expect(hub.refusal == .unreachable(.stalled))
        let isBack = hub.hostAnswered()
        #expect(isBack)
        #expect(hub.refusal == nil && hub.nextProbe == nil)
        let isBackAgain = hub.hostAnswered()
        #expect(!isBackAgain)
    }

    @Test func readersArePatientWhereALookupGaveUpEarly() {
        var hub = Reachability(offline: false)
        let isNews = hub.requestExhausted(.connectionRefused, isEarly: true, at: start)
        #expect(isNews)
        #expect(hub.refusal == .unreachable(.connectionRefused) && hub.readerRefusal == nil)
        #expect(hub.nextProbe == start + 5)
        let isNewsAgain = hub.requestExhausted(.connectionRefused, at: start)
        #expect(!isNewsAgain && hub.readerRefusal == .unreachable(.connectionRefused))
        // A lookup that gives up afterwards takes nothing back.
        _ = hub.requestExhausted(.connectionRefused, isEarly: true, at: start)
        #expect(hub.readerRefusal != nil)
        _ = hub.hostAnswered()
        _ = hub.requestExhausted(.connectionRefused, isEarly: true, at: start)
        #expect(hub.readerRefusal == nil && hub.refusal != nil)
    }

    @Test func probesMoreAndMoreRarely() {
        var hub = Reachability(offline: false)
        _ = hub.requestExhausted(.stalled, at: start)
        var now = start
        var waits: [Double] = []
        for _ in 0..<7 {
            guard let next = hub.nextProbe else { break }
            waits.append(next.seconds(since: now))
            let early = hub.takeProbe(at: MonotonicInstant(nanoseconds: next.nanoseconds - 1))
            #expect(!early)
            now = next
            let isDue = hub.takeProbe(at: now)
            #expect(isDue)
            // One at a time.
            let isDueAgain = hub.takeProbe(at: now)
            #expect(!isDueAgain && hub.nextProbe == nil)
            #expect(hub.refusal == .unreachable(.stalled))
            hub.probeFailed(at: now)
        }
        #expect(waits == [5, 7.5, 11.25, 16.875, 25.3125, 30, 30])
    }

    @Test func startsAnewAfterAnAnswer() {
        var hub = Reachability(offline: false)
        _ = hub.requestExhausted(.stalled, at: start)
        for _ in 0..<4 {
            _ = hub.takeProbe(at: start + 1000)
            hub.probeFailed(at: start)
        }
        _ = hub.hostAnswered()
        // A probe that comes back late changes nothing.
        hub.probeFailed(at: start)
        #expect(hub.refusal == nil)
        _ = hub.requestExhausted(.stalled, at: start)
        #expect(hub.nextProbe == start + 5)
    }

    @Test func offlineIsForEver() {
        var hub = Reachability(offline: true)
        let isNews = hub.requestExhausted(.stalled, at: start)
        let isBack = hub.hostAnswered()
        #expect(!isNews && !isBack)
        #expect(hub.refusal == .offline && hub.nextProbe == nil)
    }
}
