// Data URLs that are good without a token, for a while: the path and the time of expiry are signed
// with the root's secret. The query's names are those that the Hub's own storage uses.

package import Hashing
package import Platform

/// Signs and checks data URLs.
package struct URLSigner: Sendable {
    /// What a data URL is found to be.
    package enum Verdict: Equatable, Sendable {
        case good, expired, forged
    }

    private let secret: [UInt8]

    /// - Parameter secret: known to this root alone.
    package init(secret: [UInt8]) {
        self.secret = secret
    }

    /// The query that makes the path good until then.
    ///
    /// - Parameter path: percent-encoded, as it will be requested.
    package func query(for path: String, expiryDate: WallTime) -> String {
        let expires = expiryDate.secondsSince1970
        return "Expires=\(expires)&Signature=\(signature(path, expires))&Key-Pair-Id=modelfs-hub"
    }

    /// Whether a path may be served with what stood in its query.
    package func check(
        path: String, expires: String?, signature given: String?, at date: WallTime
    ) -> Verdict {
        guard let expires = expires.flatMap({ Int64($0) }), let given,
            isEqualInConstantTime(signature(path, expires), given)
        else { return .forged }
        return date.secondsSince1970 >= expires ? .expired : .good
    }

    private func signature(_ path: String, _ expires: Int64) -> String {
        hmacSHA256(key: secret, Array("\(path)\n\(expires)".utf8)).hex
    }
}

/// Whether two texts are equal, in a time that does not tell how much of them is.
func isEqualInConstantTime(_ one: String, _ other: String) -> Bool {
    let (one, other) = (Array(one.utf8), Array(other.utf8))
    guard one.count == other.count else { return false }
    var difference: UInt8 = 0
    for index in one.indices { difference |= one[index] ^ other[index] }
    return difference == 0
}

/// HMAC with SHA-256.
///
/// Source: RFC 2104, for keys of at most one block (64 bytes).
package func hmacSHA256(key: [UInt8], _ message: [UInt8]) -> SHA256Digest {
    precondition(key.count <= 64)
    let padded = key + [UInt8](repeating: 0, count: 64 - key.count)
    let inner = SHA256Hasher.digest(of: padded.map { $0 ^ 0x36 } + message)
    return SHA256Hasher.digest(of: padded.map { $0 ^ 0x5c } + inner.bytes)
}
