// The service described for programs: an OpenAPI 3.1 document, made from the model's own inputs.
//
// Pure: a model's inputs and facts go in, a document comes out.

internal import HTTPService
internal import Inference
internal import Settings

/// Makes the document of one model.
struct OpenAPIDocument {
    let inputs: [InputField]
    let facts: ModelFacts
    let title: String
    let hasToken: Bool
    let rowCountMax: Int

    var json: JSONValue {
        var members: [JSONMember] = [
            JSONMember(name: "openapi", value: "3.1.0"),
            JSONMember(
                name: "info",
                value: .members([
                    "title": .string(title), "version": .string(programVersion),
                    "description": .string(
                        "Predictions of \(facts.architecture), task \(facts.task.rawValue)."),
                ])),
            JSONMember(name: "paths", value: .object(paths)),
            JSONMember(name: "components", value: components),
        ]
        if hasToken {
            members.append(
                JSONMember(
                    name: "security", value: .array([.members(["token": .array([])])])))
        }
        return .object(members)
    }

    // MARK: Paths

    private var paths: [JSONMember] {
        var paths = [
            post(
                "/predict", "Predict one row, or a list of them",
                request: OpenAPIDocument.object(
                    [
                        (
                            "inputs",
                            .members([
                                "oneOf": .array([
                                    OpenAPIDocument.reference("Row"),
                                    .members([
                                        "type": "array", "minItems": .count(1),
                                        "maxItems": .count(rowCountMax),
                                        "items": OpenAPIDocument.reference("Row"),
                                    ]),
                                ])
                            ])
                        )
                    ], required: ["inputs"]),
                answer: OpenAPIDocument.answer(["prediction": "Prediction"], list: "predictions")),
            batch,
            post(
                "/rollback", "Go back to the revision before", request: nil,
                answer: .members(["type": "object"])),
            get("/model", "The model, its inputs, its memory, how it was loaded"),
            get("/history", "The newest predictions"),
            get("/metrics", "Counts for Prometheus", type: "text/plain"),
            get("/healthz", "Whether the process lives", type: "text/plain", isOpen: true),
            get("/readyz", "Whether a model serves", isOpen: true, failures: ["503"]),
        ]
        if facts.task == .embedding {
            paths += [
                post(
                    "/similarity", "Compare a text with others",
                    request: OpenAPIDocument.object(
                        [
                            ("source", .members(["type": "string"])),
                            ("sentences", OpenAPIDocument.texts),
                        ], required: ["source", "sentences"]),
                    answer: OpenAPIDocument.object(
                        [
                            (
                                "similarities",
                                .members([
                                    "type": "array", "items": .members(["type": "number"]),
                                ])
                            )
                        ], required: ["similarities"])),
                post(
                    "/nearest", "Find the texts nearest to one",
                    request: OpenAPIDocument.object(
                        [
                            ("query", .members(["type": "string"])),
                            ("candidates", OpenAPIDocument.texts),
                            ("count", .members(["type": "integer", "minimum": .count(1)])),
                        ], required: ["query", "candidates"]),
                    answer: OpenAPIDocument.object(
                        [("nearest", .members(["type": "array"]))], required: ["nearest"])),
            ]
        }
        return paths
    }

    private var batch: JSONMember {
        let table = JSONValue.members([
            "text/csv": .members(["schema": .members(["type": "string"])])
        ])
        let keep = JSONValue.members([
            "name": "keep", "in": "query", "required": .bool(false),
            "description": "Columns to repeat in the answer, with commas between; * for all.",
            "schema": .members(["type": "string"]),
        ])
        let names = inputs.map(\.name).joined(separator: ", ")
        return JSONMember(
            name: "/predict/batch",
            value: .members([
                "post": operation(
                    "predictBatch", "Predict a table; its first line names the columns: \(names)",
                    members: [
                        JSONMember(name: "parameters", value: .array([keep])),
                        JSONMember(
                            name: "requestBody",
                            value: .members(["required": .bool(true), "content": table])),
                    ], content: table, failures: ["413", "415", "422", "429", "503"])
            ]))
    }

    private func post(
        _ path: String, _ summary: String, request: JSONValue?, answer: JSONValue
    ) -> JSONMember {
        var members: [JSONMember] = []
        if let request {
            members.append(
                JSONMember(
                    name: "requestBody",
                    value: .members([
                        "required": .bool(true),
                        "content": .members(["application/json": .members(["schema": request])]),
                    ])))
        }
        return JSONMember(
            name: path,
            value: .members([
                "post": operation(
                    OpenAPIDocument.identifier(path), summary, members: members,
                    content: .members(["application/json": .members(["schema": answer])]),
                    failures: request == nil
                        ? ["409", "429", "503"] : ["400", "413", "415", "422", "429", "503"])
            ]))
    }

    private func get(
        _ path: String, _ summary: String, type: String = "application/json",
        isOpen: Bool = false, failures: [String] = []
    ) -> JSONMember {
        var members: [JSONMember] = []
        if isOpen && hasToken { members.append(JSONMember(name: "security", value: .array([]))) }
        if path == "/history" {
            members.append(
                JSONMember(
                    name: "parameters",
                    value: .array(
                        ["count", "before"].map { name in
                            .members([
                                "name": .string(name), "in": "query", "required": .bool(false),
                                "schema": .members(["type": "integer", "minimum": .count(1)]),
                            ])
                        })))
        }
        let schema: JSONValue = .members([
            "type": type == "application/json" ? "object" : "string"
        ])
        return JSONMember(
            name: path,
            value: .members([
                "get": operation(
                    OpenAPIDocument.identifier(path), summary, members: members,
                    content: .object([
                        JSONMember(name: type, value: .members(["schema": schema]))
                    ]),
                    failures: failures + (path == "/history" ? ["404", "422", "503"] : []))
            ]))
    }

    private func operation(
        _ identifier: String, _ summary: String, members: [JSONMember], content: JSONValue,
        failures: [String]
    ) -> JSONValue {
        var responses = [
            JSONMember(
                name: "200",
                value: .members(["description": "It is done.", "content": content]))
        ]
        let all = failures + (hasToken ? ["401"] : [])
        for status in all.sorted() {
            responses.append(
                JSONMember(
                    name: status,
                    value: .members([
                        "description": .string(OpenAPIDocument.meanings[status] ?? "A failure."),
                        "content": .members([
                            "application/json": .members([
                                "schema": status == "503" && identifier == "readyz"
                                    ? .members(["type": "object"])
                                    : OpenAPIDocument.reference("Problem")
                            ])
                        ]),
                    ])))
        }
        return .object(
            [
                JSONMember(name: "operationId", value: .string(identifier)),
                JSONMember(name: "summary", value: .string(summary)),
            ] + members + [JSONMember(name: "responses", value: .object(responses))])
    }

    private static func identifier(_ path: String) -> String {
        path.split(separator: "/").joined(separator: "_")
    }

    private static let meanings = [
        "400": "The body is no JSON.", "401": "The token is missing or wrong.",
        "404": "There is none.", "409": "There is nothing to go back to, or to compare.",
        "413": "There is too much of it.", "415": "A form was sent in place of the data.",
        "422": "A value is not what its field takes; the message names the field.",
        "429": "Too many requests; Retry-After tells when to come again.",
        "503": "The model is not ready, or too much waits; Retry-After tells when to come again.",
    ]

    // MARK: Schemas

    private var components: JSONValue {
        var members = [
            JSONMember(
                name: "schemas",
                value: .members([
                    "Row": row, "Prediction": prediction, "Problem": OpenAPIDocument.problem,
                ]))
        ]
        if hasToken {
            members.append(
                JSONMember(
                    name: "securitySchemes",
                    value: .members([
                        "token": .members(["type": "http", "scheme": "bearer"])
                    ])))
        }
        return .object(members)
    }

    private var row: JSONValue {
        let object = OpenAPIDocument.object(
            inputs.map { ($0.name, OpenAPIDocument.schema($0)) },
            required: inputs.filter { !$0.isOptional }.map(\.name))
        guard inputs.count == 1, let only = inputs.first else { return object }
        return .members(["oneOf": .array([object, OpenAPIDocument.schema(only)])])
    }

    static func schema(_ field: InputField) -> JSONValue {
        var members: [JSONMember] = []
        func add(_ name: String, _ value: JSONValue) {
            members.append(JSONMember(name: name, value: value))
        }
        func type(_ name: String) -> JSONValue {
            field.isOptional ? .array([.string(name), "null"]) : .string(name)
        }
        switch field.kind {
        case .text(let byteCountMax):
            add("type", type("string"))
            add("minLength", .count(1))
            add("maxLength", .count(byteCountMax))
            // At least one character that is no white space.
            add("pattern", "\\S")
        case .number(let range):
            add("type", type("number"))
            if let range {
                add("minimum", .number(range.lowerBound))
                add("maximum", .number(range.upperBound))
            }
        case .integer(let range):
            add("type", type("integer"))
            if let range {
                add("minimum", .count(range.lowerBound))
                add("maximum", .count(range.upperBound))
            }
        case .category(let words):
            add("enum", .array(words.map(JSONValue.string) + (field.isOptional ? [.null] : [])))
        }
        let told = [field.label, field.unit.map { "in \($0)" }].compactMap { $0 }
        if !told.isEmpty { add("description", .string(told.joined(separator: ", "))) }
        return .object(members)
    }

    private var prediction: JSONValue {
        let number = JSONValue.members(["type": "number"])
        let text = JSONValue.members(["type": "string"])
        switch facts.task {
        case .embedding:
            return OpenAPIDocument.object(
                [("embedding", .members(["type": "array", "items": number]))],
                required: ["embedding"])
        case .textClassification, .tabularClassification:
            let label = OpenAPIDocument.object(
                [("label", text), ("probability", number)], required: ["label", "probability"])
            return OpenAPIDocument.object(
                [
                    ("label", text), ("probability", number),
                    ("labels", .members(["type": "array", "items": label])),
                ], required: ["label", "probability", "labels"])
        case .tabularRegression:
            let value = OpenAPIDocument.object(
                [
                    ("name", text), ("value", number), ("standardDeviation", number),
                    ("unit", text),
                ], required: ["name", "value"])
            return OpenAPIDocument.object(
                [("values", .members(["type": "array", "items": value]))], required: ["values"])
        }
    }

    private static let problem = object(
        [
            ("error", .members(["type": "string"])), ("field", .members(["type": "string"])),
            ("problems", .members(["type": "array"])),
        ], required: ["error"])

    private static let texts = JSONValue.members([
        "type": "array", "minItems": .count(1), "items": .members(["type": "string"]),
    ])

    private static func answer(_ one: KeyValuePairs<String, String>, list: String) -> JSONValue {
        var properties = one.map { ($0.key, reference($0.value)) }
        properties.append(
            (list, .members(["type": "array", "items": reference("Prediction")])))
        properties.append(("commit", .members(["type": .array(["string", "null"])])))
        properties.append(("milliseconds", .members(["type": "number"])))
        return object(properties, required: ["milliseconds"])
    }

    private static func reference(_ name: String) -> JSONValue {
        .members(["$ref": .string("#/components/schemas/\(name)")])
    }

    private static func object(
        _ properties: [(String, JSONValue)], required: [String]
    ) -> JSONValue {
        .members([
            "type": "object",
            "properties": .object(properties.map { JSONMember(name: $0.0, value: $0.1) }),
            "required": .array(required.map(JSONValue.string)),
        ])
    }
}

extension PredictorService {
    /// `GET /openapi.json`.
    func openAPI() throws(RequestProblem) -> JSONValue {
        let revision = try holder.serving()
        return OpenAPIDocument(
            inputs: revision.model.inputs, facts: revision.model.facts,
            title: revision.folder.identity.repository ?? "modelfs-predictor",
            hasToken: settings.token != nil, rowCountMax: settings.rowCountMax
        ).json
    }
}
