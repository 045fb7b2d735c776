// Sizes, times, rates and addresses: what is read, what is refused, and with which words.

import Settings
import Testing

@Suite struct ValueTests {
    @Test(arguments: [
        ("0", 0), ("17", 17), ("10GB", 10_000_000_000), ("512MiB", 536_870_912),
        ("1.5kB", 1500), ("1 TiB", 1_099_511_627_776), ("3kib", 3072), ("7b", 7),
    ])
    func readsSizes(text: String, bytes: Int64) throws {
        #expect(try ByteSize(parsing: text).byteCount == bytes)
    }

    @Test(arguments: ["", "GB", "10 parsecs", "-1GB", "1e3", "99999999TB", "1..2GB", "٣GB"])
    func refusesOtherSizes(text: String) {
        #expect(throws: ValueProblem.self) { try ByteSize(parsing: text) }
    }

    @Test func asksWhichGigabyteIsMeant() {
        #expect(
            throws: ValueProblem("'G' could be GB (1000s) or GiB (1024s): write which")
        ) { try ByteSize(parsing: "10G") }
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_499, "999 kB"),
        (999_500, "1.00 MB"), (1_234_567, "1.23 MB"), (45_600_000_000, "45.6 GB"),
        (9_223_372_036_854_775_807, "9.22 EB"), (99_960_000, "100 MB"), (9_996_000, "10.0 MB"),
    ])
    func writesSizesWithThreeDigits(bytes: Int64, text: String) {
        #expect(ByteSize(bytes).description == text)
    }

    @Test func readsShares() throws {
        #expect(try SpaceLimit(parsing: "80%").bytes(of: ByteSize(1000)) == ByteSize(800))
        #expect(try SpaceLimit(parsing: "5kB").bytes(of: ByteSize(1)) == ByteSize(5000))
        for text in ["0%", "101%", "%", "-5%", "nan%"] {
            #expect(throws: ValueProblem.self) { try SpaceLimit(parsing: text) }
        }
    }

    @Test(arguments: ["80.0%", "123B"])
    func shareReadsWhatItWrites(text: String) throws {
        #expect(try SpaceLimit(parsing: text).description == text)
    }

    @Test(arguments: [
        ("50MB/s", 50_000_000), ("100Mbit/s", 12_500_000), ("1MiB", 1_048_576), ("8bit/s", 1),
    ])
    func readsRates(text: String, bytes: Int64) throws {
        #expect(try ByteRate(parsing: text).bytesPerSecond == bytes)
    }

    @Test(arguments: [
        ("30ms", 30), ("2m", 120_000), ("30d", 2_592_000_000), ("1h30m", 5_400_000),
        ("0.5s", 500), ("0s", 0), ("1w", 604_800_000),
    ])
    func readsTimes(text: String, milliseconds: Int64) throws {
        #expect(try TimeSpan(parsing: text).milliseconds == milliseconds)
    }

    @Test func foreverHasNoEnd() throws {
        #expect(try TimeSpan(parsing: "forever") == .forever)
        #expect(TimeSpan.forever.seconds == .infinity)
        #expect(TimeSpan.forever.description == "forever")
    }

    @Test(arguments: ["", "5", "5 s", "s", "-3s", "3y", "99999999999999999999d", "1h5", "."])
    func refusesOtherTimes(text: String) {
        #expect(throws: ValueProblem.self) { try TimeSpan(parsing: text) }
    }

    @Test(arguments: ["30ms", "1.5s", "2m", "1h30m", "30d", "1d1h", "12s", "forever", "0ms"])
    func timesReadWhatTheyWrite(text: String) throws {
        #expect(try TimeSpan(parsing: text).description == text)
    }

    @Test func readsEndpoints() throws {
        #expect(
            try SocketEndpoint(parsing: "127.0.0.1:80") == .init(host: "127.0.0.1", port: 80))
        #expect(try SocketEndpoint(parsing: "[::1]:0").host == "::1")
        #expect(try SocketEndpoint(parsing: "[::1]:0").description == "[::1]:0")
        for text in ["localhost", ":80", "::1:80", "h:65536", "h:", "h:-1", "h:+1"] {
            #expect(throws: ValueProblem.self) { try SocketEndpoint(parsing: text) }
        }
    }
}

@Suite struct EnvironmentTests {
    @Test func emptyIsAbsent() {
        let environment = Environment(["A": "", "B": "x", "C": "Yes", "D": "0"])
        #expect(environment["A"] == nil)
        #expect(environment["B"] == "x")
        #expect(environment.isTrue("C"))
        #expect(!environment.isTrue("D"))
        #expect(!environment.isTrue("A"))
    }

    @Test func theProcessHasOne() {
        #expect(Environment.process["PATH"] != nil)
    }

    @Test func foldersFollowXDG() {
        let plain = StandardFolders(Environment(["HOME": "/home/u"]))
        #expect(plain.cache == "/home/u/.cache")
        #expect(plain.expandingTilde("~/x") == "/home/u/x")
        #expect(plain.expandingTilde("~other/x") == "~other/x")
        let set = StandardFolders(Environment(["HOME": "/h", "XDG_CACHE_HOME": "/c"]))
        #expect(set.cache == "/c")
        let relative = StandardFolders(Environment(["HOME": "/h", "XDG_CACHE_HOME": "c"]))
        #expect(relative.cache == "/h/.cache")
        #expect(StandardFolders(Environment([:])).cache == "/.cache")
    }

    @Test func colorsNeedATerminal() {
        // Descriptor -1 is never a terminal.
        #expect(!TextStyle(descriptor: -1, environment: Environment([:])).isColored)
        #expect(TextStyle.plain.error("x") == "x")
    }

    @Test(arguments: [
        ("moutn", "mount"), ("statsu", "status"), ("umont", "umount"), ("stat", "status"),
    ])
    func suggests(word: String, meant: String) {
        #expect(suggestion(for: word, among: ["mount", "umount", "status"]) == meant)
    }

    @Test func suggestsNothingFarAway() {
        #expect(suggestion(for: "frobnicate", among: ["mount", "umount", "status"]) == nil)
    }
}
