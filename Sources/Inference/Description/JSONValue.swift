// JSON as values, for descriptions that people write and libraries save: some kilobytes.
//
// Members of an object keep their order, which is the order in which things are shown. The reader
// goes over the bytes once and bounds length and depth; a name that stands twice is refused, as one
// of the two would be ignored.

/// A JSON value.
enum JSONValue: Equatable, Sendable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([Member])

    struct Member: Equatable, Sendable {
        let name: String
        let value: JSONValue
    }

    /// Longer descriptions are none: Keras writes a kilobyte for each layer.
    static let byteCountMax = 16 << 20
    static let depthMax = 128

    /// What is wrong with a text, and at which byte.
    struct Flaw: Error, Equatable {
        let reason: String
        let offset: Int
    }

    /// Reads one value, and nothing behind it.
    init(_ bytes: [UInt8]) throws(Flaw) {
        var reader = JSONValueReader(bytes)
        self = try reader.document()
    }

    /// A member of an object; nil when there is none, or this is no object.
    subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The elements of an array.
    var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    var members: [Member]? { if case .object(let members) = self { members } else { nil } }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var boolean: Bool? { if case .boolean(let boolean) = self { boolean } else { nil } }
    /// A whole number, written with or without a fraction of nothing.
    var integer: Int? { number.flatMap { Int(exactly: $0) } }
    var isNull: Bool { self == .null }

    /// What it is, in words for errors.
    var kindInWords: String {
        switch self {
        case .null: "null"
        case .boolean: "true or false"
        case .number(let number): "the number \(Int(exactly: number).map(String.init) ?? "\(number)")"
        case .string(let text): "the text '\(text.prefix(40))'"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

/// Reads JSON from its beginning to its end.
struct JSONValueReader {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func document() throws(JSONValue.Flaw) -> JSONValue {
        if bytes.count > JSONValue.byteCountMax { throw wrong("a text that is too long") }
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
        let value = try value()
        skipSpace()
        if position != bytes.count { throw wrong("something after the end") }
        return value
    }

    private func wrong(_ reason: String) -> JSONValue.Flaw {
        JSONValue.Flaw(reason: reason, offset: position)
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) {
            position += 1
        }
    }

    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: mark) else { return false }
        position += 1
        return true
    }

    private mutating func value() throws(JSONValue.Flaw) -> JSONValue {
        skipSpace()
        guard position < bytes.count else { throw wrong("no value where one belongs") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: return try word()
        }
    }

    private mutating func enter() throws(JSONValue.Flaw) {
        position += 1
        depth += 1
        if depth > JSONValue.depthMax { throw wrong("values within values without end") }
    }

    private mutating func object() throws(JSONValue.Flaw) -> [JSONValue.Member] {
        try enter()
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        if !take("}") {
            repeat {
                skipSpace()
                let name = try string()
                if !names.insert(name).inserted { throw wrong("'\(name)' a second time") }
                if !take(":") { throw wrong("no ':' where one belongs") }
                members.append(JSONValue.Member(name: name, value: try value()))
            } while take(",")
            if !take("}") { throw wrong("no '}' where one belongs") }
        }
        depth -= 1
        return members
    }

    private mutating func array() throws(JSONValue.Flaw) -> [JSONValue] {
        try enter()
        var elements: [JSONValue] = []
        if !take("]") {
            repeat { elements.append(try value()) } while take(",")
            if !take("]") { throw wrong("no ']' where one belongs") }
        }
        depth -= 1
        return elements
    }

    /// `NaN` and `Infinity` are what Python writes, though they are no JSON.
    private mutating func word() throws(JSONValue.Flaw) -> JSONValue {
        let words: [(String, JSONValue)] = [
            ("true", .boolean(true)), ("false", .boolean(false)), ("null", .null),
            ("NaN", .number(.nan)), ("Infinity", .number(.infinity)),
        ]
        for (word, value) in words where bytes[position...].starts(with: word.utf8) {
            position += word.utf8.count
            return value
        }
        throw wrong("no value where one belongs")
    }

    private mutating func number() throws(JSONValue.Flaw) -> Double {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
                UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
                position += 1
                continue
            default: break
            }
            break
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if text == "-", bytes[position...].starts(with: "Infinity".utf8) {
            position += 8
            return -.infinity
        }
        guard let number = Double(text) else { throw wrong("no number where one belongs") }
        return number
    }

    private mutating func string() throws(JSONValue.Flaw) -> String {
        if !take("\"") { throw wrong("no '\"' where one belongs") }
        var decoded: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: decoded, as: UTF8.self)
                else { throw wrong("a string that is no UTF-8") }
                return text
            case UInt8(ascii: "\\"): decoded.append(contentsOf: String(try escaped()).utf8)
            case 0..<0x20: throw wrong("a control character in a string")
            default: decoded.append(byte)
            }
        }
        throw wrong("a string without an end")
    }

    private mutating func escaped() throws(JSONValue.Flaw) -> Unicode.Scalar {
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
        case UInt8(ascii: "u"): return try scalar()
        default: throw wrong("an unknown escape in a string")
        }
    }

    private mutating func scalar() throws(JSONValue.Flaw) -> Unicode.Scalar {
        let first = try unit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // Two halves of a pair stand for one character beyond the first 65,536.
        guard bytes[position...].starts(with: "\\u".utf8) else {
            throw wrong("half a character in a string")
        }
        position += 2
        let second = try unit()
        guard (0xd800..<0xdc00).contains(first), (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw wrong("half a character in a string") }
        return scalar
    }

    private mutating func unit() throws(JSONValue.Flaw) -> UInt32 {
        guard position + 4 <= bytes.count,
            bytes[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt32(
                String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw wrong("an unknown escape in a string") }
        position += 4
        return value
    }
}
