// JSON as requests bring it and answers take it: values in order, read strictly, written plainly.
//
// A text that is no JSON, or in which a name stands twice, is a fault with its place; depth is
// bounded. The writer writes vectors without a value for each number, since they are most of what
// an answer holds.

internal import JSON

/// A JSON value.
enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    /// A whole number that is written; read ones are numbers.
    case count(Int64)
    case string(String)
    case array([JSONValue])
    case object([JSONMember])
    /// A vector that is written; read ones are arrays.
    case floats([Float])

    /// An object of these members.
    static func members(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(members.map { JSONMember(name: $0.key, value: $0.value) })
    }

    /// A text, or null.
    static func text(orNull text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

    /// A number of anything.
    static func count(_ number: Int) -> JSONValue { .count(Int64(number)) }

    /// The member of that name; nil where there is none, or where this is no object.
    subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The text, where it is one.
    var text: String? { if case .string(let text) = self { text } else { nil } }

    /// The number, where it is one.
    var double: Double? {
        switch self {
        case .number(let value): value
        case .count(let value): Double(value)
        default: nil
        }
    }

    /// What it is, in a sentence about what it should be.
    var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number, .count: "a number"
        case .string: "a text"
        case .array, .floats: "a list"
        case .object: "an object"
        }
    }
}

/// A member of an object.
struct JSONMember: Equatable, Sendable {
    var name: String
    var value: JSONValue
}

extension JSONValue {
    /// Deeper than any request that is understood.
    private static let depthMax = 32

    /// Reads a whole text.
    static func parse(_ bytes: [UInt8]) throws(JSONFault) -> JSONValue {
        var reader = JSONReader<JSONFault>(bytes, depthMax: depthMax)
        let value = try JSONValue(&reader)
        try reader.end()
        return value
    }

    private init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        switch reader.peek() {
        case UInt8(ascii: "{"):
            var members: [JSONMember] = []
            var names: Set<String> = []
            try reader.object { (reader, name) throws(JSONFault) in
                if !names.insert(name).inserted { throw reader.fault("'\(name)' stands twice") }
                members.append(JSONMember(name: name, value: try JSONValue(&reader)))
            }
            self = .object(members)
        case UInt8(ascii: "["):
            var items: [JSONValue] = []
            try reader.array { (reader) throws(JSONFault) in
                items.append(try JSONValue(&reader))
            }
            self = .array(items)
        case UInt8(ascii: "\""): self = .string(try reader.string())
        case UInt8(ascii: "t") where reader.take(word: "true"): self = .bool(true)
        case UInt8(ascii: "f") where reader.take(word: "false"): self = .bool(false)
        case UInt8(ascii: "n") where reader.take(word: "null"): self = .null
        default: self = .number(try reader.number())
        }
    }
}

extension JSONValue {
    /// The text, in UTF-8.
    var bytes: [UInt8] {
        var out: [UInt8] = []
        write(to: &out)
        return out
    }

    /// The text.
    var written: String { String(decoding: bytes, as: UTF8.self) }

    private func write(to out: inout [UInt8]) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        // JSON has no word for what is no number.
        case .number(let value): out += (value.isFinite ? value.description : "null").utf8
        case .count(let value): out += value.description.utf8
        case .string(let text): appendJSONText(text, to: &out)
        case .array(let items):
            JSONValue.list(items, "[", "]", to: &out) { $0.write(to: &$1) }
        case .floats(let values):
            JSONValue.list(values, "[", "]", to: &out) { value, out in
                out += (value.isFinite ? value.description : "null").utf8
            }
        case .object(let members):
            JSONValue.list(members, "{", "}", to: &out) { member, out in
                appendJSONText(member.name, to: &out)
                out.append(UInt8(ascii: ":"))
                member.value.write(to: &out)
            }
        }
    }

    private static func list<Item>(
        _ items: [Item], _ open: Unicode.Scalar, _ close: Unicode.Scalar, to out: inout [UInt8],
        _ write: (Item, inout [UInt8]) -> Void
    ) {
        out.append(UInt8(ascii: open))
        for (index, item) in items.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            write(item, &out)
        }
        out.append(UInt8(ascii: close))
    }
}
