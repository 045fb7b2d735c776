// Time: refs that move, lives that end, clocks that are set back, networks that are gone.

import Catalog
import Fetching
import FileSystem
import HubAPI
import Platform
import ScriptedServer
import TestSupport
import Testing
import Transport

@Suite struct FreshnessTests {
    let bench: TreeBench

    init() throws {
        bench = try TreeBench()
        bench.hub.commit("models/org/name", "a", ["f": [1], "d/g": [2, 2]])
    }

    @Test func aMovedRefIsAnotherNodeAndTheOldOneStays() throws {
        let stack = try bench.stack()
        let old = try stack.node("models/org/name@main")
        #expect(try stack.read("models/org/name@main/f") == [1])
        bench.hub.commit("models/org/name", "b", ["f": [9, 9]])
        let fresh = WallTime.now + 10
        #expect(try stack.node("models/org/name@main", now: fresh) == old, "in its time to live")
        let later = WallTime.now + 61
        let new = try stack.node("models/org/name@main", now: later)
        #expect(new != old)
        #expect(try stack.entries(old).map(\.name) == [Array("d".utf8), Array("f".utf8)])
        #expect(try stack.attribute(old, "commit") == SmallHub.id("a"))
        #expect(try stack.attribute(new, "commit") == SmallHub.id("b"))
        let file = try #require(try stack.lookup(new, "f").attributes)
        #expect(try stack.read(file.node, 0..<10) == [9, 9])
        let oldFile = try #require(try stack.lookup(old, "f").attributes)
        #expect(try stack.read(oldFile.node, 0..<10) == [1])
    }

    @Test func aNameHoldsForTheRestOfItsTime() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        let now = WallTime.now
        _ = try stack.lookup(org, "name@main")
        let young = try stack.lookup(org, "name@main", now: now + 20).nameSeconds
        #expect(young >= 38 && young <= 41)
        let pinned = try stack.lookup(org, "name@\(SmallHub.id("a"))").nameSeconds
        #expect(pinned > 3600, "a commit never moves")
    }

    @Test func aRefIsAskedForOnceInItsTime() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        _ = try stack.lookup(org, "name@main")
        let now = WallTime.now
        #expect(
            try bench.requests { () throws in
                for second in 0..<50 as Range<Int64> {
                    _ = try stack.lookup(org, "name@main", now: now + second)
                }
            } == 0)
        #expect(try bench.requests { _ = try stack.lookup(org, "name@main", now: now + 61) } == 1)
    }

    @Test func aClockThatWasSetBackCostsAQuestion() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        let first = try stack.lookup(org, "name@main")
        let past = WallTime.now + -3600
        let cost = try bench.requests { () throws in
            let entry = try stack.lookup(org, "name@main", now: past)
            #expect(entry.attributes == first.attributes)
            #expect(entry.nameSeconds <= 60)
        }
        #expect(cost == 1)
    }

    @Test func anAliasIsAskedAnewAfterAWhile() throws {
        func lead(_ alias: String, to name: String?) {
            bench.hub.change { state in
                state.repositories["models/org/\(alias)"] =
                    name.flatMap { state.repositories["models/org/\($0)"] }
            }
        }
        bench.hub.commit("models/org/other", "b", ["f": [2]])
        lead("former", to: "name")
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        let now = WallTime.now
        func target(_ name: String, after seconds: Int64) throws -> String? {
            let found = try stack.lookup(org, name, now: now + seconds)
            return try found.attributes.map { try stack.target($0.node) }
        }
        #expect(try target("former@main", after: 0) == "../org/name@main")
        lead("former", to: "other")
        let cost = try bench.requests { () throws in
            #expect(try target("former", after: 290) == "../org/name", "in its time to live")
        }
        #expect(cost == 0)
        #expect(try target("former", after: 310) == "../org/other")
        #expect(try target("former@main", after: 310) == "../org/other@main")
        bench.hub.stop()
        #expect(try target("former", after: 900) == "../org/other", "the old answer serves")
        try bench.hub.start()
        // The bench's Hub is taken for away until it is asked with success.
        lead("former", to: nil)
        let limit = MonotonicInstant.now + 20
        while try target("former", after: 900) != nil && .now < limit { sleep(seconds: 0.2) }
        #expect(try target("former", after: 900) == nil, "it is gone")
    }

    @Test func aRefThatIsGoneIsMissingAndItsNodesStay() throws {
        bench.hub.commit("models/org/name", "b", ["h": [3]], branch: "gone")
        let stack = try bench.stack()
        let old = try stack.node("models/org/name@gone")
        _ = try stack.entries(old)
        bench.hub.edit("models/org/name") { $0.branches["gone"] = nil }
        let later = WallTime.now + 61
        #expect(try stack.find("models/org/name@gone", now: later) == nil)
        #expect(try stack.entries(old, now: later).count == 1)
    }

    // MARK: Without a network

    /// Everything that was seen answers in another life without a network, and at once.
    @Test func whatWasSeenIsThereWithoutANetwork() throws {
        bench.hub.edit("models/org/name") { $0.tags["v1"] = SmallHub.id("a") }
        bench.options.tree.renewalSeconds = 0.3
        var stack = try bench.stack()
        let before = try stack.walk(try stack.node("models/org/name@main"))
        _ = try stack.names("models/org/name@")
        #expect(try stack.read("models/org/name/f") == [1])
        let node = try stack.node("models/org/name@main")
        bench.hub.stop()
        stack = try bench.reopen()
        #expect(try stack.entries(node).count == 2, "the kernel still has the node")
        let later = WallTime.now + 1000
        let start = MonotonicInstant.now
        for _ in 0..<20 {
            #expect(try stack.node("models/org/name@main", now: later) == node)
            #expect(try stack.names("models/org/name@", now: later) == ["main", "v1"])
            #expect(try stack.names("models/org", now: later).contains("name@v1"))
            #expect(try stack.walk(node) == before)
            #expect(try stack.read("models/org/name/f") == [1])
        }
        let seconds = MonotonicInstant.now.seconds(since: start)
        #expect(seconds < 8, "slow once, not at every name: \(seconds) s")
        #expect(try stack.names("models", now: later) == ["org"])
    }

    @Test func aReaderIsMorePatientThanALookup() throws {
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/d/g")
        bench.hub.stop()
        let answers = Mailbox<Result<[UInt8], FileSystemError>>()
        let reading = Operation(stack.tree) { [tree = stack.tree] context in
            readAttempt(tree, file, 0..<2, context)
        } answer: {
            answers.send($0)
        }
        reading.start()
        let start = MonotonicInstant.now
        #expect(throws: FileSystemError.unavailable) { try stack.find("models/org/unknown") }
        #expect(MonotonicInstant.now.seconds(since: start) < 5, "nobody listens")
        #expect(throws: FileSystemError.unavailable) { try stack.find("models/org/other") }
        #expect(answers.count == 0, "the reader waits")
        try bench.hub.start()
        #expect(try answers.receive(until: .now + 20)?.get() == [2, 2])
    }

    @Test func whatWasNotSeenIsUnavailableAtOnceWhileTheHubIsAway() throws {
        bench.options.fetch.readDeadlineSeconds = 1
        bench.options.fetch.metadataDeadlineSeconds = 1
        let stack = try bench.stack()
        let file = try stack.node("models/org/name@main/d/g")
        bench.hub.stop()
        #expect(throws: FileSystemError.unavailable) { try stack.read(file, 0..<2) }
        // From now on it is known to be away.
        let start = MonotonicInstant.now
        for _ in 0..<20 {
            #expect(throws: FileSystemError.unavailable) { try stack.find("models/other") }
            #expect(throws: FileSystemError.unavailable) { try stack.find("models/org/other") }
            #expect(throws: FileSystemError.unavailable) { try stack.find("models/org/name@v9") }
        }
        sleep(seconds: 0.6)
        #expect(throws: FileSystemError.unavailable) { try stack.read(file, 0..<2) }
        #expect(MonotonicInstant.now.seconds(since: start) < 15)
        if case .present = stack.hub.status.reachability {
            Issue.record("nobody has noticed that the Hub is away")
        }
        // And back again: a probe finds it within seconds.
        try bench.hub.start()
        let limit = MonotonicInstant.now + 15
        var bytes: [UInt8] = []
        while bytes.isEmpty && MonotonicInstant.now < limit {
            bytes = (try? stack.read(file, 0..<2)) ?? []
            sleep(seconds: 0.1)
        }
        #expect(bytes == [2, 2])
    }

    @Test func offlineByChoiceCostsNothing() throws {
        var stack = try bench.stack()
        _ = try stack.walk(try stack.node("models/org/name@main"))
        #expect(try stack.read("models/org/name@main/f") == [1])
        bench.options.variables["HF_HUB_OFFLINE"] = "1"
        stack = try bench.reopen()
        let later = WallTime.now + 1000
        let cost = try bench.requests { () throws in
            let start = MonotonicInstant.now
            let folder = try stack.node("models/org/name@main", now: later)
            #expect(try stack.walk(folder).count == 3)
            #expect(try stack.read("models/org/name@main/f") == [1])
            let file = try stack.node("models/org/name@main/d/g")
            #expect(throws: FileSystemError.unavailable) { try stack.read(file, 0..<1) }
            #expect(throws: FileSystemError.unavailable) { try stack.find("models/other") }
            #expect(MonotonicInstant.now.seconds(since: start) < 10)
        }
        #expect(cost == 0)
    }

    /// A Hub that takes requests and says nothing: names that are known wait once.
    @Test func aHubThatSaysNothingIsWaitedForOnce() throws {
        bench.options.tree.renewalSeconds = 0.3
        let stack = try bench.stack()
        let node = try stack.node("models/org/name@main")
        bench.hub.change { $0.fault = { _ in [.gate] } }
        let later = WallTime.now + 1000
        let start = MonotonicInstant.now
        for _ in 0..<40 { #expect(try stack.node("models/org/name@main", now: later) == node) }
        #expect(MonotonicInstant.now.seconds(since: start) < 6)
        bench.hub.change { $0.fault = nil }
        bench.hub.openGate()
    }

    // MARK: Without permission

    @Test func aTokenRevokedDuringUse() throws {
        let large = randomBytes(3_000_000, seed: 4)
        bench.hub.commit("models/org/secret", "c", ["large": large, "other": [5]])
        bench.hub.edit("models/org/secret") { repository in
            repository.isPrivate = true
            repository.tokens = ["good", "new"]
        }
        let token = "\(bench.folder.path)/token"
        try writeFile(token, Array("good".utf8))
        let stack = try bench.stack()
        let node = try stack.node("models/org/secret@main/large")
        let other = try stack.node("models/org/secret@main/other")
        #expect(try stack.read(node, 0..<10) == Array(large[0..<10]))
        bench.hub.change { $0.knownTokens = ["new"] }
        #expect(try stack.read(node, 0..<10) == Array(large[0..<10]), "what is cached goes on")
        #expect(throws: FileSystemError.accessDenied) {
            try stack.read(node, 2_000_000..<2_000_010)
        }
        #expect(stack.fetcher.refusals.map(\.repository.name) == ["org/secret"])
        let later = WallTime.now + 61
        #expect(try stack.node("models/org/secret@main/large", now: later) == node)
        try writeFile(token, Array("new".utf8))
        sleep(seconds: 2.5)
        #expect(try stack.read(node, 2_000_000..<2_000_010) == Array(large[2_000_000..<2_000_010]))
        #expect(try stack.read(other, 0..<1) == [5])
        #expect(stack.fetcher.refusals.isEmpty)
    }

    /// The Hub hides what may no longer be read: to who reads it, that is a denial.
    @Test func aRepositoryHiddenDuringUse() throws {
        bench.hub.commit("models/org/secret", "c", ["f": [11], "g": [12]])
        bench.hub.edit("models/org/secret") { repository in
            repository.isPrivate = true
            repository.tokens = ["good"]
        }
        bench.hub.change { $0.knownTokens = ["good", "poor"] }
        try writeFile("\(bench.folder.path)/token", Array("good".utf8))
        let stack = try bench.stack()
        let file = try stack.node("models/org/secret@main/f")
        #expect(try stack.read(try stack.node("models/org/secret@main/g"), 0..<1) == [12])
        try writeFile("\(bench.folder.path)/token", Array("poor".utf8))
        sleep(seconds: 1.2)
        // A question about a name reads the token file again before it is sent.
        _ = try stack.find("models/nobody")
        #expect(throws: FileSystemError.accessDenied) { try stack.read(file, 0..<1) }
        #expect(try stack.read("models/org/secret@main/g") == [12])
    }
}
