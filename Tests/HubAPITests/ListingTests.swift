import Hashing
import HubAPI
import Platform
import ScriptedServer
import Testing
import Transport

@Suite struct ListingTests {
    private static func file(_ path: String, _ more: String = "\"size\":3") -> String {
        "{\"type\":\"file\",\"oid\":\"\(commitHex)\",\"path\":\"\(path)\",\(more)}"
    }

    private static func link(_ target: String) -> String { "Link: <\(target)>; rel=\"next\"" }

    private static let sha = String(repeating: "ab", count: 32)

    @Test func readsPages() throws {
        try withHub(script: { request in
            let host = request["host"] ?? ""
            let next = "/api/models/o/n/tree/\(commitHex)?cursor=abc"
            if request.target == next {
                return answer(200, body: "[\(Self.file("b"))]")
            }
            let large =
                "\"size\":130,\"lfs\":{\"oid\":\"\(Self.sha)\",\"size\":5000,\"pointerSize\":130},"
                + "\"xetHash\":\"\(Self.sha)\""
            let directory =
                "{\"type\":\"directory\",\"oid\":\"\(commitHex)\",\"size\":0,\"path\":\"d\"}"
            let future = "{\"type\":\"submodule\",\"path\":\"s\"}"
            return answer(
                200, ["Link: <http://x/>; rel=\"prev\", <http://\(host)\(next)>; rel=\"next\""],
                body: "[\(Self.file("a", large)),\(directory),\(future)]")
        }) { client, server in
            let listing = try #require(client.tree().value)
            #expect(listing.entries.map(\.path) == ["a", "d", "b"])
            let large = listing.entries[0]
            #expect(large.size == 5000 && large.sha256?.hex == Self.sha)
            #expect(large.xetHash == Self.sha)
            #expect(large.contentHash == large.sha256.map { .sha256($0) })
            #expect(listing.entries[1].kind == .directory && listing.entries[1].contentHash == nil)
            #expect(listing.entries[2].contentHash == .gitBlob(commit))
            #expect(
                server.targets[0]
                    == "/api/models/o/n/tree/\(commitHex)?recursive=true&expand=false&limit=1000")
            #expect(server.connectionCount == 1)
        }
    }

    /// A large tree comes in many pages; that each of them comes is what has to be in time.
    ///
    /// Small pages without end are no large tree.
    @Test(arguments: [100, 1])
    func eachFullPageHasTheTimeOfTheFirst(entryCount: Int) throws {
        let pageCount = 12
        try withHub(script: { request in
            let number = Int(request.target.split(separator: "=").last ?? "") ?? 0
            let next = number % 1000 + 1
            let files = (0..<entryCount).map { Self.file("f\(next)-\($0)") }
            return [.wait(0.5)]
                + answer(
                    200, next < pageCount ? [Self.link("/next?page=\(next)")] : [],
                    body: "[\(files.joined(separator: ","))]")
        }) { client, _ in
            let found = client.tree(seconds: 5).value?.entries.count
            #expect(found == (entryCount == 1 ? nil : pageCount * entryCount))
        }
    }

    @Test(arguments: ["same", "pair"])
    func refusesLoops(kind: String) throws {
        try withHub(script: { request in
            let last = request.target.hasSuffix("1") ? "2" : "1"
            return answer(200, [Self.link("/loop?\(kind == "same" ? "1" : last)")], body: "[]")
        }) { client, server in
            #expect(client.tree().error == .malformed(reason: "pages that loop"))
            #expect(server.seen.count <= 3)
        }
    }

    /// A mirror may hand on links of its source; no token follows them.
    @Test func pagesMayGoOnElsewhereWithoutTheToken() throws {
        let other = try ScriptedServer { _ in answer(200, body: "[\(Self.file("b"))]") }
        defer { other.stop() }
        let target = other.url
        try withHub(
            ["HF_TOKEN": "hf_x"],
            script: { _ in
                answer(200, [Self.link("\(target)/next")], body: "[\(Self.file("a"))]")
            }
        ) { client, server in
            #expect(client.tree().value?.entries.map(\.path) == ["a", "b"])
            #expect(server.seen.first?["authorization"] == "Bearer hf_x")
            #expect(other.targets == ["/next"])
            #expect(other.seen.allSatisfy { $0["authorization"] == nil })
        }
    }

    /// Where such a link leads to nobody, the listing fails, and the Hub is not taken for absent.
    @Test func aPageThatIsAwayIsNotTheHub() throws {
        try withHub(script: { _ in
            answer(200, [Self.link("http://127.0.0.1:1/next")], body: "[]")
        }) { client, _ in
            #expect(client.tree().error == .unreachable(.connectionRefused))
            #expect(client.hub.refusal == nil)
        }
    }

    @Test func mirrorsSpeakOfThePublicHub() throws {
        try withHub(script: { request in
            request.target == "/api/next?cursor=a"
                ? answer(200, body: "[\(Self.file("b"))]")
                : answer(200, [Self.link("https://huggingface.co/api/next?cursor=a")], body: "[]")
        }) { client, _ in
            #expect(client.tree().value?.entries.map(\.path) == ["b"])
        }
    }

    @Test(arguments: [
        "\"size\":-1", "\"size\":9e18", "\"size\":1e400", "\"size\":1.5", "\"size\":\"3\"",
        "\"sizes\":3", "\"size\":3,\"lfs\":{\"oid\":\"ab\",\"size\":3}",
        "\"size\":3,\"lfs\":{\"oid\":\"\(sha)\",\"size\":-3}",
    ])
    func refusesLies(fields: String) throws {
        try withHub(script: { _ in answer(200, body: "[\(Self.file("a", fields))]") }) {
            client, _ in
            guard case .malformed? = client.tree().error else {
                Issue.record("accepted \(fields)")
                return
            }
        }
    }

    @Test func passesNamesAsTheyAre() throws {
        let names = ["../x", "a//b", "/", "", "a\\u0000b", ".git/x", "\\ud83d\\ude00", "é"]
        try withHub(script: { _ in
            answer(200, body: "[\(names.map { Self.file($0) }.joined(separator: ","))]")
        }) { client, _ in
            let listing = try #require(client.tree().value)
            #expect(
                listing.entries.map(\.path)
                    == ["../x", "a//b", "/", "", "a\u{0}b", ".git/x", "😀", "é"])
        }
    }

    @Test func leavesOutWhatIsNotUnicode() throws {
        // Raw bytes that are not UTF-8, and halves of surrogate pairs; `\\ud800` is text.
        var body = Array("[\(Self.file("good")),\(Self.file("bad-"))".utf8)
        let mark = body.firstRange(of: Array("bad-".utf8))
        body.insert(contentsOf: [0xff, 0xfe], at: try #require(mark).upperBound)
        body += Array(
            ",\(Self.file("\\ud800")),\(Self.file("x\\udc00y")),\(Self.file("\\\\ud800"))]".utf8)
        let bytes = body
        try withHub(script: { _ in answer(200, bytes: bytes) }) { client, _ in
            let listing = try #require(client.tree().value)
            #expect(listing.entries.map(\.path) == ["good", "\\ud800"])
            #expect(listing.unreadableNameCount == 3)
        }
    }

    @Test func listsRepositories() throws {
        try withHub(script: { request in
            let page = request.target.hasSuffix("page2") ? 2 : 1
            let items = (0..<2).map {
                "{\"id\":\"org/r\(page)\($0)\",\"sha\":\"\(commitHex)\",\"gated\":false}"
            }
            let odd = "{\"id\":\"org/..\"}"
            return answer(
                200, page == 1 ? [Self.link("/api/datasets?page2")] : [],
                body: "[\((items + [odd]).joined(separator: ","))]")
        }) { client, server in
            func list(_ count: Int) -> RepositoryListing? {
                TestClient.wait {
                    client.hub.repositories(
                        .dataset, author: "org", countMax: count,
                        deadline: MonotonicInstant.now + 60,
                        completion: $0)
                }.value
            }
            let all = try #require(list(100))
            #expect(all.repositories.map(\.id.base) == ["r10", "r11", "r20", "r21"])
            #expect(!all.isCut && all.repositories[0].commit == commit)
            #expect(server.targets[0] == "/api/datasets?author=org&limit=100&full=true")
            let some = try #require(list(2))
            #expect(some.repositories.count == 2 && some.isCut)
            #expect(server.seen.count == 3)
            let three = try #require(list(3))
            #expect(three.repositories.count == 3 && three.isCut)
        }
    }
}

extension Array where Element == UInt8 {
    fileprivate func firstRange(of wanted: [UInt8]) -> Range<Int>? {
        indices.first { self[$0...].starts(with: wanted) }.map { $0..<$0 + wanted.count }
    }
}
