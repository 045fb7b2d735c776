// From the words of a command line to a command and its typed values.
//
// The grammar: options may stand anywhere after their command; `--name=value` and `--name value`
// are the same; after `--` everything is an argument; a lone `-` is an argument. `--help` wins
// over every mistake in the same line, because who is lost asks for it.

/// What a command line asks for.
package enum Invocation: Sendable {
    case run(Command, Arguments)
    case help(Command, path: [String])
    case version
}

/// A mistake in a command line, with the command it was made in.
package struct ParseFailure: Error, Equatable, Sendable {
    package let error: ArgumentError
    /// The program and the commands understood so far.
    package let path: [String]
}

/// Reads command lines of one program.
package struct ArgumentParser: Sendable {
    private let root: Command
    private let environment: Environment

    /// - Parameters:
    ///   - root: the program; its name leads every message.
    ///   - environment: handed on to the commands.
    package init(_ root: Command, environment: Environment) {
        self.root = root
        self.environment = environment
    }

    /// Reads the words after the program's name.
    package func parse(_ words: [String]) throws(ParseFailure) -> Invocation {
        var command = root
        var path = [root.name]
        var rest = words[...]
        while !command.subcommands.isEmpty {
            guard let word = rest.first else {
                if command.run != nil { break }
                throw ParseFailure(
                    error: .missingCommand(known: ArgumentParser.names(of: command)), path: path)
            }
            if ["--help", "-h"].contains(word) { return .help(command, path: path) }
            if ["--version", "-V"].contains(word) { return .version }
            if word == "help" { return try help(rest.dropFirst()) }
            if let next = command.subcommands.first(where: { $0.name == word }) {
                command = next
                path.append(word)
                rest = rest.dropFirst()
                continue
            }
            if command.run != nil { break }
            throw ParseFailure(error: ArgumentParser.unknown(word, in: command), path: path)
        }
        if let request = ArgumentParser.request(in: rest, command, path) { return request }
        do {
            return .run(command, try values(of: command, path: path, rest))
        } catch {
            throw ParseFailure(error: error, path: path)
        }
    }

    /// `help mount` is `mount --help`.
    private func help(_ words: ArraySlice<String>) throws(ParseFailure) -> Invocation {
        var command = root
        var path = [root.name]
        for word in words {
            guard let next = command.subcommands.first(where: { $0.name == word }) else {
                throw ParseFailure(error: ArgumentParser.unknown(word, in: command), path: path)
            }
            command = next
            path.append(word)
        }
        return .help(command, path: path)
    }

    /// Whether help or the version is asked for before any `--`, and not as an option's value.
    private static func request(
        in words: ArraySlice<String>, _ command: Command, _ path: [String]
    ) -> Invocation? {
        var isValue = false
        for word in words {
            defer {
                isValue =
                    !isValue
                    && command.allOptions.contains { $0.valueName != nil && $0.answers(to: word) }
            }
            if isValue { continue }
            switch word {
            case "--": return nil
            case "--help", "-h": return .help(command, path: path)
            case "--version": return .version
            default: continue
            }
        }
        return nil
    }

    private func values(
        of command: Command, path: [String], _ words: ArraySlice<String>
    ) throws(ArgumentError) -> Arguments {
        var arguments = Arguments(path: path, environment: environment)
        var plain: [String] = []
        var rest = words
        while let word = rest.popFirst() {
            if word == "--" {
                plain += rest
                break
            }
            if word.hasPrefix("-") && word != "-" {
                try readOption(word, &rest, of: command, into: &arguments)
            } else {
                plain.append(word)
            }
        }
        try distribute(plain, to: command.positionals, into: &arguments)
        return arguments
    }

    private func readOption(
        _ word: String, _ rest: inout ArraySlice<String>, of command: Command,
        into arguments: inout Arguments
    ) throws(ArgumentError) {
        let equals = word.hasPrefix("--") ? word.firstIndex(of: "=") : nil
        let name = equals.map { String(word[..<$0]) } ?? word
        guard let option = command.allOptions.first(where: { $0.answers(to: name) }) else {
            let known = command.allOptions.map(\.name) + ["--help", "--version"]
            throw .unknownOption(name, meant: suggestion(for: name, among: known))
        }
        if arguments.isGiven(option.name) && !option.repeats {
            throw .repeatedOption(option.name)
        }
        var text = equals.map { String(word[word.index(after: $0)...]) }
        if let valueName = option.valueName {
            // A following option is not a value: it was forgotten.
            if text == nil, let next = rest.first,
                !command.allOptions.contains(where: { $0.answers(to: next) })
            {
                text = rest.popFirst()
            }
            guard text != nil else {
                throw .missingValue(option: option.name, valueName: valueName)
            }
        } else if text != nil {
            throw .unexpectedValue(option: option.name)
        }
        let value = try ArgumentParser.read(text ?? "", name: option.name, option.read)
        arguments.add(value, option: option.name)
    }

    /// Gives each argument its share: the least for all of them first, the rest from the left.
    private func distribute(
        _ words: [String], to positionals: [PositionalSpecification],
        into arguments: inout Arguments
    ) throws(ArgumentError) {
        var rest = words[...]
        var stillNeeded = positionals.reduce(0) { $0 + $1.countMin }
        for positional in positionals {
            stillNeeded -= positional.countMin
            let spare = max(0, rest.count - stillNeeded)
            let count =
                switch positional.count {
                case .one: 1
                case .optional: min(1, spare)
                case .many(let least): max(least, spare)
                }
            guard rest.count >= count else { throw .missingArgument(positional.name) }
            for word in rest.prefix(count) {
                let value = try ArgumentParser.read(word, name: positional.name, positional.read)
                arguments.add(value, positional: positional.name)
            }
            rest = rest.dropFirst(count)
        }
        if let word = rest.first { throw .extraArgument(word) }
    }

    private static func read(
        _ text: String, name: String,
        _ reader: (String) throws(ValueProblem) -> any Sendable
    ) throws(ArgumentError) -> any Sendable {
        do {
            return try reader(text)
        } catch {
            throw .badValue(text, name: name, sentence: error.sentence)
        }
    }

    private static func names(of command: Command) -> [String] {
        command.subcommands.filter { !$0.isInternal }.map(\.name)
    }

    private static func unknown(_ word: String, in command: Command) -> ArgumentError {
        if word.hasPrefix("-") {
            return .unknownOption(
                word, meant: suggestion(for: word, among: ["--help", "--version"]))
        }
        let known = names(of: command)
        return .unknownCommand(word, meant: suggestion(for: word, among: known), known: known)
    }
}
