// JSON that nobody would write: refused by whoever reads it and by whoever passes over it, or
// borne by both.

import JSON

package enum TextFuzzCases {
    package static let cases = [json]

    private static let json = FuzzCase(
        "json",
        [
            #" {"a":[1.5e3,-0,true,false,null,"x\"\\\u000a\u00fc\ud83d\ude00ü"],"b":{"c":[[]]}} "#,
            "[NaN, Infinity, -Infinity, 1e400, 123456789012345678901234567890]",
        ]
    ) { bytes in
        for dialect in [JSONDialect.strict, .python] {
            let isRead = (try? read(bytes, dialect)) != nil
            let isPassed = (try? pass(bytes, dialect)) != nil
            // Only who reads a number comes to know that it is too large.
            try FuzzFailure.unless(isPassed || !isRead, "read, and not passed over: \(dialect)")
            if dialect == .python {
                try FuzzFailure.unless(isPassed == isRead, "passed over, and not read")
            }
        }
    }

    private static func pass(_ bytes: [UInt8], _ dialect: JSONDialect) throws(JSONFault) {
        var reader = JSONReader<JSONFault>(bytes, dialect)
        try reader.skip()
        try reader.end()
    }

    private static func read(_ bytes: [UInt8], _ dialect: JSONDialect) throws(JSONFault) {
        var reader = JSONReader<JSONFault>(bytes, dialect)
        try value(&reader)
        try reader.end()
    }

    private static func value(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        switch reader.peek() {
        case UInt8(ascii: "{"):
            try reader.object { (reader, _) throws(JSONFault) in try value(&reader) }
        case UInt8(ascii: "["):
            try reader.array { (reader) throws(JSONFault) in try value(&reader) }
        case UInt8(ascii: "\""): _ = try reader.string()
        default:
            if reader.take(word: "true") || reader.take(word: "false") { return }
            if !reader.take(word: "null") { _ = try reader.number() }
        }
    }
}
