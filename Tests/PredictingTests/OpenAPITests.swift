// The document that describes a service to programs.

import Inference
import Testing

@testable import Predicting

private func document(
    _ inputs: [InputField], _ task: ModelTask, hasToken: Bool = false
) -> JSONValue {
    OpenAPIDocument(
        inputs: inputs,
        facts: ModelFacts(
            task: task, architecture: "a", parameterCount: 1, mappedByteCount: 1, files: []),
        title: "t", hasToken: hasToken, rowCountMax: 7
    ).json
}

@Suite struct OpenAPITests {
    private let inputs = [
        InputField(name: "age", kind: .integer(range: 0...120), label: "Age", unit: "years"),
        InputField(name: "size", kind: .number(range: nil), isOptional: true),
        InputField(name: "sex", kind: .category(["f", "m"])),
    ]

    @Test func hasTheInputsOfTheModel() throws {
        let row = document(inputs, .tabularRegression)["components"]?["schemas"]?["Row"]
        let age = try #require(row?["properties"]?["age"])
        #expect(age["type"] == "integer" && age["minimum"] == .count(0))
        #expect(age["description"] == "Age, in years")
        #expect(row?["properties"]?["size"]?["type"] == .array(["number", "null"]))
        #expect(row?["properties"]?["sex"]?["enum"] == .array(["f", "m"]))
        #expect(row?["required"] == .array(["age", "sex"]))
    }

    @Test func comparesOnlyEmbeddings() {
        let text = [InputField(name: "text", kind: .text(byteCountMax: 10))]
        #expect(document(text, .embedding)["paths"]?["/nearest"] != nil)
        #expect(document(text, .textClassification)["paths"]?["/nearest"] == nil)
    }

    @Test func asksForTheTokenWhereThereIsOne() {
        let open = document(inputs, .tabularRegression)
        let closed = document(inputs, .tabularRegression, hasToken: true)
        #expect(open["security"] == nil && closed["security"] != nil)
        #expect(closed["paths"]?["/healthz"]?["get"]?["security"] == .array([]))
        #expect(closed["paths"]?["/model"]?["get"]?["responses"]?["401"] != nil)
    }

    @Test func canBeRead() throws {
        let value = document(inputs, .tabularRegression, hasToken: true)
        #expect(try JSONValue.parse(value.bytes)["openapi"] == "3.1.0")
    }
}
