// What a shell can offer for the word that is being typed: commands, options, and the words that
// options take, from the same declaration as the parser's.

/// What may stand in place of a word.
package struct Completion: Equatable, Sendable {
    /// The words, in order.
    package var words: [String]
    /// Whether names of files fit too.
    package var hasFiles: Bool

    /// - Parameters:
    ///   - root: the program.
    ///   - words: what was typed after the program's name, the word under the cursor last.
    ///   - values: what a program knows of the values of an argument, by its name in capitals.
    package init(
        _ root: Command, _ words: [String],
        values: (_ argument: String, _ begin: String) -> [String]?
    ) {
        self.words = []
        hasFiles = false
        var command = root
        let begin = words.last ?? ""
        var pending: OptionSpecification?
        var positionalCount = 0
        for word in words.dropLast() {
            if pending != nil {
                pending = nil
            } else if word.hasPrefix("-") {
                let option = command.allOptions.first { $0.answers(to: word) }
                pending = option?.valueName == nil ? nil : option
            } else if positionalCount == 0,
                let next = command.subcommands.first(where: { $0.name == word })
            {
                command = next
            } else {
                positionalCount += 1
            }
        }
        if let pending {
            offer(pending, begin)
        } else if begin.hasPrefix("-") {
            let names = command.allOptions.map(\.name) + ["--help", "--version"]
            self.words = names.filter { $0.hasPrefix(begin) }
        } else if positionalCount == 0 && !command.subcommands.isEmpty {
            self.words = command.subcommands.filter { !$0.isInternal }.map(\.name)
                .filter { $0.hasPrefix(begin) }
        } else if let argument = Completion.argument(command, positionalCount) {
            let known = values(argument.name, begin)
            self.words = known ?? []
            hasFiles = known == nil
        }
    }

    private mutating func offer(_ option: OptionSpecification, _ begin: String) {
        // An option that takes words says which, when it is given one that it does not know.
        let known = option.words
        words = known.filter { $0.hasPrefix(begin) }
        hasFiles = known.isEmpty
    }

    private static func argument(_ command: Command, _ index: Int) -> PositionalSpecification? {
        guard let last = command.positionals.last else { return nil }
        if index < command.positionals.count { return command.positionals[index] }
        if case .many = last.count { return last }
        return nil
    }

    /// For a script of a shell: a word a line, and a line `:files` where names of files fit.
    package var lines: String {
        (words + (hasFiles ? [":files"] : [])).map { $0 + "\n" }.joined()
    }
}
