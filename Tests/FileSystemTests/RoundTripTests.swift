// What is asked side by side when a repository is looked at for the first time.

import Catalog
import FileSystem
import Hashing
import HubAPI
import Platform
import ScriptedServer
import Testing

@Suite struct RoundTripTests {
    /// A Hub that answers what a revision stands for only after a tree was asked for.
    private func bench(_ tags: [String: Character]) throws -> (TreeBench, wasTogether: Flag) {
        let bench = try TreeBench()
        for digit in ["a", "b"] as [Character] {
            var files: [String: [UInt8]] = [:]
            for index in 0..<5 { files["file-\(index)"] = Array("\(digit)\(index)".utf8) }
            bench.hub.commit(
                "models/org/name", digit, files, branch: digit == "a" ? "main" : "other")
        }
        bench.hub.edit("models/org/name") { repository in
            for (name, digit) in tags { repository.tags[name] = SmallHub.id(digit) }
        }
        let flag = Flag()
        bench.hub.change { state in
            state.pageEntryCount = 2
            state.fault = { [weak hub = bench.hub] request in
                guard let hub, request.target.contains("/revision/") else { return nil }
                let until = MonotonicInstant.now + 10
                while MonotonicInstant.now < until {
                    if hub.targets.contains(where: { $0.contains("/tree/") }) {
                        flag.isSet.withLock { $0 = true }
                        // Time for a second page, if anybody asked for one.
                        _ = Mailbox<Bool>().receive(until: .now + 0.2)
                        break
                    }
                    _ = Mailbox<Bool>().receive(until: .now + 0.01)
                }
                return nil
            }
        }
        return (bench, flag)
    }

    final class Flag: Sendable {
        let isSet = Lock(false)
    }

    private func pages(_ bench: TreeBench, of digit: Character) -> Int {
        bench.hub.targets.count { $0.contains("/tree/\(SmallHub.id(digit))") }
    }

    @Test func theTreeIsAskedForTogetherWithTheRevision() throws {
        let (bench, flag) = try bench(["v1": "a"])
        let stack = try bench.stack()
        #expect(try stack.read("models/org/name@v1/file-3") == Array("a3".utf8))
        #expect(flag.isSet.withLock { $0 }, "one was waited for before the other was asked for")
        #expect(pages(bench, of: "a") <= 4, "three pages, the first of them twice at most")
        #expect(bench.hub.targets.count { $0.contains("/xet-read-token/") } == 1)
        let again = try bench.requests { () throws in
            #expect(try stack.walk(try stack.node("models/org/name@v1")).count == 5)
        }
        #expect(again == 0)
    }

    /// What was asked ahead of a name that stands for another commit ends with its first page,
    /// and happens once.
    @Test func aTreeThatNobodyWantsEndsWithItsFirstPage() throws {
        let (bench, flag) = try bench(["v1": "b", "v2": "b"])
        let stack = try bench.stack()
        #expect(try stack.read("models/org/name@v1/file-3") == Array("b3".utf8))
        #expect(flag.isSet.withLock { $0 })
        #expect(pages(bench, of: "a") == 1)
        #expect(try stack.read("models/org/name@v2/file-4") == Array("b4".utf8))
        #expect(pages(bench, of: "a") == 1 && pages(bench, of: "b") == 3)
        // Nothing is left of it that keeps somebody from it.
        #expect(try stack.walk(try stack.node("models/org/name@main")).count == 5)
        #expect(pages(bench, of: "a") == 4)
    }

    /// What was asked ahead is in the catalog when somebody asked for it, and not before.
    @Test func aTreeThatNobodyWantsIsNotRecorded() throws {
        let (bench, flag) = try bench(["v1": "b"])
        bench.hub.change { $0.pageEntryCount = 1000 }
        let stack = try bench.stack()
        let id = try #require(RepositoryID(kind: .model, name: "org/name"))
        func known() throws -> [String] {
            try stack.catalog.commitsWithTrees(of: id).map { String($0.oid.hex.prefix(1)) }
        }
        #expect(try stack.read("models/org/name@v1/file-3") == Array("b3".utf8))
        #expect(flag.isSet.withLock { $0 })
        #expect(pages(bench, of: "a") == 1 && pages(bench, of: "b") == 1)
        #expect(try known() == ["b"])
        #expect(try stack.read("models/org/name@main/file-3") == Array("a3".utf8))
        #expect(pages(bench, of: "a") == 1, "it was here")
        #expect(try known().sorted() == ["a", "b"])
    }

    /// Looking at a name is not looking into it.
    @Test func aTreeIsRecordedWhenItIsLookedInto() throws {
        let (bench, _) = try bench([:])
        bench.hub.change { $0.pageEntryCount = 1000 }
        let stack = try bench.stack()
        let id = try #require(RepositoryID(kind: .model, name: "org/name"))
        let node = try stack.node("models/org/name@main")
        #expect(try stack.catalog.commitsWithTrees(of: id).isEmpty)
        #expect(try stack.walk(node).count == 5)
        #expect(try stack.catalog.commitsWithTrees(of: id).count == 1)
        #expect(pages(bench, of: "a") == 1)
    }
}
