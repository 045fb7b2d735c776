// A content with several sources: who is asked next, when it is given up, who is told what.

import Hashing
import HubAPI
import Platform
import Testing
import Transport

@testable import Catalog
@testable import Fetching

@Suite struct ActiveContentTests {
    private let now = MonotonicInstant(nanoseconds: 1_000_000_000_000)
    private static let size: Int64 = 4 << 20

    /// `#require` takes no mutating calls.
    private func unwrapped<Value>(_ value: Value?) throws -> Value { try #require(value) }

    private func active(sourceCount: Int) throws -> ActiveContent {
        let hash = SHA256Hasher.digest(of: [])
        let content = Content(
            id: ContentID(row: 1), hash: .sha256(hash), sizeBytes: ActiveContentTests.size,
            modified: WallTime(secondsSince1970: 0), xetHash: nil)
        let plan = ContentPlan(
            sizeBytes: content.sizeBytes, unitByteCount: 131_072, present: RangeSet(),
            readsAhead: false)
        let commit = try #require(GitObjectID(hex: String(repeating: "a", count: 40)))
        let sources = try (0..<sourceCount).map { index in
            Catalog.Source(
                repository: try #require(RepositoryID(kind: .model, name: "o/r\(index)")),
                commit: commit, path: "f")
        }
        #expect((ActiveContent(content, plan: plan, sources: []) == nil) == true)
        return try unwrapped(ActiveContent(content, plan: plan, sources: sources))
    }

    /// A content with one reader, who waits for the first unit, and its transfer under way.
    private func reading(sourceCount: Int = 1) throws -> (ActiveContent, ActiveContent.Attempt) {
        var active = try active(sourceCount: sourceCount)
        let actions = active.read(0..<10, lost: [], waiter: 1, readsAhead: false)
        #expect(actions == [.start(1, 0..<131_072, isUrgent: true)])
        let attempt = try unwrapped(active.begin(1, isUrgent: true, seed: 7, now: now))
        return (active, attempt)
    }

    private func fail(
        _ active: inout ActiveContent, _ error: HubError, isAway: Bool = false,
        deadline: Double? = 60, after seconds: Double = 0
    ) -> ActiveContent.AfterFailure {
        active.failed(
            1, error, isAway: isAway, deadline: deadline.map { now + $0 }, now: now + seconds)
    }

    @Test func whatSeveralReadersShareGrowsWithTheLine() throws {
        var (active, _) = try reading()
        #expect(active.plan.sharedByteCount == LinePace.startByteCount)
        active.began(1, at: now + 0.2)
        for number in 1...20 {
            _ = active.arrived(1, 0..<4 << 20, at: now + Double(number) * 0.1)
        }
        // 40 MiB in a second, for 0.2 s and a little more.
        let shared = active.plan.sharedByteCount
        #expect((9 << 20...10 << 20).contains(shared))
    }

    @Test func aHubThatAnsweredIsNotAway() throws {
        let answers: [HubError] = [
            .dataUnreachable(.stalled), .server(status: 503), .malformed(reason: "short"),
            .rateLimited(retryAfterSeconds: nil),
        ]
        for answer in answers {
            var (active, _) = try reading()
            guard case .retry = fail(&active, .unreachable(.stalled)) else {
                Issue.record("given up")
                return
            }
            _ = fail(&active, answer)
            #expect(active.expire(1, at: now) == nil, "\(answer)")
        }
    }

    @Test func aServerSaysHowLongToWait() throws {
        var (active, _) = try reading()
        let next = fail(&active, .server(status: 503, retryAfterSeconds: 31))
        guard case .retry(let seconds) = next else {
            Issue.record("given up")
            return
        }
        #expect(seconds >= 31 && seconds < 60)
    }

    @Test func aContentWithoutASourceIsNone() throws {
        var withSource = try active(sourceCount: 1)
        withSource.replace(sources: [])
        #expect(withSource.name == "models/o/r0/f", "the old ones stay")
    }

    @Test func onlyMoreThanEverIsProgressAndItsHashIsBegunOnce() throws {
        var active = try active(sourceCount: 1)
        _ = active.readProven(lost: [], waiter: 1)
        let grown = [10, 10, 5, 11].map { active.hasGrown(to: $0) }
        #expect(grown == [true, false, false, true])
        var begins = [active.beginsHash(), active.beginsHash()]
        #expect(begins == [true, false])
        // Lost meanwhile, and come again.
        let size = ActiveContentTests.size
        let isMore = active.hasGrown(to: size)
        #expect(!isMore)
        // What was wrong and is fetched anew counts from the beginning.
        _ = active.foundWrong(now: now)
        let isMoreAgain = active.hasGrown(to: 1)
        begins = [active.beginsHash(), active.beginsHash()]
        #expect(isMoreAgain && begins == [true, false])
        // So it does for a reader who comes when nobody waits.
        active.cancel(1)
        _ = active.readProven(lost: [], waiter: 2)
        let isMoreForAnother = active.hasGrown(to: 1)
        #expect(isMoreForAnother)
    }

    @Test func eachSourceIsAskedOnceBeforeTheReadersAreTold() throws {
        var (active, attempt) = try reading(sourceCount: 3)
        var asked = [attempt.source.repository.base]
        for _ in 0..<2 {
            guard case .retry(afterSeconds: 0) = fail(&active, .gated(message: "")) else {
                Issue.record("another source has to be asked at once")
                return
            }
            asked.append(try unwrapped(active.attempt(1, now: now)).source.repository.base)
        }
        #expect(asked == ["r0", "r1", "r2"])
        guard case .giveUp([1], .hub(.gated), absence: nil) = fail(&active, .gated(message: ""))
        else {
            Issue.record("nobody is left to ask")
            return
        }
        #expect(active.needsSources)
        #expect(
            active.currentRefusal(of: 0..<10, at: now + 1)
                == .hub(.gated(message: "")))
        #expect(active.currentRefusal(of: 0..<10, at: now + 3) == nil)
    }

    /// Two transfers that a source refuses at the same time pass over one source, not over two.
    @Test func refusalsThatCrossCountOnce() throws {
        var active = try active(sourceCount: 3)
        _ = active.read(0..<10, lost: [], waiter: 1, readsAhead: false)
        _ = active.read(1 << 20..<(1 << 20) + 10, lost: [], waiter: 2, readsAhead: false)
        _ = active.begin(1, isUrgent: true, seed: 1, now: now)
        _ = active.begin(2, isUrgent: true, seed: 2, now: now)
        for number in [1, 2] {
            _ = active.failed(
                number, .tokenRefused, isAway: false, deadline: now + 60,
                now: now)
        }
        #expect(active.attempt(1, now: now)?.source.repository.base == "r1")
        #expect(active.attempt(2, now: now)?.source.repository.base == "r1")
    }

    @Test func noAnswerIsTriedAgainUntilTheDeadline() throws {
        var (active, _) = try reading()
        var seconds = 0.0
        var attempts = 0
        while attempts < 1000 {
            let next = fail(&active, .unreachable(.connectionRefused), after: seconds)
            guard case .retry(let pause) = next else { break }
            #expect(pause <= RetryPolicy.longestSeconds)
            seconds += pause
            attempts += 1
        }
        #expect(attempts > 8 && seconds > 50 && seconds < 60)
        guard
            case .giveUp(let waiters, _, let absence) = fail(
                &active, .unreachable(.connectionRefused), after: 59.9)
        else {
            guard case .nothing = fail(&active, .unreachable(.connectionRefused)) else {
                Issue.record("given up is given up")
                return
            }
            return
        }
        #expect(waiters == [1] && absence == .connectionRefused)
    }

    @Test func whileTheHubIsAwayNothingIsTriedAgain() throws {
        var (active, _) = try reading()
        let next = fail(&active, .unreachable(.connectionRefused), isAway: true)
        guard case .giveUp([1], .hub(.unreachable(.connectionRefused)), _) = next else {
            Issue.record("at once")
            return
        }
        #expect(active.currentRefusal(of: 0..<10, at: now + 0.6) == nil)
    }

    @Test func aReaderWhoWaitedInVainMakesTheHubAbsent() throws {
        var (active, _) = try reading()
        guard case .retry = fail(&active, .unreachable(.stalled)) else {
            Issue.record("tried again")
            return
        }
        #expect(active.expire(1, at: now) == .stalled)
        // An arrival shows that it is there after all.
        _ = active.read(0..<10, lost: [], waiter: 2, readsAhead: false)
        _ = active.arrived(1, 0..<131_072, at: now)
        #expect(active.expire(3, at: now) == nil)
    }

    @Test func aHostOfDataThatStallsDoesNotMakeTheHubAbsent() throws {
        var (active, _) = try reading()
        guard case .retry = fail(&active, .dataUnreachable(.stalled), isAway: true) else {
            Issue.record("tried again")
            return
        }
        #expect(active.expire(1, at: now) == nil)
        _ = active.read(0..<10, lost: [], waiter: 2, readsAhead: false)
        guard
            case .giveUp([2], .hub(.dataUnreachable(.stalled)), absence: nil) = fail(
                &active, .dataUnreachable(.stalled), after: 59.9)
        else {
            Issue.record("given up at the deadline")
            return
        }
    }

    @Test func prefetchesAreGivenUpSoonAndSilently() throws {
        var (active, _) = try reading()
        active.cancel(1)
        var attempts = 0
        while case .retry = fail(&active, .unreachable(.stalled), deadline: nil) { attempts += 1 }
        #expect(attempts == 2)
        guard case .nothing = fail(&active, .unreachable(.stalled), deadline: nil) else {
            Issue.record("it is gone")
            return
        }
        #expect(active.plan.isIdle)
        #expect(active.isForgettable(at: now))
    }

    @Test func answersThatContradictTheRequestAreNotAskedForEver() throws {
        var (active, _) = try reading()
        var attempts = 0
        while case .retry = fail(&active, .malformed(reason: "")) { attempts += 1 }
        #expect(attempts == 3)
    }

    @Test func aContradictionAfterOtherTroubleIsOne() throws {
        var (active, _) = try reading()
        for error in [HubError.unreachable(.connectionRefused), .unreachable(.stalled)] {
            for _ in 0..<3 {
                guard case .retry = fail(&active, error) else {
                    Issue.record("it is tried until the deadline")
                    return
                }
            }
        }
        guard case .retry = fail(&active, .malformed(reason: "")) else {
            Issue.record("one wrong answer")
            return
        }
    }

    @Test func theEndOfATransferIsNotThatOfItsReaders() throws {
        var (active, _) = try reading()
        guard case .retry = fail(&active, .deadline) else {
            Issue.record("its reader has time left")
            return
        }
    }

    @Test func wrongBytesAreTriedElsewhereThenRefused() throws {
        var (active, first) = try reading(sourceCount: 2)
        #expect(first.source.repository.base == "r0")
        guard case .retry(afterSeconds: 0) = active.broughtWrong(1, now: now)
        else {
            Issue.record("the other source")
            return
        }
        #expect(active.attempt(1, now: now)?.source.repository.base == "r1")
        _ = active.broughtWrong(1, now: now)
        #expect(active.attempt(1, now: now)?.source.repository.base == "r0", "from the beginning")
        guard
            case .giveUp([1], .notProven, absence: nil) = active.broughtWrong(
                1, now: now)
        else {
            Issue.record("three times is enough")
            return
        }
        #expect(active.currentRefusal(of: 0..<10, at: now + 1) == .notProven)
        #expect(!active.isForgettable(at: now + 1))
        #expect(active.isForgettable(at: now + 3))
        #expect(active.currentRefusal(of: 0..<10, at: now + 3) == nil)
    }

    /// The kernel asks again for a page when the larger read around it has failed.
    @Test func whoAsksAgainAtOnceDoesNotWaitAgain() throws {
        var (active, _) = try reading()
        _ = active.expire(1, at: now)
        let soon = now + 0.4
        #expect(active.currentRefusal(of: 5..<20, at: soon) == .hub(.deadline))
        #expect(active.currentRefusal(of: 10..<20, at: soon) == nil, "other bytes")
        #expect(active.currentRefusal(of: 5..<20, at: now + 0.6) == nil)
    }

    @Test func aProofEndsTheCount() throws {
        var active = try active(sourceCount: 1)
        for _ in 0..<2 { _ = active.foundWrong(now: now) }
        _ = active.foundRight()
        for _ in 0..<2 { _ = active.foundWrong(now: now) }
        #expect(active.currentRefusal(of: 0..<10, at: now) == nil)
        _ = active.foundWrong(now: now)
        #expect(active.currentRefusal(of: 0..<10, at: now + 59) == .notProven)
        #expect(active.currentRefusal(of: 0..<10, at: now + 61) == nil)
    }

    @Test func aReaderWhoComesDuringThePauseMakesTheNextAttemptUrgent() throws {
        var active = try active(sourceCount: 1)
        _ = active.read(0..<10, lost: [], waiter: 1, readsAhead: false)
        _ = active.begin(1, isUrgent: false, seed: 1, now: now)
        _ = fail(&active, .unreachable(.stalled))
        #expect(active.attempt(1, now: now)?.isUrgent == false)
        #expect(active.promote(1) == nil, "there is no fetch to promote")
        #expect(active.attempt(1, now: now)?.isUrgent == true)
    }

    @Test func aClosedHubIsAStop() throws {
        var (active, _) = try reading()
        guard case .giveUp([1], .stopped, _) = fail(&active, .cancelled) else {
            Issue.record("the program ends")
            return
        }
    }
}
