// A small reader of JSON, for directories that may be a hundred megabytes long.
//
// It goes over the bytes once, builds nothing that is not asked for, and bounds depth. Who uses it
// says what is expected next; a value of another kind is an error, and `skip` passes over any.

/// Reads one JSON text from its beginning to its end.
struct JSONReader {
    /// Deeper than any header; a reader of its own stack depth must not be led further.
    static let depthMax = 64

    let bytes: [UInt8]
    var position = 0
    private var depth = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    // MARK: Values

    /// Reads an object; `member` reads or skips each value, and gets its name.
    mutating func object(
        _ member: (inout JSONReader, String) throws(WeightError) -> Void
    ) throws(WeightError) {
        try open("{")
        if !take("}") {
            repeat {
                let name = try string()
                try expect(":")
                try member(&self, name)
            } while take(",")
            try expect("}")
        }
        depth -= 1
    }

    /// Reads an array; `element` reads or skips each value.
    mutating func array(
        _ element: (inout JSONReader) throws(WeightError) -> Void
    ) throws(WeightError) {
        try open("[")
        if !take("]") {
            repeat { try element(&self) } while take(",")
            try expect("]")
        }
        depth -= 1
    }

    /// Reads a whole number that is not negative.
    mutating func count() throws(WeightError) -> Int64 {
        skipSpace()
        var value: Int64 = 0
        let start = position
        while position < bytes.count, case 0x30...0x39 = bytes[position] {
            let (tens, tensOverflow) = value.multipliedReportingOverflow(by: 10)
            let (next, overflow) = tens.addingReportingOverflow(Int64(bytes[position] - 0x30))
            if tensOverflow || overflow { throw wrong("a number that is too large") }
            value = next
            position += 1
        }
        let isShort = position == start || (position - start > 1 && bytes[start] == 0x30)
        if isShort { throw wrong("no whole number where one belongs") }
        if position < bytes.count,
            [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")]
                .contains(bytes[position])
        {
            throw wrong("no whole number where one belongs")
        }
        return value
    }

    /// Reads a string.
    mutating func string() throws(WeightError) -> String {
        try expect("\"")
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                guard let text = String(validating: bytes[start..<position], as: UTF8.self)
                else { throw wrong("a string that is no UTF-8") }
                position += 1
                return text
            case UInt8(ascii: "\\"): return try stringWithEscapes(from: start)
            case 0..<0x20: throw wrong("a control character in a string")
            default: position += 1
            }
        }
        throw wrong("a string without an end")
    }

    /// Passes over any value.
    mutating func skip() throws(WeightError) {
        skipSpace()
        guard position < bytes.count else { throw wrong("no value where one belongs") }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            try object { (reader, _) throws(WeightError) in try reader.skip() }
        case UInt8(ascii: "["): try array { (reader) throws(WeightError) in try reader.skip() }
        case UInt8(ascii: "\""): _ = try string()
        default: try skipWord()
        }
    }

    /// Nothing may follow but space.
    mutating func end() throws(WeightError) {
        skipSpace()
        if position != bytes.count { throw wrong("something after the end") }
    }

    // MARK: Parts

    private func wrong(_ reason: String) -> WeightError { .malformed(reason: reason) }

    mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return
            }
        }
    }

    /// Takes a mark if it comes next.
    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ mark: Unicode.Scalar) throws(WeightError) {
        if !take(mark) { throw wrong("no '\(mark)' where one belongs") }
    }

    private mutating func open(_ mark: Unicode.Scalar) throws(WeightError) {
        try expect(mark)
        depth += 1
        if depth > JSONReader.depthMax { throw wrong("values within values without end") }
    }

    /// `true`, `false`, `null`, or something that looks like a number.
    private mutating func skipWord() throws(WeightError) {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case 0x30...0x39, 0x61...0x7a, UInt8(ascii: "E"), UInt8(ascii: "+"),
                UInt8(ascii: "-"), UInt8(ascii: "."):
                position += 1
                continue
            default: break
            }
            break
        }
        let word = String(decoding: bytes[start..<position], as: UTF8.self)
        let isKnown = ["true", "false", "null"].contains(word)
        if !isKnown && (word.contains { $0.isLetter && $0 != "e" && $0 != "E" } || word.isEmpty) {
            throw wrong("no value where one belongs")
        }
    }

    private mutating func stringWithEscapes(from start: Int) throws(WeightError) -> String {
        var decoded = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: decoded, as: UTF8.self)
                else { throw wrong("a string that is no UTF-8") }
                return text
            case UInt8(ascii: "\\"):
                decoded.append(contentsOf: String(try escaped()).utf8)
            case 0..<0x20: throw wrong("a control character in a string")
            default: decoded.append(byte)
            }
        }
        throw wrong("a string without an end")
    }

    private mutating func escaped() throws(WeightError) -> Unicode.Scalar {
        guard position < bytes.count else { throw wrong("a string without an end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            return Unicode.Scalar(byte)
        case UInt8(ascii: "u"): return try escapedUnit()
        default: throw wrong("an unknown escape in a string")
        }
    }

    private mutating func escapedUnit() throws(WeightError) -> Unicode.Scalar {
        let first = try hexUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // Two halves of a pair stand for one character beyond the first 65,536.
        guard (0xd800..<0xdc00).contains(first), position + 1 < bytes.count,
            bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
        else { throw wrong("half a character in a string") }
        position += 2
        let second = try hexUnit()
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw wrong("half a character in a string") }
        return scalar
    }

    private mutating func hexUnit() throws(WeightError) -> UInt32 {
        guard position + 4 <= bytes.count,
            let text = String(validating: bytes[position..<position + 4], as: UTF8.self),
            text.allSatisfy(\.isHexDigit), let value = UInt32(text, radix: 16)
        else { throw wrong("an unknown escape in a string") }
        position += 4
        return value
    }
}
