// The hash that names chunks, xorbs and files in Xet, and how it is written.
//
// Xet prints a hash as four numbers of 16 digits, each read from eight bytes in little-endian
// order; so its digits are not those of its bytes. (The example in the protocol's own
// specification lacks a byte.)

package import Hashing

/// The name of a chunk, a node, a xorb or a file in Xet.
package struct XetHash: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes as BLAKE3 gave them.
    package let digest: Digest256

    /// Takes 32 bytes as they are.
    package init(_ digest: Digest256) {
        self.digest = digest
    }

    /// Takes exactly 32 bytes as they lie in xorbs and shards; nil otherwise.
    package init?(bytes: some Collection<UInt8>) {
        guard let digest = Digest256(bytes: bytes) else { return nil }
        self.init(digest)
    }

    /// Reads what `text` gave, in either case of letters; nil for anything else.
    package init?(text: some StringProtocol) {
        guard let bytes = hexBytes(text), bytes.count == 32 else { return nil }
        var words: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() {
            words[index / 8] = words[index / 8] << 8 | UInt64(byte)
        }
        self.init(Digest256(words[0], words[1], words[2], words[3]))
    }

    /// 64 lower-case digits, as the Hub writes it in JSON, headers and URLs.
    package var text: String {
        let words = digest.words
        return hexString(
            [words.0, words.1, words.2, words.3].flatMap { word in
                stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
            })
    }

    package var description: String { text }

    /// The 32 bytes as they lie in xorbs and shards.
    package var bytes: [UInt8] { digest.bytes }

    /// What an empty file has for a name.
    package static let zero = XetHash(Digest256(0, 0, 0, 0))
}
