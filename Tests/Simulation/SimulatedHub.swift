// The Hub of a simulation: repositories, refs, trees and files, and what it answers to a request.
//
// It answers as the Hub does for what ModelFS asks. Large files are sent from another host, by URLs
// that expire. Everything can be changed at any time; there is no clock in it but the one that it
// is told of.

import Hashing
import Platform
import TestSupport
import Transport

/// An answer before anything goes wrong with it.
package struct SimulatedAnswer: Sendable {
    var status: Int
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []

    static func refusal(_ status: Int, _ code: String) -> SimulatedAnswer {
        SimulatedAnswer(
            status: status,
            headers: [("X-Error-Code", code), ("X-Error-Message", "the simulated Hub says no")])
    }

    static func json(_ text: String) -> SimulatedAnswer {
        SimulatedAnswer(
            status: 200, headers: [("Content-Type", "application/json")], body: Array(text.utf8))
    }
}

/// A commit: its files by path.
package struct SimulatedCommit: Sendable {
    package let id: String
    package let secondsSince1970: Int64
    package let files: [String: SimulatedContent]
}

/// The bytes of files, whatever they are called, and their hashes.
package final class SimulatedContent: Sendable {
    package let bytes: [UInt8]
    package let sha256: SHA256Digest
    package let oid: GitObjectID

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        sha256 = SHA256Hasher.digest(of: bytes)
        oid = GitObjectHasher.id(of: .blob, bytes)
    }

    /// Under the name that the Hub has for them.
    package var hash: ContentHash {
        bytes.count < SimulatedHub.largeByteCount ? .gitBlob(oid) : .sha256(sha256)
    }
}

/// A repository.
package struct SimulatedRepository: Sendable {
    /// Such as `org/name`.
    package let name: String
    package var branches: [String: String] = [:]
    package var tags: [String: String] = [:]
    package var commits: [String: SimulatedCommit] = [:]

    func commit(_ revision: String) -> SimulatedCommit? {
        if let id = branches[revision] ?? tags[revision] { return commits[id] }
        if let exact = commits[revision] { return exact }
        let found = commits.keys.filter { revision.utf8.count >= 7 && $0.hasPrefix(revision) }
        return found.count == 1 ? found.first.flatMap { commits[$0] } : nil
    }
}

/// The Hub.
package final class SimulatedHub: @unchecked Sendable {
    // Sendable because only the thread with the baton touches it.

    package static let origin = "https://hub.test"
    static let dataOrigin = "https://data.test"
    /// Files from that length on are sent from the other host.
    static let largeByteCount = 20_000
    static let urlSeconds: Int64 = 300
    /// Few, so that trees come in pages.
    static let pageEntryCount = 7

    /// By kind and name, such as `models/org/name`.
    package var repositories: [String: SimulatedRepository] = [:]
    private var bySHA256: [String: SimulatedContent] = [:]

    package init() {}

    /// What is answered to a request at a time.
    func answer(_ request: TransferRequest, at now: WallTime) -> SimulatedAnswer {
        let text = request.url.text
        if text.hasPrefix(SimulatedHub.dataOrigin) {
            return answerData(String(text.dropFirst(SimulatedHub.dataOrigin.count)), request, now)
        }
        guard text.hasPrefix(SimulatedHub.origin) else { return SimulatedAnswer(status: 404) }
        let target = text.dropFirst(SimulatedHub.origin.count).split(
            separator: "?", maxSplits: 1)
        let path = (target.first ?? "").split(separator: "/").map { decoded($0) }
        var query: [String: String] = [:]
        for pair in (target.count > 1 ? target[1] : "").split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1)
            query[String(sides[0])] = sides.count > 1 ? decoded(sides[1]) : ""
        }
        if request.method == .head { return SimulatedAnswer(status: 200) }
        if path.first == "api" { return answerAPI(Array(path.dropFirst()), query) }
        return answerResolve(path, request, now)
    }

    // MARK: The API

    private func answerAPI(_ path: [String], _ query: [String: String]) -> SimulatedAnswer {
        guard let kind = path.first else { return .refusal(404, "RepoNotFound") }
        if path.count == 1 { return list(kind, query["author"] ?? "") }
        guard let (repository, rest) = find(path) else { return .refusal(404, "RepoNotFound") }
        switch rest.first {
        case nil: return info(repository, "main")
        case "revision": return info(repository, rest.dropFirst().joined(separator: "/"))
        case "refs": return refs(repository)
        case "tree":
            guard let commit = repository.commit(rest.dropFirst().joined(separator: "/"))
            else { return .refusal(404, "RevisionNotFound") }
            return tree(commit, "/api/" + path.joined(separator: "/"), query)
        default: return .refusal(404, "RepoNotFound")
        }
    }

    /// The repository that a path begins with, and what follows.
    private func find(_ path: [String]) -> (SimulatedRepository, ArraySlice<String>)? {
        for count in [3, 2] where path.count >= count {
            if let found = repositories[path.prefix(count).joined(separator: "/")] {
                return (found, path.dropFirst(count))
            }
        }
        return nil
    }

    private func info(_ repository: SimulatedRepository, _ revision: String) -> SimulatedAnswer {
        guard let commit = repository.commit(revision)
        else { return .refusal(404, "RevisionNotFound") }
        return .json(infoText(repository, commit))
    }

    private func infoText(_ repository: SimulatedRepository, _ commit: SimulatedCommit) -> String {
        let date = WallTime(secondsSince1970: commit.secondsSince1970).iso8601
        return """
            {"id": "\(repository.name)", "sha": "\(commit.id)", "lastModified": "\(date)", \
            "private": false, "gated": false, "disabled": false}
            """
    }

    private func list(_ kind: String, _ author: String) -> SimulatedAnswer {
        let found = repositories.filter { $0.key.hasPrefix("\(kind)/\(author)/") }
            .sorted { $0.key < $1.key }
        let texts = found.compactMap { _, repository in
            repository.commit("main").map { infoText(repository, $0) }
        }
        return .json("[\(texts.joined(separator: ", "))]")
    }

    private func refs(_ repository: SimulatedRepository) -> SimulatedAnswer {
        func list(_ refs: [String: String], _ prefix: String) -> String {
            refs.sorted { $0.key < $1.key }.map { name, commit in
                #"{"name": "\#(name)", "ref": "\#(prefix)\#(name)", "targetCommit": "\#(commit)"}"#
            }.joined(separator: ", ")
        }
        return .json(
            """
            {"branches": [\(list(repository.branches, "refs/heads/"))], "converts": [], \
            "tags": [\(list(repository.tags, "refs/tags/"))], "pullRequests": []}
            """)
    }

    private func tree(
        _ commit: SimulatedCommit, _ path: String, _ query: [String: String]
    ) -> SimulatedAnswer {
        var folders: Set<String> = []
        for path in commit.files.keys {
            var parts = path.split(separator: "/").dropLast()
            while !parts.isEmpty {
                folders.insert(parts.joined(separator: "/"))
                parts = parts.dropLast()
            }
        }
        let zeros = String(repeating: "d", count: 40)
        var entries = folders.sorted().map {
            #"{"type": "directory", "path": "\#($0)", "oid": "\#(zeros)", "size": 0}"#
        }
        entries += commit.files.sorted { $0.key < $1.key }.map { fileEntry($0, $1) }
        let start = query["cursor"].flatMap { Int($0) } ?? 0
        let count = SimulatedHub.pageEntryCount
        let page = entries.dropFirst(start).prefix(count)
        var answer = SimulatedAnswer.json("[\(page.joined(separator: ", "))]")
        if start + count < entries.count {
            let next = "<\(path)?recursive=true&cursor=\(start + count)>; rel=\"next\""
            answer.headers.append(("Link", next))
        }
        return answer
    }

    private func fileEntry(_ path: String, _ content: SimulatedContent) -> String {
        let size = content.bytes.count
        let plain = """
            {"type": "file", "path": "\(path)", "oid": "\(content.oid.hex)", "size": \(size)
            """
        if size < SimulatedHub.largeByteCount { return plain + "}" }
        return plain + ", \"lfs\": {\"oid\": \"\(content.sha256.hex)\", \"size\": \(size)}}"
    }

    // MARK: Bytes

    private func answerResolve(
        _ path: [String], _ request: TransferRequest, _ now: WallTime
    ) -> SimulatedAnswer {
        let isPlain = path.first != "datasets" && path.first != "spaces"
        guard let (repository, rest) = find(isPlain ? ["models"] + path : path),
            rest.first == "resolve"
        else { return .refusal(404, "RepoNotFound") }
        let place = rest.dropFirst()
        guard let commit = repository.commits[place.first ?? ""],
            let found = commit.files[place.dropFirst().joined(separator: "/")]
        else { return .refusal(404, "EntryNotFound") }
        let head = [(name: "X-Repo-Commit", value: commit.id), (name: "ETag", value: "\"x\"")]
        let bytes = found.bytes
        if bytes.count < SimulatedHub.largeByteCount {
            return content(bytes, request.range, head)
        }
        let until = now.secondsSince1970 + SimulatedHub.urlSeconds
        let sha256 = found.sha256.hex
        bySHA256[sha256] = found
        let target = "\(SimulatedHub.dataOrigin)/\(sha256)?Expires=\(until)"
        return SimulatedAnswer(
            status: 302,
            headers: head + [
                ("Location", target), ("X-Linked-Size", "\(bytes.count)"),
                ("X-Linked-ETag", "\"\(sha256)\""),
            ])
    }

    private func answerData(
        _ target: String, _ request: TransferRequest, _ now: WallTime
    ) -> SimulatedAnswer {
        let sides = target.dropFirst().split(separator: "?")
        guard sides.count == 2, let until = Int64(sides[1].dropFirst("Expires=".count)),
            now.secondsSince1970 < until,
            let bytes = bySHA256[String(sides[0])]?.bytes
        else { return SimulatedAnswer(status: 403) }
        return content(bytes, request.range, [])
    }

    private func content(
        _ bytes: [UInt8], _ range: Range<Int64>?, _ head: [(name: String, value: String)]
    ) -> SimulatedAnswer {
        guard let range else {
            return SimulatedAnswer(status: 200, headers: head, body: bytes)
        }
        let part = Int(range.lowerBound)..<min(Int(range.upperBound), bytes.count)
        let field = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(bytes.count)"
        return SimulatedAnswer(
            status: 206, headers: head + [("Content-Range", field)], body: Array(bytes[part]))
    }
}

private func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%"),
            let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
        {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
