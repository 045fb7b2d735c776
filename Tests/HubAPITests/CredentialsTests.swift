import Glibc
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

@testable import HubAPI

@Suite struct CredentialsTests {
    private static let info = "{\"id\":\"o/n\",\"sha\":\"\(commitHex)\"}"

    /// Knows one token and no other.
    private static func script(_ right: String) -> @Sendable (SeenRequest) -> [ScriptStep] {
        { request in
            request["authorization"] == "Bearer \(right)"
                ? (request.target.contains("resolve")
                    ? answer(200, body: "x") : answer(200, body: info))
                : answer(401, ["X-Error-Message: Invalid credentials in Authorization header"])
        }
    }

    @Test func marksTellTokensApartAndShowNone() throws {
        let one = try #require(AccessToken("hf_oneoneone"))
        let same = try #require(AccessToken(" hf_oneoneone\n"))
        let other = try #require(AccessToken("hf_oneoneonf"))
        let salt: [UInt8] = [1, 2, 3]
        #expect(one.mark(salt: salt) == same.mark(salt: salt))
        #expect(one.mark(salt: salt) != other.mark(salt: salt))
        #expect(one.mark(salt: salt) != one.mark(salt: [1, 2, 4]))
        #expect(!one.mark(salt: salt).contains("oneone"))
    }

    @Test func theSourceOfTheTokenIsTold() throws {
        try withFolder { folder in
            let path = "\(folder)/token"
            func source(_ variables: [String: String]) -> TokenSource? {
                let all = variables.merging(["HF_TOKEN_PATH": path]) { one, _ in one }
                return (try? HubConfiguration(environment: all)).map { Credentials($0).source }
            }
            #expect(source([:]) == .file(path: path))
            #expect(source(["HF_TOKEN": "hf_x"]) == .environment)
            #expect(source(["HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]) == .nowhere)
        }
    }

    @Test func readsTheFileAgainAfterA401() throws {
        try withFolder { folder in
            let path = "\(folder)/token"
            try write("hf_old\n", to: path)
            try withHub(["HF_TOKEN_PATH": path], script: Self.script("hf_new")) { client, server in
                #expect(client.revision().error == .tokenRefused)
                #expect(server.seen.count == 1)
                try write("hf_new\n", to: path)
                #expect(client.revision().value != nil)
                #expect(server.seen.last?["authorization"] == "Bearer hf_new")
            }
        }
    }

    @Test func fetchesReadItAgainToo() throws {
        try withFolder { folder in
            let path = "\(folder)/token"
            try write("hf_old", to: path)
            try withHub(["HF_TOKEN_PATH": path], script: Self.script("hf_new")) { client, server in
                #expect(client.fetch(size: 1).error == .tokenRefused)
                try write("hf_new", to: path)
                let fetched = client.fetch(size: 1)
                #expect(fetched.isSuccess && fetched.text == "x")
            }
        }
    }

    @Test func noticesLoginAndLogout() throws {
        try withFolder { folder in
            let path = "\(folder)/token"
            try withHub(["HF_TOKEN_PATH": path], script: { _ in answer(200, body: Self.info) }) {
                client, server in
                _ = client.revision()
                // A login writes a new file and renames it.
                try write("hf_a", to: "\(path).new")
                rename("\(path).new", path)
                usleep(1_100_000)
                _ = client.revision()
                unlink(path)
                usleep(1_100_000)
                _ = client.revision()
                #expect(server.seen.map { $0["authorization"] } == [nil, "Bearer hf_a", nil])
            }
        }
    }

    @Test(arguments: [
        ("https://hub.example/x", true), ("https://hub.example:443/", true),
        ("http://hub.example/x", false), ("https://hub.example:444/x", false),
        ("https://hub.example.evil/x", false), ("https://evil/?https://hub.example", false),
    ])
    func oneOriginGetsIt(text: String, isSent: Bool) throws {
        let environment = ["HF_ENDPOINT": "https://Hub.example", "HF_TOKEN": "hf_x"]
        let credentials = Credentials(try HubConfiguration(environment: environment))
        let url = try #require(HTTPURL(text))
        #expect((credentials.token(for: url) != nil) == isSent)
    }

    @Test func sendsNoneWhereForbidden() throws {
        let variables = ["HF_TOKEN": "hf_x", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]
        try withHub(variables, script: { _ in answer(200, body: Self.info) }) { client, server in
            _ = client.revision()
            #expect(server.seen[0]["authorization"] == nil)
            #expect(!client.hub.status.hasToken)
        }
    }

    @Test func metadataRedirectsKeepItAtHome() throws {
        let other = try ScriptedServer { _ in answer(200, body: Self.info) }
        defer { other.stop() }
        let away = other.url
        try withHub(
            ["HF_TOKEN": "hf_x"],
            script: { request in
                switch request.target {
                case "/api/models/o/old": answer(307, ["Location: /api/models/o/n"])
                case "/api/models/o/away": answer(307, ["Location: \(away)/api/models/o/n"])
                case "/api/models/o/loop": answer(307, ["Location: /api/models/o/loop"])
                default: answer(200, body: Self.info)
                }
            }
        ) { client, server in
            #expect(client.revision("o/old").value?.canonicalID.name == "o/n")
            #expect(server.seen.map { $0["authorization"] } == ["Bearer hf_x", "Bearer hf_x"])
            #expect(client.revision("o/away").value != nil)
            #expect(other.seen.map { $0["authorization"] } == [nil])
            #expect(client.revision("o/loop").error == .malformed(reason: "too many redirects"))
        }
    }
}

@Suite struct PresenceTests {
    private static let info = "{\"id\":\"o/n\",\"sha\":\"\(commitHex)\"}"

    @Test func offlineSendsNothing() throws {
        try withHub(["HF_HUB_OFFLINE": "1"], script: { _ in answer(200) }) { client, server in
            #expect(client.revision().error == .offline)
            #expect(client.fetch(size: 1).error == .offline)
            #expect(server.seen.isEmpty)
        }
    }

    @Test func failsAtOnceWhileAwayAndComesBack() throws {
        let server = try ScriptedServer { _ in answer(200, body: Self.info) }
        let port = server.port
        server.stop()
        let client = try TestClient("http://127.0.0.1:\(port)")
        defer { client.stop() }
        var start = MonotonicInstant.now
        // The first is tried until its deadline.
        #expect(client.revision(seconds: 1).error == .unreachable(.connectionRefused))
        #expect((0.2..<1.1).contains(MonotonicInstant.now.seconds(since: start)))
        #expect(client.transport.counters.requests.value >= 2)
        start = .now
        for _ in 0..<5 {
            #expect(client.revision(seconds: 5).error == .unreachable(.connectionRefused))
            #expect(client.fetch(size: 1).error == .unreachable(.connectionRefused))
        }
        #expect(MonotonicInstant.now.seconds(since: start) < 0.2)
        // A probe after five seconds finds it again.
        let back = try ScriptedServer(port: port) { request in
            request.method == "HEAD" ? answer(503) : answer(200, body: Self.info)
        }
        defer { back.stop() }
        let limit = MonotonicInstant.now + 8
        while client.hub.refusal != nil && .now < limit { usleep(20_000) }
        #expect(client.hub.refusal == nil)
        #expect(client.revision().value != nil)
        #expect(client.hub.counters.requestCount(.probe) == 1)
        #expect(back.seen.map(\.method) == ["HEAD", "GET"])
        #expect(back.seen[0]["authorization"] == nil)
    }

    @Test func aClosedPortIsSoonTold() throws {
        let server = try ScriptedServer { _ in answer(200, body: Self.info) }
        server.stop()
        let client = try TestClient(server.url)
        defer { client.stop() }
        var start = MonotonicInstant.now
        #expect(client.revision(seconds: 30).error == .unreachable(.connectionRefused))
        #expect((2..<4).contains(MonotonicInstant.now.seconds(since: start)))
        start = .now
        #expect(client.revision(seconds: 30).error == .unreachable(.connectionRefused))
        #expect(MonotonicInstant.now.seconds(since: start) < 0.2)
        // Readers of bytes go on trying.
        #expect(client.hub.readerRefusal == nil)
    }

    @Test func callersOfFetchesTellToo() throws {
        try withHub(script: { _ in answer(200, body: Self.info) }) { client, _ in
            client.hub.noteUnreachable(.cancelled)
            #expect(client.hub.refusal == nil)
            client.hub.noteUnreachable(.stalled)
            #expect(client.revision().error == .unreachable(.stalled))
        }
    }
}
