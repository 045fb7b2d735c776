// A page of metrics in Prometheus' text format, version 0.0.4.
//
// Names, units and types are those of Prometheus' conventions: base units, `_total` for what only
// grows, HELP and TYPE once for each name. Knows no metric; whoever counts writes to it.

/// Lays out metrics.
package struct MetricsPage: Sendable {
    /// What a metric is.
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    /// What the page is sent as.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The page so far.
    package private(set) var text = ""
    private let prefix: String
    private var name = ""

    /// - Parameter prefix: of all names but those of the process, such as `modelfs_`.
    package init(prefix: String) {
        self.prefix = prefix
    }

    /// Begins a metric; samples of it follow.
    ///
    /// - Parameters:
    ///   - name: without the prefix.
    ///   - kind: what it is.
    ///   - help: one sentence.
    ///   - isProcess: whether it is one of the names that every program has.
    package mutating func begin(
        _ name: String, _ kind: Kind, _ help: String, isProcess: Bool = false
    ) {
        self.name = (isProcess ? "process_" : prefix) + name
        text += "# HELP \(self.name) \(help)\n# TYPE \(self.name) \(kind.rawValue)\n"
    }

    /// One sample of the metric that was begun last.
    ///
    /// - Parameters:
    ///   - labels: names and values, in order.
    ///   - value: in the metric's unit.
    ///   - suffix: such as `_sum`, for histograms.
    package mutating func sample(
        _ labels: [(String, String)], _ value: Double, suffix: String = ""
    ) {
        text += name + suffix
        if !labels.isEmpty {
            let written = labels.map { "\($0)=\"\(MetricsPage.escaped($1))\"" }
            text += "{" + written.joined(separator: ",") + "}"
        }
        text += " \(MetricsPage.written(value))\n"
    }

    /// A metric with one sample.
    package mutating func add(
        _ name: String, _ kind: Kind, _ help: String, _ value: Double, isProcess: Bool = false
    ) {
        begin(name, kind, help, isProcess: isProcess)
        sample([], value)
    }

    private static func written(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return "\(whole)" }
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return "\(value)"
    }

    private static func escaped(_ value: String) -> String {
        var made = ""
        for character in value {
            switch character {
            case "\\": made += "\\\\"
            case "\"": made += "\\\""
            case "\n": made += "\\n"
            default: made.append(character)
            }
        }
        return made
    }
}
