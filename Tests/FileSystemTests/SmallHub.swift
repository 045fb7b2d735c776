// A small Hub inside the scripted server: what the tests of the tree mount.
//
// It answers as the Hub does for what the tree asks: revisions, refs, trees in pages, listings by
// author, permissions, files with ranges. Everything can be changed while it serves.

import Glibc
import Hashing
import Platform
import ScriptedServer

/// A commit of a repository in the small Hub.
struct SmallCommit {
    var id: String
    var secondsSince1970: Int64 = 1_700_000_000
    var files: [String: [UInt8]] = [:]
    /// Entries that stand in the listing and are no files, as JSON.
    var extraEntries: [String] = []
}

/// A repository in the small Hub.
struct SmallRepository {
    /// As the Hub calls it now; the key under which it stands may be an older name.
    var name: String
    var defaultBranch = "main"
    var branches: [String: String] = [:]
    var tags: [String: String] = [:]
    var pullRequests: [String: String] = [:]
    var commits: [String: SmallCommit] = [:]
    var isPrivate = false
    var isGated = false
    /// Tokens that open it, if it is private or gated.
    var tokens: Set<String> = []

    /// The commit that a revision's name stands for.
    func commit(_ revision: String) -> SmallCommit? {
        let id = branches[revision] ?? tags[revision] ?? pullRequests[revision]
        if let id { return commits[id] }
        let found = commits.keys.filter { revision.utf8.count >= 7 && $0.hasPrefix(revision) }
        return found.count == 1 ? found.first.flatMap { commits[$0] } : nil
    }
}

/// What goes wrong with the contents of a file.
enum ContentFault: Sendable {
    /// One bit is changed.
    case flip
    /// Another answer altogether; it is given the bytes that were asked for.
    case steps(@Sendable ([UInt8]) -> [ScriptStep])

    /// An answer with that status and nothing else.
    static func status(_ status: Int) -> ContentFault {
        .steps { _ in answer(status, status == 404 ? ["X-Error-Code: EntryNotFound"] : []) }
    }
}

/// A Hub for one test.
///
/// `stop` has to be called.
final class SmallHub: Sendable {
    struct State {
        /// By kind and name, such as `models/org/name`; aliases stand beside their repository.
        var repositories: [String: SmallRepository] = [:]
        /// Tokens that the Hub knows; every other is refused.
        var knownTokens: Set<String> = ["good"]
        var listsOwners = true
        var pageEntryCount = 1000
        /// Files larger than that are LFS.
        var largeByteCount = 1000
        /// Answers to content requests in place of the right one, used up from the front.
        var contentFaults: [ContentFault] = []
        /// The same for every request, as long as it is set.
        var fault: (@Sendable (SeenRequest) -> [ScriptStep]?)?
    }

    let state = Lock(State())
    private let server = Lock<ScriptedServer?>(nil)
    private let seenBefore = Lock<[SeenRequest]>([])
    let port: UInt16

    init() throws {
        // A port of its own, so that it can go away and come back.
        let started = try ScriptedServer { _ in [] }
        started.stop()
        port = started.port
        try start()
    }

    func start() throws {
        var started: ScriptedServer?
        for _ in 0..<50 where started == nil {
            started = try? ScriptedServer(port: port) { [self] request in
                SmallHubAnswers.steps(for: request, state)
            }
            if started == nil { sleep(seconds: 0.05) }
        }
        guard let started else { throw Errno.current }
        server.withLock { $0 = started }
    }

    /// Nobody listens from now on.
    func stop() {
        let running = server.withLock { $0.take() }
        if let running {
            running.stop()
            seenBefore.withLock { $0 += running.seen }
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// The requests so far, in order.
    var targets: [String] {
        seenBefore.withLock { $0 }.map(\.target)
            + (server.withLock { $0 }?.targets ?? [])
    }

    var requestCount: Int { targets.count }

    var treeRequestCount: Int { targets.count { $0.contains("/tree/") } }

    var contentRequestCount: Int { targets.count { $0.contains("/resolve/") } }

    func openGate() {
        server.withLock { $0 }?.openGate()
    }

    func change(_ body: (inout sending State) -> Void) {
        state.withLock { body(&$0) }
    }

    /// Adds a commit to a branch, making the repository if needed.
    func commit(
        _ key: String, _ digit: Character, _ files: [String: [UInt8]], branch: String = "main",
        seconds: Int64 = 1_700_000_000, extra: [String] = []
    ) {
        let id = SmallHub.id(digit)
        change { state in
            let name = key.split(separator: "/").dropFirst().joined(separator: "/")
            var repository = state.repositories[key] ?? SmallRepository(name: name)
            repository.commits[id] = SmallCommit(
                id: id, secondsSince1970: seconds, files: files, extraEntries: extra)
            repository.branches[branch] = id
            state.repositories[key] = repository
        }
    }

    func edit(_ key: String, _ body: (inout SmallRepository) -> Void) {
        change { state in
            guard var repository = state.repositories[key] else { return }
            body(&repository)
            state.repositories[key] = repository
        }
    }

    /// A commit's id, made of one digit.
    static func id(_ digit: Character) -> String { String(repeating: digit, count: 40) }
}

/// What the small Hub says.
enum SmallHubAnswers {
    private struct Question {
        let path: [String]
        let query: [String: String]
        let request: SeenRequest

        init(_ request: SeenRequest) {
            self.request = request
            let parts = request.target.split(
                separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            path = parts[0].split(separator: "/").map { SmallHubAnswers.decoded($0) }
            var query: [String: String] = [:]
            for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
                let sides = pair.split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                query[String(sides[0])] = sides.count > 1 ? decoded(sides[1]) : ""
            }
            self.query = query
        }

        var token: String? {
            request["Authorization"].map { String($0.dropFirst("Bearer ".count)) }
        }
    }

    static func steps(
        for request: SeenRequest, _ shared: borrowing Lock<SmallHub.State>
    ) -> [ScriptStep] {
        let question = Question(request)
        let (state, contentFault) = shared.withLock { state in
            let isContent = question.path.contains("resolve")
            let fault =
                isContent && !state.contentFaults.isEmpty ? state.contentFaults.removeFirst() : nil
            return (state, fault)
        }
        if let steps = state.fault?(request) { return steps }
        if let token = question.token, !state.knownTokens.contains(token) {
            return refuse(401, nil, "Invalid credentials in Authorization header")
        }
        if question.path.first == "api" { return answerAPI(question, state) }
        return answerContent(question, state, contentFault)
    }

    private static func refuse(_ status: Int, _ code: String?, _ message: String) -> [ScriptStep] {
        var fields = ["X-Error-Message: \(message)"]
        if let code { fields.append("X-Error-Code: \(code)") }
        return answer(status, fields, body: "{}")
    }

    private static func find(
        _ path: ArraySlice<String>, _ state: SmallHub.State
    ) -> (key: String, repository: SmallRepository, rest: ArraySlice<String>)? {
        for count in [3, 2] where path.count >= count {
            let key = path.prefix(count).joined(separator: "/")
            if let found = state.repositories[key] { return (key, found, path.dropFirst(count)) }
        }
        return nil
    }

    private static func mayRead(_ repository: SmallRepository, _ question: Question) -> Bool {
        question.token.map(repository.tokens.contains) ?? false
    }

    private static func answerAPI(
        _ question: Question, _ state: SmallHub.State
    ) -> [ScriptStep] {
        let path = question.path.dropFirst()
        if path.count == 1, let author = question.query["author"] {
            return answerListing(path.first ?? "", author, question, state)
        }
        guard let (_, repository, rest) = find(path, state),
            !repository.isPrivate || mayRead(repository, question)
        else { return refuse(404, "RepoNotFound", "Repository not found") }
        switch rest.first {
        case nil: return info(repository, repository.defaultBranch)
        case "revision": return info(repository, rest.dropFirst().joined(separator: "/"))
        case "refs": return refs(repository)
        case "auth-check":
            if repository.isGated && !mayRead(repository, question) {
                return refuse(403, "GatedRepo", "Access to model is restricted")
            }
            return answer(200, body: "{}")
        case "tree":
            guard let commit = repository.commit(rest.dropFirst().joined(separator: "/"))
            else { return refuse(404, "RevisionNotFound", "Invalid rev id") }
            return tree(commit, question, state)
        default: return refuse(404, nil, "not here")
        }
    }

    private static func info(_ repository: SmallRepository, _ revision: String) -> [ScriptStep] {
        guard let commit = repository.commit(revision)
        else { return refuse(404, "RevisionNotFound", "Invalid rev id") }
        return answer(200, body: infoText(repository, commit))
    }

    private static func infoText(_ repository: SmallRepository, _ commit: SmallCommit) -> String {
        let date = WallTime(secondsSince1970: commit.secondsSince1970).iso8601
        return """
            {"id": \(quoted(repository.name)), "sha": "\(commit.id)", "lastModified": "\(date)", \
            "private": \(repository.isPrivate), \
            "gated": \(repository.isGated ? "\"auto\"" : "false"), "disabled": false}
            """
    }

    private static func refs(_ repository: SmallRepository) -> [ScriptStep] {
        func list(_ refs: [String: String], _ prefix: String) -> String {
            refs.sorted { $0.key < $1.key }.map { name, commit in
                """
                {"name": \(quoted(name)), "ref": \(quoted(prefix + name)), \
                "targetCommit": "\(commit)"}
                """
            }.joined(separator: ", ")
        }
        return answer(
            200,
            body: """
                {"branches": [\(list(repository.branches, "refs/heads/"))], "converts": [], \
                "tags": [\(list(repository.tags, "refs/tags/"))], \
                "pullRequests": [\(list(repository.pullRequests, ""))]}
                """)
    }

    private static func answerListing(
        _ kind: String, _ author: String, _ question: Question, _ state: SmallHub.State
    ) -> [ScriptStep] {
        if !state.listsOwners { return refuse(404, nil, "no such question") }
        let found = state.repositories.filter { key, repository in
            key == "\(kind)/\(repository.name)" && key.hasPrefix("\(kind)/\(author)/")
                && (!repository.isPrivate || mayRead(repository, question))
        }.sorted { $0.key < $1.key }
        let texts = found.compactMap { _, repository in
            repository.commit(repository.defaultBranch).map { infoText(repository, $0) }
        }
        return answer(200, body: "[\(texts.joined(separator: ", "))]")
    }

    private static func tree(
        _ commit: SmallCommit, _ question: Question, _ state: SmallHub.State
    ) -> [ScriptStep] {
        var folders: Set<String> = []
        for path in commit.files.keys {
            var parts = path.split(separator: "/").dropLast()
            while !parts.isEmpty {
                folders.insert(parts.joined(separator: "/"))
                parts = parts.dropLast()
            }
        }
        let oid = String(repeating: "d", count: 40)
        var entries = folders.sorted().map {
            "{\"type\": \"directory\", \"path\": \(quoted($0)), \"oid\": \"\(oid)\", \"size\": 0}"
        }
        entries += commit.files.sorted { $0.key < $1.key }.map { path, bytes in
            fileEntry(path, bytes, isLarge: bytes.count > state.largeByteCount)
        }
        entries += commit.extraEntries
        let start = question.query["cursor"].flatMap { Int($0) } ?? 0
        let count = min(
            question.query["limit"].flatMap { Int($0) } ?? 1000, state.pageEntryCount)
        let page = entries.dropFirst(start).prefix(count)
        var fields: [String] = []
        if start + count < entries.count {
            let path = question.request.target.split(separator: "?")[0]
            fields.append("Link: <\(path)?cursor=\(start + count)&limit=\(count)>; rel=\"next\"")
        }
        return answer(200, fields, body: "[\(page.joined(separator: ", "))]")
    }

    private static func fileEntry(_ path: String, _ bytes: [UInt8], isLarge: Bool) -> String {
        let oid = GitObjectHasher.id(of: .blob, bytes).hex
        let plain = """
            {"type": "file", "path": \(quoted(path)), "oid": "\(oid)", "size": \(bytes.count)
            """
        if !isLarge { return plain + "}" }
        let sha256 = SHA256Hasher.digest(of: bytes).hex
        return plain + ", \"lfs\": {\"oid\": \"\(sha256)\", \"size\": \(bytes.count)}}"
    }

    private static func answerContent(
        _ question: Question, _ state: SmallHub.State,
        _ fault: ContentFault?
    ) -> [ScriptStep] {
        var path = question.path[...]
        if path.first != "datasets" && path.first != "spaces" { path = ["models"] + path }
        guard let (_, repository, rest) = find(path, state), rest.first == "resolve",
            !repository.isPrivate || mayRead(repository, question)
        else { return refuse(404, "RepoNotFound", "Repository not found") }
        if repository.isGated && !mayRead(repository, question) {
            return refuse(403, "GatedRepo", "Access to model is restricted")
        }
        let name = rest.dropFirst()
        guard let commit = repository.commits[name.first ?? ""],
            let whole = commit.files[name.dropFirst().joined(separator: "/")]
        else { return refuse(404, "EntryNotFound", "Entry not found") }
        let range = question.request["Range"].flatMap { bytesRange($0, whole.count) }
        var bytes = range.map { Array(whole[$0]) } ?? whole
        switch fault {
        case .steps(let steps): return steps(bytes)
        case .flip where !bytes.isEmpty: bytes[bytes.count / 2] ^= 4
        case .flip, nil: break
        }
        var fields = ["X-Repo-Commit: \(commit.id)", "ETag: \"x\"", "Accept-Ranges: bytes"]
        guard let range else { return answer(200, fields, bytes: bytes) }
        let last = range.upperBound - 1
        fields.append("Content-Range: bytes \(range.lowerBound)-\(last)/\(whole.count)")
        return answer(206, fields, bytes: bytes)
    }

    /// The range of `bytes=5-9`.
    private static func bytesRange(_ field: String, _ size: Int) -> Range<Int>? {
        let sides = field.dropFirst("bytes=".count).split(separator: "-")
        guard sides.count == 2, let first = Int(sides[0]), let last = Int(sides[1]), first < size
        else { return nil }
        return first..<min(size, last + 1)
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"),
                let value = UInt8(
                    String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
