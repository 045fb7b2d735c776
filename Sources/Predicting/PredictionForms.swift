// Predictions as answers and tables show them.

internal import Inference

extension Prediction {
    /// As JSON.
    var json: JSONValue {
        switch self {
        case .embedding(let vector): return .members(["embedding": .floats(vector)])
        case .labels(let labels):
            return .members([
                "label": .text(orNull: labels.first?.label),
                "probability": labels.first.map { .number($0.probability) } ?? .null,
                "labels": .array(
                    labels.map {
                        .members([
                            "label": .string($0.label), "probability": .number($0.probability),
                        ])
                    }),
            ])
        case .values(let values):
            return .members(["values": .array(values.map(\.json))])
        }
    }

    /// The columns that a table has for such predictions.
    var columns: [String] {
        switch self {
        case .embedding: ["embedding"]
        case .labels: ["label", "probability"]
        case .values(let values):
            values.flatMap { value in
                value.standardDeviation == nil
                    ? [value.name] : [value.name, "\(value.name)_standard_deviation"]
            }
        }
    }

    /// The cells of those columns.
    var cells: [String] {
        switch self {
        case .embedding(let vector): [JSONValue.floats(vector).written]
        case .labels(let labels):
            [labels.first?.label ?? "", labels.first.map { "\($0.probability)" } ?? ""]
        case .values(let values):
            values.flatMap { value in
                value.standardDeviation.map { ["\(value.value)", "\($0)"] } ?? ["\(value.value)"]
            }
        }
    }

    /// Whether all of its numbers are some, and there is at least one.
    var isFinite: Bool {
        switch self {
        case .embedding(let vector): !vector.isEmpty && vector.allSatisfy(\.isFinite)
        case .labels(let labels): !labels.isEmpty && labels.allSatisfy(\.probability.isFinite)
        case .values(let values): !values.isEmpty && values.allSatisfy(\.value.isFinite)
        }
    }
}

extension PredictedValue {
    var json: JSONValue {
        var members = [
            JSONMember(name: "name", value: .string(name)),
            JSONMember(name: "value", value: .number(value)),
        ]
        if let standardDeviation {
            members.append(
                JSONMember(name: "standardDeviation", value: .number(standardDeviation)))
        }
        if let unit { members.append(JSONMember(name: "unit", value: .string(unit))) }
        return .object(members)
    }
}

extension InputField {
    /// As `GET /model` tells it, for whoever makes a form of it.
    var json: JSONValue {
        var members = [JSONMember(name: "name", value: .string(name))]
        func add(_ name: String, _ value: JSONValue) {
            members.append(JSONMember(name: name, value: value))
        }
        switch kind {
        case .text(let byteCountMax):
            add("kind", "text")
            add("bytesMax", .count(byteCountMax))
        case .number(let range):
            add("kind", "number")
            if let range {
                add("min", .number(range.lowerBound))
                add("max", .number(range.upperBound))
            }
        case .integer(let range):
            add("kind", "integer")
            if let range {
                add("min", .count(range.lowerBound))
                add("max", .count(range.upperBound))
            }
        case .category(let words):
            add("kind", "category")
            add("categories", .array(words.map(JSONValue.string)))
        }
        add("label", .text(orNull: label))
        add("unit", .text(orNull: unit))
        add("optional", .bool(isOptional))
        return .object(members)
    }
}

extension JSONValue: ExpressibleByStringLiteral {
    init(stringLiteral value: String) { self = .string(value) }
}
