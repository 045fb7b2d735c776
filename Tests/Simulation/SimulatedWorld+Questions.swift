// The questions of a simulation, and how their answers are compared with the model.

import Catalog
import Fetching
import FileSystem
import Platform

extension SimulatedWorld {
    /// How long an answer may take at most: the deadline of a read, and some; who waits for a proof
    /// may wait as long anew for each of the thirteen blocks of the largest content.
    private var answerSeconds: Double { options.fetch.provesFirst ? 14 * 130 : 200 }

    /// An answer, or nil with its error judged.
    func waitFor<Value: Sendable>(
        _ question: SimulatedLife.Question<Value>, _ what: String
    ) -> Value? {
        guard let answer = question.answer(withinSeconds: answerSeconds) else {
            fail("\(what): not answered")
            return nil
        }
        report.answerCount += 1
        if question.answerCount > 0 { fail("\(what): answered twice") }
        do {
            return try answer.get()
        } catch {
            say("\(what): \(error)")
            judge(error, what, since: question.begunAt)
            return nil
        }
    }

    /// Goes down a path from the root; the last name may be missing.
    private func walk(_ path: String) throws -> Entry? {
        var node = try life().tree.root
        var found: Entry?
        let names = path.split(separator: "/")
        for (index, name) in names.enumerated() {
            guard let entry = waitFor(try life().lookup(node, String(name)), path) else {
                return nil
            }
            found = entry
            guard let next = entry.attributes else {
                return index == names.count - 1 ? entry : nil
            }
            node = next.node
        }
        return found
    }

    /// A repository by a name, which has to stand for a commit that it stood for lately.
    func visitName() throws {
        let repository = choose(SimulatedWorld.repositories)
        var names: [String?] = [nil, "main", "main", "dev", "v1", "none"]
        if let id = hub.repositories[repository]?.commits.keys.sorted()
            .randomElement(using: &random)
        {
            names += [id, String(id.prefix(12))]
        }
        let revision = choose(names)
        let path = revision.map { "\(repository)@\($0)" } ?? repository
        try visit(path, repository, revision)
    }

    func visit(_ path: String, _ repository: String, _ revision: String?) throws {
        say("visit \(path)")
        let begin = threads.now
        let problemCount = report.problems.count
        guard let entry = try walk(path) else {
            if report.problems.count == problemCount, model.seen[path]?.isEmpty == false,
                isRoomy, threads.now > excusedUntil
            {
                fail("\(path) was seen and cannot be had")
            }
            return
        }
        let end = threads.now
        var allowed: Set<String?>
        if let revision, revision.utf8.count >= 12 {
            allowed = [model.commits.keys.first { $0.hasPrefix(revision) }]
        } else {
            // Resolutions hold for a minute, and refusals for half of one.
            allowed = model.commits(of: path, from: begin, to: end, seconds: 61)
            if isExcused(since: begin) {
                // An older one serves while none can be had, however it came to be known.
                allowed.formUnion(model.eras[path]?.map(\.commit) ?? [])
            }
        }
        guard let found = entry.attributes else {
            if !allowed.contains(nil) { fail("\(path) is missing") }
            return
        }
        guard let bytes = waitFor(try life().attribute(found.node, "commit"), path) else { return }
        let commit = String(decoding: bytes, as: UTF8.self)
        if !allowed.contains(commit) {
            fail("\(path) is \(commit), and may be \(allowed.map { $0 ?? "missing" })")
        }
        if !model.note(commit, of: path) {
            fail("\(path) is \(commit), which was over before what it was last")
        }
        held.append(Held(node: found.node, commit: commit, path: ""))
    }

    func heldDirectory() -> Held? { held.randomElement(using: &random) }

    /// Lists a held directory, or goes down by a name that may be there.
    func revisit() throws {
        guard let directory = heldDirectory() else { return }
        if Bool.random(using: &random) { try list(directory) } else { _ = try enter(directory) }
    }

    func list(_ directory: Held) throws {
        say("list \(directory.path) of \(directory.commit)")
        guard let names = model.commits[directory.commit]?.names(in: directory.path) else {
            return fail("a held directory that never was: \(directory)")
        }
        let withAttributes = Bool.random(using: &random)
        var listed: [ListedEntry] = []
        while true {
            let next = listed.last?.nextOffset ?? 0
            let question = try life().list(
                directory.node, from: next, withAttributes: withAttributes)
            guard let batch = waitFor(question, "listing \(directory.path)") else { return }
            if batch.isEmpty { break }
            listed += batch
        }
        let found = listed.dropFirst(2).map(\.name)
        if found != names.map({ Array($0.utf8) }) {
            fail("\(directory.path) lists \(found.count) names, and not \(names.count)")
        }
    }

    /// A file or a directory below a held one.
    @discardableResult
    func enter(_ directory: Held) throws -> (node: NodeID, bytes: [UInt8], path: String)? {
        guard let commit = model.commits[directory.commit],
            let names = commit.names(in: directory.path)
        else {
            fail("a held directory that never was: \(directory)")
            return nil
        }
        let name = choose(names + names + SimulatedWorld.names)
        let path = directory.path.isEmpty ? name : "\(directory.path)/\(name)"
        say("look up \(path) in \(directory.commit)")
        guard let entry = waitFor(try life().lookup(directory.node, name), path) else { return nil }
        let bytes = commit.files[path]?.bytes
        let isFolder = names.contains(name) && bytes == nil
        guard let found = entry.attributes else {
            if bytes != nil || isFolder { fail("\(path) is missing in \(commit.id)") }
            return nil
        }
        switch found.kind {
        case .directory:
            if !isFolder { fail("\(path) is no folder") }
            held.append(Held(node: found.node, commit: commit.id, path: path))
        case .file:
            guard let bytes else {
                fail("\(path) is no file")
                return nil
            }
            if found.sizeBytes != Int64(bytes.count) { fail("\(path) has another size") }
            return (found.node, bytes, path)
        case .link: fail("\(path) is a link")
        }
        return nil
    }

    /// A file below any held directory; tries a few times.
    func file() throws -> (node: NodeID, bytes: [UInt8], path: String)? {
        for _ in 0..<6 {
            guard let directory = heldDirectory() else {
                try visitName()
                continue
            }
            if let found = try enter(directory) { return found }
        }
        return nil
    }

    // MARK: Bytes

    func someRange(of size: Int) -> Range<Int> {
        let start = Int.random(in: 0...size, using: &random)
        let most = choose([1, 4_096, 131_072, 300_000])
        return start..<min(size, start + Int.random(in: 0...most, using: &random))
    }

    /// Compares what was read; wrong bytes are never excused, but for those that nobody promised.
    func compare(_ found: [UInt8], _ bytes: [UInt8], _ range: Range<Int>, _ path: String) {
        if found == Array(bytes[range]) { return }
        let isPromised = !mayBeUnproven || bytes.count <= 1 << 20
        let wasFlipped = weather.faultCounts[.flip] ?? 0 > 0
        if isPromised || !wasFlipped || found.count != range.count {
            fail("\(path), \(range) of \(bytes.count): wrong bytes")
        }
    }

    func readRange() throws {
        guard let (node, bytes, path) = try file() else { return }
        let range = someRange(of: bytes.count)
        say("read \(range) of \(path), \(bytes.count) bytes")
        let question = try life().read(node, Int64(range.lowerBound)..<Int64(range.upperBound))
        if let found = waitFor(question, "\(path), \(range)") { compare(found, bytes, range, path) }
    }

    func readWhole() throws {
        guard let (node, bytes, path) = try file() else { return }
        try readWhole(node, bytes, path)
    }

    func readWhole(_ node: NodeID, _ bytes: [UInt8], _ path: String) throws {
        say("read all of \(path), \(bytes.count) bytes")
        var done = 0
        while done < bytes.count {
            let range = done..<min(bytes.count, done + 131_072)
            let question = try life().read(node, Int64(range.lowerBound)..<Int64(range.upperBound))
            guard let found = waitFor(question, "\(path), \(range)") else { return }
            compare(found, bytes, range, path)
            done = range.upperBound
        }
    }

    /// Several reads at once, of one file or several.
    func readTogether() throws {
        var questions: [(SimulatedLife.Question<[UInt8]>, [UInt8], Range<Int>, String)] = []
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            guard let (node, bytes, path) = try file() else { continue }
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let range = someRange(of: bytes.count)
                say("read beside others \(range) of \(path)")
                let question = try life().read(
                    node, Int64(range.lowerBound)..<Int64(range.upperBound))
                questions.append((question, bytes, range, path))
            }
        }
        for (question, bytes, range, path) in questions {
            if let found = waitFor(question, "\(path), \(range)") {
                compare(found, bytes, range, path)
            }
        }
    }

    /// A reader that gives up after a while.
    func interruptRead() throws {
        guard let (node, bytes, path) = try file() else { return }
        let range = someRange(of: bytes.count)
        say("read and interrupt \(range) of \(path)")
        let question = try life().read(node, Int64(range.lowerBound)..<Int64(range.upperBound))
        threads.sleep(seconds: choose([0, 0.001, 0.02, 0.1, 3]))
        question.operation.interrupt()
        guard let answer = question.answer(withinSeconds: 1) else {
            return fail("\(path): an interrupt is not answered")
        }
        switch answer {
        case .success(let found): compare(found, bytes, range, path)
        case .failure(.interrupted): break
        case .failure(let error): judge(error, path, since: question.begunAt)
        }
    }

    func listVersions() throws {
        let repository = choose(SimulatedWorld.repositories)
        say("list the versions of \(repository)")
        let begin = threads.now
        guard let entry = try walk("\(repository)@") else { return }
        guard let node = entry.attributes?.node else {
            return fail("\(repository)@ is missing")
        }
        let question = try life().list(node, from: 0, withAttributes: false)
        guard let listed = waitFor(question, "\(repository)@") else { return }
        let found = Set(listed.dropFirst(2).map { String(decoding: $0.name, as: UTF8.self) })
        if isExcused(since: begin) { return }
        // Listings hold for five minutes; one that changed meanwhile may be of any moment.
        for name in ["main", "dev", "v1"] {
            let path = "\(repository)@\(name)"
            let were = model.commits(of: path, from: begin, to: threads.now, seconds: 301)
            let isThere = found.contains(name)
            if isThere && were == [nil] { fail("\(path) is listed, and is not there") }
            if !isThere && !were.contains(nil) { fail("\(path) is not listed") }
        }
    }

    func listOwner() throws {
        guard let entry = try walk("models/org"), let node = entry.attributes?.node else { return }
        let question = try life().list(node, from: 0, withAttributes: false)
        guard let listed = waitFor(question, "models/org") else { return }
        let found = Set(listed.map { String(decoding: $0.name, as: UTF8.self) })
        if !found.isSuperset(of: ["one", "two"]) { fail("models/org lists \(found)") }
    }
}
