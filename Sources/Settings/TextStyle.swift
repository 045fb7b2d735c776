// How text looks on a terminal: bold and colours there, nothing of the kind anywhere else.
//
// The conventions are those of no-color.org and of TERM=dumb.

internal import Glibc

/// Adds emphasis to text, or leaves it alone.
package struct TextStyle: Equatable, Sendable {
    /// Whether escape sequences are written.
    package let isColored: Bool

    /// The width that help and messages are laid out for, in columns.
    package static let columns = 80

    /// Without any escape sequence.
    package static let plain = TextStyle(isColored: false)

    /// - Parameter isColored: whether escape sequences are written.
    package init(isColored: Bool) {
        self.isColored = isColored
    }

    /// Coloured when the descriptor is a terminal and the environment does not object.
    package init(descriptor: CInt, environment: Environment) {
        isColored =
            isatty(descriptor) == 1 && environment["NO_COLOR"] == nil
            && environment["TERM"] != "dumb"
    }

    /// A heading or a name that should stand out.
    package func bold(_ text: String) -> String { escaped("1", text) }

    /// Of less importance than its surroundings.
    package func faint(_ text: String) -> String { escaped("2", text) }

    /// Wrong, and the user should look.
    package func error(_ text: String) -> String { escaped("1;31", text) }

    /// Not wrong yet, and the user should know.
    package func warning(_ text: String) -> String { escaped("33", text) }

    /// As it should be.
    package func good(_ text: String) -> String { escaped("32", text) }

    private func escaped(_ code: String, _ text: String) -> String {
        isColored ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

/// Breaks text at spaces into lines of at most `columns`; a longer word stands alone.
///
/// What fits into a line stays as it is: it may be a command with blanks that count.
package func wrap(_ text: String, columns: Int) -> [String] {
    if text.isEmpty { return [] }
    if text.count <= columns { return [text] }
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
        if line.isEmpty {
            line = String(word)
        } else if line.count + 1 + word.count <= columns {
            line += " \(word)"
        } else {
            lines.append(line)
            line = String(word)
        }
    }
    if !line.isEmpty { lines.append(line) }
    return lines
}
