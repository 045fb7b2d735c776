// The pure parts of a service: rates, revisions, access, cards, memory.

import HTTPService
import Inference
import Platform
import Testing

@testable import Predicting

private func instant(_ seconds: Double) -> MonotonicInstant {
    MonotonicInstant(nanoseconds: Int64(seconds * 1e9))
}

@Suite struct RateLimiterTests {
    @Test func letsABurstThroughAndThenTheRate() {
        var limiter = RateLimiter(perSecond: 2)
        for _ in 0..<4 { #expect(limiter.count("a", at: instant(0)) == .allowed) }
        #expect(limiter.count("a", at: instant(0)) == .refused(retryAfterSeconds: 1))
        #expect(limiter.count("b", at: instant(0)) == .allowed)
        #expect(limiter.count("a", at: instant(0.6)) == .allowed)
        #expect(limiter.count("a", at: instant(0.6)) == .refused(retryAfterSeconds: 1))
        #expect(limiter.count("a", at: instant(100)) == .allowed)
    }

    @Test func tellsWhenToComeAgain() {
        var limiter = RateLimiter(perSecond: 0.1)
        #expect(limiter.count("a", at: instant(0)) == .allowed)
        #expect(limiter.count("a", at: instant(0)) == .refused(retryAfterSeconds: 10))
        #expect(limiter.count("a", at: instant(4)) == .refused(retryAfterSeconds: 6))
        #expect(limiter.count("a", at: instant(10)) == .allowed)
    }

    @Test func remembersNoMoreClientsThanItMay() {
        var limiter = RateLimiter(perSecond: 1)
        for number in 0..<RateLimiter.clientCountMax * 2 {
            _ = limiter.count("\(number)", at: instant(Double(number) / 1e6))
        }
        #expect(limiter.clientCount <= RateLimiter.clientCountMax)
    }
}

@Suite struct RevisionBookTests {
    private func book() -> RevisionBook<String> { RevisionBook { $0 } }

    @Test func keepsTheOneBeforeForARollback() {
        var book = book()
        let isFirstBack = book.rollBack()
        #expect(!isFirstBack && book.wants("a", at: instant(0)))
        book.promote("a")
        let isAloneBack = book.rollBack()
        #expect(!isAloneBack && !book.wants("a", at: instant(0)))
        book.promote("b")
        #expect(book.current == "b" && book.previous == "a")
        let isBack = book.rollBack()
        #expect(isBack)
        #expect(book.current == "a" && book.previous == "b")
    }

    @Test func whatWasRolledBackStaysAwayUntilTheNameMoves() {
        var book = book()
        book.promote("a")
        book.promote("b")
        _ = book.rollBack()
        book.settle("b")
        #expect(!book.wants("b", at: instant(1000)))
        book.settle("c")
        #expect(book.wants("c", at: instant(0)))
        book.promote("c")
        book.settle("b")
        #expect(book.wants("b", at: instant(0)))
    }

    @Test func whatFailedIsNotTriedAgainUnlessItMayPass() {
        var book = book()
        book.promote("a")
        book.refuse("b", reason: "check", time: WallTime(secondsSince1970: 0), nextAttempt: nil)
        #expect(!book.wants("b", at: instant(1e6)) && book.current == "a")
        book.refuse(
            "c", reason: "I/O", time: WallTime(secondsSince1970: 0), nextAttempt: instant(30))
        #expect(!book.wants("c", at: instant(29)) && book.wants("c", at: instant(30)))
        book.promote("c")
        #expect(book.refusal == nil)
    }
}

@Suite struct AccessTests {
    private func headers(_ fields: KeyValuePairs<String, String>) -> HTTPHeaders {
        var headers = HTTPHeaders()
        for field in fields { headers.add(field.key, field.value) }
        return headers
    }

    @Test(arguments: ["", "Bearer", "Bearer ", "Bearer secre", "Bearer secretsecret", "Basic x"])
    func refusesWrongTokens(value: String) {
        #expect(throws: RequestProblem.self) {
            try AccessRules(token: "secret").checkToken(headers(["Authorization": value]))
        }
    }

    @Test func takesTheTokenWhateverTheCaseOfItsScheme() throws {
        try AccessRules(token: "secret").checkToken(headers(["authorization": "bearer secret"]))
        try AccessRules(token: nil).checkToken(headers([:]))
    }

    @Test func refusesPagesOfOtherSites() throws {
        let rules = AccessRules(token: nil)
        try rules.checkOrigin(headers(["Host": "h:1"]))
        try rules.checkOrigin(headers(["Host": "h:1", "Origin": "http://h:1"]))
        #expect(throws: RequestProblem.self) {
            try rules.checkOrigin(headers(["Host": "h:1", "Origin": "http://evil.example"]))
        }
        #expect(throws: RequestProblem.self) {
            try rules.checkOrigin(headers(["Host": "h:1", "Origin": "null"]))
        }
    }
}

@Suite struct ModelCardTests {
    @Test func readsFrontMatterAndFirstParagraph() {
        let card = ModelCard(
            """
            ---
            license: apache-2.0
            model-index:
            - name: sales
              results:
              - task: {type: tabular-regression}
                metrics:
                - type: r2
                  value: 0.93
                - name: MAE
                  type: mae
                  value: 12.5
            ---

            # Sales forecaster

            <p>html</p>
            Forecasts sales
            by week.

            More.
            """)
        #expect(card.title == "Sales forecaster" && card.license == "apache-2.0")
        #expect(card.summary == "Forecasts sales by week.")
        #expect(card.metrics.map(\.name) == ["r2", "MAE"])
        #expect(card.metrics.map(\.value) == ["0.93", "12.5"])
    }

    @Test func readsAnything() {
        for text in ["", "---", "---\nlicense:\n", "# \n", "\u{0}"] { _ = ModelCard(text) }
    }
}

@Suite struct MemoryTests {
    @Test func addsWhatIsPrivate() {
        let use = MemoryUse(
            "0-1 ---p [rollup]\nRss: 100 kB\nPss: 40 kB\nPrivate_Clean: 8 kB\n"
                + "Private_Dirty: 4 kB\nAnonymous: 4 kB\n")
        #expect(use.privateByteCount == 12_288 && use.residentByteCount == 102_400)
    }

    @Test func isToldByTheKernel() throws {
        #expect(try #require(MemoryUse.now()).residentByteCount > 1 << 20)
    }
}

@Suite struct VectorTests {
    @Test func comparesVectors() {
        #expect(cosine([1, 0], [0, 2]) == 0 && cosine([1, 1], [2, 2]) > 0.99999)
        #expect(cosine([0, 0], [1, 1]) == 0)
    }
}
