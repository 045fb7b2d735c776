// Digests as values: fixed size, hashable, no allocation.

/// A SHA-256 digest.
package struct SHA256Digest: Hashable, Sendable {
    /// Bytes 0..<8, 8..<16, 16..<24 and 24..<32, each read as a big-endian number.
    package let words: (UInt64, UInt64, UInt64, UInt64)

    /// Takes exactly 32 bytes; nil otherwise.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        var words: [UInt64] = [0, 0, 0, 0]
        for (index, byte) in bytes.enumerated() {
            words[index / 8] = words[index / 8] << 8 | UInt64(byte)
        }
        self.words = (words[0], words[1], words[2], words[3])
    }

    /// Takes exactly 64 hexadecimal digits; nil otherwise.
    package init?(hex: some StringProtocol) {
        guard let bytes = hexBytes(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 32 bytes, in the usual order.
    package var bytes: [UInt8] {
        bigEndianBytes(words.0) + bigEndianBytes(words.1) + bigEndianBytes(words.2)
            + bigEndianBytes(words.3)
    }

    /// 64 lower-case hexadecimal digits.
    package var hex: String { hexString(bytes) }

    package static func == (left: SHA256Digest, right: SHA256Digest) -> Bool {
        left.words == right.words
    }

    package func hash(into hasher: inout Hasher) {
        // A digest is uniform, so a part of it is as good as the whole.
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}

/// A git object id: the SHA-1 of a commit, a tree or a blob with its header.
package struct GitObjectID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let middle: UInt64
    private let low: UInt32

    /// Takes exactly 20 bytes; nil otherwise.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 20 else { return nil }
        var high: UInt64 = 0
        var middle: UInt64 = 0
        var low: UInt32 = 0
        for (index, byte) in bytes.enumerated() {
            if index < 8 {
                high = high << 8 | UInt64(byte)
            } else if index < 16 {
                middle = middle << 8 | UInt64(byte)
            } else {
                low = low << 8 | UInt32(byte)
            }
        }
        self.high = high
        self.middle = middle
        self.low = low
    }

    /// Takes exactly 40 hexadecimal digits; nil otherwise.
    package init?(hex: some StringProtocol) {
        guard let bytes = hexBytes(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 20 bytes, in the usual order.
    package var bytes: [UInt8] {
        bigEndianBytes(high) + bigEndianBytes(middle) + bigEndianBytes(low)
    }

    /// 40 lower-case hexadecimal digits.
    package var hex: String { hexString(bytes) }

    package var description: String { hex }
}

private func bigEndianBytes(_ word: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
    stride(from: word.bitWidth - 8, through: 0, by: -8).map {
        UInt8(truncatingIfNeeded: word >> $0)
    }
}

/// Lower-case hexadecimal digits, two a byte.
package func hexString(_ bytes: some Collection<UInt8>) -> String {
    let digits: [UInt8] = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// The bytes that an even number of hexadecimal digits stand for; nil for anything else.
package func hexBytes(_ text: some StringProtocol) -> [UInt8]? {
    // A string of its own is read at once; through the protocol it would be byte by byte.
    let digits = Array(String(text).utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
        guard let high = hexDigit(digits[index]), let low = hexDigit(digits[index + 1])
        else { return nil }
        bytes.append(high << 4 | low)
    }
    return bytes
}

private func hexDigit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
}
