// Figures that a model's authors tell of it: in predictor.json, or in its card.
//
// The card is README.md. Its front matter is YAML, of which only what the Hub's cards use is read:
// the list `metrics` of a `model-index`, with `type` or `name`, and `value`, on lines of their own.
// Failing that, the first table with the names of known figures. What cannot be read is no error.

/// A figure with its name.
struct ModelMetric: Equatable, Sendable {
    let name: String
    let value: String

    private static let countMax = 50
    private static let cardByteCountMax = 1 << 20

    /// The figures of predictor.json: an object, or a list of objects with name and value.
    static func list(
        _ fields: inout DescriptionFields, _ name: String
    ) throws(InferenceError) -> [ModelMetric] {
        guard let value = fields.take(name) else { return [] }
        var metrics: [ModelMetric] = []
        if let members = value.object {
            for (label, value) in members.sorted(by: { $0.key < $1.key }) {
                guard let text = words(value) else {
                    throw fields.wrong("\(name).\(label)", "a number or a text belongs here")
                }
                metrics.append(ModelMetric(name: label, value: text))
            }
            return metrics
        }
        for object in try fields.objects(name) ?? [] {
            var object = object
            let label = try object.text("name")
            guard let value = object.take("value"), let text = words(value) else {
                throw object.wrong("value", "a number or a text belongs here")
            }
            try object.end()
            metrics.append(ModelMetric(name: label, value: text))
        }
        return metrics
    }

    private static func words(_ value: JSONValue) -> String? {
        if let number = value.number {
            return Int(exactly: number).map { String($0) } ?? String(number)
        }
        return value.string
    }

    // MARK: The card

    /// The figures of a folder's card; none when it has no card, or tells none.
    static func ofCard(in folder: ModelFolder) -> [ModelMetric] {
        let path = folder.path(of: "README.md")
        guard folder.has("README.md"), let bytes = try? DescriptionFile.bytes(path),
            bytes.count <= cardByteCountMax
        else { return [] }
        return ofCard(String(decoding: bytes, as: UTF8.self))
    }

    static func ofCard(_ text: String) -> [ModelMetric] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in line.last == "\r" ? line.dropLast() : line }
        var matter: ArraySlice<Substring> = []
        var body = lines[...]
        if lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") {
            matter = lines[1..<end]
            body = lines[(end + 1)...]
        }
        let told = ofFrontMatter(matter)
        return Array((told.isEmpty ? ofTables(body) : told).prefix(countMax))
    }

    /// One metric of a list, as far as it was read.
    private struct Item {
        var type: String?
        var name: String?
        var value: String?

        var metric: ModelMetric? {
            guard let value, let label = name ?? type else { return nil }
            return ModelMetric(name: label, value: value)
        }
    }

    private static func ofFrontMatter(_ lines: ArraySlice<Substring>) -> [ModelMetric] {
        var metrics: [ModelMetric] = []
        var listIndent: Int?
        var item = Item()
        for line in lines {
            let indent = line.prefix { $0 == " " }.count
            var rest = line.dropFirst(indent)
            if rest.isEmpty || rest.hasPrefix("#") { continue }
            if rest.hasPrefix("metrics:") || rest.hasPrefix("- metrics:") {
                listIndent = rest.hasPrefix("-") ? indent + 2 : indent
                continue
            }
            guard let start = listIndent else { continue }
            // A list may stand as far in as its name does; anything else there ends it.
            if indent < start || (indent == start && !rest.hasPrefix("-")) {
                listIndent = nil
                item.metric.map { metrics.append($0) }
                item = Item()
                continue
            }
            if rest.hasPrefix("- ") {
                item.metric.map { metrics.append($0) }
                item = Item()
                rest = rest.dropFirst(2).drop { $0 == " " }
            }
            read(rest, into: &item)
        }
        item.metric.map { metrics.append($0) }
        return metrics
    }

    private static func read(_ line: Substring, into item: inout Item) {
        guard let colon = line.firstIndex(of: ":") else { return }
        let value = trimmed(line[line.index(after: colon)...])
        if value.isEmpty { return }
        switch line[..<colon] {
        case "type": item.type = value
        case "name": item.name = value
        case "value": item.value = value
        default: break
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        for quote in ["\"", "'"]
        where text.count > 1 && text.hasPrefix(quote)
            && text.hasSuffix(quote)
        {
            text = text.dropFirst().dropLast()
        }
        return String(text)
    }

    /// Names of figures without their case, spaces and signs.
    private static let known: Set<String> = [
        "r2", "r²", "mae", "mse", "rmse", "mape", "smape", "medae", "accuracy", "balancedaccuracy",
        "f1", "f1score", "precision", "recall", "auc", "rocauc", "prauc", "logloss", "brier",
        "meanabsoluteerror", "meansquarederror", "rootmeansquarederror", "explainedvariance",
    ]

    /// Tables with the names in their first column, or in their head.
    private static func ofTables(_ lines: ArraySlice<Substring>) -> [ModelMetric] {
        var metrics: [ModelMetric] = []
        var head: [String] = []
        for line in lines {
            guard line.hasPrefix("|") else {
                if !metrics.isEmpty { break }
                head = []
                continue
            }
            let cells = line.dropFirst().split(separator: "|", omittingEmptySubsequences: false)
                .map { trimmed($0).filter { $0 != "*" && $0 != "`" } }
            if cells.allSatisfy({ $0.allSatisfy { "-: ".contains($0) } }) { continue }
            if let name = cells.first, isKnown(name), cells.count > 1, !cells[1].isEmpty {
                metrics.append(ModelMetric(name: name, value: cells[1]))
            } else if !head.isEmpty, metrics.isEmpty {
                for (name, cell) in zip(head, cells) where isKnown(name) && !cell.isEmpty {
                    metrics.append(ModelMetric(name: name, value: cell))
                }
            }
            if head.isEmpty { head = cells }
        }
        return metrics
    }

    private static func isKnown(_ name: String) -> Bool {
        known.contains(name.lowercased().filter { $0.isLetter || $0.isNumber })
    }
}
