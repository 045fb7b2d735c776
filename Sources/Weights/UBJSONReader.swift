// UBJSON, draft 12, as far as XGBoost writes it: JSON in bytes, with lists of one type of number.
//
//     value:   type, then its bytes, the highest first
//     list:    [ value … ]    or    [ # count value …    or    [ $ type # count bytes …
//     object:  { name value … }, each name a length and its bytes
//
// https://ubjson.org

/// Reads one document.
struct UBJSONReader {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private var valueCount = 0
    private let unwanted: Set<String>

    /// - Parameter unwanted: the names of fields that are passed over.
    static func document(
        _ bytes: [UInt8], without unwanted: Set<String>
    ) throws(WeightError) -> DocumentValue {
        var reader = UBJSONReader(bytes: bytes, unwanted: unwanted)
        let value = try reader.value(try reader.marker())
        if reader.position != bytes.count {
            throw .malformed(reason: "something after the end")
        }
        return value
    }

    private init(bytes: [UInt8], unwanted: Set<String>) {
        self.bytes = bytes
        self.unwanted = unwanted
    }

    private func wrong(_ reason: String) -> WeightError { .malformed(reason: reason) }

    private mutating func byte() throws(WeightError) -> UInt8 {
        if position == bytes.count { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    /// The next type; what stands for nothing is passed over.
    private mutating func marker() throws(WeightError) -> UInt8 {
        while true {
            let marker = try byte()
            if marker != UInt8(ascii: "N") { return marker }
        }
    }

    /// How many bytes a number of that type takes; nil for no type of numbers.
    private static func width(_ marker: UInt8) -> Int? {
        switch marker {
        case UInt8(ascii: "i"), UInt8(ascii: "U"): 1
        case UInt8(ascii: "I"): 2
        case UInt8(ascii: "l"), UInt8(ascii: "d"): 4
        case UInt8(ascii: "L"), UInt8(ascii: "D"): 8
        default: nil
        }
    }

    private mutating func number(_ marker: UInt8, _ width: Int) throws(WeightError) -> Double {
        if bytes.count - position < width { throw .truncated }
        var bits: UInt64 = 0
        for index in position..<position + width { bits = bits << 8 | UInt64(bytes[index]) }
        position += width
        return switch marker {
        case UInt8(ascii: "i"): Double(Int8(truncatingIfNeeded: bits))
        case UInt8(ascii: "U"): Double(bits)
        case UInt8(ascii: "I"): Double(Int16(truncatingIfNeeded: bits))
        case UInt8(ascii: "l"): Double(Int32(truncatingIfNeeded: bits))
        case UInt8(ascii: "L"): Double(Int64(bitPattern: bits))
        case UInt8(ascii: "d"): Double(Float(bitPattern: UInt32(bits)))
        default: Double(bitPattern: bits)
        }
    }

    /// A length: a whole number with its type before it.
    private mutating func length() throws(WeightError) -> Int {
        let marker = try marker()
        guard let width = UBJSONReader.width(marker), marker != UInt8(ascii: "d"),
            marker != UInt8(ascii: "D"),
            let length = Int(exactly: try number(marker, width)), length >= 0
        else { throw wrong("no length where one belongs") }
        return length
    }

    private mutating func text() throws(WeightError) -> String {
        let length = try length()
        if length > bytes.count - position { throw .truncated }
        guard let text = String(validating: bytes[position..<position + length], as: UTF8.self)
        else { throw wrong("a text that is no UTF-8") }
        position += length
        return text
    }

    private mutating func value(_ marker: UInt8) throws(WeightError) -> DocumentValue {
        valueCount += 1
        if valueCount > DocumentValue.valueCountMax { throw .tooManyEntries }
        if let width = UBJSONReader.width(marker) { return .number(try number(marker, width)) }
        switch marker {
        case UInt8(ascii: "Z"): return .none
        case UInt8(ascii: "T"): return .boolean(true)
        case UInt8(ascii: "F"): return .boolean(false)
        case UInt8(ascii: "S"): return .text(try text())
        case UInt8(ascii: "C"): return .text(String(Unicode.Scalar(try byte())))
        case UInt8(ascii: "H"):
            guard let number = Double(try text()) else { throw wrong("no number") }
            return .number(number)
        case UInt8(ascii: "["), UInt8(ascii: "{"):
            depth += 1
            if depth > DocumentValue.depthMax { throw wrong("values within values without end") }
            let value = marker == UInt8(ascii: "[") ? try list() : try object()
            depth -= 1
            return value
        default: throw wrong("a type of UBJSON that is not known: \(marker)")
        }
    }

    private mutating func list() throws(WeightError) -> DocumentValue {
        var marker = try marker()
        if marker == UInt8(ascii: "$") { return try typedList() }
        var values: [DocumentValue] = []
        if marker == UInt8(ascii: "#") {
            for _ in 0..<(try length()) { values.append(try value(try self.marker())) }
        } else {
            while marker != UInt8(ascii: "]") {
                values.append(try value(marker))
                marker = try self.marker()
            }
        }
        return UBJSONReader.packed(values)
    }

    private mutating func typedList() throws(WeightError) -> DocumentValue {
        let marker = try byte()
        guard let width = UBJSONReader.width(marker), try byte() == UInt8(ascii: "#") else {
            throw .unsupported(reason: "a list in UBJSON of values that are no numbers")
        }
        let count = try length()
        if count > (bytes.count - position) / width { throw .truncated }
        var numbers: [Double] = []
        numbers.reserveCapacity(count)
        for _ in 0..<count { numbers.append(try number(marker, width)) }
        return .numbers(numbers)
    }

    /// Numbers alone are kept as numbers.
    private static func packed(_ values: [DocumentValue]) -> DocumentValue {
        var numbers: [Double] = []
        for value in values {
            switch value {
            case .number(let number): numbers.append(number)
            case .boolean(let value): numbers.append(value ? 1 : 0)
            default: return .list(values)
            }
        }
        return .numbers(numbers)
    }

    private mutating func object() throws(WeightError) -> DocumentValue {
        var fields: [String: DocumentValue] = [:]
        while true {
            if position < bytes.count, bytes[position] == UInt8(ascii: "}") {
                position += 1
                return .object(fields)
            }
            if position < bytes.count,
                [UInt8(ascii: "#"), UInt8(ascii: "$")]
                    .contains(bytes[position])
            {
                throw .unsupported(reason: "an object in UBJSON with its length before it")
            }
            let name = try text()
            let value = try value(try marker())
            if unwanted.contains(name) { continue }
            if fields.updateValue(value, forKey: name) != nil { throw .duplicate(name) }
        }
    }
}

extension UBJSONReader {
    /// Whether bytes begin as an object of UBJSON does: a brace, and the type of a name's length.
    static func beginsObject(_ head: [UInt8]) -> Bool {
        guard head.count >= 2, head[0] == UInt8(ascii: "{") else { return false }
        return ["i", "U", "I", "l", "L"].contains { UInt8(ascii: $0) == head[1] }
    }
}
