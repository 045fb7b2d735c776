import Hashing
import Platform
import Testing
import Transport

@testable import HubAPI

@Suite struct ContentWindowTests {
    private func head(_ status: Int, _ fields: [(String, String)]) -> HTTPHead {
        HTTPHead(status: status, headers: HTTPHeaders(fields.map { (name: $0.0, value: $0.1) }))
    }

    @Test func passesExactlyThePart() throws {
        var window = try ContentWindow(
            head(206, [("Content-Range", "bytes 10-19/100"), ("Content-Length", "10")]),
            range: 10..<20, size: 100)
        #expect(window.take(4) == .pass(0..<4))
        #expect(!window.isComplete)
        var copy = window
        #expect(copy.take(7) == .tooMuch)
        #expect(window.take(6) == .pass(0..<6))
        #expect(window.isComplete && !window.endsBeforeBody)
        #expect(window.take(1) == .tooMuch)
    }

    @Test func cutsAPartOutOfTheWhole() throws {
        var window = try ContentWindow(
            head(200, [("Content-Length", "100")]), range: 10..<20, size: 100)
        #expect(window.take(4) == .pass(4..<4))
        #expect(window.take(8) == .pass(6..<8))
        #expect(window.take(50) == .pass(0..<8))
        #expect(window.isComplete && window.endsBeforeBody)
    }

    @Test func theEndOfTheWholeIsTheEnd() throws {
        var window = try ContentWindow(head(200, []), range: 90..<100, size: 100)
        #expect(window.take(100) == .pass(90..<100))
        #expect(window.take(1) == .tooMuch)
    }

    @Test(arguments: [
        // Another part, another size, an unknown size, none at all, a body of another length.
        (206, [("Content-Range", "bytes 0-9/100")]), (206, [("Content-Range", "bytes 10-18/100")]),
        (206, [("Content-Range", "bytes 10-20/100")]), (206, [("Content-Range", "bytes 10-19/99")]),
        (206, [("Content-Range", "bytes 10-19/*")]), (206, []),
        (206, [("Content-Range", "bytes 10-19/100"), ("Content-Length", "11")]),
        (200, [("Content-Length", "10")]), (200, [("Content-Encoding", "gzip")]), (204, []),
    ])
    func refuses(status: Int, fields: [(String, String)]) {
        #expect(throws: HubError.self) {
            try ContentWindow(head(status, fields), range: 10..<20, size: 100)
        }
    }

    @Test func skipsOnlyWhatIsCheap() throws {
        let limit = ContentWindow.skipByteCountMax
        _ = try ContentWindow(head(200, []), range: limit..<limit + 1, size: limit * 2)
        #expect(throws: HubError.self) {
            try ContentWindow(head(200, []), range: limit + 1..<limit + 2, size: limit * 2)
        }
    }

    @Test func aPartIsNotTheWhole() {
        #expect(throws: HubError.self) {
            try ContentWindow(
                head(206, [("Content-Range", "bytes 0-99/100")]), range: nil, size: 100)
        }
    }

    @Test(arguments: [
        "", "bytes", "bytes 1-2", "bytes 2-1/9", "bytes 0-9/9", "items 0-1/9", "bytes -1-2/9",
        "bytes 0-1/2/3", "bytes 0-99999999999999999999/9", "bytes */9",
    ])
    func noContentRange(field: String) {
        #expect(ContentRange(field) == nil)
    }
}

@Suite struct SignedLocationsTests {
    private func key(_ path: String) throws -> SignedLocations.Key {
        SignedLocations.Key(
            file: SignedLocations.File(
                id: try #require(RepositoryID(kind: .model, name: "o/n")),
                commit: GitObjectHasher.id(of: .commit, []), path: path))
    }

    private func url(_ text: String) throws -> HTTPURL { try #require(HTTPURL(text)) }

    @Test func forgetsWhatHasExpired() throws {
        var locations = SignedLocations()
        let now = WallTime(secondsSince1970: 1_000_000)
        let key = try key("a")
        let signed = try url("http://h/x?a=b&Expires=1000100&Signature=s")
        locations.remember(signed, for: key, at: now)
        #expect(locations.location(of: key, at: now) == signed)
        let late = WallTime(secondsSince1970: 1_000_090)
        #expect(locations.location(of: key, at: late) == nil)
        #expect(locations.location(of: key, at: now) == nil)
        locations.remember(try url("http://h/x?Expires=999"), for: key, at: now)
        #expect(locations.count == 0)
        locations.remember(try url("http://h/x"), for: key, at: now)
        let later = WallTime(secondsSince1970: 1_000_000 + SignedLocations.secondsMax)
        #expect(locations.location(of: key, at: later) == nil)
    }

    @Test(arguments: [Int64.min, -1, Int64.max])
    func datesThatNoServerMeansAreNone(expires: Int64) throws {
        var locations = SignedLocations()
        let now = WallTime(secondsSince1970: 1_000_000)
        let signed = try url("http://h/x?Expires=\(expires)")
        locations.remember(signed, for: try key("a"), at: now)
        #expect(locations.location(of: try key("a"), at: now) == signed)
        let later = WallTime(secondsSince1970: 1_000_000 + SignedLocations.secondsMax)
        #expect(locations.location(of: try key("a"), at: later) == nil)
    }

    @Test func isBounded() throws {
        var locations = SignedLocations()
        let now = WallTime(secondsSince1970: 0)
        let signed = try url("http://h/x")
        for number in 0..<(3 * SignedLocations.countMax) {
            locations.remember(signed, for: try key("\(number)"), at: now)
            #expect(locations.count <= SignedLocations.countMax)
        }
        let newest = try key("\(3 * SignedLocations.countMax - 1)")
        #expect(locations.location(of: newest, at: now) == signed)
    }

    @Test func whatComesAndGoesTakesNoMore() throws {
        var locations = SignedLocations()
        let now = WallTime(secondsSince1970: 0)
        let signed = try url("http://h/x")
        for number in 0..<(5 * SignedLocations.countMax) {
            locations.remember(signed, for: try key("\(number % 3)"), at: now)
            locations.forget(try key("\(number % 3)"))
        }
        locations.remember(signed, for: try key("kept"), at: now)
        #expect(locations.order.count <= 2 * SignedLocations.countMax + 1)
        #expect(locations.location(of: try key("kept"), at: now) == signed)
    }
}
