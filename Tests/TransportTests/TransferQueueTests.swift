import Testing

@testable import Transport

/// A queue by reference, because `#expect` cannot call what changes a value.
private final class Line {
    private var queue: TransferQueue

    init(transfers: Int, perHost: Int, waiting: Int) {
        queue = TransferQueue(
            transfersMax: transfers, transfersPerHostMax: perHost, waitingMax: waiting)
    }

    func add(_ id: TransferID, priority: TransferPriority, origin: HTTPOrigin) -> Bool {
        queue.add(id, priority: priority, origin: origin)
    }
    func promote(_ id: TransferID, to priority: TransferPriority) {
        queue.promote(id, to: priority)
    }
    func remove(_ id: TransferID) { queue.remove(id) }
    func startNext() -> TransferID? { queue.startNext() }
    var runningCount: Int { queue.runningCount }
    var waitingCount: Int { queue.waitingCount }
}

@Suite struct TransferQueueTests {
    private let host = HTTPOrigin(isSecure: false, host: "a", port: 80)
    private let other = HTTPOrigin(isSecure: false, host: "b", port: 80)

    private func id(_ number: UInt64) -> TransferID { TransferID(number: number) }

    private func line(transfers: Int = 8, perHost: Int = 8, waiting: Int = 100) -> Line {
        Line(transfers: transfers, perHost: perHost, waiting: waiting)
    }

    @Test func mostUrgentFirst() {
        let queue = line()
        #expect(queue.add(id(1), priority: .prefetch, origin: host))
        #expect(queue.add(id(2), priority: .metadata, origin: host))
        #expect(queue.add(id(3), priority: .reader, origin: host))
        #expect(queue.add(id(4), priority: .reader, origin: host))
        #expect((0..<5).map { _ in queue.startNext()?.number } == [3, 4, 2, 1, nil])
    }

    /// In all, and of a host that may have fewer.
    @Test(arguments: [8, 12])
    func prefetchLeavesAQuarter(transfers: Int) {
        let queue = line(transfers: transfers, perHost: 8)
        for number in 1...10 {
            _ = queue.add(id(UInt64(number)), priority: .prefetch, origin: host)
        }
        for _ in 0..<6 { #expect(queue.startNext() != nil) }
        #expect(queue.startNext() == nil)
        for number in 11...13 { _ = queue.add(id(UInt64(number)), priority: .reader, origin: host) }
        #expect(queue.startNext() == id(11))
        #expect(queue.startNext() == id(12))
        #expect(queue.startNext() == nil)
        queue.remove(id(1))
        #expect(queue.startNext() == id(13))
        // Readers hold slots now: prefetch starts only when six in all are taken.
        queue.remove(id(2))
        #expect(queue.startNext() == nil)
        queue.remove(id(3))
        queue.remove(id(4))
        #expect(queue.startNext() == id(7))
    }

    @Test func aBusyHostDoesNotHoldUpOthers() {
        let queue = line(perHost: 1)
        _ = queue.add(id(1), priority: .reader, origin: host)
        _ = queue.add(id(2), priority: .reader, origin: host)
        _ = queue.add(id(3), priority: .prefetch, origin: other)
        #expect(queue.startNext() == id(1))
        #expect(queue.startNext() == id(3))
        #expect(queue.startNext() == nil)
        queue.remove(id(1))
        #expect(queue.startNext() == id(2))
    }

    @Test func promotionAndRemoval() {
        let queue = line()
        for number in 1...3 { _ = queue.add(id(UInt64(number)), priority: .prefetch, origin: host) }
        queue.promote(id(3), to: .reader)
        queue.remove(id(1))
        #expect(queue.waitingCount == 2)
        #expect(queue.startNext() == id(3))
        queue.promote(id(3), to: .prefetch)
        #expect(queue.startNext() == id(2))
        queue.remove(id(3))
        queue.remove(id(3))
        #expect(queue.runningCount == 1 && queue.waitingCount == 0)
    }

    @Test func theLineHasAnEnd() {
        let queue = line(waiting: 2)
        #expect(queue.add(id(1), priority: .reader, origin: host))
        #expect(queue.add(id(2), priority: .reader, origin: host))
        #expect(!queue.add(id(3), priority: .reader, origin: host))
        _ = queue.startNext()
        #expect(queue.add(id(3), priority: .reader, origin: host))
    }
}

@Suite struct HTTPURLTests {
    @Test(arguments: [
        ("http://a", "http://a/"), ("https://A.b:443/x?y=z#f", "https://a.b/x?y=z"),
        ("http://[::1]:8080/", "http://[::1]:8080/"), ("HTTP://h:80?q", "http://h/?q"),
        ("http://h/a%20b/%2e%2e/c", "http://h/a%20b/%2e%2e/c"),
        // Marks that join with what they follow: the bytes decide where a part ends.
        ("http://h/\u{301}a?\u{301}b#\u{301}c", "http://h/\u{301}a?\u{301}b"),
        ("http://h?", "http://h/?"), ("http://h:/x", "http://h/x"),
    ])
    func reads(text: String, canonical: String) {
        #expect(HTTPURL(text)?.text == canonical)
    }

    @Test(arguments: [
        "ftp://h/", "http://", "http:///x", "http://u@h/", "http://u:p@h/", "http://h:0/",
        "http://h:70000/", "http://h:+80/", "http://h/a b", "http://h/\n", "//h/x", "h/x", "",
        "http://h\\@evil/", "http://[::1/", "http://h\u{301}/", "xhttp://h/", "http:/h/",
    ])
    func refuses(text: String) {
        #expect(HTTPURL(text) == nil)
    }

    @Test(arguments: [
        ("/x?y", "https://h:8/x?y"), ("//other/x", "https://other/x"), ("c", "https://h:8/a/c"),
        ("http://z/", "http://z/"), ("?p", "https://h:8/a/b?p"),
        ("/api/x?to=http://y/", "https://h:8/api/x?to=http://y/"),
    ])
    func joins(location: String, expected: String) throws {
        let base = try #require(HTTPURL("https://h:8/a/b?c=d"))
        #expect(base.resolving(location)?.text == expected)
    }

    @Test(arguments: ["", "javascript:alert(1)", "ftp://h/x", "/a b"])
    func doesNotJoin(location: String) throws {
        let base = try #require(HTTPURL("https://h/a"))
        #expect(base.resolving(location) == nil)
    }

    @Test func showsNoQuery() throws {
        let url = try #require(HTTPURL("https://h/a?Signature=secret"))
        #expect(url.withoutQuery == "https://h/a")
    }
}
