import Glibc
import HubAPI
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

@Suite struct ContentTests {
    private static let file = "0123456789"

    /// Answers like a host for data: ranges of `file`.
    private static func data(_ request: SeenRequest, _ fields: [String] = []) -> [ScriptStep] {
        let bytes = Array(file.utf8)
        guard let range = request["range"]?.dropFirst("bytes=".count).split(separator: "-"),
            range.count == 2, let first = Int(range[0]), let last = Int(range[1])
        else { return answer(200, fields, bytes: bytes) }
        return answer(
            206, fields + ["Content-Range: bytes \(first)-\(last)/\(bytes.count)"],
            bytes: Array(bytes[first...last]))
    }

    @Test func smallFilesComeThroughTheHub() throws {
        try withHub(
            ["HF_TOKEN": "hf_x"],
            script: { request in
                request.target.hasPrefix("/api/resolve-cache/")
                    ? Self.data(request)
                    : answer(
                        307,
                        ["Location: /api/resolve-cache/x?etag=1", "X-Repo-Commit: \(commitHex)"],
                        body: "Redirecting")
            }
        ) { client, server in
            let fetched = client.fetch("dir/ä #?%.txt", size: 10)
            #expect(fetched.isSuccess && fetched.text == Self.file)
            #expect(
                server.targets == [
                    "/o/n/resolve/\(commitHex)/dir/%C3%A4%20%23%3F%25.txt",
                    "/api/resolve-cache/x?etag=1",
                ])
            #expect(server.seen.allSatisfy { $0["authorization"] == "Bearer hf_x" })
            #expect(server.seen.allSatisfy { $0["range"] == nil })
            #expect(server.seen.allSatisfy { $0["accept-encoding"] == "identity" })
            // The redirect's body was read: one connection.
            #expect(server.connectionCount == 1)
            #expect(client.hub.counters.contentBytes.value == 10)
        }
    }

    @Test func theTokenStaysAtHome() throws {
        let storage = try ScriptedServer { Self.data($0) }
        defer { storage.stop() }
        let target = "\(storage.url)/blob?Signature=secret"
        try withHub(
            ["HF_TOKEN": "hf_x"],
            script: { _ in
                answer(302, ["Location: \(target)", "X-Linked-Size: 10"])
            }
        ) { client, server in
            let fetched = client.fetch(size: 10, range: 2..<5)
            #expect(fetched.isSuccess && fetched.text == "234")
            #expect(server.seen[0]["authorization"] == "Bearer hf_x")
            #expect(storage.seen[0]["authorization"] == nil)
            #expect(storage.seen[0]["range"] == "bytes=2-4")
            // The next range goes to the storage at once.
            #expect(client.fetch(size: 10, range: 5..<7).text == "56")
            #expect(server.seen.count == 1 && storage.seen.count == 2)
            #expect(storage.connectionCount == 1)
            #expect(client.hub.counters.requestCount(.resolve) == 1)
            #expect(client.hub.counters.requestCount(.data) == 2)
        }
    }

    /// However many ranges are fetched ahead, one asks; who reads does not wait for it.
    @Test(arguments: ["found", "lost"])
    func whereTheDataLiesIsAskedForOnce(outcome: String) throws {
        let storage = try ScriptedServer { Self.data($0) }
        defer { storage.stop() }
        let target = "\(storage.url)/blob"
        let count = Counter()
        try withHub(script: { _ in
            count.add()
            let redirect = answer(302, ["Location: \(target)", "X-Linked-Size: 10"])
            if count.value > 1 { return redirect }
            return [.gate] + (outcome == "found" ? redirect : [.close])
        }) { client, server in
            let (first, behind) = (FetchSink(), (0..<3).map { _ in FetchSink() })
            _ = client.hub.fetch(
                content("f", size: 10, range: 0..<2, seconds: 20, priority: .prefetch), sink: first)
            while server.seen.isEmpty { _ = Mailbox<Bool>().receive(until: .now + 0.01) }
            var names: [FetchID] = []
            for (number, sink) in behind.enumerated() {
                let range = Int64(number) * 2 + 2..<Int64(number) * 2 + 4
                names.append(
                    client.hub.fetch(
                        content("f", size: 10, range: range, seconds: 20, priority: .prefetch),
                        sink: sink))
            }
            client.hub.cancel(names[2])
            #expect(behind[2].wait().error == .cancelled)
            client.hub.promote(names[1], to: .reader)
            #expect(behind[1].wait().text == "45")
            #expect(server.seen.count == 2 && storage.seen.count == 1)
            server.openGate()
            #expect(first.wait().isSuccess == (outcome == "found"))
            #expect(behind[0].wait().text == "23")
            // What was known of the place is not believed after a failure.
            #expect(server.seen.count == (outcome == "found" ? 2 : 3))
        }
    }

    /// The place is remembered with the first bytes from there, not with the last.
    @Test func whereTheDataLiesIsKnownWhileItComes() throws {
        let count = Counter()
        let storage = try ScriptedServer { request in
            count.add()
            let steps = Self.data(request)
            return count.value == 1 ? [steps[0], .gate, steps[1]] : steps
        }
        defer { storage.stop() }
        let target = "\(storage.url)/blob"
        try withHub(script: { _ in
            answer(302, ["Location: \(target)", "X-Linked-Size: 10"])
        }) { client, server in
            let first = FetchSink()
            _ = client.hub.fetch(content("f", size: 10, range: 0..<5, seconds: 20), sink: first)
            while client.hub.counters.requestCount(.data) == 0 || count.value == 0 {
                _ = Mailbox<Bool>().receive(until: .now + 0.01)
            }
            var isKnown = false
            for _ in 0..<200 where !isKnown {
                let asked = server.seen.count
                #expect(client.fetch(size: 10, range: 5..<7).text == "56")
                isKnown = server.seen.count == asked
            }
            #expect(isKnown)
            storage.openGate()
            #expect(first.wait().text == "01234")
        }
    }

    @Test func theTokenDoesNotComeBackByAStranger() throws {
        final class Home: Sendable { let url = Lock("") }
        let home = Home()
        let other = try ScriptedServer { _ in
            answer(302, ["Location: \(home.url.withLock { $0 })/api/secret"])
        }
        defer { other.stop() }
        let away = other.url
        try withHub(
            ["HF_TOKEN": "hf_x"],
            script: { request in
                request.target == "/api/secret"
                    ? Self.data(request) : answer(302, ["Location: \(away)/"])
            }
        ) { client, server in
            home.url.withLock { $0 = server.url }
            _ = client.fetch(size: 10)
            #expect(server.seen.map { $0["authorization"] } == ["Bearer hf_x", nil])
        }
    }

    @Test func expiredURLsAreResolvedOnceMore() throws {
        let state = Tally()
        let storage = try ScriptedServer { request in
            // The second use of the first URL is refused, and everything with the third.
            let number = state.next()
            return number == 2 || request.target == "/3" ? answer(403) : Self.data(request)
        }
        defer { storage.stop() }
        let target = storage.url
        let resolved = Tally()
        try withHub(script: { _ in answer(302, ["Location: \(target)/\(resolved.next())"]) }) {
            client, server in
            #expect(client.fetch(size: 10, range: 0..<2).text == "01")
            #expect(client.fetch(size: 10, range: 2..<4).text == "23")
            #expect(storage.targets == ["/1", "/1", "/2"] && server.seen.count == 2)
            // A URL that is new and refused is asked for anew too.
            #expect(client.fetch("other", size: 10).isSuccess)
            #expect(storage.targets.suffix(2) == ["/3", "/4"] && server.seen.count == 4)
        }
    }

    @Test func dataThatIsRefusedForEverIsNoMissingPermission() throws {
        let storage = try ScriptedServer { _ in answer(403, ["X-Error-Code: GatedRepo"]) }
        defer { storage.stop() }
        let target = storage.url
        try withHub(script: { _ in answer(302, ["Location: \(target)/"]) }) { client, server in
            #expect(client.fetch(size: 10).error == .server(status: 403))
            #expect(server.seen.count == 3 && storage.seen.count == 3)
        }
    }

    @Test func whatTheHubRefusesBehindARedirectOfItsOwnIsRefused() throws {
        try withHub(script: { request in
            request.target == "/data"
                ? answer(403, ["X-Error-Code: GatedRepo", "X-Error-Message: Ask."])
                : answer(302, ["Location: /data"])
        }) { client, server in
            #expect(client.fetch(size: 10).error == .gated(message: "Ask."))
            #expect(server.seen.count == 2)
        }
    }

    @Test func aHostOfDataThatIsAwayIsNotTheHub() throws {
        let storage = try ScriptedServer { _ in [] }
        storage.stop()
        try withHub(script: { _ in answer(302, ["Location: \(storage.url)/"]) }) { client, _ in
            #expect(client.fetch(size: 10).error == .dataUnreachable(.connectionRefused))
        }
    }

    @Test func rangesThatLieAreErrors() throws {
        let lies: [[String]] = [
            ["Content-Range: bytes 3-5/10"], ["Content-Range: bytes 2-4/11"], [],
            ["Content-Range: bytes 2-4/*"],
        ]
        let count = Tally()
        try withHub(script: { _ in answer(206, lies[count.next() - 1], body: "234") }) {
            client, _ in
            for _ in lies {
                let fetched = client.fetch(size: 10, range: 2..<5)
                guard case .malformed? = fetched.error else {
                    Issue.record("accepted")
                    continue
                }
                #expect(fetched.body.isEmpty)
            }
        }
    }

    @Test func sizesAndCommitsThatLieAreErrors() throws {
        let count = Tally()
        let lies = ["X-Linked-Size: 11", "X-Repo-Commit: 1123456789abcdef0123456789abcdef01234567"]
        try withHub(script: { _ in
            answer(302, ["Location: /data", lies[count.next() - 1]])
        }) { client, server in
            for _ in lies {
                guard case .malformed? = client.fetch(size: 10).error else {
                    Issue.record("accepted")
                    continue
                }
            }
            #expect(!server.targets.contains("/data"))
        }
    }

    @Test(arguments: [
        // Longer and shorter than the file, told and untold, chunked; and compressed.
        [ScriptStep.text("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890")],
        [.text("HTTP/1.1 200 OK\r\n\r\n01234567890"), .close],
        [.text("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n012345678")],
        [.text("HTTP/1.1 200 OK\r\n\r\n012345678"), .close],
        [.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n\r\n")],
        [
            .text(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789")
        ],
    ])
    func bodiesOfAnotherLengthAreErrors(steps: [ScriptStep]) throws {
        try withHub(script: { _ in steps }) { client, _ in
            let fetched = client.fetch(size: 10)
            guard case .malformed? = fetched.error else {
                Issue.record("\(String(describing: fetched.error))")
                return
            }
            #expect(fetched.body.count <= 10)
        }
    }

    @Test func aWholeFileIsCutToTheRange() throws {
        try withHub(script: { _ in answer(200, body: Self.file) }) { client, _ in
            #expect(client.fetch(size: 10, range: 2..<5).text == "234")
            let end = client.fetch(size: 10, range: 7..<10)
            #expect(end.isSuccess && end.text == "789")
        }
    }

    @Test func oneAttemptIsOne() throws {
        try withHub(script: { request in
            request.target.hasSuffix("cut")
                ? [.text("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123"), .close]
                : answer(503, ["Retry-After: 2"])
        }) { client, server in
            let cut = client.fetch("cut", size: 10)
            // What came before the end was passed on.
            #expect(cut.error == .unreachable(.closedEarly) && cut.text == "0123")
            #expect(
                client.fetch("busy", size: 10).error
                    == .server(status: 503, retryAfterSeconds: 3))
            #expect(server.seen.count == 2)
        }
    }

    @Test(arguments: [
        (404, ["X-Error-Code: EntryNotFound"], HubError.entryNotFound),
        (404, [], .entryNotFound), (401, [], .repositoryNotFound),
        (403, ["X-Error-Code: GatedRepo", "X-Error-Message: Ask."], .gated(message: "Ask.")),
        (429, ["Retry-After: 9"], .rateLimited(retryAfterSeconds: 10)),
        (204, [], .malformed(reason: "HTTP status 204 for a content")),
    ])
    func namesErrors(status: Int, fields: [String], error: HubError) throws {
        try withHub(script: { _ in answer(status, fields) }) { client, _ in
            #expect(client.fetch(size: 10).error == error)
        }
    }

    @Test func redirectsHaveAnEnd() throws {
        try withHub(script: { _ in answer(302, ["Location: /again"]) }) { client, server in
            #expect(client.fetch(size: 10).error == .malformed(reason: "too many redirects"))
            #expect(server.seen.count == 6)
        }
        try withHub(script: { _ in answer(302, ["Location: file:///etc/passwd"]) }) { client, _ in
            #expect(client.fetch(size: 10).error == .malformed(reason: "a redirect to nowhere"))
        }
    }

    @Test func emptyContentsAskNothing() throws {
        try withHub(script: { _ in answer(500) }) { client, server in
            #expect(client.fetch(size: 0).isSuccess)
            #expect(client.fetch(size: 10, range: 4..<4).isSuccess)
            #expect(server.seen.isEmpty)
        }
    }

    @Test func stopsWhenTold() throws {
        try withHub(script: { _ in
            [.text("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123"), .gate]
        }) { client, _ in
            let sink = FetchSink()
            let id = client.hub.fetch(content("f", size: 10), sink: sink)
            usleep(100_000)
            let start = MonotonicInstant.now
            client.hub.promote(id, to: .prefetch)
            client.hub.cancel(id)
            #expect(sink.wait().error == .cancelled)
            #expect(MonotonicInstant.now.seconds(since: start) < 0.1)
            client.hub.cancel(id)
            #expect(client.fetch(size: 10, seconds: 0.3).error == .deadline)
        }
    }

    @Test func secretsAreNowhere() throws {
        let storage = try ScriptedServer { _ in answer(403) }
        defer { storage.stop() }
        let target = "\(storage.url)/x?Signature=s3cret"
        try withHub(
            ["HF_TOKEN": "hf_s3cret"],
            script: { _ in
                answer(302, ["Location: \(target)"])
            }
        ) { client, _ in
            let error = client.fetch(size: 10).error
            #expect(!"\(String(describing: error)) \(client.hub.status)".contains("s3cret"))
            var text = ""
            dump(client.hub.status, to: &text)
            #expect(!text.contains("s3cret"))
        }
    }
}
