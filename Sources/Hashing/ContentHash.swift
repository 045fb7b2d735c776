// What a file's content is known by, whatever repo, revision or path it stands under.

/// The identity of a content: files with equal identity are one file, stored once.
package enum ContentHash: Hashable, Sendable {
    /// A large file: the SHA-256 of its bytes.
    case sha256(SHA256Digest)
    /// A small file, kept in git: the id of its blob.
    case gitBlob(GitObjectID)

    /// 20 or 32 bytes, by which the two kinds are told apart wherever they are stored.
    package var bytes: [UInt8] {
        switch self {
        case .sha256(let digest): digest.bytes
        case .gitBlob(let id): id.bytes
        }
    }

    /// Reads what `bytes` gave; nil for any other length.
    package init?(bytes: some Collection<UInt8>) {
        if let digest = SHA256Digest(bytes: bytes) {
            self = .sha256(digest)
        } else if let id = GitObjectID(bytes: bytes) {
            self = .gitBlob(id)
        } else {
            return nil
        }
    }

    /// Lower-case hexadecimal digits: 40 of a git blob, 64 of a SHA-256.
    package var hex: String { hexString(bytes) }
}
