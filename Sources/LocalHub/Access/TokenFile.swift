// Tokens: what opens private and gated repositories. Only their hashes are kept.

internal import FoundationEssentials
internal import Hashing
package import HubAPI
package import Platform

/// A repository, or all of one name, that a token opens.
package struct TokenScope: Hashable, Sendable, CustomStringConvertible {
    /// Nil stands for models, datasets and spaces of the name alike.
    package let kind: RepositoryKind?
    package let name: String

    /// Reads `ORG/NAME`, or `datasets/ORG/NAME` for one kind alone; nil for anything else.
    package init?(_ text: String) {
        let first = text.prefix { $0 != "/" }
        let rest = text.dropFirst(first.count + 1)
        if let kind = RepositoryKind(plural: first), !rest.isEmpty {
            guard RepositoryID(kind: kind, name: rest) != nil else { return nil }
            self.kind = kind
            name = String(rest)
        } else {
            guard RepositoryID(kind: .model, name: text) != nil else { return nil }
            kind = nil
            name = text
        }
    }

    /// In the form that is read.
    package var description: String { kind.map { "\($0.plural)/\(name)" } ?? name }

    /// Whether the repository is one of those meant.
    func covers(_ id: RepositoryID) -> Bool { (kind == nil || kind == id.kind) && name == id.name }
}

/// A token, without the secret itself.
package struct Token: Equatable, Sendable {
    /// The hash of the secret.
    let digest: SHA256Digest
    package let creationDate: WallTime
    /// Nil for a token that does not expire.
    package let expiryDate: WallTime?
    /// Nil for a token that opens everything.
    package let scopes: [TokenScope]?

    /// What it is called in lists: enough of the hash to tell it from others.
    package var id: String { String(digest.hex.prefix(8)) }

    /// Whether its time is over.
    package func isExpired(at date: WallTime) -> Bool { expiryDate.map { $0 <= date } ?? false }

    /// Whether it opens the repository.
    package func opens(_ id: RepositoryID) -> Bool {
        scopes?.contains { $0.covers(id) } ?? true
    }
}

private struct TokenJSON: Codable {
    var sha256: String
    var created: Int64
    var expires: Int64?
    var read: [String]?
}

/// The tokens of a root.
///
/// Shared by all threads.
package final class TokenFile: Sendable {
    private struct State {
        var stamp: FileStamp?
        var tokens: [SHA256Digest: Token] = [:]
    }

    private static let countMax = 10_000
    private let root: HubRoot
    private let state = Lock(State())

    package init(_ root: HubRoot) {
        self.root = root
    }

    /// All tokens, the oldest first.
    package func all() throws(LocalHubError) -> [Token] {
        try current().values.sorted { ($0.creationDate, $0.id) < ($1.creationDate, $1.id) }
    }

    /// The token that a client sent; nil if there is none, or none any more.
    package func token(for secret: String) throws(LocalHubError) -> Token? {
        try current()[SHA256Hasher.digest(of: Array(secret.utf8))]
    }

    /// Makes a token.
    ///
    /// - Returns: the secret, which is not kept anywhere.
    package func create(
        scopes: [TokenScope]?, expiryDate: WallTime?, at date: WallTime = .now
    ) throws(LocalHubError) -> String {
        let writer = try root.lockForWriting()
        defer { withExtendedLifetime(writer.file.rawValue) {} }
        var tokens = try current()
        if tokens.count >= TokenFile.countMax {
            throw .tooMany("tokens", countMax: TokenFile.countMax)
        }
        // As the Hub writes them: `hf_` and 34 letters, here some 197 random bits.
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        let random = (0..<34).map { _ in letters[Int.random(in: 0..<letters.count)] }
        let secret = "hf_" + String(decoding: random, as: UTF8.self)
        let digest = SHA256Hasher.digest(of: Array(secret.utf8))
        tokens[digest] = Token(
            digest: digest, creationDate: date, expiryDate: expiryDate, scopes: scopes)
        try write(tokens)
        return secret
    }

    /// Removes a token.
    ///
    /// - Parameter name: its id, as `all` has it, or the token itself.
    package func revoke(_ name: String) throws(LocalHubError) {
        let writer = try root.lockForWriting()
        defer { withExtendedLifetime(writer.file.rawValue) {} }
        var tokens = try current()
        let digest = SHA256Hasher.digest(of: Array(name.utf8))
        let matches = tokens.values.filter { $0.id == name || $0.digest == digest }
        guard matches.count == 1 else { throw .noToken(name.hasPrefix("hf_") ? "hf_…" : name) }
        tokens[matches[0].digest] = nil
        try write(tokens)
    }

    private func current() throws(LocalHubError) -> [SHA256Digest: Token] {
        guard let stamp = FileStamp(root.tokensPath) else { return [:] }
        let known = state.withLock { $0.stamp == stamp ? $0.tokens : nil }
        if let known { return known }
        guard let bytes = try contents(of: root.tokensPath),
            let list = try? JSONDecoder().decode([TokenJSON].self, from: Data(bytes))
        else { throw .damaged(path: root.tokensPath) }
        var tokens: [SHA256Digest: Token] = [:]
        for item in list {
            guard let digest = SHA256Digest(hex: item.sha256) else {
                throw .damaged(path: root.tokensPath)
            }
            tokens[digest] = Token(
                digest: digest, creationDate: WallTime(secondsSince1970: item.created),
                expiryDate: item.expires.map { WallTime(secondsSince1970: $0) },
                scopes: item.read.map { $0.compactMap { TokenScope($0) } })
        }
        let read = tokens
        state.withLock { $0 = State(stamp: stamp, tokens: read) }
        return tokens
    }

    private func write(_ tokens: [SHA256Digest: Token]) throws(LocalHubError) {
        let sorted = tokens.values.sorted { ($0.creationDate, $0.id) < ($1.creationDate, $1.id) }
        let list = sorted.map { token in
            TokenJSON(
                sha256: token.digest.hex, created: token.creationDate.secondsSince1970,
                expires: token.expiryDate?.secondsSince1970,
                read: token.scopes?.map(\.description))
        }
        try replaceFile(root.tokensPath, with: jsonBytes(list))
    }
}
