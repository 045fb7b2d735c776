// JSON as it is read: what RFC 8259 allows, what it does not, and where a fault is.

import JSON
import Testing

/// A value, as whoever knows nothing of a text would read it.
indirect enum AnyValue: Equatable {
    case word(String)
    case number(Double)
    case text(String)
    case array([AnyValue])
    case object([String: AnyValue])

    init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        switch reader.peek() {
        case UInt8(ascii: "{"):
            var members: [String: AnyValue] = [:]
            try reader.object { (reader, name) throws(JSONFault) in
                members[name] = try AnyValue(&reader)
            }
            self = .object(members)
        case UInt8(ascii: "["):
            var elements: [AnyValue] = []
            try reader.array { (reader) throws(JSONFault) in
                elements.append(try AnyValue(&reader))
            }
            self = .array(elements)
        case UInt8(ascii: "\""): self = .text(try reader.string())
        default:
            for word: StaticString in ["true", "false", "null"] where reader.take(word: word) {
                self = .word("\(word)")
                return
            }
            self = .number(try reader.number())
        }
    }

    static func read(_ bytes: [UInt8], _ dialect: JSONDialect) throws(JSONFault) -> AnyValue {
        var reader = JSONReader<JSONFault>(bytes, dialect)
        let value = try AnyValue(&reader)
        try reader.end()
        return value
    }
}

@Suite struct JSONReaderTests {
    /// What is wrong, by reading it; passing over it has to say the same.
    private func fault(
        _ bytes: [UInt8], _ dialect: JSONDialect = .strict
    ) -> JSONFault? {
        var skipper = JSONReader<JSONFault>(bytes, dialect)
        var skipped: JSONFault?
        do throws(JSONFault) {
            try skipper.skip()
            try skipper.end()
        } catch { skipped = error }
        do throws(JSONFault) {
            _ = try AnyValue.read(bytes, dialect)
            #expect(skipped == nil)
            return nil
        } catch {
            // Only their values tell that numbers are too large.
            if error.reason != "the number is too large" { #expect(skipped == error) }
            return error
        }
    }

    @Test func `values are read`() throws {
        let text =
            #" {"a":[1.5, -2 ,true,null,"x\"\\\/\b\u000a\u00fC\ud83d\ude00ü"],"":{},"b":[]} "#
        #expect(
            try AnyValue.read(Array(text.utf8), .strict)
                == .object([
                    "a": .array([
                        .number(1.5), .number(-2), .word("true"), .word("null"),
                        .text("x\"\\/\u{8}\n\u{fc}😀ü"),
                    ]),
                    "": .object([:]), "b": .array([]),
                ]))
        #expect(fault(Array(text.utf8)) == nil)
    }

    @Test(arguments: [
        ("", "a value is missing", 0), (" ", "a value is missing", 1),
        ("{", "a name in quotes is missing", 1), ("[1,]", "this is no value", 3),
        (#"{"a":1,}"#, "a name in quotes is missing", 7),
        ("{a:1}", "a name in quotes is missing", 1),
        (#"{"a" 1}"#, "':' is missing", 5), (#"{"a":1]"#, "',' or '}' is missing", 6),
        ("[1 2]", "',' or ']' is missing", 3), ("[1] 2", "something follows the end", 4),
        ("01", "this is no number", 2), ("1.", "this is no number", 2),
        ("-", "this is no number", 1), ("1e", "this is no number", 2),
        ("1.e2", "this is no number", 2), ("+1", "this is no value", 0),
        (".5", "this is no value", 0), ("1e999", "the number is too large", 5),
        ("1e99999999999999999999", "the number is too large", 22),
        ("nul", "this is no value", 0), ("truer", "something follows the end", 4),
        ("NaN", "this is no value", 0), ("-Infinity", "this is no number", 1),
        (#""a"#, "a text without an end", 2), (#""\"#, "a text without an end", 1),
        (#""\x""#, "an escape that JSON does not have", 1),
        (#""\u12"#, "a text without an end", 1),
        (#""\u12g4""#, "\\u needs four hexadecimal digits", 1),
        (#""\ud800""#, "half a character in a text", 7),
        (#""\ud800\ud800""#, "half a character in a text", 13),
        (#""\udc00""#, "half a character in a text", 7),
        ("\"\u{1}\"", "a control character in a text: write it as an escape", 1),
        ("\u{feff}1", "this is no value", 0),
    ])
    func `what is no JSON is refused`(text: String, reason: String, place: Int) {
        #expect(fault(Array(text.utf8)) == JSONFault(reason: reason, byteOffset: place))
    }

    @Test func `bytes that are no text are refused`() {
        for bytes: [UInt8] in [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0x80]] {
            #expect(fault([0x22] + bytes + [0x22])?.reason == "a text that is no UTF-8")
        }
    }

    @Test func `depth is bounded`() {
        let deep = Array(String(repeating: "[", count: 100_000).utf8)
        #expect(fault(deep)?.reason == "values within values, more than 64 deep")
        let most = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(fault(Array(most.utf8)) == nil)
        #expect(fault(Array("[\(most)]".utf8))?.byteOffset == 65)
        // What was left counts no more, whatever was in it.
        #expect(fault(Array(#"[[],{},[1],{"a":1},\#(most.dropFirst())"#.utf8)) == nil)
    }

    @Test func `numbers are read as Swift reads them`() throws {
        for text in [
            "0", "-0", "1", "-1.5", "5E-1", "1e22", "1e23", "1.7976931348623157e308", "1e-45",
            "123456789012345678901234567890", "0.1", "9007199254740993", "2.2250738585072011e-308",
            "0.000000000000000000000000001", "-5.9308105e-09", "3.4028235E38", "1E+2", "1e400",
            "18446744073709551616", "0.18446744073709551616", "0e999",
        ] {
            var reader = JSONReader<JSONFault>(Array(text.utf8), .python)
            #expect(try reader.number().bitPattern == Double(text)?.bitPattern, "\(text)")
            try reader.end()
        }
    }

    @Test func `Python's words are read where they are expected`() throws {
        let text = Array("\u{feff}[NaN,Infinity,-Infinity,1e999]".utf8)
        var numbers: [Double] = []
        var reader = JSONReader<JSONFault>(text, .python)
        try reader.array { (reader) throws(JSONFault) in numbers.append(try reader.number()) }
        #expect(numbers.first?.isNaN == true)
        #expect(Array(numbers.dropFirst()) == [.infinity, -.infinity, .infinity])
        #expect(fault(text, .python) == nil)
        #expect(fault(Array("Nan".utf8), .python)?.reason == "this is no value")
    }

    @Test func `whole numbers are read whole`() throws {
        func integer(_ text: String) throws(JSONFault) -> Int64 {
            var reader = JSONReader<JSONFault>(Array(text.utf8))
            return try reader.integer()
        }
        #expect(try integer("9223372036854775807") == .max)
        #expect(try integer(" -12") == -12)
        for text in ["9223372036854775808", "18446744073709551617", "1.0", "1e3", "00", "\"1\""] {
            #expect(throws: JSONFault.self, "\(text)") { try integer(text) }
        }
        var reader = JSONReader<JSONFault>(Array("-1".utf8))
        #expect(throws: JSONFault.self) { try reader.count() }
    }

    @Test func `names and texts can be had as bytes`() throws {
        var room: [UInt8] = []
        var found: [UInt8] = []
        var reader = JSONReader<JSONFault>(Array(#"{"é\n":"b","":"\u00e9"}"#.utf8))
        try reader.objectOfBytes(name: &room) { (reader, name) throws(JSONFault) in
            found += name
            try reader.appendString(to: &found)
        }
        #expect(found == Array("é\nbé".utf8))
    }
}
