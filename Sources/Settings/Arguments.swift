// What was typed, checked and converted; read by the keys that declared it.

/// The values of one command line.
package struct Arguments: Sendable {
    /// The program and the commands that lead here, such as `["modelfs", "mount"]`.
    package let path: [String]
    /// What the process was started with.
    package let environment: Environment

    private var options: [String: [any Sendable]] = [:]
    private var positionals: [String: [any Sendable]] = [:]

    init(path: [String], environment: Environment) {
        self.path = path
        self.environment = environment
    }

    mutating func add(_ value: any Sendable, option: String) {
        options[option, default: []].append(value)
    }

    mutating func add(_ value: any Sendable, positional: String) {
        positionals[positional, default: []].append(value)
    }

    func isGiven(_ name: String) -> Bool { options[name] != nil }

    /// The option's value; nil when it was not given.
    package subscript<Value>(option: Option<Value>) -> Value? {
        options[option.specification.name]?.last as? Value
    }

    /// Whether the flag was given.
    package subscript(flag: Flag) -> Bool {
        options[flag.specification.name] != nil
    }

    /// The argument's value; nil when it was left out.
    package subscript<Value>(positional: Positional<Value>) -> Value? {
        positionals[positional.specification.name]?.last as? Value
    }

    /// All values of an option that repeats, in the order given.
    package func all<Value>(_ option: Option<Value>) -> [Value] {
        (options[option.specification.name] ?? []).compactMap { $0 as? Value }
    }

    /// All values of an argument that repeats, in the order given.
    package func all<Value>(_ positional: Positional<Value>) -> [Value] {
        (positionals[positional.specification.name] ?? []).compactMap { $0 as? Value }
    }

    /// The value of an argument that the parser does not let be left out.
    ///
    /// - Throws: a usage failure when it was declared optional after all, and left out.
    package func required<Value>(
        _ positional: Positional<Value>
    ) throws(CommandFailure) -> Value {
        guard let value = self[positional] else {
            throw ArgumentError.missingArgument(positional.specification.name).failure(for: path)
        }
        return value
    }

    /// A failure that points to the command's help.
    package func usageFailure(_ message: String) -> CommandFailure {
        CommandFailure(.usage, message, advice: ArgumentError.helpHint(path))
    }
}
