// Reads one JSON text into values, strictly.
//
// What RFC 8259 does not allow is a problem with its place; depth is bounded.

/// Why a text is no JSON.
struct JSONProblem: Error, Equatable {
    /// Without a full stop.
    let reason: String
    /// Counted from 0, in bytes.
    let offset: Int
}

/// Goes over the bytes of a text.
struct JSONParser {
    /// Deeper than any request that is understood.
    static let depthMax = 32

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Reads a whole text.
    static func parse(_ bytes: [UInt8]) throws(JSONProblem) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value()
        parser.skipSpace()
        if parser.position < bytes.count { throw parser.wrong("something follows the end") }
        return value
    }

    private func wrong(_ reason: String) -> JSONProblem {
        JSONProblem(reason: reason, offset: position)
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) {
            position += 1
        }
    }

    private mutating func value() throws(JSONProblem) -> JSONValue {
        skipSpace()
        guard position < bytes.count else { throw wrong("a value is missing") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), 0x30...0x39: return .number(try number())
        default: return try word()
        }
    }

    private mutating func word() throws(JSONProblem) -> JSONValue {
        let words: [(String, JSONValue)] = [
            ("true", .bool(true)), ("false", .bool(false)), ("null", .null),
        ]
        for (word, value) in words where bytes[position...].starts(with: word.utf8) {
            position += word.utf8.count
            return value
        }
        throw wrong("this is no value")
    }

    /// Enters what is within brackets.
    private mutating func enter() throws(JSONProblem) {
        position += 1
        depth += 1
        if depth > JSONParser.depthMax {
            throw wrong("values within values, more than \(JSONParser.depthMax) deep")
        }
    }

    /// Whether the mark comes next, which is then passed.
    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
        position += 1
        return true
    }

    private mutating func object() throws(JSONProblem) -> [JSONMember] {
        try enter()
        defer { depth -= 1 }
        var members: [JSONMember] = []
        var names: Set<String> = []
        if take("}") { return members }
        repeat {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"")
            else { throw wrong("a name in quotes is missing") }
            let name = try string()
            if !names.insert(name).inserted { throw wrong("'\(name)' stands twice") }
            guard take(":") else { throw wrong("':' is missing") }
            members.append(JSONMember(name: name, value: try value()))
        } while take(",")
        guard take("}") else { throw wrong("',' or '}' is missing") }
        return members
    }

    private mutating func array() throws(JSONProblem) -> [JSONValue] {
        try enter()
        defer { depth -= 1 }
        var items: [JSONValue] = []
        if take("]") { return items }
        repeat { items.append(try value()) } while take(",")
        guard take("]") else { throw wrong("',' or ']' is missing") }
        return items
    }

    private mutating func number() throws(JSONProblem) -> Double {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case 0x30...0x39, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                position += 1
                continue
            default: break
            }
            break
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        let isWellFormed =
            digits.utf8.first.map { (0x30...0x39).contains($0) } ?? false
            && !(digits.hasPrefix("0") && digits.dropFirst().first?.isNumber ?? false)
            && !text.hasSuffix(".") && !text.contains(".e") && !text.contains(".E")
        guard isWellFormed, let value = Double(text) else { throw wrong("this is no number") }
        guard value.isFinite else { throw wrong("the number is too large") }
        return value
    }

    private mutating func string() throws(JSONProblem) -> String {
        position += 1
        var decoded: [UInt8] = []
        var start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                decoded += bytes[start..<position]
                position += 1
                guard let text = String(validating: decoded, as: UTF8.self)
                else { throw wrong("the text is no UTF-8") }
                return text
            case UInt8(ascii: "\\"):
                decoded += bytes[start..<position]
                position += 1
                decoded += String(try escape()).utf8
                start = position
            case 0..<0x20: throw wrong("a control character in a text: write it as an escape")
            default: position += 1
            }
        }
        throw wrong("a text without an end")
    }

    private mutating func escape() throws(JSONProblem) -> Unicode.Scalar {
        guard position < bytes.count else { throw wrong("a text without an end") }
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
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw wrong("an escape that JSON does not have")
        }
    }

    private mutating func unicodeEscape() throws(JSONProblem) -> Unicode.Scalar {
        let first = try hexUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xd800..<0xdc00).contains(first), position + 1 < bytes.count,
            bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
        else { throw wrong("half a character in a text") }
        position += 2
        let second = try hexUnit()
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw wrong("half a character in a text") }
        return scalar
    }

    private mutating func hexUnit() throws(JSONProblem) -> UInt32 {
        guard position + 4 <= bytes.count,
            let text = String(validating: bytes[position..<position + 4], as: UTF8.self),
            text.allSatisfy(\.isHexDigit), let value = UInt32(text, radix: 16)
        else { throw wrong("\\u needs four hexadecimal digits") }
        position += 4
        return value
    }
}
