// Signed URLs, quotas, and the weather's rules: pure parts, told the time.

import Hashing
import Platform
import Settings
import Testing

@testable import LocalHub

@Suite struct SignedURLTests {
    private let signer = URLSigner(secret: [UInt8](repeating: 7, count: 32))
    private let expiry = WallTime(secondsSince1970: 1000)

    private func verdict(_ path: String, _ query: String, at seconds: Int64) -> URLSigner.Verdict {
        var values: [String: String] = [:]
        for item in query.split(separator: "&") {
            let halves = item.split(separator: "=")
            values[String(halves[0])] = String(halves[1])
        }
        return signer.check(
            path: path, expires: values["Expires"], signature: values["Signature"],
            at: WallTime(secondsSince1970: seconds))
    }

    @Test func isGoodUntilItExpires() {
        let query = signer.query(for: "/a", expiryDate: expiry)
        #expect(verdict("/a", query, at: 999) == .good)
        #expect(verdict("/a", query, at: 1000) == .expired)
    }

    @Test func cannotBeUsedForAnotherPathOrALongerTime() {
        let query = signer.query(for: "/a", expiryDate: expiry)
        #expect(verdict("/b", query, at: 0) == .forged)
        let longer = query.replacing("Expires=1000", with: "Expires=9000")
        #expect(verdict("/a", longer, at: 0) == .forged)
        #expect(verdict("/a", "Expires=1000", at: 0) == .forged)
        let other = URLSigner(secret: [UInt8](repeating: 8, count: 32))
        #expect(verdict("/a", other.query(for: "/a", expiryDate: expiry), at: 0) == .forged)
    }

    /// RFC 4231, test case 2.
    @Test func hmacMatchesItsVector() {
        let digest = hmacSHA256(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
        #expect(digest.hex == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }
}

@Suite struct QuotaTests {
    private func instant(_ seconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: seconds * 1_000_000_000)
    }

    @Test func countsEachClientAndClassInAWindow() throws {
        var counts = QuotaCounts(try QuotaSettings(parsing: "api=2,resolvers=1,window=10"))
        let asked: [(QuotaClass, String, Int64)] = [
            (.api, "a", 0), (.api, "a", 1), (.api, "a", 4), (.api, "b", 4), (.resolvers, "a", 4),
            (.api, "a", 10),
        ]
        let verdicts = asked.map { counts.count($0.0, of: $0.1, at: instant($0.2)) }
        #expect(verdicts.map { $0?.isAllowed } == [true, true, false, true, true, true])
        #expect(verdicts.map { $0?.remaining } == [1, 0, 0, 1, 0, 1])
        #expect(verdicts[2]?.resetSeconds == 6)
    }

    @Test func whatHasNoLimitIsNotCounted() throws {
        var counts = QuotaCounts(try QuotaSettings(parsing: "api=1"))
        let verdict = counts.count(.resolvers, of: "a", at: instant(0))
        #expect(verdict == nil)
        #expect(try QuotaSettings(parsing: "api=1").windowSeconds == 300)
        #expect(try QuotaSettings(parsing: "api=1,window=2m").windowSeconds == 120)
    }

    @Test(arguments: ["", "api", "api=x", "pages=1", "window=5", "api=1,window=0", "api=-1"])
    func othersAreRefused(text: String) {
        #expect(throws: ValueProblem.self) { _ = try QuotaSettings(parsing: text) }
    }
}

@Suite struct FaultRuleTests {
    @Test func readsWhatIsWritten() throws {
        let rule = try FaultRule(parsing: "status=503:7,rate=0.25,count=3,path=/api/*")
        #expect(rule.kind == .status(503, retryAfterSeconds: 7))
        #expect(rule.rate == 0.25 && rule.countMax == 3 && rule.pathPattern == "/api/*")
        #expect(try FaultRule(parsing: "stall=1.5").kind == .stall(seconds: 1.5))
        #expect(try FaultRule(parsing: "stall=200ms").kind == .stall(seconds: 0.2))
        #expect(try FaultRule(parsing: "truncate").kind == .truncate)
        #expect(try FaultRule(parsing: "length,rate=1").kind == .length)
        #expect(try FaultRule(parsing: "drip=4KB/s").kind == .drip(bytesPerSecond: 4_000))
        #expect(try FaultRule(parsing: "status=429").kind == .status(429, retryAfterSeconds: nil))
    }

    @Test(arguments: [
        "", "none", "status", "status=200", "status=503:x", "flip=1", "stall", "stall=x",
        "flip,rate=2", "flip,count=0", "flip,path=", "flip,other=1", "rate=1",
    ])
    func refusesOthers(text: String) {
        #expect(throws: ValueProblem.self) { _ = try FaultRule(parsing: text) }
    }

    @Test(arguments: [
        ("/api/x", "/api/*", true), ("/api", "/api/*", false), ("/a/b/c.bin", "*.bin", true),
        ("abc", "a?c", true), ("ac", "a?c", false), ("", "*", true), ("", "", true),
        ("x", "", false), ("aXbXb", "a*b", true), ("aXbXc", "a*b", false), ("abab", "*ab", true),
    ])
    func patternsMatch(text: String, pattern: String, isMatch: Bool) {
        #expect(matches(text, pattern: pattern) == isMatch)
    }
}

@Suite struct WeatherTests {
    private func strikes(_ text: String, seed: UInt64, count: Int) throws -> [Bool] {
        var settings = WeatherSettings()
        settings.faults = [try FaultRule(parsing: text)]
        settings.seed = seed
        let weather = Weather(settings)
        return (0..<count).map { _ in weather.forecast(path: "/x").fault != nil }
    }

    @Test func aSeedDecidesEverything() throws {
        let first = try strikes("flip,rate=0.3", seed: 1, count: 1000)
        #expect(try strikes("flip,rate=0.3", seed: 1, count: 1000) == first)
        #expect(try strikes("flip,rate=0.3", seed: 2, count: 1000) != first)
        // Three standard deviations of 1000 draws at 0.3 are 43.
        #expect((257...343).contains(first.count { $0 }))
        #expect(try strikes("flip,rate=0", seed: 1, count: 100).allSatisfy { !$0 })
    }

    @Test func onlyTheFirstMatchesAreLookedAt() throws {
        #expect(try strikes("flip,count=2", seed: 1, count: 4) == [true, true, false, false])
        #expect(try strikes("flip,count=2,path=/y", seed: 1, count: 4).allSatisfy { !$0 })
    }

    @Test func theFirstRuleThatStrikesWins() throws {
        var settings = WeatherSettings()
        settings.faults = [
            try FaultRule(parsing: "flip,count=1"), try FaultRule(parsing: "truncate"),
        ]
        let weather = Weather(settings)
        #expect(weather.forecast(path: "/").fault == .flip)
        #expect(weather.forecast(path: "/").fault == .truncate)
    }

    @Test func bandwidthIsSharedAndNotSavedUp() {
        func instant(_ seconds: Double) -> MonotonicInstant {
            MonotonicInstant(nanoseconds: 0) + seconds
        }
        var pacer = Pacer(bytesPerSecond: 1000)
        #expect(pacer.reserve(byteCount: 500, at: instant(1)) == instant(1.5))
        #expect(pacer.reserve(byteCount: 500, at: instant(1)) == instant(2))
        #expect(pacer.reserve(byteCount: 500, at: instant(9)) == instant(9.5))
    }
}

@Suite struct ByteRangeTests {
    @Test(arguments: [
        (nil, ByteRangeRequest.whole), ("bytes=0-9", .range(0..<10)), ("bytes=5-", .range(5..<100)),
        ("bytes=-10", .range(90..<100)), ("bytes=-1000", .range(0..<100)),
        ("bytes=90-1000", .range(90..<100)), ("bytes=100-", .outside), ("bytes=-0", .outside),
        ("bytes=9-5", .whole), ("bytes=0-1,3-4", .whole), ("items=0-1", .whole),
        ("bytes=x-", .whole), ("bytes=0-9223372036854775807", .range(0..<100)),
    ])
    func reads(header: String?, wanted: ByteRangeRequest) {
        #expect(ByteRangeRequest(header, byteCount: 100) == wanted)
    }

    @Test func anEmptyFileHasNoRanges() {
        #expect(ByteRangeRequest("bytes=0-", byteCount: 0) == .outside)
        #expect(ByteRangeRequest("bytes=-5", byteCount: 0) == .outside)
    }
}

@Suite struct JSONTests {
    @Test func escapesWhatMustBe() {
        let json = JSON.object([
            ("a\"\\", .string("\u{1}\n\u{fc}")), ("b", .array([.int(-1), .bool(true), .null])),
        ])
        #expect(
            String(decoding: json.bytes, as: UTF8.self)
                == #"{"a\"\\":"\u0001\u000a"# + "\u{fc}" + #"","b":[-1,true,null]}"#)
    }
}
