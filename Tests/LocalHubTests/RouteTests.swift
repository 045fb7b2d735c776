// From paths to what is asked for, legacy names and slashes in revisions included.

import HubAPI
import Testing
import Xet

@testable import LocalHub

@Suite struct RouteTests {
    private static let known: Set<String> = ["models/org/name", "models/gpt2", "models/org/tree"]

    private func route(_ path: String) -> Route {
        Route(path: path) { Self.known.contains($0.description) }
    }

    private func model(_ name: String) throws -> RepositoryID {
        try #require(RepositoryID(kind: .model, name: name))
    }

    @Test func ofTheAPI() throws {
        let id = try model("org/name")
        #expect(route("/api/whoami-v2") == .whoami)
        #expect(route("/api/datasets") == .listing(.dataset))
        #expect(route("/api/models/org/name") == .repository(id, .info))
        #expect(route("/api/models/org/name/refs") == .repository(id, .refs))
        #expect(route("/api/models/org/name/revision/a%2Fb") == .repository(id, .revision("a/b")))
        #expect(
            route("/api/models/org/name/tree/main/x/y%20z")
                == .repository(id, .tree(revision: "main", path: "x/y z")))
        #expect(
            route("/api/models/org/name/tree/refs/pr/3/x")
                == .repository(id, .tree(revision: "refs/pr/3", path: "x")))
        #expect(
            route("/api/models/org/name/tree/refs%2Fpr%2F3")
                == .repository(id, .tree(revision: "refs/pr/3", path: "")))
        #expect(
            route("/api/models/org/name/paths-info/v1")
                == .repository(id, .pathsInfo(revision: "v1")))
    }

    @Test func ofNamesWithoutAnOwner() throws {
        let short = try model("gpt2")
        #expect(route("/api/models/gpt2") == .repository(short, .info))
        #expect(route("/api/models/gpt2/refs") == .repository(short, .refs))
        #expect(
            route("/api/models/gpt2/tree/main")
                == .repository(short, .tree(revision: "main", path: "")))
        #expect(
            route("/gpt2/resolve/main/a.txt")
                == .resolve(short, revision: "main", path: "a.txt"))
        // A repository may be called like an action.
        #expect(route("/api/models/org/tree") == .repository(try model("org/tree"), .info))
    }

    @Test func ofNamesThatDoNotExist() throws {
        #expect(route("/api/models/no/thing") == .repository(try model("no/thing"), .info))
        #expect(route("/api/models/nothing/refs") == .repository(try model("nothing"), .refs))
        #expect(
            route("/no/thing/resolve/main/a")
                == .resolve(try model("no/thing"), revision: "main", path: "a"))
    }

    @Test func ofFiles() throws {
        let dataset = try #require(RepositoryID(kind: .dataset, name: "o/n"))
        let commit = String(repeating: "a", count: 40)
        #expect(
            route("/datasets/o/n/resolve/refs%2Fconvert%2Fx/d/%C3%BC.txt")
                == .resolve(dataset, revision: "refs/convert/x", path: "d/ü.txt"))
        #expect(
            route("/api/resolve-cache/datasets/o/n/\(commit)/d/a")
                == .resolveCache(dataset, commit: commit, path: "d/a"))
        #expect(
            route("/_data/00ff/\(commit)/model.bin") == .data(sha256: "00ff", commit: commit))
    }

    @Test func ofXet() throws {
        let text = String(repeating: "0123456789abcdef", count: 4)
        let hash = try #require(XetHash(text: text))
        let id = try model("org/name")
        #expect(route("/v2/reconstructions/\(text)") == .reconstruction(.two, hash))
        #expect(route("/v1/reconstructions/\(text)") == .reconstruction(.one, hash))
        #expect(route("/_xorb/\(text)") == .xorbData(hash))
        #expect(route("/v1/chunks/default/\(text)") == .otherXet)
        #expect(route("/v2/reconstructions/short") == .otherXet)
        #expect(
            route("/api/models/org/name/xet-read-token/refs%2Fpr%2F3")
                == .repository(id, .xetReadToken(revision: "refs/pr/3")))
        // An owner may be called like a version.
        #expect(
            route("/v1/name/resolve/main/a")
                == .resolve(try model("v1/name"), revision: "main", path: "a"))
    }

    @Test(arguments: [
        "/", "/api", "/_xorb/x", "/api/models/org/name/xet-read-token/main/x", "/api/kernels",
        "/api/models/org/name/commits/main", "/org/name",
        "/org/name/resolve/main", "/org/na--me/resolve/main/x", "/api/models/a..b/c",
        "/api/resolve-cache/models/org/name/short/x", "/_data", "/_data/x", "/api/models/%2e%2e/x",
    ])
    func ofNothing(path: String) {
        #expect(route(path) == .unknown)
    }
}
