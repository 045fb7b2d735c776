// What may change of a repository: who may see it, and where its refs point.

internal import FoundationEssentials
package import Hashing
package import HubAPI
package import Platform

/// A repository without its commits.
package struct RepositoryRecord: Equatable, Sendable {
    package let id: RepositoryID
    /// Answered as if it were missing to whoever has no token for it.
    package var isPrivate: Bool
    /// Its names can be seen by all, its contents only with a token for it.
    package var isGated: Bool
    package let creationDate: WallTime
    package var branches: [String: GitObjectID] = [:]
    package var tags: [String: GitObjectID] = [:]
    /// By full name, such as `refs/pr/3`.
    package var pullRequests: [String: GitObjectID] = [:]
    /// By full name, such as `refs/convert/parquet`.
    package var converts: [String: GitObjectID] = [:]

    /// The branch that stands for the repository where no revision is named.
    package static let mainBranch = "main"

    /// The commit of the default branch; of the first branch if there is no `main`.
    package var head: GitObjectID? {
        branches[RepositoryRecord.mainBranch] ?? branches.min { $0.key < $1.key }?.value
    }

    /// The commit that a ref's name stands for, in its short or its full form.
    package func target(of name: String) -> GitObjectID? {
        if let found = branches[name] ?? tags[name] ?? pullRequests[name] ?? converts[name] {
            return found
        }
        if name.hasPrefix("refs/heads/") { return branches[String(name.dropFirst(11))] }
        if name.hasPrefix("refs/tags/") { return tags[String(name.dropFirst(10))] }
        return nil
    }

    /// Points a branch, or a ref of a pull request or a conversion, to a commit.
    package mutating func move(_ name: String, to commit: GitObjectID) {
        if name.hasPrefix("refs/pr/") {
            pullRequests[name] = commit
        } else if name.hasPrefix("refs/convert/") {
            converts[name] = commit
        } else {
            branches[name] = commit
        }
    }

    /// Whether `move` may be given that name.
    package static func isMovable(_ name: String) -> Bool {
        guard let revision = RevisionName(name) else { return false }
        if name.hasPrefix("refs/pr/") {
            let number = name.dropFirst(8)
            return !number.isEmpty && number.utf8.allSatisfy { (0x30...0x39).contains($0) }
        }
        if name.hasPrefix("refs/convert/") { return name.utf8.count > 13 }
        return isTag(name) && !revision.name.isEmpty
    }

    /// Whether a tag or a branch may have that name: no other kind of ref, and not a full commit.
    package static func isTag(_ name: String) -> Bool {
        guard let revision = RevisionName(name) else { return false }
        return !name.hasPrefix("refs/") && !(revision.looksLikeCommit && name.utf8.count == 40)
    }
}

/// Its form on disk.
private struct RecordJSON: Codable {
    var kind: String
    var name: String
    var isPrivate: Bool
    var isGated: Bool
    var created: Int64
    var branches: [String: String]
    var tags: [String: String]
    var pullRequests: [String: String]
    var converts: [String: String]
}

extension RepositoryRecord {
    /// The bytes of its file.
    var bytes: [UInt8] {
        let json = RecordJSON(
            kind: id.kind.rawValue, name: id.name, isPrivate: isPrivate, isGated: isGated,
            created: creationDate.secondsSince1970, branches: branches.mapValues(\.hex),
            tags: tags.mapValues(\.hex), pullRequests: pullRequests.mapValues(\.hex),
            converts: converts.mapValues(\.hex))
        return jsonBytes(json)
    }

    /// Reads its file; nil if it does not have the form.
    init?(bytes: [UInt8]) {
        guard let json = try? JSONDecoder().decode(RecordJSON.self, from: Data(bytes)),
            let kind = RepositoryKind(rawValue: json.kind),
            let id = RepositoryID(kind: kind, name: json.name)
        else { return nil }
        func targets(_ names: [String: String]) -> [String: GitObjectID] {
            names.compactMapValues { GitObjectID(hex: $0) }
        }
        self.init(
            id: id, isPrivate: json.isPrivate, isGated: json.isGated,
            creationDate: WallTime(secondsSince1970: json.created),
            branches: targets(json.branches), tags: targets(json.tags),
            pullRequests: targets(json.pullRequests), converts: targets(json.converts))
    }
}

/// A value as it stands in a file: with sorted keys and line breaks, so that people can read it.
func jsonBytes(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Only values that JSON cannot hold fail to encode, and none of ours is a NaN.
    guard let data = try? encoder.encode(value) else { return [] }
    return Array(data) + [UInt8(ascii: "\n")]
}
