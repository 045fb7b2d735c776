// The man page of a command, made from the same declaration as its help, so that neither can be
// wrong about what is accepted. Source: man(7), the macros of groff.

/// Lays out the man page of one command.
package struct ManPage {
    private let command: Command
    private let path: [String]
    private let version: String
    private let related: [String]
    private var text = ""

    /// - Parameters:
    ///   - command: what is explained.
    ///   - path: the program and the commands that lead to it.
    ///   - version: of the program.
    ///   - related: the names of other pages of section 1.
    package init(_ command: Command, path: [String], version: String, related: [String]) {
        self.command = command
        self.path = path
        self.version = version
        self.related = related
    }

    /// The name of the page: `modelfs-cache-pin`.
    package static func name(of path: [String]) -> String { path.joined(separator: "-") }

    /// The whole page, with a newline at its end.
    package func rendered() -> String {
        var page = self
        page.write()
        return page.text
    }

    private mutating func write() {
        let name = ManPage.name(of: path)
        let program = path.first ?? name
        text += ".TH \"\(name.uppercased())\" 1 \"\" \"\(program) \(version)\" \"ModelFS\"\n"
        text += ".SH NAME\n\(ManPage.escaped(name)) \\- \(ManPage.escaped(command.purpose))\n"
        text += ".SH SYNOPSIS\n"
        let usage = command.usage.isEmpty ? [HelpPage.usage(of: command)] : command.usage
        for (index, line) in usage.enumerated() {
            if index > 0 { text += ".br\n" }
            text += "\\fB\(ManPage.escaped(path.joined(separator: " ")))\\fR "
            text += ManPage.line(line) + "\n"
        }
        text += ".SH DESCRIPTION\n"
        let paragraphs = command.description.isEmpty ? [command.purpose] : command.description
        for paragraph in paragraphs { text += ".PP\n" + ManPage.line(paragraph) + "\n" }
        let commands = command.subcommands.filter { !$0.isInternal }
        writeTable("COMMANDS", commands.map { ($0.name, $0.purpose) })
        writeTable("ARGUMENTS", command.positionals.map { ($0.name, $0.help) })
        for group in command.options {
            writeTable(
                group.heading.uppercased(), group.options.map { (HelpPage.label($0), $0.help) })
        }
        writeTable("ENVIRONMENT", command.environment.map { ($0.name, $0.help) })
        writeTable("EXIT STATUS", command.exitCodes.map { ("\($0.rawValue)", $0.explanation) })
        if !command.examples.isEmpty {
            text += ".SH EXAMPLES\n"
            for example in command.examples {
                text += ".TP\n" + ManPage.line(example.purpose) + ":\n"
                text += ".nf\n\\fB" + ManPage.escaped(example.line) + "\\fR\n.fi\n"
            }
        }
        let below = commands.map { ManPage.name(of: path + [$0.name]) }
        let others = related.filter { $0 != name } + below
        if !others.isEmpty {
            text += ".SH SEE ALSO\n"
            text += others.map { "\\fB\(ManPage.escaped($0))\\fR(1)" }.joined(separator: ",\n")
            text += "\n"
        }
    }

    private mutating func writeTable(_ heading: String, _ rows: [(name: String, help: String)]) {
        if rows.isEmpty { return }
        text += ".SH \"\(heading)\"\n"
        for row in rows {
            text += ".TP\n\\fB\(ManPage.escaped(row.name))\\fR\n" + ManPage.line(row.help) + "\n"
        }
    }

    /// Text that begins a line: a dot or a quote there would be a macro.
    private static func line(_ text: String) -> String {
        let made = escaped(text)
        return made.hasPrefix(".") || made.hasPrefix("'") ? "\\&" + made : made
    }

    /// Signs that groff would take for its own; it has ASCII alone, and names for others.
    private static func escaped(_ text: String) -> String {
        var made = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": made += "\\e"
            case "-": made += "\\-"
            case "'": made += "\\(aq"
            case "`": made += "\\(ga"
            case "^": made += "\\(ha"
            case "~": made += "\\(ti"
            case "\n": made += " "
            default:
                made +=
                    scalar.isASCII
                    ? String(scalar)
                    : "\\[u" + paddedHex(scalar.value) + "]"
            }
        }
        return made
    }

    private static func paddedHex(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
