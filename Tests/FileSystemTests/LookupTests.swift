// Names: what leads to which node, what is not there, what is refused, and what each costs.

import Catalog
import Fetching
import FileSystem
import HubAPI
import Platform
import TestSupport
import Testing

@Suite struct LookupTests {
    let bench: TreeBench

    init() throws {
        bench = try TreeBench()
        bench.hub.commit("models/org/name", "a", ["f": [1], "d/g": [2]])
        bench.hub.commit("models/org/name", "b", ["f": [1], "new": [3]], branch: "dev/x")
        bench.hub.edit("models/org/name") { repository in
            repository.tags["v1"] = SmallHub.id("a")
            repository.pullRequests["refs/pr/1"] = SmallHub.id("b")
        }
    }

    @Test func everyNameOfARevisionLeadsToItsFiles() throws {
        let stack = try bench.stack()
        let base = "models/org/name"
        let long = SmallHub.id("a")
        for revision in ["", "@main", "@v1", "@\(long)", "@aaaaaaa"] {
            #expect(try stack.names(base + revision) == ["d", "f"], "\(revision)")
        }
        for revision in ["@dev%2Fx", "@dev%2fx", "@refs%2Fpr%2F1", "@\(SmallHub.id("b"))"] {
            #expect(try stack.names(base + revision) == ["f", "new"], "\(revision)")
        }
        let first = try stack.node("\(base)/f")
        for revision in ["@main", "@v1", "@dev%2Fx"] {
            #expect(try stack.node("\(base)\(revision)/f") == first, "one content, one node")
        }
        let folders = try ["", "@main", "@v1", "@dev%2Fx"].map { try stack.node(base + $0) }
        #expect(Set(folders).count == 4, "one name each")
        #expect(try stack.node("\(base)@v1/d") != stack.node("\(base)/d"))
        #expect(try stack.read("\(base)@v1/d/g") == [2])
    }

    @Test func missingNamesAreMissing() throws {
        let stack = try bench.stack()
        for path in [
            "models/org/name/nothing", "models/org/name/d/nothing", "models/org/name@nothing",
            "models/org/nothing", "models/nothing", "models/org/name@bbbbbbbb1", "nothing",
            "models/org/name@dev", "datasets/org",
        ] {
            #expect(try stack.find(path) == nil, "\(path)")
        }
        #expect(throws: FileSystemError.notDirectory) { try stack.node("models/org/name/f/x") }
    }

    @Test func whatIsMissingIsRememberedBriefly() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        let folder = try stack.node("models/org/name@main")
        #expect(try stack.lookup(org, "nothing").attributes == nil)
        #expect(try stack.lookup(org, "name@nothing").attributes == nil)
        let cost = try bench.requests { () throws in
            for name in ["nothing", "name@nothing"] {
                let entry = try stack.lookup(org, name)
                #expect(entry.attributes == nil)
                #expect(entry.nameSeconds > 0 && entry.nameSeconds <= 10)
            }
        }
        #expect(cost == 0)
        _ = try stack.lookup(folder, "f")
        #expect(try bench.requests { _ = try stack.lookup(folder, "nothing") } == 0)
    }

    @Test func forbiddenNamesCostNoRequest() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        let models = try stack.node("models")
        let versions = try stack.node("models/org/name@")
        let names = [
            ".git", ".Trash", ".Trash-0", "..", ".", "a..b", "-a", "a-", "a.git", "ä", "a b",
            "a%2Fb",
            "autorun.inf@..", "name@.hidden", "name@a..b", "name@%", "name@%41", "name@a b",
            "@main",
            "@", "name@x.lock", String(repeating: "n", count: 97),
            "name@" + String(repeating: "r", count: 201), "",
        ]
        let cost = try bench.requests { () throws in
            for parent in [org, models] {
                for name in names {
                    #expect(try stack.lookup(parent, name).attributes == nil, "\(name)")
                }
                #expect(try stack.lookup(parent, bytes: [0xff, 0xfe]).attributes == nil)
                #expect(try stack.lookup(parent, bytes: [0x61, 0x40, 0xff]).attributes == nil)
            }
            for name in [".hidden", "a..b", "%", "a b"] {
                #expect(try stack.lookup(versions, name).attributes == nil, "\(name)")
            }
            #expect(try stack.lookup(versions, bytes: [0xff]).attributes == nil)
        }
        #expect(cost == 0)
    }

    @Test func refsAreTheirBytesAndFitADirectory() throws {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        let deep = Array(repeating: "a", count: 99).joined(separator: "/")
        bench.hub.commit("models/org/name", "c", ["c": [3]])
        bench.hub.edit("models/org/name") { repository in
            repository.branches[composed] = SmallHub.id("a")
            repository.pullRequests[decomposed] = SmallHub.id("b")
            repository.tags[deep] = SmallHub.id("a")
        }
        let stack = try bench.stack()
        #expect(RevisionName(composed) != RevisionName(decomposed))
        let names = try stack.names("models/org/name@")
        #expect(names.contains { $0.utf8.elementsEqual(composed.utf8) })
        #expect(!names.contains { $0.utf8.count > 255 })
        #expect(try !stack.names("models/org").contains { $0.utf8.count > 255 })
    }

    @Test func versionsAreLinks() throws {
        let stack = try bench.stack()
        let names = try stack.names("models/org/name@")
        #expect(names == ["dev%2Fx", "main", "refs%2Fpr%2F1", "v1"])
        for name in names {
            let found = try #require(try stack.find("models/org/name@/\(name)"))
            #expect(found.kind == .link)
            let target = try stack.target(found.node)
            #expect(target == "../name@\(name)")
            #expect(found.sizeBytes == Int64(target.utf8.count))
            #expect(try stack.find("models/org/\(target.dropFirst(3))")?.kind == .directory)
        }
        #expect(try stack.find("models/org/name@/nothing") == nil)
        #expect(throws: FileSystemError.notLink) {
            try stack.target(try stack.node("models/org/name"))
        }
        #expect(throws: FileSystemError.notDirectory) {
            try stack.entries(try stack.node("models/org/name@/v1"))
        }
    }

    @Test func legacyNamesAndAliases() throws {
        bench.hub.commit("models/old", "c", ["legacy": [7]])
        bench.hub.commit("models/openai/gpt2", "d", ["f": [8]])
        bench.hub.change { state in
            state.repositories["models/gpt2"] = state.repositories["models/openai/gpt2"]
            state.repositories["models/org/former"] = state.repositories["models/org/name"]
        }
        let stack = try bench.stack()
        #expect(try stack.names("models/old") == ["legacy"])
        #expect(try stack.read("models/old@main/legacy") == [7])
        #expect(try stack.find("models/old/nothing") == nil)
        for (alias, target) in [
            ("models/gpt2", "openai/gpt2"), ("models/gpt2@main", "openai/gpt2@main"),
            ("models/gpt2@", "openai/gpt2@"), ("models/org/former", "../org/name"),
            ("models/org/former@v1", "../org/name@v1"),
        ] {
            let found = try #require(try stack.find(alias), "\(alias)")
            #expect(found.kind == .link, "\(alias)")
            #expect(try stack.target(found.node) == target)
        }
        #expect(try stack.names("models/openai/gpt2@main") == ["f"])
        let root = try stack.names("models")
        #expect(root.contains("old") && root.contains("gpt2") && root.contains("openai"))
    }

    @Test func datasetsAndSpacesAreOtherRepositories() throws {
        bench.hub.commit("datasets/org/name", "e", ["rows": [5]])
        bench.hub.commit("spaces/org/app", "f", ["app.py": [6]])
        let stack = try bench.stack()
        #expect(try stack.read("datasets/org/name@main/rows") == [5])
        #expect(try stack.read("spaces/org/app/app.py") == [6])
        #expect(try stack.names("models/org/name") == ["d", "f"])
        #expect(try stack.find("models/org/app") == nil)
        #expect(try stack.names("") == ["models", "datasets", "spaces"])
    }

    @Test func gatedIsDeniedAtTheDirectory() throws {
        bench.hub.commit("models/org/gated", "c", ["f": [1]])
        bench.hub.edit("models/org/gated") { repository in
            repository.isGated = true
            repository.tokens = ["good"]
        }
        bench.options.fetch.refusalSeconds = 0.05
        let stack = try bench.stack()
        #expect(throws: FileSystemError.accessDenied) { try stack.find("models/org/gated") }
        #expect(throws: FileSystemError.accessDenied) { try stack.find("models/org/gated@main") }
        #expect(try stack.names("models/org").contains("gated"), "its name may be seen")
        #expect(stack.fetcher.refusals.map(\.repository.name) == ["org/gated"])
        try writeToken("good")
        sleep(seconds: 1.2)
        #expect(try stack.names("models/org/gated@main") == ["f"])
        #expect(stack.fetcher.refusals.isEmpty)
        #expect(try stack.read("models/org/gated@main/f") == [1])
    }

    @Test func hiddenIsMissing() throws {
        bench.hub.commit("models/org/hidden", "c", ["f": [1]])
        bench.hub.edit("models/org/hidden") { repository in
            repository.isPrivate = true
            repository.tokens = ["good"]
        }
        bench.options.fetch.refusalSeconds = 0.05
        let stack = try bench.stack()
        #expect(try stack.find("models/org/hidden") == nil)
        #expect(try !stack.names("models/org").contains("hidden"))
        try writeToken("good")
        sleep(seconds: 1.2)
        #expect(try stack.read("models/org/hidden/f") == [1])
    }

    private func writeToken(_ token: String) throws {
        try writeFile("\(bench.folder.path)/token", Array(token.utf8))
    }

    @Test func aRefusedTokenIsDenied() throws {
        bench.options.variables["HF_TOKEN"] = "expired"
        let stack = try bench.stack()
        #expect(throws: FileSystemError.accessDenied) { try stack.find("models/org") }
    }

    @Test func aHubThatListsNobodyIsMountedAllTheSame() throws {
        bench.hub.commit("models/old", "c", ["legacy": [7]])
        bench.hub.change { $0.listsOwners = false }
        let stack = try bench.stack()
        #expect(try stack.read("models/org/name@v1/d/g") == [2])
        #expect(try stack.read("models/old/legacy") == [7])
        #expect(try stack.names("models/org") == ["name", "name@v1"])
        let other = try #require(try stack.find("models/whoever"))
        #expect(other.kind == .directory)
        #expect(try stack.names("models/whoever") == [])
        #expect(try stack.find("models/whoever/nothing") == nil)
    }

    @Test func idsOfAnotherDatabaseAreStale() throws {
        let stack = try bench.stack()
        let node = try stack.node("models/org/name")
        let other = NodeID.named(node.row, epoch: node.epoch % 4_000_000 + 1)
        #expect(throws: FileSystemError.stale) { try stack.attributes(other) }
        #expect(throws: FileSystemError.stale) { try stack.lookup(other, "f") }
        #expect(throws: FileSystemError.stale) { try stack.entries(other) }
        #expect(throws: FileSystemError.stale) {
            try stack.read(NodeID.file(ContentID(row: 1), epoch: other.epoch), 0..<1)
        }
        #expect(throws: FileSystemError.stale) {
            try stack.attributes(NodeID.named(1 << 30, epoch: node.epoch))
        }
        #expect(throws: FileSystemError.stale) {
            try stack.attributes(NodeID.file(ContentID(row: 1 << 30), epoch: node.epoch))
        }
    }

    @Test func hostileTreesLeaveTheRestUsable() throws {
        let oid = SmallHub.id("e")
        func entry(_ path: String, _ kind: String = "file", _ size: String = "1") -> String {
            """
            {"type": "\(kind)", "path": \(SmallHubAnswers.quoted(path)), "oid": "\(oid)", \
            "size": \(size)}
            """
        }
        bench.hub.commit(
            "models/org/hostile", "c", ["good": [1], "d/good": [2]],
            extra: [
                entry("../up"), entry("a//b"), entry("/abs"), entry("end/"), entry("n\u{0}l"),
                entry("line\nfeed"), entry("."), entry("x/.."), entry("good"), entry("d"),
                entry(String(repeating: "n", count: 256)), entry("..", "directory"),
                entry("ca\u{66}\u{e9}"), entry("cafe\u{301}"),
            ])
        let stack = try bench.stack()
        let paths = try stack.walk(try stack.node("models/org/hostile@main"))
        #expect(
            paths.map { Array($0.utf8) }
                == [
                    "cafe\u{301}", "caf\u{e9}", "d/", "d/good", "good",
                ].map { Array($0.utf8) })
        #expect(try stack.read("models/org/hostile@main/good") == [1])
    }

    @Test func attributesAreThoseOfTheCommit() throws {
        bench.hub.commit("models/org/dated", "c", ["f": [1, 2, 3]], seconds: 1_600_000_000)
        let stack = try bench.stack()
        let folder = try stack.node("models/org/dated@main")
        let file = try #require(try stack.find("models/org/dated@main/f"))
        #expect(file.sizeBytes == 3 && file.linkCount == 1 && file.kind == .file)
        #expect(file.modifiedNanoseconds == 1_600_000_000_000_000_000)
        #expect(try stack.attributes(folder).modifiedNanoseconds == 1_600_000_000_000_000_000)
        let root = try stack.attributes(try stack.node("models/org/name@main"))
        #expect(root.kind == .directory)
        _ = try stack.names("models/org/name@main")
        #expect(try stack.attributes(try stack.node("models/org/name@main")).linkCount == 3)
        #expect(try stack.attributes(file.node) == file)
        let statistics = try stack.run { _ in stack.tree.statistics() }
        #expect(statistics.contentCount > 0 && statistics.limitBytes == 1 << 40)
    }

    @Test(arguments: [
        ("9999-12-31T23:59:59Z", 9_223_372_036), ("0000-01-01T00:00:00Z", -9_223_372_036),
    ])
    func datesThatFitNoClockAreCut(date: String, seconds: Int64) throws {
        let commit = try #require(WallTime(iso8601: date))
        bench.hub.commit(
            "models/org/dated", "c", ["f": [1]], seconds: commit.secondsSince1970)
        let stack = try bench.stack()
        let file = try #require(try stack.find("models/org/dated@main/f"))
        #expect(file.modifiedNanoseconds == seconds * 1_000_000_000)
        let folder = try stack.node("models/org/dated@main")
        #expect(try stack.attributes(folder).modifiedNanoseconds == seconds * 1_000_000_000)
        #expect(try stack.entries(folder).count == 1)
    }

    @Test func extendedAttributesTellWhereAndWhat() throws {
        let large = randomBytes(5000, seed: 1)
        bench.hub.commit("models/org/x", "c", ["d/large": large, "small": [1]])
        let stack = try bench.stack()
        let folder = try stack.node("models/org/x@main/d")
        #expect(try stack.attribute(folder, "repo") == "models/org/x")
        #expect(try stack.attribute(folder, "revision") == "main")
        #expect(try stack.attribute(folder, "commit") == SmallHub.id("c"))
        #expect(try stack.attribute(folder, "path") == "d")
        #expect(try stack.attribute(try stack.node("models/org/x"), "revision") == SmallHub.id("c"))
        #expect(
            try stack.attribute(try stack.node("models/org/name@dev%2Fx"), "revision") == "dev/x")
        #expect(try stack.attribute(try stack.node("models/org"), "truncated") == "no")
        let file = try stack.node("models/org/x@main/d/large")
        #expect(try stack.attribute(file, "size") == "5000")
        #expect(try stack.attribute(file, "cached") == "0")
        #expect(try stack.attribute(file, "verified") == "no")
        _ = try stack.read(file, 0..<10)
        #expect(try stack.attribute(file, "cached") == "5000")
        #expect(try stack.attribute(file, "verified").hasPrefix("yes 20"))
        #expect(try stack.attribute(file, "sha256").utf8.count == 64)
        let small = try stack.node("models/org/x@main/small")
        #expect(try stack.attribute(small, "oid").utf8.count == 40)
        for name in ["nothing", "", "sha256"] {
            #expect(throws: FileSystemError.noAttribute) { try stack.attribute(small, name) }
        }
        #expect(throws: FileSystemError.noAttribute) {
            try stack.run { _ in stack.tree.extendedAttribute(folder, "security.selinux") }
        }
        let fileNames = try stack.run { _ in stack.tree.extendedAttributeNames(file) }
        #expect(fileNames == ["user.modelfs.sha256"])
        let folderNames = try stack.run { _ in stack.tree.extendedAttributeNames(folder) }
        #expect(folderNames.count == 3)
        for name in folderNames {
            _ = try stack.run { _ in stack.tree.extendedAttribute(folder, name) }
        }
    }

    @Test func pinsAreFullCommits() throws {
        let stack = try bench.stack()
        func pin(_ text: String) throws -> PinnedRoot {
            let uri = try HubURI(text)
            return try stack.run { context in stack.tree.pin(uri, context) }
        }
        #expect(try pin("hf://").node == stack.tree.root)
        #expect(try pin("hf://datasets").path == ["datasets"])
        let pinned = try pin("hf://org/name@v1/d")
        #expect(pinned.commit == SmallHub.id("a"))
        #expect(pinned.path == ["models", "org", "name@\(SmallHub.id("a"))", "d"])
        #expect(try stack.entries(pinned.node).map(\.name) == [Array("g".utf8)])
        #expect(try stack.node(pinned.path.joined(separator: "/")) == pinned.node)
        #expect(try pin("hf://org/name@dev%2Fx").commit == SmallHub.id("b"))
        #expect(throws: FileSystemError.notFound) { try pin("hf://org/name@nothing") }
        #expect(throws: FileSystemError.notFound) { try pin("hf://org/nothing") }
        #expect(throws: FileSystemError.notDirectory) { try pin("hf://org/name@v1/f") }
        #expect(throws: FileSystemError.notDirectory) { try pin("hf://org/name@v1/nothing") }
    }
}
