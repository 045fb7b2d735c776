// Texts in quotes: checked in one pass, and decoded only where somebody wants them.
//
// Escapes stand for whole characters and are ASCII themselves, so a text is UTF-8 exactly when the
// bytes between its quotes are.

extension JSONScanner {
    /// Where a text stands, without its quotes.
    struct TextPlace {
        let range: Range<Int>
        let hasEscapes: Bool
    }

    /// Reads a text.
    mutating func string() throws(JSONFault) -> String {
        let place = try passText()
        if !place.hasEscapes { return String(decoding: bytes[place.range], as: UTF8.self) }
        var text: [UInt8] = []
        text.reserveCapacity(place.range.count)
        decode(place.range, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a text, and appends its bytes.
    mutating func appendString(to text: inout [UInt8]) throws(JSONFault) {
        let place = try passText()
        if place.hasEscapes {
            decode(place.range, to: &text)
        } else {
            text.append(contentsOf: bytes[place.range])
        }
    }

    /// Passes over a text, with all of it checked.
    mutating func passText() throws(JSONFault) -> TextPlace {
        if !take("\"") { throw fault("a text in quotes is missing") }
        let start = position
        var (index, hasEscapes, all) = (start, false, UInt8(0))
        while index < bytes.count {
            let byte = bytes[index]
            all |= byte
            if byte == UInt8(ascii: "\"") {
                position = index
                if all >= 0x80 && !isUnicode(start..<index) {
                    throw fault("a text that is no UTF-8")
                }
                position += 1
                return TextPlace(range: start..<index, hasEscapes: hasEscapes)
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                position = index
                _ = try escaped()
                index = position
                continue
            }
            if byte < 0x20 {
                position = index
                throw fault("a control character in a text: write it as an escape")
            }
            index += 1
        }
        position = index
        throw fault("a text without an end")
    }

    private func isUnicode(_ range: Range<Int>) -> Bool {
        (try? UTF8Span(validating: bytes.span.extracting(range))) != nil
    }

    // MARK: Escapes

    /// Decodes a text that was passed over.
    private func decode(_ range: Range<Int>, to text: inout [UInt8]) {
        var reader = self
        reader.position = range.lowerBound
        while reader.position < range.upperBound {
            let byte = bytes[reader.position]
            if byte != UInt8(ascii: "\\") {
                text.append(byte)
                reader.position += 1
            } else if let scalar = try? reader.escaped(), let encoded = UTF8.encode(scalar) {
                text.append(contentsOf: encoded)
            }
        }
    }

    /// Reads an escape, from its backslash on.
    private mutating func escaped() throws(JSONFault) -> Unicode.Scalar {
        guard position + 1 < bytes.count else { throw fault("a text without an end") }
        let byte = bytes[position + 1]
        let scalar: Unicode.Scalar
        switch byte {
        case UInt8(ascii: "n"): scalar = "\n"
        case UInt8(ascii: "t"): scalar = "\t"
        case UInt8(ascii: "r"): scalar = "\r"
        case UInt8(ascii: "b"): scalar = "\u{8}"
        case UInt8(ascii: "f"): scalar = "\u{c}"
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            scalar = Unicode.Scalar(byte)
        case UInt8(ascii: "u"): return try escapedUnit()
        default: throw fault("an escape that JSON does not have")
        }
        position += 2
        return scalar
    }

    /// Two halves of a pair stand for one character beyond the first 65,536.
    private mutating func escapedUnit() throws(JSONFault) -> Unicode.Scalar {
        let first = try hexUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xd800..<0xdc00).contains(first), position + 1 < bytes.count,
            bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
        else { throw fault("half a character in a text") }
        let second = try hexUnit()
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw fault("half a character in a text") }
        return scalar
    }

    /// The number in `\uXXXX`.
    private mutating func hexUnit() throws(JSONFault) -> UInt32 {
        guard position + 6 <= bytes.count else { throw fault("a text without an end") }
        var value: UInt32 = 0
        for index in position + 2..<position + 6 {
            let byte = bytes[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: throw fault("\\u needs four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
        }
        position += 6
        return value
    }
}
