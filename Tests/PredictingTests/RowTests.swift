// Rows of requests: what is taken, and which words refuse what is not.

import Inference
import JSON
import Testing

@testable import Predicting

private let reader = RowReader([
    InputField(name: "age", kind: .integer(range: 0...120), unit: "years"),
    InputField(name: "size", kind: .number(range: nil), isOptional: true),
    InputField(name: "sex", kind: .category(["f", "m"])),
])
private let sentences = RowReader([InputField(name: "text", kind: .text(byteCountMax: 10))])

private func row(_ json: String, _ reader: RowReader = reader) throws -> [InputValue] {
    try reader.row(try JSONValue.parse(Array(json.utf8)), path: "inputs")
}

private func problem(_ json: String, _ reader: RowReader = reader) -> RequestProblem? {
    do {
        _ = try row(json, reader)
        return nil
    } catch {
        return error as? RequestProblem
    }
}

@Suite struct RowReaderTests {
    @Test func readsObjectsAndLists() throws {
        let wanted: [InputValue] = [.number(40), .missing, .number(1)]
        #expect(try row(#"{"sex": "m", "age": 40}"#) == wanted)
        #expect(try row(#"[40, null, "m"]"#) == wanted)
        #expect(try row(#"{"sex": "m", "age": 4e1, "size": null}"#) == wanted)
    }

    @Test func readsOneTextAlone() throws {
        #expect(try row(#""hello""#, sentences) == [.text("hello")])
        #expect(try row(#"{"text": "hello"}"#, sentences) == [.text("hello")])
    }

    @Test(arguments: [
        (#"{"sex": "m"}"#, "inputs.age", "is missing; it takes a whole number from 0 to 120"),
        (#"{"sex": "m", "age": "40"}"#, "inputs.age", "is a text, and must be a whole number"),
        (#"{"sex": "m", "age": 40.5}"#, "inputs.age", "is 40.5, and must be a whole number"),
        (#"{"sex": "m", "age": 121}"#, "inputs.age", "is 121, and must be"),
        (#"{"sex": "x", "age": 1}"#, "inputs.sex", "is 'x', and must be one of f, m"),
        (#"{"sex": "m", "age": 1, "size": []}"#, "inputs.size", "is a list"),
        (#"{"sex": "m", "age": 1, "eye": 2}"#, "inputs.eye", "is no input of the model"),
        (#"[1, 2]"#, "inputs", "has 2 values, and the model takes 3"),
        (#""text""#, "inputs", "is a text, and must be an object"),
    ])
    func namesTheFieldAndWhatItTakes(json: String, field: String, words: String) throws {
        let found = try #require(problem(json))
        #expect(found.status == 422 && found.field == field)
        #expect(found.message.hasPrefix(words), "\(found.message)")
    }

    @Test func tellsAllProblemsOfARow() throws {
        let found = try #require(problem(#"{"sex": 7, "age": -1}"#))
        #expect(found.others.map(\.field) == ["inputs.sex"])
    }

    @Test func boundsTexts() throws {
        #expect(problem(#""eleven byte""#, sentences)?.message == "has 11 bytes, and may have 10")
        #expect(problem(#""  ""#, sentences)?.message.hasPrefix("is empty") == true)
    }

    @Test func readsCells() throws {
        #expect(try reader.value(cell: " 40 ", of: reader.inputs[0]) == .number(40))
        #expect(try reader.value(cell: "", of: reader.inputs[1]) == .missing)
        #expect(try reader.value(cell: "m", of: reader.inputs[2]) == .number(1))
        for cell in ["", "x", "1,5", "nan", "inf", "0x10p"] {
            #expect(throws: RequestProblem.self) {
                _ = try reader.value(cell: cell, of: reader.inputs[0])
            }
        }
    }
}

@Suite struct JSONTests {
    @Test func readsAndWrites() throws {
        let text = #"{"a":[1.5,-2.0,true,null,"x\"\\\u000a\u00fc\ud83d\ude00"],"b":{}}"#
        let value = try JSONValue.parse(Array(text.utf8))
        #expect(value["a"] != nil && value["b"] == .object([]))
        let again = try JSONValue.parse(value.bytes)
        #expect(again == value)
        #expect(value.written.contains("ü😀"))
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "01", "1.", "-", "+1", "1e999", "nul",
        "\"a", "\"\\x\"", "\"\\ud800\"", "\"\u{1}\"", "[1] 2", "{a:1}", "NaN",
    ])
    func refusesWhatIsNoJSON(text: String) {
        #expect(throws: JSONFault.self) { _ = try JSONValue.parse(Array(text.utf8)) }
    }

    @Test func boundsDepth() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONFault.self) { _ = try JSONValue.parse(Array(deep.utf8)) }
    }

    @Test func refusesBytesThatAreNoText() {
        #expect(throws: JSONFault.self) { _ = try JSONValue.parse([0x22, 0xff, 0x22]) }
    }

    @Test func writesVectorsShortly() {
        #expect(JSONValue.floats([0.1, -2, .nan]).written == "[0.1,-2.0,null]")
    }
}
