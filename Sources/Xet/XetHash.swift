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
        var digits: [UInt8] = []
        digits.reserveCapacity(64)
        appendText(to: &digits)
        return String(decoding: digits, as: UTF8.self)
    }

    /// Adds the digits of `text`.
    func appendText(to line: inout [UInt8]) {
        func append(_ word: UInt64) {
            for shift in stride(from: 60, through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(shift)) & 15
                line.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
        append(digest.words.0)
        append(digest.words.1)
        append(digest.words.2)
        append(digest.words.3)
    }

    package var description: String { text }

    /// The 32 bytes as they lie in xorbs and shards.
    package var bytes: [UInt8] { digest.bytes }

    /// What an empty file has for a name.
    package static let zero = XetHash(Digest256(0, 0, 0, 0))
}
