// A JSON text as a value: for configurations, which are small.

internal import Glibc
internal import Platform

/// Any JSON value.
enum JSONValue: Equatable, Sendable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// The member of that name; nil for none, and for what is no object.
    subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    var isNull: Bool { self == .null }

    var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var number: Double? {
        guard case .number(let value) = self else { return nil }
        return value
    }

    /// A whole number.
    var integer: Int? {
        guard let number else { return nil }
        return Int(exactly: number)
    }

    var boolean: Bool? {
        guard case .boolean(let value) = self else { return nil }
        return value
    }

    var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    var object: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }
}

extension JSONScanner {
    /// Reads any value.
    mutating func value() throws(JSONFault) -> JSONValue {
        switch peek() {
        case UInt8(ascii: "{"):
            var members: [String: JSONValue] = [:]
            try object { (scanner, name) throws(JSONFault) in members[name] = try scanner.value() }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try array { (scanner) throws(JSONFault) in elements.append(try scanner.value()) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try string())
        default:
            if take(word: "true") { return .boolean(true) }
            if take(word: "false") { return .boolean(false) }
            if take(word: "null") { return .null }
            // Python writes these, though JSON has no such numbers.
            if take(word: "Infinity") { return .number(.infinity) }
            if take(word: "-Infinity") { return .number(-.infinity) }
            if take(word: "NaN") { return .number(.nan) }
            return .number(try number())
        }
    }
}

/// Files of a folder that describe a model.
struct DescriptionFile {
    /// More than any vocabulary has.
    static let byteCountMax = 256 << 20

    /// The bytes of a file.
    static func bytes(_ path: String) throws(InferenceError) -> [UInt8] {
        do throws(Errno) {
            let file = try FileDescriptor.open(path, O_RDONLY)
            let size = try file.size()
            if size > byteCountMax { throw .fileTooLarge }
            return try file.readBytes(countMax: Int(size))
        } catch { throw .file(path: path, error) }
    }

    /// A JSON file as a value.
    static func json(_ path: String) throws(InferenceError) -> JSONValue {
        try scan(path) { (scanner) throws(JSONFault) in try scanner.value() }
    }

    /// Reads a JSON file from its beginning to its end.
    static func scan<Value>(
        _ path: String, _ body: (inout JSONScanner) throws(JSONFault) -> Value
    ) throws(InferenceError) -> Value {
        var scanner = JSONScanner(try bytes(path))
        do throws(JSONFault) {
            let value = try body(&scanner)
            try scanner.end()
            return value
        } catch {
            throw .malformed(path: path, reason: "\(error.reason), at byte \(error.byteOffset)")
        }
    }
}
