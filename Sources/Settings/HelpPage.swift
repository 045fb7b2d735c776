// The help of a command, laid out so that it teaches: purpose, usage, examples, then the details.
//
// Everything is made from the declaration that the parser reads, so help cannot be wrong about
// what is accepted. Laid out for 80 columns whatever the terminal's width.

/// Lays out the help of one command.
package struct HelpPage {
    private let command: Command
    private let path: [String]
    private let style: TextStyle
    private var text = ""

    /// Where explanations start at most; a longer name gets a line of its own.
    private static let indentMax = 30

    /// - Parameters:
    ///   - command: what is explained.
    ///   - path: the program and the commands that lead to it.
    ///   - style: whether headings are bold.
    package init(_ command: Command, path: [String], style: TextStyle) {
        self.command = command
        self.path = path
        self.style = style
    }

    /// The whole page, with a newline at its end.
    package func rendered() -> String {
        var page = self
        page.write()
        return page.text
    }

    private mutating func write() {
        let name = path.joined(separator: " ")
        text += style.bold(name) + " - \(command.purpose)\n"
        writeUsage(name)
        for paragraph in command.description {
            text += "\n"
            for line in wrap(paragraph, columns: TextStyle.columns) { text += "\(line)\n" }
        }
        writeExamples()
        let commands = command.subcommands.filter { !$0.isInternal }
        writeTable("Commands", commands.map { ($0.name, $0.purpose) })
        writeTable("Arguments", command.positionals.map { ($0.name, $0.help) })
        for group in command.options {
            writeTable(group.heading, group.options.map { (HelpPage.label($0), $0.help) })
        }
        writeTable(
            "Help",
            [
                ("-h, --help", "Print this page."),
                ("--version", "Print the version."),
            ])
        writeTable("Environment", command.environment.map { ($0.name, $0.help) })
        writeTable("Exit codes", command.exitCodes.map { ("\($0.rawValue)", $0.explanation) })
        if !commands.isEmpty {
            text += "\n'\(name) COMMAND --help' explains a command.\n"
        }
    }

    private mutating func writeUsage(_ name: String) {
        let lines = command.usage.isEmpty ? [HelpPage.usage(of: command)] : command.usage
        text += "\n" + style.bold("Usage:") + "\n"
        for line in lines {
            let whole = wrap("\(name) \(line)", columns: TextStyle.columns - 2)
            for (index, part) in whole.enumerated() {
                text += (index == 0 ? "  " : "      ") + part + "\n"
            }
        }
    }

    private mutating func writeExamples() {
        if command.examples.isEmpty { return }
        text += "\n" + style.bold("Examples:") + "\n"
        for (index, example) in command.examples.enumerated() {
            if index > 0 { text += "\n" }
            text += "  \(example.purpose):\n"
            text += "    \(style.bold(example.line))\n"
        }
    }

    private mutating func writeTable(_ heading: String, _ rows: [(name: String, help: String)]) {
        if rows.isEmpty { return }
        text += "\n" + style.bold("\(heading):") + "\n"
        let longest = rows.map(\.name.count).filter { $0 + 4 <= HelpPage.indentMax }.max() ?? 0
        let indent = longest + 4
        for row in rows {
            let lines = wrap(row.help, columns: TextStyle.columns - indent)
            var start = "  \(row.name)"
            if start.count + 2 > indent {
                text += "\(start)\n"
                start = ""
            }
            for line in lines {
                text += start + String(repeating: " ", count: indent - start.count) + line + "\n"
                start = ""
            }
            if lines.isEmpty { text += "\(start)\n" }
        }
    }

    static func label(_ option: OptionSpecification) -> String {
        let names = [option.short, option.name].compactMap { $0 }.joined(separator: ", ")
        return option.valueName.map { "\(names) \($0)" } ?? names
    }

    static func usage(of command: Command) -> String {
        var parts: [String] = []
        if !command.options.isEmpty { parts.append("[OPTIONS]") }
        if !command.subcommands.isEmpty { parts.append("COMMAND …") }
        for positional in command.positionals {
            switch positional.count {
            case .one: parts.append(positional.name)
            case .optional: parts.append("[\(positional.name)]")
            case .many(let least):
                parts.append(least == 0 ? "[\(positional.name) …]" : "\(positional.name) …")
            }
        }
        return parts.joined(separator: " ")
    }
}
