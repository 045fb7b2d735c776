// Streaming SHA-256 and SHA-1 (for git object ids) by libcrypto, and XXH3 by CShims.
//
// The only importer of CCrypto, which picks the processor's SHA instructions.

internal import CCrypto
internal import CShims
internal import Platform

/// A SHA-256 under way.
@safe
package struct SHA256Hasher: ~Copyable {
    private let context: OpaquePointer

    package init() {
        unsafe context = startDigest(EVP_sha256())
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// Adds the next bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        unsafe updateDigest(context, bytes)
    }

    /// Adds the next bytes.
    package mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe updateDigest(context, $0) }
    }

    /// The digest of all that was given.
    ///
    /// May be asked once.
    package consuming func finish() -> SHA256Digest {
        guard let digest = SHA256Digest(bytes: unsafe finishDigest(context, byteCount: 32)) else {
            preconditionFailure("a SHA-256 has 32 bytes")
        }
        return digest
    }

    /// The digest of one buffer.
    package static func digest(of bytes: [UInt8]) -> SHA256Digest {
        var hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }
}

/// A git object id under way: the SHA-1 of `"<kind> <size>\0"` and the content.
@safe
package struct GitObjectHasher: ~Copyable {
    /// What kinds of object there are.
    package enum Kind: String {
        case blob, tree, commit
    }

    private let context: OpaquePointer

    /// - Parameter size: the content's length in bytes, which is part of the hash.
    package init(_ kind: Kind, size: Int64) {
        unsafe context = startDigest(EVP_sha1())
        update(Array("\(kind.rawValue) \(size)".utf8) + [0])
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// Adds the next bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        unsafe updateDigest(context, bytes)
    }

    /// Adds the next bytes.
    package mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe updateDigest(context, $0) }
    }

    /// The id of the object.
    ///
    /// May be asked once.
    package consuming func finish() -> GitObjectID {
        guard let id = GitObjectID(bytes: unsafe finishDigest(context, byteCount: 20)) else {
            preconditionFailure("a SHA-1 has 20 bytes")
        }
        return id
    }

    /// The id of an object that is in memory.
    package static func id(of kind: Kind, _ bytes: [UInt8]) -> GitObjectID {
        var hasher = GitObjectHasher(kind, size: Int64(bytes.count))
        hasher.update(bytes)
        return hasher.finish()
    }
}

/// Proves a content: hashes its bytes in order, in the way its identity was made.
@safe
package struct ContentHasher: ~Copyable {
    private let context: OpaquePointer
    private let byteCount: Int

    /// - Parameters:
    ///   - expected: tells the algorithm; it is compared by the caller.
    ///   - size: the content's length in bytes.
    package init(like expected: ContentHash, size: Int64) {
        switch expected {
        case .sha256:
            unsafe context = startDigest(EVP_sha256())
            byteCount = 32
        case .gitBlob:
            unsafe context = startDigest(EVP_sha1())
            byteCount = 20
            update(Array("blob \(size)".utf8) + [0])
        }
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// Adds the next bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        unsafe updateDigest(context, bytes)
    }

    /// Adds the next bytes.
    package mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe updateDigest(context, $0) }
    }

    /// The identity of all that was given.
    ///
    /// May be asked once.
    package consuming func finish() -> ContentHash {
        guard let hash = ContentHash(bytes: unsafe finishDigest(context, byteCount: byteCount))
        else { preconditionFailure("a content's hash has 20 or 32 bytes") }
        return hash
    }
}

/// XXH3 with 64 bits: the checksum of what lies on our own disk.
///
/// Not for identity.
package func xxh3(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    unsafe xxh3(bytes, isWide: Processor.hasWideVectors)
}

/// The same in one of its two forms; the wide one only where there are wide vectors.
func xxh3(_ bytes: UnsafeRawBufferPointer, isWide: Bool) -> UInt64 {
    unsafe modelfs_xxh3(isWide ? 1 : 0, bytes.baseAddress, bytes.count)
}

private func startDigest(_ algorithm: OpaquePointer?) -> OpaquePointer {
    guard let context = unsafe EVP_MD_CTX_new(),
        unsafe EVP_DigestInit_ex(context, algorithm, nil) == 1
    else { preconditionFailure("libcrypto has no memory for a digest") }
    return unsafe context
}

private func updateDigest(_ context: OpaquePointer, _ bytes: UnsafeRawBufferPointer) {
    let status = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(status == 1)
}

private func finishDigest(_ context: OpaquePointer, byteCount: Int) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initializedCount in
        let status = unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, nil)
        precondition(status == 1)
        initializedCount = byteCount
    }
}
