// The members of an object in a description, taken one by one and checked.
//
// Every error names the file, the path to the member and what belongs there. Members that nobody
// took are named too: a misspelt one is not silently ignored.

/// An object of a description, and which of its members were taken.
struct DescriptionFields {
    /// The file, for errors.
    let file: String
    /// Where in the file, such as `architecture.layers[2]`; empty for the whole.
    let path: String
    private let members: [String: JSONValue]
    private var taken: Set<String> = []

    init(_ value: JSONValue, file: String, path: String) throws(InferenceError) {
        guard let members = value.object else {
            throw .malformed(
                path: file,
                reason: "\(path.isEmpty ? "the whole" : path): an object belongs here, not "
                    + value.kindInWords)
        }
        self.file = file
        self.path = path
        self.members = members
    }

    /// An error about a member.
    func wrong(_ name: String, _ reason: String) -> InferenceError {
        .malformed(path: file, reason: "\(place(name)): \(reason)")
    }

    /// Where a member stands.
    func place(_ name: String) -> String {
        if path.isEmpty { return name }
        return name.isEmpty ? path : "\(path).\(name)"
    }

    /// A member; nil when it is not there, or null.
    mutating func take(_ name: String) -> JSONValue? {
        taken.insert(name)
        guard let value = members[name], !value.isNull else { return nil }
        return value
    }

    private mutating func typed<Value>(
        _ name: String, _ kind: String, _ read: (JSONValue) -> Value?
    ) throws(InferenceError) -> Value? {
        guard let value = take(name) else { return nil }
        guard let found = read(value) else {
            throw wrong(name, "\(kind) belongs here, not \(value.kindInWords)")
        }
        return found
    }

    private func needed<Value>(
        _ name: String, _ kind: String, _ value: Value?
    ) throws(InferenceError) -> Value {
        guard let value else { throw wrong(name, "\(kind) is needed here") }
        return value
    }

    mutating func optionalText(_ name: String) throws(InferenceError) -> String? {
        try typed(name, "a text") { $0.string }
    }

    mutating func text(_ name: String) throws(InferenceError) -> String {
        try needed(name, "a text", try optionalText(name))
    }

    mutating func optionalNumber(_ name: String) throws(InferenceError) -> Double? {
        try typed(name, "a number") { $0.number.flatMap { $0.isFinite ? $0 : nil } }
    }

    mutating func flag(_ name: String, orElse standard: Bool) throws(InferenceError) -> Bool {
        try typed(name, "true or false") { $0.boolean } ?? standard
    }

    /// A count of something, from 1 on.
    mutating func optionalCount(_ name: String) throws(InferenceError) -> Int? {
        try typed(name, "a whole number from 1 to \(DescriptionFields.countMax)") {
            $0.integer.flatMap { (1...DescriptionFields.countMax).contains($0) ? $0 : nil }
        }
    }

    mutating func count(_ name: String) throws(InferenceError) -> Int {
        try needed(name, "a whole number", try optionalCount(name))
    }

    /// More than any width, length or number of things that a description tells.
    static let countMax = 1 << 28

    mutating func optionalTexts(_ name: String) throws(InferenceError) -> [String]? {
        try typed(name, "a list of texts") { value in
            guard let elements = value.array else { return nil }
            let texts = elements.compactMap(\.string)
            return texts.count == elements.count ? texts : nil
        }
    }

    mutating func optionalNumbers(_ name: String) throws(InferenceError) -> [Double]? {
        try typed(name, "a list of numbers") { value in
            guard let elements = value.array else { return nil }
            let numbers = elements.compactMap(\.number).filter(\.isFinite)
            return numbers.count == elements.count ? numbers : nil
        }
    }

    /// The elements of a list, each an object with its own place.
    mutating func objects(_ name: String) throws(InferenceError) -> [DescriptionFields]? {
        let elements = try typed(name, "a list of objects") { $0.array }
        guard let elements else { return nil }
        var objects: [DescriptionFields] = []
        for (index, element) in elements.enumerated() {
            objects.append(
                try DescriptionFields(element, file: file, path: "\(place(name))[\(index)]"))
        }
        return objects
    }

    mutating func optionalObject(_ name: String) throws(InferenceError) -> DescriptionFields? {
        guard let value = take(name) else { return nil }
        return try DescriptionFields(value, file: file, path: place(name))
    }

    /// Refuses members that nobody took.
    func end() throws(InferenceError) {
        let unknown = members.keys.filter { !taken.contains($0) }.sorted()
        if unknown.isEmpty { return }
        let known = taken.sorted().joined(separator: ", ")
        throw .malformed(
            path: file,
            reason:
                "\(path.isEmpty ? "" : path + ": ")unknown \(unknown.count == 1 ? "key" : "keys") "
                + unknown.map { "'\($0)'" }.joined(separator: ", ") + "; known here: \(known)")
    }
}

extension JSONValue {
    /// What it is, in words for errors.
    var kindInWords: String {
        switch self {
        case .null: "null"
        case .boolean(let flag): "\(flag)"
        case .number(let number):
            "the number \(Int(exactly: number).map { String($0) } ?? String(number))"
        case .string(let text): "the text '\(text.prefix(40))'"
        case .array: "a list"
        case .object: "an object"
        }
    }
}
