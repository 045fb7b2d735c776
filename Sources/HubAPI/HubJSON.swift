// The Hub's JSON, turned into checked values.
//
// The `…JSON` types have the fields that are used and nothing else: unknown ones are ignored, as
// are known ones that a server leaves out, unless a value cannot be made without them. Whatever
// has a form of its own (commit, digest, date, size) is checked here, once.

internal import FoundationEssentials
internal import Hashing
internal import Platform
internal import Transport

private func decodeJSON<Value: Decodable>(
    _ type: Value.Type, _ bytes: [UInt8]
) throws(HubError) -> Value {
    do {
        return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
        // The decoder's own words may quote the answer, which is not ours to log.
        throw .malformed(reason: "JSON that is cut off or not of the documented form")
    }
}

extension Result where Success == HubAnswer, Failure == HubError {
    /// The value that `decode` makes of the body.
    func decoded<Value: Sendable>(
        _ decode: ([UInt8]) throws(HubError) -> Value
    ) -> Result<Value, HubError> {
        said(decode).map(\.value)
    }

    /// As `decoded`, with the endpoint that has said it.
    func said<Value: Sendable>(
        _ decode: ([UInt8]) throws(HubError) -> Value
    ) -> Result<Said<Value>, HubError> {
        do throws(HubError) {
            let answer = try get()
            return .success(Said(value: try decode(answer.body), endpoint: answer.endpoint))
        } catch {
            return .failure(error)
        }
    }
}

/// `false`, `"auto"` or `"manual"`.
private struct GatedJSON: Decodable {
    let isGated: Bool

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let flag = try? container.decode(Bool.self) {
            isGated = flag
        } else {
            isGated = (try? container.decode(String.self)) != nil
        }
    }
}

private struct RepositoryJSON: Decodable {
    let id: String?
    let sha: String?
    let lastModified: String?
    let `private`: Bool?
    let gated: GatedJSON?
    let disabled: Bool?
}

extension RevisionInfo {
    init(json: [UInt8], kind: RepositoryKind) throws(HubError) {
        let answer = try decodeJSON(RepositoryJSON.self, json)
        guard let id = answer.id.flatMap({ RepositoryID(kind: kind, name: $0) }) else {
            throw .malformed(reason: "a repository without a valid id")
        }
        guard let commit = answer.sha.flatMap({ GitObjectID(hex: $0) }) else {
            throw .malformed(reason: "a revision without a commit")
        }
        self.init(
            canonicalID: id, commit: commit,
            lastModified: answer.lastModified.flatMap { WallTime(iso8601: $0) },
            isPrivate: answer.private ?? false, isGated: answer.gated?.isGated ?? false,
            isDisabled: answer.disabled ?? false)
    }
}

private struct RefJSON: Decodable {
    let name: String
    let ref: String
    let targetCommit: String
}

private struct RefsJSON: Decodable {
    let branches: [RefJSON]?
    let tags: [RefJSON]?
    let converts: [RefJSON]?
    let pullRequests: [RefJSON]?
}

/// The names for commits in an answer of `/refs`.
func refInfos(json: [UInt8]) throws(HubError) -> [RefInfo] {
    let answer = try decodeJSON(RefsJSON.self, json)
    let lists: [(RefInfo.Kind, [RefJSON]?)] = [
        (.branch, answer.branches), (.tag, answer.tags), (.pullRequest, answer.pullRequests),
        (.convert, answer.converts),
    ]
    var infos: [RefInfo] = []
    for (kind, refs) in lists {
        for ref in refs ?? [] {
            guard let commit = GitObjectID(hex: ref.targetCommit) else {
                throw .malformed(reason: "a ref without a commit")
            }
            // Pull requests and conversions are asked for by their whole ref, `refs/pr/3`.
            let isShort = kind == .branch || kind == .tag
            infos.append(RefInfo(kind: kind, name: isShort ? ref.name : ref.ref, commit: commit))
        }
    }
    return infos
}

private struct TokenOwnerJSON: Decodable {
    let name: String
    let type: String?
}

extension TokenOwner {
    init(json: [UInt8]) throws(HubError) {
        let answer = try decodeJSON(TokenOwnerJSON.self, json)
        self.init(name: HubError.clean(answer.name), type: HubError.clean(answer.type ?? "user"))
    }
}

/// A page of `/api/{kind}`.
struct RepositoryPage: ListingPage {
    private(set) var repositories: [ListedRepository] = []

    init() {}

    init(json: [UInt8], kind: RepositoryKind) throws(HubError) {
        for item in try decodeJSON([RepositoryJSON].self, json) {
            // A name that breaks the grammar could not be asked for: it is as if not listed.
            guard let id = item.id.flatMap({ RepositoryID(kind: kind, name: $0) }) else { continue }
            repositories.append(
                ListedRepository(
                    id: id, commit: item.sha.flatMap { GitObjectID(hex: $0) },
                    lastModified: item.lastModified.flatMap { WallTime(iso8601: $0) },
                    isPrivate: item.private ?? false, isGated: item.gated?.isGated ?? false))
        }
    }

    var entryCount: Int { repositories.count }

    mutating func append(_ next: RepositoryPage) {
        repositories += next.repositories
    }
}

private struct TreeItemJSON: Decodable {
    struct LargeFile: Decodable {
        let oid: String?
        let size: Int64?
    }

    let type: String
    let path: String?
    let oid: String?
    let size: Int64?
    let lfs: LargeFile?
    let xetHash: String?
}

/// A page of `/tree`.
struct TreePage: ListingPage {
    private(set) var entries: [TreeEntry] = []
    private(set) var unreadableNameCount = 0

    init() {}

    init(json: [UInt8]) throws(HubError) {
        let items: [TreeItemJSON]
        do throws(HubError) {
            items = try decodeJSON([TreeItemJSON].self, json)
        } catch {
            // One name that is not Unicode must not cost the whole tree.
            guard let repaired = repairedUnicode(json) else { throw error }
            items = try decodeJSON([TreeItemJSON].self, repaired)
        }
        for item in items where item.type == "file" || item.type == "directory" {
            guard let path = item.path else { throw .malformed(reason: "a file without a path") }
            if path.unicodeScalars.contains(unreadableMark) {
                unreadableNameCount += 1
                continue
            }
            entries.append(try TreePage.entry(item, path))
        }
    }

    private static func entry(_ item: TreeItemJSON, _ path: String) throws(HubError) -> TreeEntry {
        guard let oid = item.oid.flatMap({ GitObjectID(hex: $0) }) else {
            throw .malformed(reason: "a file without an object id")
        }
        guard item.type == "file" else {
            return TreeEntry(
                path: path, kind: .directory, size: 0, oid: oid, sha256: nil, xetHash: nil)
        }
        // The size at the top may be a pointer's, the one of the large file is the content's.
        guard let size = item.lfs?.size ?? item.size, (0...TreeEntry.sizeMax).contains(size) else {
            throw .malformed(reason: "a file without a believable size")
        }
        var sha256: SHA256Digest?
        if let text = item.lfs?.oid {
            sha256 = SHA256Digest(hex: text)
            if sha256 == nil { throw .malformed(reason: "a large file without a SHA-256") }
        }
        // A Xet hash of unknown form is left out: the contents come over plain HTTP then.
        let xetHash = item.xetHash.flatMap { SHA256Digest(hex: $0) == nil ? nil : $0.lowercased() }
        return TreeEntry(
            path: path, kind: .file, size: size, oid: oid, sha256: sha256, xetHash: xetHash)
    }

    var entryCount: Int { entries.count + unreadableNameCount }

    mutating func append(_ next: TreePage) {
        entries += next.entries
        unreadableNameCount += next.unreadableNameCount
    }
}

/// Stands for what is not Unicode: a noncharacter, which no text for interchange contains.
private let unreadableMark: Unicode.Scalar = "\u{ffff}"

/// JSON with `unreadableMark` in place of bytes that are not UTF-8 and of escapes that are half
/// of a surrogate pair; nil when there are none.
func repairedUnicode(_ json: [UInt8]) -> [UInt8]? {
    let mark = Array(String(unreadableMark).utf8)
    var text = json
    var isChanged = false
    if String(validating: json, as: UTF8.self) == nil {
        let decoded = String(decoding: json, as: UTF8.self)
        // Swift decodes with U+FFFD; only the new ones have to become the mark, but a name with
        // an old one is not worth telling apart.
        text = []
        for scalar in decoded.unicodeScalars {
            text += scalar == "\u{fffd}" ? mark : Array(String(scalar).utf8)
        }
        isChanged = true
    }
    var out: [UInt8] = []
    out.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
        guard text[index] == UInt8(ascii: "\\") else {
            out.append(text[index])
            index += 1
            continue
        }
        let unit = escapedUnit(text, index)
        let next = unit == nil ? nil : escapedUnit(text, index + 6)
        switch (unit, next) {
        case ((0xd800...0xdbff)?, (0xdc00...0xdfff)?):
            out += text[index..<index + 12]
            index += 12
        case ((0xd800...0xdfff)?, _):
            out += mark
            index += 6
            isChanged = true
        default:
            // An escape of two characters, or the first two of `\uXXXX`.
            out += text[index..<min(index + 2, text.count)]
            index += 2
        }
    }
    return isChanged ? out : nil
}

/// The number in `\uXXXX` at `index`; nil when something else stands there.
private func escapedUnit(_ text: [UInt8], _ index: Int) -> Int? {
    guard index + 6 <= text.count, text[index] == UInt8(ascii: "\\"),
        text[index + 1] == UInt8(ascii: "u")
    else { return nil }
    return Int(String(decoding: text[index + 2..<index + 6], as: UTF8.self), radix: 16)
}
