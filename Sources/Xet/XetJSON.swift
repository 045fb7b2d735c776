// JSON of a Xet server, both ways: the only place of this module that uses Foundation.
//
// Answers are bounded in bytes before they are parsed; what they say is checked by the types
// that are made of them.

internal import FoundationEssentials

/// Decodes an answer of at most `mostBytes`; `what` names it in errors.
func decodedJSON<Value: Decodable>(
    _ type: Value.Type, _ bytes: [UInt8], mostBytes: Int, what: String
) throws(XetError) -> Value {
    if bytes.count > mostBytes { throw .answerTooLong(bytes.count) }
    do {
        return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
        // The decoder's own words may quote the answer, which is not ours to log.
        throw .malformedAnswer(what)
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
