// A whole program: reads its command line, answers --help and --version, runs the command, and
// writes failures to standard error in one form.

internal import Glibc

/// What the `main.swift` of a program runs.
package struct Program: Sendable {
    let root: Command
    let version: String
    let values: @Sendable (_ argument: String, _ begin: String) -> [String]?

    /// - Parameters:
    ///   - root: the program's commands.
    ///   - version: without the program's name, such as `0.1.0`.
    ///   - values: what it knows of the values of an argument, by its name in capitals, for a shell
    ///     that completes words; nil for names of files.
    package init(
        _ root: Command, version: String,
        values: @escaping @Sendable (String, String) -> [String]? = { _, _ in nil }
    ) {
        self.root = root
        self.version = version
        self.values = values
    }

    /// Runs the command that the words ask for.
    ///
    /// - Parameters:
    ///   - words: the command line without the program's name.
    ///   - environment: what the commands and the choice of colours see.
    /// - Returns: what the process should end with.
    package func run(
        _ words: [String] = Array(CommandLine.arguments.dropFirst()),
        environment: Environment = .process
    ) -> ExitCode {
        let errorStyle = TextStyle(descriptor: 2, environment: environment)
        if let code = answerTools(words) { return code }
        do {
            switch try ArgumentParser(root, environment: environment).parse(words) {
            case .version:
                writeText("\(root.name) \(version)\n")
                return .success
            case .help(let command, let path):
                let style = TextStyle(descriptor: 1, environment: environment)
                writeText(HelpPage(command, path: path, style: style).rendered())
                return .success
            case .run(let command, let arguments):
                return execute(command, arguments, errorStyle)
            }
        } catch {
            let failure = error.error.failure(for: error.path)
            let name = error.path.joined(separator: " ")
            writeText(failure.rendered(for: name, style: errorStyle), to: 2)
            return failure.code
        }
    }

    private func execute(
        _ command: Command, _ arguments: Arguments, _ style: TextStyle
    ) -> ExitCode {
        let name = arguments.path.joined(separator: " ")
        guard let run = command.run else {
            // A declaration without a body has nothing but its help to offer.
            writeText(HelpPage(command, path: arguments.path, style: style).rendered(), to: 2)
            return .usage
        }
        do {
            return try run(arguments)
        } catch {
            writeText(error.rendered(for: name, style: style), to: 2)
            return error.code
        }
    }
}

/// Writes text to standard output or standard error, at once and whole.
///
/// A reader that has gone away, such as `head`, is no failure: what is left is dropped.
package func writeText(_ text: String, to descriptor: CInt = 1) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = unsafe rest.withUnsafeBytes {
            unsafe Glibc.write(descriptor, $0.baseAddress, $0.count)
        }
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return }
        rest = rest.dropFirst(count)
    }
}
