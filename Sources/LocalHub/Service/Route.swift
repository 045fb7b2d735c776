// From a request's path to what is asked for. Pure: which repositories exist is asked of a closure,
// because `a/b` alone does not tell whether it is a repository or a legacy one and an action.

internal import HTTPService
internal import HubAPI
internal import Platform
internal import Xet

/// What a path asks for.
enum Route: Equatable {
    case whoami
    case listing(RepositoryKind)
    case repository(RepositoryID, RepositoryAction)
    /// `/{id}/resolve/{rev}/{path}`
    case resolve(RepositoryID, revision: String, path: String)
    /// `/api/resolve-cache/{T}/{id}/{commit}/{path}`
    case resolveCache(RepositoryID, commit: String, path: String)
    /// `/_data/{sha256}/{commit}/{name}`
    case data(sha256: String, commit: String)
    /// `/v2/reconstructions/{hash}` or `/v1/reconstructions/{hash}`
    case reconstruction(ReconstructionVersion, XetHash)
    /// `/_xorb/{hash}`
    case xorbData(XetHash)
    /// Anything else of a Xet server, such as `/v1/chunks/default/{hash}`.
    case otherXet
    case admin(String)
    case unknown
}

/// What can be asked of a repository under `/api/{T}/{id}`.
enum RepositoryAction: Equatable {
    case info
    case revision(String)
    case tree(revision: String, path: String)
    case refs
    case pathsInfo(revision: String)
    case authCheck
    case xetReadToken(revision: String)

    /// The words that follow an id.
    static let words: Set<Substring> = [
        "revision", "tree", "refs", "paths-info", "auth-check", "xet-read-token",
    ]
}

extension Route {
    /// Where data URLs lie.
    static let dataPrefix = "/_data/"
    /// Where data URLs of xorbs lie.
    static let xorbDataPrefix = "/_xorb/"

    /// Reads a path.
    ///
    /// - Parameters:
    ///   - path: percent-encoded, as it came.
    ///   - exists: whether there is a repository or an alias of that name.
    init(path: String, exists: (RepositoryID) -> Bool) {
        let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }[...]
        switch parts.first {
        case "api":
            self = Route.api(parts.dropFirst(), exists)
        case "_data":
            self =
                parts.count == 4
                ? .data(sha256: String(parts[1]), commit: String(parts[2])) : .unknown
        case "_xorb":
            self =
                parts.count == 2
                ? XetHash(text: parts[1]).map { .xorbData($0) } ?? .unknown : .unknown
        case "v1", "v2":
            self = Route.xet(parts) ?? Route.resolve(parts, exists)
        case "_modelfs":
            self = .admin(parts.dropFirst().joined(separator: "/"))
        default:
            self = Route.resolve(parts, exists)
        }
    }

    private static func api(
        _ parts: ArraySlice<Substring>, _ exists: (RepositoryID) -> Bool
    ) -> Route {
        guard let word = parts.first else { return .unknown }
        let rest = parts.dropFirst()
        if word == "whoami-v2", rest.isEmpty { return .whoami }
        if word == "resolve-cache" { return resolveCache(rest) }
        guard let kind = RepositoryKind(plural: word) else { return .unknown }
        if rest.isEmpty { return .listing(kind) }
        guard
            let (id, action) = split(rest, kind, exists, isAction: RepositoryAction.words.contains)
        else { return .unknown }
        return repositoryAction(action).map { .repository(id, $0) } ?? .unknown
    }

    /// The paths of a Xet server; nil for what may as well be a repository's.
    private static func xet(_ parts: ArraySlice<Substring>) -> Route? {
        if parts.contains("resolve") { return nil }
        guard parts.count == 3, parts[1] == "reconstructions", let hash = XetHash(text: parts[2])
        else { return .otherXet }
        return .reconstruction(parts[0] == "v1" ? .one : .two, hash)
    }

    private static func repositoryAction(_ parts: ArraySlice<Substring>) -> RepositoryAction? {
        guard let word = parts.first else { return .info }
        let rest = parts.dropFirst()
        switch word {
        case "refs": return rest.isEmpty ? .refs : nil
        case "auth-check": return rest.isEmpty ? .authCheck : nil
        case "revision":
            guard let (revision, path) = revisionAndPath(rest), path.isEmpty else { return nil }
            return .revision(revision)
        case "tree":
            guard let (revision, path) = revisionAndPath(rest) else { return nil }
            return .tree(revision: revision, path: path)
        case "paths-info":
            guard let (revision, path) = revisionAndPath(rest), path.isEmpty else { return nil }
            return .pathsInfo(revision: revision)
        case "xet-read-token":
            guard let (revision, path) = revisionAndPath(rest), path.isEmpty else { return nil }
            return .xetReadToken(revision: revision)
        default: return nil
        }
    }

    private static func resolve(
        _ parts: ArraySlice<Substring>, _ exists: (RepositoryID) -> Bool
    ) -> Route {
        var kind = RepositoryKind.model
        var rest = parts
        if let first = parts.first, let named = RepositoryKind(plural: first), parts.count > 3 {
            kind = named
            rest = parts.dropFirst()
        }
        guard let (id, action) = split(rest, kind, exists, isAction: { $0 == "resolve" }),
            action.first == "resolve",
            let (revision, path) = revisionAndPath(action.dropFirst()), !path.isEmpty
        else { return .unknown }
        return .resolve(id, revision: revision, path: path)
    }

    private static func resolveCache(_ parts: ArraySlice<Substring>) -> Route {
        guard let kind = parts.first.flatMap({ RepositoryKind(plural: $0) }) else {
            return .unknown
        }
        let rest = Array(parts.dropFirst())
        // The commit is the only part of 40 hexadecimal digits behind one or two parts of a name.
        for nameLength in [2, 1] where rest.count > nameLength + 1 {
            let commit = rest[nameLength]
            let name = rest[..<nameLength].joined(separator: "/")
            guard commit.utf8.count == 40, commit.allSatisfy(\.isHexDigit),
                let id = RepositoryID(kind: kind, name: name),
                let path = decodedPath(rest[(nameLength + 1)...])
            else { continue }
            return .resolveCache(id, commit: String(commit), path: path)
        }
        return .unknown
    }

    /// The id at the beginning, in two parts or in one, and what follows it.
    private static func split(
        _ parts: ArraySlice<Substring>, _ kind: RepositoryKind, _ exists: (RepositoryID) -> Bool,
        isAction: (Substring) -> Bool
    ) -> (RepositoryID, ArraySlice<Substring>)? {
        guard let first = parts.first else { return nil }
        let short = RepositoryID(kind: kind, name: first)
        let second = parts.dropFirst().first
        let long = second.flatMap {
            RepositoryID(kind: kind, organisation: String(first), base: String($0))
        }
        let readings = [(long, 2), (short, 1)].compactMap { id, length in
            id.map { ($0, parts.dropFirst(length)) }
        }
        // An id must be followed by an action or by nothing.
        let possible = readings.filter { $0.1.first.map(isAction) ?? true }
        if let found = possible.first(where: { exists($0.0) }) { return found }
        if let second, isAction(second) {
            return possible.last
        }
        return possible.first
    }

    /// A revision in one part, or `refs/pr/N` and `refs/convert/X` in three, and the path behind.
    private static func revisionAndPath(
        _ parts: ArraySlice<Substring>
    ) -> (revision: String, path: String)? {
        guard let first = parts.first else { return nil }
        var length = 1
        if first == "refs", parts.count >= 3 { length = 3 }
        guard let revision = decodedPath(parts.prefix(length)),
            let path = decodedPath(parts.dropFirst(length))
        else { return nil }
        return (revision, path)
    }

    private static func decodedPath(_ parts: ArraySlice<Substring>) -> String? {
        percentDecoded(parts.joined(separator: "/"))
    }
}
