import Glibc
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

@Suite struct TransportTests {
    @Test func bringsHeadAndBody() throws {
        try withServer(script: { _ in answer(200, ["X-Thing:  a b "], body: "hello") }) {
            transport, server in
            let sink = RecordingSink()
            var request = request(server.url + "/a%2Fb/../c?d=e")
            request.headers = [("X-Asked", "yes")]
            transport.start(request, sink)
            let summary = try #require(sink.summary)
            #expect(summary.status == 200 && summary.bodyByteCount == 5)
            #expect(sink.body == Array("hello".utf8))
            #expect(sink.record.withLock { $0.heads[0].headers["x-thing"] } == "a b")
            // The path is sent as it is: dots are not resolved here.
            #expect(server.targets == ["/a%2Fb/../c?d=e"])
            #expect(server.seen[0]["x-asked"] == "yes")
            #expect(server.seen[0]["accept-encoding"] == "identity")
        }
    }

    @Test func asksForRangesHeadsAndPosts() throws {
        try withServer(script: {
            $0.method == "HEAD"
                ? [.text("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")] : answer(200)
        }) {
            transport, server in
            let sinks = [RecordingSink(), RecordingSink(), RecordingSink()]
            var ranged = request(server.url + "/range")
            ranged.range = 5..<10
            var head = request(server.url + "/head")
            head.method = .head
            head.bodyLimitBytes = 10
            var post = request(server.url + "/post")
            post.method = .post(body: Array("paths=a".utf8), contentType: "text/x")
            for (request, sink) in zip([ranged, head, post], sinks) {
                transport.start(request, sink)
                _ = try #require(sink.summary)
            }
            #expect(server.seen[0]["range"] == "bytes=5-9")
            #expect(server.seen[1].method == "HEAD")
            #expect(server.seen[2].method == "POST" && server.seen[2]["expect"] == nil)
            #expect(server.seen[2].body == Array("paths=a".utf8))
            #expect(server.seen[2]["content-type"] == "text/x")
            // One connection served all three.
            #expect(server.connectionCount == 1)
            #expect(transport.counters.connectionsOpened.value == 1)
            #expect(transport.counters.answersHTTP1.value == 3)
        }
    }

    @Test func keepsTheLastHeadOnly() throws {
        let script =
            "HTTP/1.1 100 Continue\r\nX-A: 1\r\n\r\n"
            + "HTTP/1.1 404 No\r\nX-B: 2\r\nContent-Length: 0\r\n\r\n"
        try withServer(script: { _ in [.text(script)] }) { transport, server in
            let sink = RecordingSink()
            transport.start(request(server.url), sink)
            #expect(sink.summary?.status == 404)
            let heads = sink.record.withLock { $0.heads }
            #expect(heads.count == 1 && heads[0].headers["X-A"] == nil)
            #expect(heads[0].headers["x-b"] == "2")
        }
    }

    @Test func followsNoRedirect() throws {
        try withServer(script: { _ in answer(302, ["Location: /elsewhere"]) }) {
            transport, server in
            let sink = RecordingSink()
            transport.start(request(server.url), sink)
            #expect(sink.summary?.status == 302)
            #expect(server.seen.count == 1)
        }
    }

    @Test func keepsNoCookies() throws {
        try withServer(script: { _ in answer(200, ["Set-Cookie: a=b"]) }) { transport, server in
            for _ in 0..<2 {
                let sink = RecordingSink()
                transport.start(request(server.url), sink)
                _ = sink.wait()
            }
            #expect(server.seen.count == 2 && server.seen[1]["cookie"] == nil)
        }
    }

    @Test func tellsStallFromDeadline() throws {
        let script: @Sendable (SeenRequest) -> [ScriptStep] = { _ in
            [.text("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), .gate]
        }
        try withServer(script: script) { transport, server in
            let stalled = RecordingSink()
            let late = RecordingSink()
            let start = MonotonicInstant.now
            transport.start(request(server.url, stallSeconds: 0.3), stalled)
            transport.start(request(server.url, deadlineSeconds: 0.6), late)
            #expect(stalled.error == .stalled)
            #expect((0.28..<0.55).contains(MonotonicInstant.now.seconds(since: start)))
            #expect(late.error == .deadline)
            #expect((0.58..<0.9).contains(MonotonicInstant.now.seconds(since: start)))
            #expect(stalled.body == Array("abc".utf8))
        }
    }

    @Test func slowBytesAreNoStall() throws {
        let script: @Sendable (SeenRequest) -> [ScriptStep] = { _ in
            [.text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")]
                + (0..<5).flatMap { _ in [.wait(0.15), .text("x")] as [ScriptStep] }
        }
        try withServer(script: script) { transport, server in
            let sink = RecordingSink()
            transport.start(request(server.url, stallSeconds: 0.4), sink)
            #expect(sink.summary?.bodyByteCount == 5)
        }
    }

    @Test func aBodyThatDripsIsStalled() throws {
        let step = 160 << 10
        let script: @Sendable (SeenRequest) -> [ScriptStep] = { request in
            let isSlow = request.target == "/slow"
            return [.text("HTTP/1.1 200 OK\r\nContent-Length: \(step * 12)\r\n\r\n")]
                + (0..<12).flatMap { _ in [.wait(0.15), .zeros(isSlow ? 10 : step)] }
        }
        try withServer(script: script) { transport, server in
            let (slow, fast) = (RecordingSink(), RecordingSink())
            for (path, sink) in [("/slow", slow), ("/fast", fast)] {
                var asked = request(server.url + path, stallSeconds: 0.4)
                asked.slowTimeoutSeconds = 0.4
                transport.start(asked, sink)
            }
            #expect(slow.error == .stalled)
            #expect(fast.summary?.bodyByteCount == Int64(step * 12))
        }
    }

    @Test(arguments: [
        [ScriptStep.text("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), .close],
        [.text("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), .reset],
        [.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), .close],
        [.close],
        [.text("HTTP/1.1 200"), .close],
    ])
    func earlyEndsAreErrors(steps: [ScriptStep]) throws {
        try withServer(script: { _ in steps }) { transport, server in
            let sink = RecordingSink()
            transport.start(request(server.url), sink)
            #expect(sink.error == .closedEarly)
        }
    }

    @Test func refusesWhatIsNotHTTP() throws {
        try withServer(script: { _ in [.text("220 mail ready\r\n"), .close] }) {
            transport, server in
            let sink = RecordingSink()
            transport.start(request(server.url), sink)
            guard case .protocolError? = sink.error else {
                Issue.record("\(String(describing: sink.error))")
                return
            }
        }
    }

    @Test func namesWhatKeepsItFromConnecting() throws {
        let server = try ScriptedServer { _ in [] }
        server.stop()
        let transport = try Transport(TransportConfiguration())
        defer { transport.shutdown() }
        let refused = RecordingSink()
        transport.start(request(server.url), refused)
        #expect(refused.error == .connectionRefused)
        let unnamed = RecordingSink()
        transport.start(request("http://no-such-host.invalid/"), unnamed)
        #expect(unnamed.error == .nameResolution)
        #expect(transport.counters.failures.value == 2)
    }

    @Test func speaksTLSOnlyToTLS() throws {
        let server = try ScriptedServer(greeting: "220 mail ready\r\n") { _ in [] }
        defer { server.stop() }
        let transport = try Transport(TransportConfiguration())
        defer { transport.shutdown() }
        let sink = RecordingSink()
        transport.start(request("https://127.0.0.1:\(server.port)/"), sink)
        guard case .tls(let text)? = sink.error else {
            Issue.record("\(String(describing: sink.error))")
            return
        }
        #expect(!text.isEmpty)
    }

    @Test func boundsBodiesAndHeads() throws {
        let script: @Sendable (SeenRequest) -> [ScriptStep] = { request in
            switch request.target {
            case "/told": answer(200, body: "more than ten")
            case "/untold": [.text("HTTP/1.1 200 OK\r\n\r\n"), .zeros(500 << 20), .close]
            default:
                [.text("HTTP/1.1 200 OK\r\n")]
                    + (0..<40).map { .text("X-\($0): \(String(repeating: "x", count: 9000))\r\n") }
            }
        }
        try withServer(script: script) { transport, server in
            for path in ["/told", "/untold", "/head"] {
                let sink = RecordingSink()
                var request = request(server.url + path)
                request.bodyLimitBytes = 10
                transport.start(request, sink)
                #expect(sink.error == .tooLarge, "\(path)")
                #expect(sink.body.count <= 10)
            }
            #expect(transport.counters.bytesReceived.value <= 10)
        }
    }

    @Test func refusesHeadersThatWouldBeTwo() throws {
        try withServer(script: { _ in answer(200) }) { transport, server in
            let sink = RecordingSink()
            var request = request(server.url)
            request.headers = [("X-A", "b\r\nX-C: d")]
            transport.start(request, sink)
            #expect(sink.error == .protocolError(curlCode: 43))
            #expect(server.seen.isEmpty)
        }
    }

    @Test func gathersCompressedAnswers() throws {
        // `printf hello | gzip -n`
        let zipped = hex("1f8b0800000000000003cb48cdc9c9070086a6103605000000")
        try withServer(script: { _ in answer(200, ["Content-Encoding: gzip"], bytes: zipped) }) {
            transport, server in
            let answers = Mailbox<Result<HTTPAnswer, TransportError>>()
            var request = request(server.url)
            request.acceptCompressed = true
            request.bodyLimitBytes = 100
            transport.gather(request) { answers.send($0) }
            let gathered = try #require(try answers.receive(until: .now + 30)?.get())
            #expect(gathered.body == Array("hello".utf8))
            #expect(server.seen[0]["accept-encoding"]?.contains("gzip") == true)
        }
    }
}

func hex(_ text: String) -> [UInt8] {
    let digits = Array(text)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
        UInt8(String(digits[$0..<$0 + 2]), radix: 16)
    }
}
