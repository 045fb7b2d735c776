// The 32 bytes of a BLAKE3 hash as a value: fixed size, hashable, no allocation.

/// A digest of 256 bits whose bytes are kept as they lie in memory: four little-endian words.
package struct Digest256: Hashable, Sendable {
    /// Bytes 0..<8, 8..<16, 16..<24 and 24..<32, each read as a little-endian number.
    package let words: (UInt64, UInt64, UInt64, UInt64)

    /// Takes the four words.
    package init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        words = (word0, word1, word2, word3)
    }

    /// Takes exactly 32 bytes; nil otherwise.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var words: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() {
            words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8)
        }
        self.init(words[0], words[1], words[2], words[3])
    }

    /// Takes exactly 64 hexadecimal digits, two a byte; nil otherwise.
    package init?(hex: some StringProtocol) {
        guard let bytes = hexBytes(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 32 bytes in their order.
    package var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }

    /// 64 lower-case hexadecimal digits, two a byte.
    package var hex: String { hexString(bytes) }

    package static func == (left: Digest256, right: Digest256) -> Bool {
        left.words == right.words
    }

    package func hash(into hasher: inout Hasher) {
        // A digest is uniform, so a part of it is as good as the whole.
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}
