// What a program understands, as data: commands, options, flags and arguments, each with its help.
//
// Programs declare this; the parser and the help page read it. Nothing here knows any program.

/// An option or a flag, which a group of options lists.
package protocol OptionDeclaration: Sendable {
    /// What the parser and the help page need to know of it.
    var specification: OptionSpecification { get }
}

/// An option with a value, such as `--cache DIR`.
package struct Option<Value: Sendable>: OptionDeclaration {
    /// What the parser and the help page need to know of it.
    package let specification: OptionSpecification

    /// - Parameters:
    ///   - name: with its dashes, such as `--cache`.
    ///   - short: a second name such as `-c`; none if nil.
    ///   - valueName: what stands for the value in help, such as `DIR`.
    ///   - reader: checks and converts the value while the command line is read.
    ///   - repeats: whether it may be given more than once.
    ///   - help: what it does, and what holds without it.
    package init(
        _ name: String, short: String? = nil, _ valueName: String, _ reader: ValueReader<Value>,
        repeats: Bool = false, help: String
    ) {
        specification = OptionSpecification(
            name: name, short: short, valueName: valueName, repeats: repeats, help: help,
            words: reader.words, read: { text throws(ValueProblem) in try reader.read(text) })
    }
}

/// An option without a value, such as `--foreground`.
package struct Flag: OptionDeclaration {
    /// What the parser and the help page need to know of it.
    package let specification: OptionSpecification

    /// - Parameters:
    ///   - name: with its dashes, such as `--json`.
    ///   - short: a second name such as `-j`; none if nil.
    ///   - help: what it does.
    package init(_ name: String, short: String? = nil, help: String) {
        specification = OptionSpecification(
            name: name, short: short, valueName: nil, repeats: true, help: help, words: [],
            read: { _ throws(ValueProblem) in true })
    }
}

/// An argument without a name of its own on the command line, such as `MOUNTPOINT`.
package struct Positional<Value: Sendable>: Sendable {
    /// What the parser and the help page need to know of it.
    package let specification: PositionalSpecification

    /// - Parameters:
    ///   - name: in capitals, such as `MOUNTPOINT`.
    ///   - reader: checks and converts the value while the command line is read.
    ///   - count: how many of it there may be.
    ///   - help: what it is.
    package init(
        _ name: String, _ reader: ValueReader<Value>,
        _ count: PositionalSpecification.Count = .one, help: String
    ) {
        specification = PositionalSpecification(
            name: name, count: count, help: help,
            read: { text throws(ValueProblem) in try reader.read(text) })
    }
}

/// An option or a flag, without the type of its value.
package struct OptionSpecification: Sendable {
    /// With its dashes.
    package let name: String
    /// A second name; nil if it has none.
    package let short: String?
    /// Nil for a flag.
    package let valueName: String?
    /// Whether it may be given more than once.
    package let repeats: Bool
    /// What it does.
    package let help: String
    /// The values that there are; empty where there are too many to list.
    package let words: [String]
    /// Checks and converts the value.
    package let read: @Sendable (String) throws(ValueProblem) -> any Sendable

    func answers(to word: String) -> Bool { word == name || word == short }
}

/// An argument, without the type of its value.
package struct PositionalSpecification: Sendable {
    /// How many of an argument there may be.
    package enum Count: Equatable, Sendable {
        case one
        case optional
        /// The given number or more.
        case many(Int)
    }

    /// In capitals.
    package let name: String
    /// How many of it there may be.
    package let count: Count
    /// What it is.
    package let help: String
    /// Checks and converts the value.
    package let read: @Sendable (String) throws(ValueProblem) -> any Sendable

    /// The least number of values.
    var countMin: Int {
        switch count {
        case .one: 1
        case .optional: 0
        case .many(let least): least
        }
    }
}

/// Options that stand together in help, under a heading.
package struct OptionGroup: Sendable {
    /// Such as `Options`.
    package let heading: String
    /// In the order of the help page.
    package let options: [OptionSpecification]

    /// - Parameters:
    ///   - options: in the order of the help page.
    ///   - heading: what stands above them.
    package init(_ options: [any OptionDeclaration], heading: String = "Options") {
        self.heading = heading
        self.options = options.map(\.specification)
    }
}

/// A command line to type, and what it is good for.
package struct Example: Sendable {
    /// What is wanted, without a full stop.
    package let purpose: String
    /// What to type for it.
    package let line: String

    /// - Parameters:
    ///   - purpose: what is wanted, without a full stop.
    ///   - line: what to type for it.
    package init(_ purpose: String, _ line: String) {
        self.purpose = purpose
        self.line = line
    }
}

/// A program, or one of its commands.
package struct Command: Sendable {
    /// What is typed.
    package var name: String
    /// One line: what it is for.
    package var purpose: String
    /// Usage lines without program and command; made from the arguments if empty.
    package var usage: [String] = []
    /// Paragraphs that teach what a user must know.
    package var description: [String] = []
    /// What to type for common wishes, the most common first.
    package var examples: [Example] = []
    /// In the order of the command line.
    package var positionals: [PositionalSpecification] = []
    /// In the order of the help page.
    package var options: [OptionGroup] = []
    /// Variables that it reads, and what they do.
    package var environment: [(name: String, help: String)] = []
    /// The codes that it can end with.
    package var exitCodes: [ExitCode] = []
    /// What may follow its name, in the order of the help page.
    package var subcommands: [Command] = []
    /// Left out of help and of suggestions: for the program's own use.
    package var isInternal = false
    /// Does it; nil for a command that only has subcommands.
    package var run: (@Sendable (Arguments) throws(CommandFailure) -> ExitCode)?

    /// - Parameters:
    ///   - name: what is typed.
    ///   - purpose: one line, what it is for.
    package init(_ name: String, purpose: String) {
        self.name = name
        self.purpose = purpose
    }

    /// All of its options, over all groups.
    var allOptions: [OptionSpecification] { options.flatMap(\.options) }
}
