// A document as a tree: what JSON and UBJSON both say.
//
// For documents that are mostly numbers: a list of numbers alone is an array of them, and fields
// that nobody asks for are passed over and never kept.

/// A value of a document.
enum DocumentValue: Sendable {
    case none
    case boolean(Bool)
    case number(Double)
    case text(String)
    /// A list whose elements are all numbers or truth values, which are 0 and 1.
    case numbers([Double])
    case list([DocumentValue])
    case object([String: DocumentValue])

    /// Deeper than any document that is real.
    static let depthMax = 64
    /// Lists and objects; their numbers are bounded by the bytes.
    static let valueCountMax = 1 << 24

    subscript(name: String) -> DocumentValue? {
        guard case .object(let fields) = self else { return nil }
        return fields[name]
    }

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    var numbers: [Double]? {
        if case .numbers(let numbers) = self { return numbers }
        if case .list(let list) = self, list.isEmpty { return [] }
        return nil
    }

    var list: [DocumentValue]? {
        switch self {
        case .list(let list): list
        case .numbers(let numbers): numbers.map(DocumentValue.number)
        default: nil
        }
    }
}

extension JSONReader {
    /// Reads any value.
    ///
    /// - Parameter unwanted: the names of fields that are passed over.
    mutating func document(without unwanted: Set<String>) throws(WeightError) -> DocumentValue {
        switch next {
        case UInt8(ascii: "{"):
            var fields: [String: DocumentValue] = [:]
            try object { (reader, name) throws(WeightError) in
                let value = try reader.document(without: unwanted)
                if unwanted.contains(name) { return }
                if fields.updateValue(value, forKey: name) != nil { throw .duplicate(name) }
            }
            return .object(fields)
        case UInt8(ascii: "["):
            var numbers: [Double] = []
            var others: [DocumentValue] = []
            try array { (reader) throws(WeightError) in
                if others.isEmpty, let number = try reader.numberOrTruth() {
                    numbers.append(number)
                    return
                }
                if !numbers.isEmpty {
                    others = numbers.map(DocumentValue.number)
                    numbers = []
                }
                others.append(try reader.document(without: unwanted))
            }
            return others.isEmpty ? .numbers(numbers) : .list(others)
        case UInt8(ascii: "\""): return .text(try string())
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean(try truth())
        case UInt8(ascii: "n"):
            try word("null")
            return .none
        default: return .number(try number())
        }
    }

    private mutating func numberOrTruth() throws(WeightError) -> Double? {
        switch next {
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""), UInt8(ascii: "n"): nil
        case UInt8(ascii: "t"), UInt8(ascii: "f"): try truth() ? 1 : 0
        default: try number()
        }
    }

    private mutating func truth() throws(WeightError) -> Bool {
        let isTrue = next == UInt8(ascii: "t")
        try word(isTrue ? "true" : "false")
        return isTrue
    }
}
