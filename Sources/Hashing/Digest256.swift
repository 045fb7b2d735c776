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
        // Lists of hundreds of thousands of digests are read: a step of a collection whose kind is
        // not known here costs more than all of the rest.
        let whole = bytes.withContiguousStorageIfAvailable { unsafe Digest256(whole: $0) }
        guard let digest = whole ?? Digest256(copy: Array(bytes)) else { return nil }
        self = digest
    }

    private init?(copy bytes: [UInt8]) {
        guard let digest = unsafe bytes.withUnsafeBufferPointer({ unsafe Digest256(whole: $0) })
        else { return nil }
        self = digest
    }

    private init?(whole bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count == 32 else { return nil }
        func word(_ index: Int) -> UInt64 {
            let raw = UnsafeRawBufferPointer(bytes)
            return UInt64(
                littleEndian: unsafe raw.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        self.init(word(0), word(1), word(2), word(3))
    }

    /// Takes exactly 64 hexadecimal digits, two a byte; nil otherwise.
    package init?(hex: some StringProtocol) {
        guard let bytes = hexBytes(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 32 bytes in their order.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        func append(_ word: UInt64) {
            for shift in 0..<UInt64(8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> (shift * 8)))
            }
        }
        append(words.0)
        append(words.1)
        append(words.2)
        append(words.3)
        return bytes
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
