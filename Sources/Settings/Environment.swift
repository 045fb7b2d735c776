// The environment of the process: read once, then a value that is passed along.
//
// Nothing of ours calls `getenv` while threads run, and tests hand in an environment of their own.
// An empty variable counts as absent, which is what the variables that we read mean by it.

internal import CShims

/// Names and values, as of the start of the process.
package struct Environment: Equatable, Sendable {
    /// All of it.
    package let values: [String: String]

    /// An environment made of these values alone.
    package init(_ values: [String: String]) {
        self.values = values
    }

    /// What this process was started with.
    package static let process = Environment(current())

    /// The value of a variable; nil when it is absent or empty.
    package subscript(name: String) -> String? {
        guard let value = values[name], !value.isEmpty else { return nil }
        return value
    }

    /// Whether the variable says yes, in the words that the official Hub client takes for it:
    /// `1`, `ON`, `YES` or `TRUE` in any case.
    package func isTrue(_ name: String) -> Bool {
        guard let value = self[name] else { return false }
        return ["1", "ON", "YES", "TRUE"].contains(value.uppercased())
    }

    /// All of it, sorted by name, in the form that `exec` takes.
    package var entries: [String] {
        values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }

    private static func current() -> [String: String] {
        var values: [String: String] = [:]
        var index: CInt = 0
        while let entry = unsafe modelfs_environment_entry(index) {
            index += 1
            let text = unsafe String(cString: entry)
            guard let equals = text.firstIndex(of: "=") else { continue }
            values[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        return values
    }
}
