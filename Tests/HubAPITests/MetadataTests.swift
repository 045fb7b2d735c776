import Hashing
import HubAPI
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

@Suite struct MetadataTests {
    private static let info = """
        {"_id":"x","id":"org/canon","sha":"\(commitHex)","lastModified":"2026-01-02T03:04:05.000Z",
        "private":true,"gated":"manual","disabled":false,"siblings":[{"rfilename":"a"}],"new":{}}
        """

    @Test func readsARevision() throws {
        try withHub(["HF_TOKEN": "hf_x"], script: { _ in answer(200, body: Self.info) }) {
            client, server in
            let info = try #require(client.revision("o/n", "refs/pr/3").value)
            #expect(info.canonicalID.name == "org/canon" && info.commit == commit)
            #expect(info.isPrivate && info.isGated && !info.isDisabled)
            #expect(info.lastModified == WallTime(iso8601: "2026-01-02T03:04:05Z"))
            _ = client.revision("gpt2")
            #expect(
                server.targets == ["/api/models/o/n/revision/refs%2Fpr%2F3", "/api/models/gpt2"])
            #expect(server.seen[0]["authorization"] == "Bearer hf_x")
            #expect(server.seen[0]["user-agent"] == "modelfs/test")
            #expect(client.hub.counters.requestCount(.revision) == 2)
        }
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{\"id\":\"o/n\"}", "{\"id\":\"o/n\",\"sha\":\"12\"}",
        "{\"id\":\"../n\",\"sha\":\"\(commitHex)\"}", "{\"id\":7,\"sha\":\"\(commitHex)\"}",
        String(repeating: "[", count: 100_000), info.dropLast(9) + "",
    ])
    func refusesBrokenAnswers(body: String) throws {
        try withHub(script: { _ in answer(200, body: body) }) { client, _ in
            guard case .malformed? = client.revision().error else {
                Issue.record("accepted")
                return
            }
        }
    }

    @Test func readsRefs() throws {
        let body = """
            {"branches":[{"name":"main","ref":"refs/heads/main","targetCommit":"\(commitHex)"}],
            "tags":[{"name":"v1","ref":"refs/tags/v1","targetCommit":"\(commitHex)"}],
            "converts":
            [{"name":"parquet","ref":"refs/convert/parquet","targetCommit":"\(commitHex)"}],
            "pullRequests":[{"name":"3","ref":"refs/pr/3","targetCommit":"\(commitHex)"}]}
            """
        try withHub(script: { _ in answer(200, body: body) }) { client, server in
            let refs = TestClient.wait {
                client.hub.refs(repository("o/n", .dataset), deadline: .now + 60, completion: $0)
            }
            #expect(
                refs.value?.map(\.name) == ["main", "v1", "refs/pr/3", "refs/convert/parquet"])
            #expect(refs.value?.map(\.kind) == [.branch, .tag, .pullRequest, .convert])
            #expect(server.targets == ["/api/datasets/o/n/refs?include_prs=1"])
        }
    }

    @Test func asksWhoAndWhether() throws {
        try withHub(script: { request in
            request.target == "/api/whoami-v2"
                ? answer(200, body: "{\"type\":\"user\",\"name\":\"me\",\"orgs\":[]}") : answer(200)
        }) { client, server in
            let owner = TestClient.wait { client.hub.whoami(deadline: .now + 60, completion: $0) }
            #expect(owner.value?.name == "me" && owner.value?.type == "user")
            let check = TestClient.wait {
                client.hub.authCheck(repository("o/n"), deadline: .now + 60, completion: $0)
            }
            #expect(check.error == nil)
            #expect(server.targets == ["/api/whoami-v2", "/api/models/o/n/auth-check"])
        }
    }

    @Test(arguments: [
        (404, ["X-Error-Code: RepoNotFound"], HubError.repositoryNotFound),
        (401, ["X-Error-Code: RepoNotFound"], .repositoryNotFound),
        (401, ["X-Error-Message: Invalid username or password."], .repositoryNotFound),
        (401, ["X-Error-Message: Invalid credentials in Authorization header"], .tokenRefused),
        (404, ["X-Error-Code: RevisionNotFound"], .revisionNotFound),
        (404, ["X-Error-Code: EntryNotFound"], .entryNotFound),
        (403, ["X-Error-Code: GatedRepo", "X-Error-Message: Ask."], .gated(message: "Ask.")),
        (401, ["X-Error-Code: GatedRepo"], .gated(message: "")),
        (403, ["X-Error-Message: Access to this resource is disabled."], .disabled),
        (403, ["X-Error-Message: No."], .forbidden(message: "No.")),
        (404, [], .repositoryNotFound), (418, [], .server(status: 418)),
    ])
    func namesErrors(status: Int, fields: [String], error: HubError) throws {
        try withHub(script: { _ in answer(status, fields) }) { client, server in
            #expect(client.revision().error == error)
            #expect(server.seen.count == 1)
            #expect(client.hub.status.problems.map(\.error) == [error])
        }
    }

    @Test func triesAgainAfterTrouble() throws {
        let count = Tally()
        try withHub(script: { _ in
            switch count.next() {
            case 1: answer(503)
            case 2: [.text("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), .close]
            default: answer(200, body: Self.info)
            }
        }) { client, server in
            #expect(client.revision().value != nil)
            #expect(server.seen.count == 3)
            #expect(client.hub.counters.retries.value == 2)
            #expect(client.hub.counters.count(of: .serverError) == 1)
            #expect(client.hub.counters.count(of: .closedEarly) == 1)
            #expect(client.hub.status.problems.isEmpty)
        }
    }

    @Test func waitsAsLongAsTheServerSays() throws {
        let count = Tally()
        try withHub(script: { _ in
            count.next() == 1
                ? answer(429, ["RateLimit: \"api\";r=0;t=1"]) : answer(200, body: Self.info)
        }) { client, _ in
            let start = MonotonicInstant.now
            #expect(client.revision(seconds: 5).value != nil)
            #expect((1.9..<2.6).contains(MonotonicInstant.now.seconds(since: start)))
        }
    }

    @Test func doesNotWaitPastTheDeadline() throws {
        try withHub(script: { _ in answer(429, ["Retry-After: 60"]) }) { client, server in
            let start = MonotonicInstant.now
            #expect(client.revision(seconds: 5).error == .rateLimited(retryAfterSeconds: 61))
            #expect(MonotonicInstant.now.seconds(since: start) < 1)
            #expect(server.seen.count == 1)
        }
    }

    @Test func endsAtTheDeadline() throws {
        try withHub(script: { _ in [.gate] }) { client, _ in
            let start = MonotonicInstant.now
            #expect(client.revision(seconds: 0.5).error == .deadline)
            #expect((0.45..<1).contains(MonotonicInstant.now.seconds(since: start)))
            // Being slow once is not being away.
            #expect(client.hub.refusal == nil)
        }
    }

    @Test func asksForLessWhereTheFilesAreTooMany() throws {
        try withHub(script: { request in
            request.target.contains("?")
                ? answer(200, body: Self.info)
                : [.text("HTTP/1.1 200 OK\r\n\r\n["), .zeros(20 << 20), .close]
        }) { client, server in
            #expect(client.revision("o/n", "v1").value?.commit == commit)
            #expect(
                server.targets.last
                    == "/api/models/o/n/revision/v1?expand=sha&expand=lastModified&expand=private"
                    + "&expand=disabled&expand=gated")
        }
    }

    @Test func refusesHugeAnswers() throws {
        try withHub(script: { _ in
            [.text("HTTP/1.1 200 OK\r\n\r\n["), .zeros(500 << 20), .close]
        }) { client, server in
            guard case .malformed? = client.revision().error else {
                Issue.record("accepted")
                return
            }
            #expect(server.seen.count == 2)
            #expect(client.transport.counters.bytesReceived.value <= 32 << 20)
        }
    }

    @Test func closesWithEverythingTold() throws {
        let server = try ScriptedServer { _ in [.gate] }
        defer { server.stop() }
        let client = try TestClient(server.url)
        let answers = Mailbox<Result<RevisionInfo, HubError>>()
        for _ in 0..<3 {
            client.hub.revision(repository("o/n"), nil, deadline: .now + 60) { answers.send($0) }
        }
        let sink = FetchSink()
        _ = client.hub.fetch(content("f", size: 1, seconds: 60), sink: sink)
        client.stop()
        client.hub.revision(repository("o/n"), nil, deadline: .now + 60) { answers.send($0) }
        let late = FetchSink()
        _ = client.hub.fetch(content("f", size: 1), sink: late)
        for _ in 0..<4 {
            #expect(answers.receive(until: .now + 1)?.error == .cancelled)
        }
        #expect(sink.wait().error == .cancelled && late.wait().error == .cancelled)
    }
}

/// Counts from 1, from any thread.
final class Tally: Sendable {
    private let value = Lock(0)

    func next() -> Int {
        value.withLock { value in
            value += 1
            return value
        }
    }
}
