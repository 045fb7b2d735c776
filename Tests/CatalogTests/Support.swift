// What the tests of the catalog share: a catalog in a directory of its own, names and entries.

import Catalog
import Hashing
import Platform
import Telemetry
import TestSupport

@testable import HubAPI

let quietLog = Log(minimum: .error, descriptor: -1)
let model = repository("org/name")
let noon = WallTime(secondsSince1970: 1_700_000_000)

func withCatalog<Value>(_ body: (Catalog, String) throws -> Value) throws -> Value {
    let folder = TemporaryDirectory()
    let path = "\(folder.path)/catalog.db"
    let catalog = try Catalog(path: path, log: quietLog)
    defer { catalog.close() }
    return try body(catalog, path)
}

func repository(_ name: String, _ kind: RepositoryKind = .model) -> RepositoryID {
    guard let id = RepositoryID(kind: kind, name: name) else { preconditionFailure("a valid name") }
    return id
}

func revision(_ name: String) -> RevisionName {
    guard let revision = RevisionName(name) else { preconditionFailure("a valid name") }
    return revision
}

/// An object id made of one digit.
func oid(_ digit: Character) -> GitObjectID {
    guard let id = GitObjectID(hex: String(repeating: digit, count: 40)) else {
        preconditionFailure("a hexadecimal digit")
    }
    return id
}

func sha256(_ text: String) -> SHA256Digest {
    SHA256Hasher.digest(of: Array(text.utf8))
}

func file(
    _ path: String, _ content: String = "x", large: Bool = false, size: Int64? = nil,
    xet: String? = nil
) -> TreeEntry {
    let bytes = Array(content.utf8)
    return TreeEntry(
        path: path, kind: .file, size: size ?? Int64(bytes.count),
        oid: GitObjectHasher.id(of: .blob, bytes), sha256: large ? sha256(content) : nil,
        xetHash: xet)
}

func folder(_ path: String) -> TreeEntry {
    TreeEntry(path: path, kind: .directory, size: 0, oid: oid("d"), sha256: nil, xetHash: nil)
}

func info(
    _ id: RepositoryID = model, _ commit: Character = "1", date: WallTime? = noon,
    isPrivate: Bool = false, isGated: Bool = false
) -> RevisionInfo {
    RevisionInfo(
        canonicalID: id, commit: oid(commit), lastModified: date, isPrivate: isPrivate,
        isGated: isGated, isDisabled: false)
}

func listed(_ name: String, commit: Character? = "1") -> ListedRepository {
    ListedRepository(
        id: repository(name), commit: commit.map(oid), lastModified: noon, isPrivate: false,
        isGated: false)
}

func ref(_ name: String, _ commit: Character, _ kind: RefInfo.Kind = .branch) -> RefInfo {
    RefInfo(kind: kind, name: name, commit: oid(commit))
}

extension Catalog {
    /// Records a revision's answer, and the tree of its commit if one is given.
    @discardableResult
    func learn(
        _ id: RepositoryID = model, _ revision: RevisionName? = nil, _ commit: Character = "1",
        date: WallTime? = noon, tree: [TreeEntry]? = nil, at now: WallTime = noon
    ) throws -> KnownCommit {
        try record(info(id, commit, date: date), asked: id, revision: revision, at: now)
        guard let known = try self.commit(oid(commit), in: id) else { throw CatalogError.damaged }
        if let tree {
            _ = try record(tree: tree, of: known)
            return try self.commit(known.id) ?? known
        }
        return known
    }

    func names(_ commit: KnownCommit, _ path: String = "") throws -> [String]? {
        try directory(commit.id, path: Array(path.utf8)).map { folder in
            (0..<folder.count).map { String(decoding: folder[$0].name, as: UTF8.self) }
        }
    }

    /// The content of a file at the root of a commit.
    func content(_ commit: KnownCommit, _ name: String) throws -> Content? {
        guard
            case .file(let id, _, _)? = try directory(commit.id, path: [])?.find(Array(name.utf8))
        else { return nil }
        return try content(id)
    }
}
