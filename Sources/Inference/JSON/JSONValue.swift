// A JSON text as a value: for configurations, which are small.

internal import Glibc
internal import JSON
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

/// Reads the files of a model, as Python writes them.
typealias ModelJSONReader = JSONReader<JSONFault>

extension ModelJSONReader {
    /// Reads a whole text, or a text that is read on.
    init(model bytes: [UInt8]) {
        self.init(bytes, .python)
    }

    /// Reads any value.
    mutating func value() throws(JSONFault) -> JSONValue {
        switch peek() {
        case UInt8(ascii: "{"):
            var members: [String: JSONValue] = [:]
            try object { (reader, name) throws(JSONFault) in members[name] = try reader.value() }
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try array { (reader) throws(JSONFault) in elements.append(try reader.value()) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t") where take(word: "true"): return .boolean(true)
        case UInt8(ascii: "f") where take(word: "false"): return .boolean(false)
        case UInt8(ascii: "n") where take(word: "null"): return .null
        default: return .number(try number())
        }
    }

    /// Reads a whole number of 32 bits that is not negative, as ids are.
    mutating func identifier() throws(JSONFault) -> Int32 {
        guard let identifier = Int32(exactly: try count()) else {
            throw fault("the number is too large")
        }
        return identifier
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
            return try file.readAllBytes(countMax: byteCountMax)
        } catch { throw .file(path: path, error) }
    }

    /// A JSON file as a value.
    static func json(_ path: String) throws(InferenceError) -> JSONValue {
        try read(path) { (reader) throws(JSONFault) in try reader.value() }
    }

    /// Reads a JSON file from its beginning to its end.
    static func read<Value>(
        _ path: String, _ body: (inout ModelJSONReader) throws(JSONFault) -> Value
    ) throws(InferenceError) -> Value {
        var reader = ModelJSONReader(model: try bytes(path))
        do throws(JSONFault) {
            let value = try body(&reader)
            try reader.end()
            return value
        } catch {
            throw .malformed(path: path, reason: "\(error.reason), at byte \(error.byteOffset)")
        }
    }
}
