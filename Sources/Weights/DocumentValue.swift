// A document as a tree: what JSON and UBJSON both say.
//
// For documents that are mostly numbers: a list of numbers alone is an array of them, and fields
// that nobody asks for are passed over and never kept.

internal import JSON

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

extension JSONReader<WeightError> {
    /// Reads any value.
    ///
    /// - Parameter unwanted: the names of fields that are passed over.
    mutating func document(without unwanted: Set<String>) throws(WeightError) -> DocumentValue {
        switch peek() {
        case UInt8(ascii: "{"):
            var fields: [String: DocumentValue] = [:]
            try object { (reader, name) throws(WeightError) in
                if unwanted.contains(name) { return try reader.skip() }
                let value = try reader.document(without: unwanted)
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
        default:
            if let truth = takeTruth() { return .boolean(truth) }
            if take(word: "null") { return .none }
            return .number(try number())
        }
    }

    private mutating func numberOrTruth() throws(WeightError) -> Double? {
        switch peek() {
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""), UInt8(ascii: "n"):
            return nil
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            guard let truth = takeTruth() else { return try number() }
            return truth ? 1 : 0
        default: return try number()
        }
    }

    private mutating func takeTruth() -> Bool? {
        if take(word: "true") { return true }
        return take(word: "false") ? false : nil
    }
}
