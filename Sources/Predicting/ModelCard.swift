// What a model's README.md says of it: the title, the licence, the figures of its model-index.
//
// Reads the few lines of its front matter that it knows, by their indentation, and none of the rest
// of YAML.

/// A model card.
struct ModelCard: Equatable, Sendable {
    /// The first heading.
    private(set) var title: String?
    private(set) var license: String?
    /// The first paragraph of text, cut to a few lines.
    private(set) var summary: String?
    /// Figures by their names, in the order of the card.
    private(set) var metrics: [Metric] = []

    struct Metric: Equatable, Sendable {
        var name: String
        var value: String
    }

    /// More are not shown.
    static let metricCountMax = 32
    private static let summaryByteCountMax = 600

    init(_ text: String) {
        var lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }[...]
        if lines.first?.trimmingSuffix() == "---" {
            lines = lines.dropFirst()
            let end = lines.firstIndex { $0.trimmingSuffix() == "---" } ?? lines.endIndex
            readFrontMatter(lines[..<end])
            lines = lines[end...].dropFirst()
        }
        readText(lines)
    }

    private mutating func readFrontMatter(_ lines: ArraySlice<Substring>) {
        var isInMetrics = false
        var metricsIndent = 0
        var metric: (name: String?, type: String?, value: String?) = (nil, nil, nil)
        func isListItem(_ line: Substring) -> Bool { line.drop { $0 == " " }.hasPrefix("- ") }
        for line in lines {
            let indent = line.prefix { $0 == " " }.count
            if indent == 0, let value = ModelCard.value(of: "license", in: line) { license = value }
            if line.trimmed == "metrics:" && indent > 0 {
                isInMetrics = true
                metricsIndent = indent
                continue
            }
            guard isInMetrics else { continue }
            if indent < metricsIndent || (indent == metricsIndent && !isListItem(line)) {
                isInMetrics = false
                finish(&metric)
                continue
            }
            if isListItem(line) { finish(&metric) }
            let plain = line.drop { $0 == " " || $0 == "-" }
            if let value = ModelCard.value(of: "name", in: plain) { metric.name = value }
            if let value = ModelCard.value(of: "type", in: plain) { metric.type = value }
            if let value = ModelCard.value(of: "value", in: plain) { metric.value = value }
        }
        finish(&metric)
    }

    private mutating func finish(_ metric: inout (name: String?, type: String?, value: String?)) {
        defer { metric = (nil, nil, nil) }
        guard let name = metric.name ?? metric.type, let value = metric.value,
            metrics.count < ModelCard.metricCountMax
        else { return }
        metrics.append(Metric(name: name, value: value))
    }

    private static func value(of key: String, in line: Substring) -> String? {
        guard line.hasPrefix("\(key):") else { return nil }
        let value = String(line.dropFirst(key.count + 1)).trimmed
        let bare = value.drop { $0 == "\"" || $0 == "'" }
        let text = bare.hasSuffix("\"") || bare.hasSuffix("'") ? bare.dropLast() : bare
        return text.isEmpty ? nil : String(text)
    }

    private mutating func readText(_ lines: ArraySlice<Substring>) {
        var paragraph = ""
        for line in lines {
            let text = line.trimmed
            if text.hasPrefix("# ") && title == nil {
                title = String(text.dropFirst(2))
            } else if text.isEmpty || text.hasPrefix("#") {
                if !paragraph.isEmpty { break }
            } else if text.first.map({ $0.isLetter || $0.isNumber }) ?? false
                || !paragraph.isEmpty
            {
                paragraph += paragraph.isEmpty ? text : " \(text)"
            }
            if paragraph.utf8.count > ModelCard.summaryByteCountMax { break }
        }
        if !paragraph.isEmpty { summary = String(paragraph.prefix(ModelCard.summaryByteCountMax)) }
    }
}

extension Substring {
    fileprivate var trimmed: String { String(self).trimmed }

    fileprivate func trimmingSuffix() -> String { trimmed }
}
