// From what a request or a table says to the values of a row, each checked against its field.
//
// Every message names the field and says what it takes. Pure.

internal import Inference

/// Reads rows for one model.
struct RowReader: Sendable {
    let inputs: [InputField]

    /// How many names a message lists.
    private static let namedCountMax = 20

    init(_ inputs: [InputField]) {
        self.inputs = inputs
    }

    // MARK: JSON

    /// Reads a row: an object by names, or a list in the order of the inputs, or, where there is
    /// one input, its value.
    ///
    /// - Parameter path: what the row is called in messages, such as `inputs[2]`.
    func row(_ value: JSONValue, path: String) throws(RequestProblem) -> [InputValue] {
        switch value {
        case .object(let members): return try row(members, path: path)
        case .array(let items):
            guard items.count == inputs.count else {
                throw .value(
                    path, "has \(items.count) values, and the model takes \(inputs.count)")
            }
            return try collect(inputs.indices) { index throws(RequestProblem) in
                try self.value(items[index], of: inputs[index], path: path)
            }
        default:
            guard inputs.count == 1, let only = inputs.first else {
                throw .value(path, "is \(value.kindName), and must be an object: \(names)")
            }
            return [try self.value(value, of: only, path: path, isNamed: false)]
        }
    }

    private func row(_ members: [JSONMember], path: String) throws(RequestProblem) -> [InputValue] {
        for member in members where !inputs.contains(where: { $0.name == member.name }) {
            throw .value("\(path).\(member.name)", "is no input of the model; \(names)")
        }
        return try collect(inputs.indices) { index throws(RequestProblem) in
            let field = inputs[index]
            let value = members.first { $0.name == field.name }?.value ?? .null
            return try self.value(value, of: field, path: path)
        }
    }

    /// All values, or all that is wrong with them.
    private func collect(
        _ indices: Range<Int>, _ read: (Int) throws(RequestProblem) -> InputValue
    ) throws(RequestProblem) -> [InputValue] {
        var values: [InputValue] = []
        var problems: [RequestProblem] = []
        values.reserveCapacity(indices.count)
        for index in indices {
            do throws(RequestProblem) {
                values.append(try read(index))
            } catch {
                problems.append(error)
                if problems.count == RequestProblem.countMax { break }
            }
        }
        if let problem = RequestProblem.all(problems) { throw problem }
        return values
    }

    private func value(
        _ value: JSONValue, of field: InputField, path: String, isNamed: Bool = true
    ) throws(RequestProblem) -> InputValue {
        let place = isNamed ? "\(path).\(field.name)" : path
        if value == .null {
            if field.isOptional { return .missing }
            throw .value(place, "is missing; it takes \(field.takes)")
        }
        switch (field.kind, value) {
        case (.text, .string(let text)): return try checked(text, field, place)
        case (.number, .number(let number)), (.integer, .number(let number)):
            return try checked(number, field, place)
        case (.category(let words), .string(let text)):
            guard let index = words.firstIndex(of: text) else {
                throw .value(place, "is '\(text.shortened)', and must be \(field.takes)")
            }
            return .number(Double(index))
        case (.category(let words), .number(let number)):
            // Categories that are numbers may be written as such.
            if let index = words.firstIndex(where: { Double($0) == number }) {
                return .number(Double(index))
            }
            throw .value(place, "is \(number.short), and must be \(field.takes)")
        default: throw .value(place, "is \(value.kindName), and must be \(field.takes)")
        }
    }

    // MARK: Tables

    /// Reads a cell of a table; an empty one is a missing value.
    func value(cell: String, of field: InputField) throws(RequestProblem) -> InputValue {
        if case .text = field.kind, !cell.isEmpty { return try checked(cell, field, field.name) }
        let text = cell.trimmed
        if text.isEmpty {
            if field.isOptional { return .missing }
            throw .value(field.name, "is missing; it takes \(field.takes)")
        }
        if case .category(let words) = field.kind {
            let index =
                words.firstIndex(of: text)
                ?? Double(text).flatMap { number in words.firstIndex { Double($0) == number } }
            guard let index else {
                throw .value(field.name, "is '\(text.shortened)', and must be \(field.takes)")
            }
            return .number(Double(index))
        }
        guard let number = Double(text), number.isFinite else {
            throw .value(field.name, "is '\(text.shortened)', and must be \(field.takes)")
        }
        return try checked(number, field, field.name)
    }

    // MARK: Checks

    private func checked(
        _ text: String, _ field: InputField, _ place: String
    ) throws(RequestProblem) -> InputValue {
        guard case .text(let byteCountMax) = field.kind else { return .missing }
        let byteCount = text.utf8.count
        if byteCount > byteCountMax {
            throw .value(place, "has \(byteCount) bytes, and may have \(byteCountMax)")
        }
        if text.trimmed.isEmpty { throw .value(place, "is empty; it takes a text") }
        return .text(text)
    }

    private func checked(
        _ number: Double, _ field: InputField, _ place: String
    ) throws(RequestProblem) -> InputValue {
        let isWithin: Bool
        switch field.kind {
        case .number(let range): isWithin = range?.contains(number) ?? true
        case .integer(let range):
            guard let whole = Int(exactly: number) else {
                throw .value(place, "is \(number.short), and must be \(field.takes)")
            }
            isWithin = range?.contains(whole) ?? true
        default: isWithin = true
        }
        guard isWithin else {
            throw .value(place, "is \(number.short), and must be \(field.takes)")
        }
        return .number(number)
    }

    /// The names of the inputs, in a sentence.
    var names: String {
        let shown = inputs.prefix(RowReader.namedCountMax).map(\.name).joined(separator: ", ")
        return "the inputs are \(shown)\(inputs.count > RowReader.namedCountMax ? ", …" : "")"
    }
}

extension InputField {
    /// What it takes, in a sentence.
    var takes: String {
        let unit = unit.map { " (\($0))" } ?? ""
        switch kind {
        case .text(let byteCountMax): return "a text of at most \(byteCountMax) bytes"
        case .number(nil): return "a number\(unit)"
        case .number(let range?):
            return "a number from \(range.lowerBound.short) to \(range.upperBound.short)\(unit)"
        case .integer(nil): return "a whole number\(unit)"
        case .integer(let range?):
            return "a whole number from \(range.lowerBound) to \(range.upperBound)\(unit)"
        case .category(let words):
            let shown = words.prefix(12).joined(separator: ", ")
            return "one of \(shown)\(words.count > 12 ? ", …" : "")"
        }
    }
}

extension Double {
    /// Without a fraction where there is none.
    var short: String {
        self == rounded() && abs(self) < 1e15 ? String(Int64(self)) : description
    }
}

extension String {
    /// What a message quotes of a long text.
    var shortened: String { utf8.count <= 80 ? self : String(prefix(60)) + "…" }

    /// Without white space at both ends.
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
