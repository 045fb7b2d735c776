// The HTTP server over real sockets: what a client that writes raw HTTP gets back.

import Glibc
import HTTPService
import Platform
import TestSupport
import Testing

private func serve(
    _ limits: HTTPServerLimits = HTTPServerLimits(),
    onRecord: (@Sendable (HTTPRecord) -> Void)? = nil,
    _ handler: @escaping HTTPServer.Handler
) throws -> HTTPServer {
    try HTTPServer(
        listen: SocketAddress(host: "127.0.0.1", port: 0), limits: limits, onRecord: onRecord,
        handler: handler)
}

private func exchange(_ server: HTTPServer, _ request: String) -> String? {
    let client = RawHTTPClient(port: server.address.port)
    client.send(request)
    return client.readToEnd()
}

@Suite struct HTTPServerTests {
    @Test func tellsTheWholeRequest() throws {
        let server = try serve { request in
            .text(
                200,
                [
                    request.method, request.path, request.query["a b"] ?? "-",
                    request.headers["x-thing"] ?? "-", request.peer,
                    String(decoding: request.body, as: UTF8.self), String(request.rawQuery),
                ].joined(separator: "|"))
        }
        defer { server.stop() }
        let answer = exchange(
            server,
            "POST /p%2Fq/%C3%BC?a+b=1%262&c HTTP/1.1\r\nHost: h\r\nX-Thing: yes\r\n"
                + "Content-Length: 4\r\nConnection: close\r\n\r\nbody")
        #expect(
            answer?.hasSuffix("POST|/p%2Fq/%C3%BC|1&2|yes|127.0.0.1|body|?a+b=1%262&c") == true)
    }

    @Test func keepsAConnectionAndAnswersHeadWithoutABody() throws {
        let server = try serve { .text(200, $0.path) }
        defer { server.stop() }
        let client = RawHTTPClient(port: server.address.port)
        client.send("GET /one HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(client.readAnswer().hasSuffix("\r\n\r\n/one"))
        client.send("HEAD /three HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        let head = client.readToEnd() ?? ""
        #expect(head.contains("Content-Length: 6\r\n") && head.hasSuffix("\r\n\r\n"))
    }

    @Test func sendsARangeOfAFile() throws {
        let directory = TemporaryDirectory()
        let path = "\(directory.path)/data"
        try writeFile(path, Array("0123456789".utf8))
        let server = try serve { _ in
            guard let file = try? FileDescriptor.open(path, O_RDONLY) else {
                return HTTPResponse(status: 500)
            }
            return HTTPResponse(status: 206, body: .file(HTTPFile(file), offset: 3, length: 4))
        }
        defer { server.stop() }
        let answer = exchange(server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        #expect(answer?.hasSuffix("\r\n\r\n3456") == true)
    }

    @Test(arguments: [(HTTPBodyStep.finished, true), (.cut, true), (.reset, false)])
    func endsAGeneratedBodyAsToldTo(last: HTTPBodyStep, isOrderly: Bool) throws {
        let server = try serve { _ in
            HTTPResponse(
                status: 200,
                body: .generated(length: last == .finished ? 5 : 10) { buffer, position in
                    if position == 5 { return last }
                    buffer.copyBytes(from: Array("hello".utf8))
                    return .wrote(5)
                })
        }
        defer { server.stop() }
        let answer = exchange(server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        #expect((answer != nil) == isOrderly)
        if let answer { #expect(answer.hasSuffix("\r\n\r\nhello")) }
    }

    @Test func refusesBodiesThatAreTooLong() throws {
        var limits = HTTPServerLimits()
        limits.bodyByteCountMax = 10
        let server = try serve(limits) { .text(200, "\($0.body.count)") }
        defer { server.stop() }
        let long = exchange(
            server, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n01234567890")
        #expect(long?.hasPrefix("HTTP/1.1 413 ") == true)
        let fitting = exchange(
            server,
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"
                + "0123456789")
        #expect(fitting?.hasSuffix("10") == true)
    }

    @Test func aStopWakesWhoWaitsAndLetsThemFinish() throws {
        let started = Mailbox<Bool>()
        let server = try serve { request in
            started.send(true)
            let isRunning = request.pause.wait(seconds: 60)
            return .text(200, isRunning ? "slept" : "woken")
        }
        let client = RawHTTPClient(port: server.address.port)
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = started.receive(until: .now + 30)
        let start = MonotonicInstant.now
        server.stop()
        #expect(MonotonicInstant.now.seconds(since: start) < 2)
        #expect(client.readToEnd()?.hasSuffix("woken") == true)
    }

    @Test func toldRecordsOfEachRequest() throws {
        let records = Mailbox<HTTPRecord>()
        let server = try serve(onRecord: { records.send($0) }) { _ in .text(404, "none") }
        _ = exchange(server, "GET /x?y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        server.stop()
        let record = try #require(records.receive(until: .now + 30))
        #expect(record.target == "/x?y" && record.status == 404 && record.bodyByteCount == 4)
        #expect(record.isComplete)
    }

    @Test func aHandlerMayBeSilentForLongerThanAClient() throws {
        var limits = HTTPServerLimits()
        limits.idleSeconds = 1
        let server = try serve(limits) { request in
            request.pause.wait(seconds: 1.5)
            return HTTPResponse(
                status: 200,
                body: .generated(length: 8) { buffer, position in
                    request.pause.wait(seconds: 1.5)
                    buffer.copyBytes(from: Array("late".utf8))
                    return .wrote(4)
                })
        }
        defer { server.stop() }
        let client = RawHTTPClient(port: server.address.port)
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(client.readAnswer().hasSuffix("latelate"))
        // The client that says nothing more is closed.
        #expect(client.readToEnd() == "")
    }

    @Test func aTakenPortIsSaid() throws {
        let server = try serve { _ in .text(200, "") }
        defer { server.stop() }
        #expect(throws: HTTPServiceError.cannotListen(server.address, Errno(EADDRINUSE))) {
            _ = try HTTPServer(listen: server.address) { _ in .text(200, "") }
        }
    }
}

@Suite struct MessagePartTests {
    @Test func readsForms() {
        let query = HTTPQuery("paths=a%2Fb&paths=c+d&expand=&flag&bad=%ff")
        #expect(query.all("paths") == ["a/b", "c d"])
        #expect(query["expand"] == "" && query["flag"] == "" && query["bad"] == nil)
    }

    @Test func headersCannotBeSmuggledIn() {
        var headers = HTTPHeaders()
        headers.add("Location", "/x\r\nSet-Cookie: a")
        #expect(headers["location"] == "/x  Set-Cookie: a")
    }
}
