// Access tokens for Xet: good for the files of one commit of one repository, for a short while.
// They carry what they are good for, signed with the root's secret, so nothing is kept of them:
//
//     xet_<hex of "T/name\ncommit\nexpiry">.<hex of the signature>

package import Hashing
package import HubAPI
package import Platform

/// What an access token is good for.
package struct XetGrant: Equatable, Sendable {
    /// The repository.
    package let repository: RepositoryID
    /// The commit that the revision stood for.
    package let commit: GitObjectID
    /// When it ends.
    package let expiryDate: WallTime

    /// Takes the parts as they are.
    package init(repository: RepositoryID, commit: GitObjectID, expiryDate: WallTime) {
        self.repository = repository
        self.commit = commit
        self.expiryDate = expiryDate
    }
}

/// Makes and reads access tokens.
package struct XetAccess: Sendable {
    private static let prefix = "xet_"

    private let secret: [UInt8]

    /// - Parameter secret: known to this root alone.
    package init(secret: [UInt8]) {
        self.secret = secret
    }

    /// A token for a grant.
    package func token(for grant: XetGrant) -> String {
        let facts = [
            grant.repository.description, grant.commit.hex,
            String(grant.expiryDate.secondsSince1970),
        ]
        let payload = Array(facts.joined(separator: "\n").utf8)
        return "\(Self.prefix)\(hexString(payload)).\(signature(payload))"
    }

    /// What a token is good for; nil if it was not made here or has ended.
    package func grant(of token: some StringProtocol, at date: WallTime) -> XetGrant? {
        let bytes = String(token).utf8
        guard bytes.starts(with: Self.prefix.utf8) else { return nil }
        let halves = bytes.dropFirst(Self.prefix.utf8.count).split(separator: UInt8(ascii: "."))
        guard halves.count == 2, let payload = hexBytes(Substring(halves[0])),
            isEqualInConstantTime(signature(payload), String(Substring(halves[1])))
        else { return nil }
        let facts = payload.split(separator: UInt8(ascii: "\n")).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard facts.count == 3, let repository = Self.repository(facts[0]),
            let commit = GitObjectID(hex: facts[1]), let expiry = Int64(facts[2]),
            date.secondsSince1970 < expiry
        else { return nil }
        return XetGrant(
            repository: repository, commit: commit,
            expiryDate: WallTime(secondsSince1970: expiry))
    }

    /// Signed with words before it that no path begins with, so that a signature of a URL is not
    /// one of a token.
    private func signature(_ payload: [UInt8]) -> String {
        hmacSHA256(key: secret, Array("xet token\n".utf8) + payload).hex
    }

    private static func repository(_ text: String) -> RepositoryID? {
        let kind = text.prefix { $0 != "/" }
        return RepositoryKind(plural: kind).flatMap {
            RepositoryID(kind: $0, name: text.dropFirst(kind.count + 1))
        }
    }
}
