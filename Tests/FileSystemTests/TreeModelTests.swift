// The tree against a small model of it, under random operations from a seed.
//
// The model is what was put into the Hub: for each commit its paths and bytes. Whatever happens -
// commits and moved branches, faults on the way, evictions, restarts, times without a network -
// what is answered has to be what the model says of that commit. Without a network an answer may
// be missing, but never wrong, and what was seen before has to be there.

import Catalog
import Fetching
import FileSystem
import HubAPI
import Platform
import ScriptedServer
import TestSupport
import Testing

/// A commit in the model.
private struct ModelCommit {
    let id: String
    let files: [String: [UInt8]]

    func names(in folder: String) -> [String]? {
        let prefix = folder.isEmpty ? "" : folder + "/"
        let below = files.keys.filter { $0.hasPrefix(prefix) }
        if below.isEmpty && !folder.isEmpty { return nil }
        let names = Set(below.map { String($0.dropFirst(prefix.count).prefix { $0 != "/" }) })
        return names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    }
}

/// One run of the random test.
private final class TreeWorld {
    struct Held {
        let node: NodeID
        let commit: String
        let path: String
        var wasListed = false
    }

    let bench: TreeBench
    var random: SeededGenerator
    var commits: [String: ModelCommit] = [:]
    /// By repository and branch or tag.
    var refs: [String: [String: String]] = [:]
    /// Every commit that a name was ever answered with; by repository and revision.
    var history: [String: Set<String>] = [:]
    /// Every commit that a repository ever had.
    var published: [String: Set<String>] = [:]
    var held: [Held] = []
    var isOnline = true
    let flips: Bool
    var contents: [[UInt8]] = []
    var problems: [String] = []

    static let repositories = ["models/org/one", "models/org/two", "models/legacy", "datasets/o/d"]
    static let parts = ["a", "b", "config.json", "d", "é", "e\u{301}", "x y", "%41", "#?&"]

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        flips = seed / 2 % 2 == 0
        bench = try TreeBench()
        bench.options.storeByteCountMax = 1_500_000
        bench.options.fetch.refusalSeconds = 0
        bench.options.fetch.prefetch = seed % 2 == 0 ? .auto : .nothing
        for size in [0, 1, 999, 1001, 131_072, 131_073, 400_000] {
            contents.append(random.bytes(size))
        }
        // Larger ones are served before they are proven, so with them nothing is flipped.
        if !flips { contents.append(random.bytes(1_300_000)) }
        for repository in TreeWorld.repositories { commit(repository, "main") }
    }

    func fail(_ problem: String) {
        if problems.count < 5 { problems.append(problem) }
    }

    private func choose<Value>(_ values: some Collection<Value>) -> Value {
        guard let value = values.randomElement(using: &random) else {
            preconditionFailure("nothing to choose from")
        }
        return value
    }

    // MARK: What happens at the Hub

    private func commit(_ repository: String, _ branch: String) {
        var files: [String: [UInt8]] = [:]
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let depth = Int.random(in: 1...3, using: &random)
            let path = (0..<depth).map { _ in choose(TreeWorld.parts) }.joined(separator: "/")
            let isBlocked = files.keys.contains { other in
                path.hasPrefix(other + "/") || other.hasPrefix(path + "/")
            }
            // Byte by byte, as the tree tells names apart; `String` would not.
            let isTwin = files.keys.contains { $0 == path && Array($0.utf8) != Array(path.utf8) }
            let twins = files.keys.contains { other in
                zip(other.split(separator: "/"), path.split(separator: "/")).contains {
                    $0 == $1 && Array($0.utf8) != Array($1.utf8)
                }
            }
            if !isBlocked && !isTwin && !twins { files[path] = choose(contents) }
        }
        var id = ""
        while id.utf8.count < 40 { id += String(random.next(), radix: 16) }
        id = String(id.prefix(40))
        commits[id] = ModelCommit(id: id, files: files)
        refs[repository, default: [:]][branch] = id
        published[repository, default: []].insert(id)
        publish(repository)
    }

    private func publish(_ key: String) {
        let known = refs[key] ?? [:]
        let all = commits
        bench.hub.change { state in
            let name = key.split(separator: "/").dropFirst().joined(separator: "/")
            var repository = state.repositories[key] ?? SmallRepository(name: name)
            for (id, commit) in all {
                repository.commits[id] = SmallCommit(id: id, files: commit.files)
            }
            repository.branches = known.filter { $0.key != "v1" }
            repository.tags = known.filter { $0.key == "v1" }
            state.repositories[key] = repository
        }
    }

    // MARK: Steps

    func step() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<8 where isOnline:
            commit(choose(TreeWorld.repositories), choose(["main", "dev", "v1"]))
        case 8..<12 where isOnline:
            let repository = choose(TreeWorld.repositories)
            refs[repository]?["dev"] = nil
            // A listing of the versions forgets what it stood for.
            history["\(repository)@dev"] = nil
            publish(repository)
        case 12..<17:
            isOnline = Bool.random(using: &random) || !isOnline
            bench.options.variables["HF_HUB_OFFLINE"] = isOnline ? nil : "1"
            _ = try bench.reopen()
        case 17..<22 where isOnline && flips:
            bench.hub.change { $0.contentFaults.append(.flip) }
        case 22..<25 where isOnline: bench.hub.change { $0.contentFaults.append(.status(503)) }
        case 25..<40: try revisit()
        case 40..<46: try listVersions()
        default: try visit()
        }
    }

    private func visit() throws {
        let repository = choose(TreeWorld.repositories)
        let known = refs[repository] ?? [:]
        var names: [String?] = [nil, "main", "dev", "v1", "none"]
        if let id = known.values.sorted().randomElement(using: &random) {
            names += [id, String(id.prefix(12))]
        }
        let revision = choose(names)
        let path = revision.map { "\(repository)@\($0)" } ?? repository
        // Beyond every time to live, so that a name is asked for if it can be.
        let now = WallTime.now + 1000
        let expected: String?
        if let revision {
            expected =
                known[revision]
                ?? (revision.utf8.count >= 12
                    ? commits.keys.first { $0.hasPrefix(revision) } : nil)
        } else {
            expected = known["main"]
        }
        let found: Attributes?
        let stack = try bench.stack()
        do throws(FileSystemError) {
            found = try stack.find(path, now: now)
        } catch {
            if isOnline || error != .unavailable { fail("\(path): \(error)") }
            if history[path] != nil && !isOnline { fail("\(path) was seen and is gone: \(error)") }
            return
        }
        guard let found else {
            if isOnline && expected != nil { fail("\(path) is missing") }
            if !isOnline && history[path] != nil { fail("\(path) was seen and is missing") }
            return
        }
        let commit = try bench.stack().attribute(found.node, "commit")
        if isOnline && commit != expected { fail("\(path) is \(commit), not \(expected ?? "-")") }
        if !published[repository, default: []].contains(commit) {
            fail("\(path) is \(commit), which it never was")
        }
        history[path, default: []].insert(commit)
        held.append(Held(node: found.node, commit: commit, path: ""))
        try inspect(held.count - 1)
    }

    private func revisit() throws {
        if held.isEmpty { return }
        try inspect(Int.random(in: held.indices, using: &random))
    }

    /// Goes down from a directory by a name that may be there.
    private func inspect(_ index: Int) throws {
        let directory = held[index]
        guard let commit = commits[directory.commit],
            let names = commit.names(in: directory.path)
        else { return fail("a held directory that never was: \(directory)") }
        let stack = try bench.stack()
        do throws(FileSystemError) {
            if Bool.random(using: &random) {
                let withAttributes = Bool.random(using: &random)
                let listed = try stack.entries(directory.node, withAttributes: withAttributes)
                held[index].wasListed = true
                if listed.map(\.name) != names.map({ Array($0.utf8) }) {
                    fail("\(directory.path) lists \(listed.count) names, not \(names.count)")
                }
            }
            let name = choose(names + TreeWorld.parts)
            let path = directory.path.isEmpty ? name : "\(directory.path)/\(name)"
            let found = try stack.lookup(directory.node, name).attributes
            held[index].wasListed = true
            let bytes = commit.files.first { Array($0.key.utf8) == Array(path.utf8) }?.value
            let isFolder = names.contains { Array($0.utf8) == Array(name.utf8) } && bytes == nil
            guard let found else {
                if bytes != nil || isFolder { fail("\(path) is missing in \(commit.id)") }
                return
            }
            switch found.kind {
            case .directory:
                if !isFolder { fail("\(path) is no folder") }
                held.append(Held(node: found.node, commit: commit.id, path: path, wasListed: true))
            case .file:
                guard let bytes else { return fail("\(path) is no file") }
                if found.sizeBytes != Int64(bytes.count) { fail("\(path) has another size") }
                read(stack, found.node, bytes, path)
            case .link: fail("\(path) is a link")
            }
        } catch {
            if isOnline || error != .unavailable { fail("\(directory.path): \(error)") }
            if !isOnline && directory.wasListed { fail("a tree that was seen: \(error)") }
        }
    }

    private func read(_ stack: TreeStack, _ node: NodeID, _ bytes: [UInt8], _ path: String) {
        let start = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, start + Int.random(in: 0...300_000, using: &random))
        let hasFaults = bench.hub.state.withLock { $0.contentFaults.count } > 0
        let isFaulty = hasFaults || MonotonicInstant.now < faultyUntil
        defer { if hasFaults { faultyUntil = .now + 3 } }
        do throws(FileSystemError) {
            let found = try stack.read(node, Int64(start)..<Int64(end))
            if found != Array(bytes[start..<end]) { fail("\(path): wrong bytes") }
        } catch {
            // Three wrong answers in a row are an error for two seconds.
            if isOnline && !isFaulty { fail("\(path) cannot be read: \(error)") }
        }
    }

    private var faultyUntil = MonotonicInstant.now

    private func listVersions() throws {
        let repository = choose(TreeWorld.repositories)
        let stack = try bench.stack()
        do throws(FileSystemError) {
            let names = try stack.names("\(repository)@", now: .now + 1000)
            let expected = (refs[repository] ?? [:]).keys.sorted()
            if isOnline && names != expected { fail("\(repository)@ lists \(names)") }
        } catch {
            if isOnline || error != .unavailable { fail("\(repository)@: \(error)") }
        }
    }
}

@Suite struct TreeModelTests {
    @Test(arguments: seeds(8))
    func theTreeIsWhatTheHubHas(seed: UInt64) throws {
        let world = try TreeWorld(seed: seed)
        for _ in 0..<150 where world.problems.isEmpty { try world.step() }
        #expect(world.problems == [], "seed \(seed)")
    }
}
