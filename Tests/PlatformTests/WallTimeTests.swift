import Platform
import Testing

@Suite struct WallTimeTests {
    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"),
        (1_795_224_480, "2026-11-21T01:28:00Z"), (-1, "1969-12-31T23:59:59Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
    ])
    func roundTrips(seconds: Int64, text: String) {
        #expect(WallTime(secondsSince1970: seconds).iso8601 == text)
        #expect(WallTime(iso8601: text)?.secondsSince1970 == seconds)
    }

    @Test(arguments: ["", "2026-11-21", "2026-13-01T00:00:00Z", "x026-11-21T01:28:00Z"])
    func refusesOthers(text: String) {
        #expect(WallTime(iso8601: text) == nil)
    }

    @Test func ignoresFractions() {
        #expect(WallTime(iso8601: "2026-11-21T01:28:00.000Z")?.secondsSince1970 == 1_795_224_480)
    }
}
