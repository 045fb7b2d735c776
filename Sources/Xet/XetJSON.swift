// JSON of a Xet server, both ways: the only place of this module that uses Foundation, to write it.
//
// Answers are bounded in bytes before they are read; what they say is checked by the types
// that are made of them.

internal import FoundationEssentials
internal import JSON

/// Reads an answer of at most `mostBytes`; `what` names it in errors.
func readJSON<Value>(
    _ bytes: [UInt8], mostBytes: Int, what: String,
    _ body: (inout JSONReader<JSONFault>) throws(JSONFault) -> Value
) throws(XetError) -> Value {
    if bytes.count > mostBytes { throw .answerTooLong(bytes.count) }
    do throws(JSONFault) {
        var reader = JSONReader<JSONFault>(bytes)
        let value = try body(&reader)
        try reader.end()
        return value
    } catch {
        // What is wrong may quote the answer, which is not ours to log.
        throw .malformedAnswer(what)
    }
}

extension JSONReader<JSONFault> {
    /// Reads a list of anything.
    mutating func list<Element>(
        _ element: (inout JSONReader<JSONFault>) throws(JSONFault) -> Element
    ) throws(JSONFault) -> [Element] {
        var elements: [Element] = []
        try array { (reader) throws(JSONFault) in elements.append(try element(&reader)) }
        return elements
    }

    /// Reads an object of lists.
    mutating func lists<Element>(
        _ element: (inout JSONReader<JSONFault>) throws(JSONFault) -> Element
    ) throws(JSONFault) -> [String: [Element]] {
        var lists: [String: [Element]] = [:]
        try object { (reader, name) throws(JSONFault) in lists[name] = try reader.list(element) }
        return lists
    }

    /// A member that has to be there.
    func needed<Value>(_ value: Value?) throws(JSONFault) -> Value {
        guard let value else { throw fault("a member is missing") }
        return value
    }
}

/// Encodes values that have nothing that JSON cannot hold.
func encodedJSON(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
        return Array(try encoder.encode(value))
    } catch {
        preconditionFailure("strings and integers can be encoded")
    }
}
