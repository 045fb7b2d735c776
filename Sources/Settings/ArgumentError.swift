// What can be wrong with a command line, and the sentences that say so.

/// Why a command line was not understood.
package enum ArgumentError: Error, Equatable, Sendable {
    case missingCommand(known: [String])
    case unknownCommand(String, meant: String?, known: [String])
    case unknownOption(String, meant: String?)
    case missingValue(option: String, valueName: String)
    case unexpectedValue(option: String)
    case repeatedOption(String)
    case badValue(String, name: String, sentence: String)
    case missingArgument(String)
    case extraArgument(String)

    /// With the sentence for the user, and the way to the help of the command at `path`.
    package func failure(for path: [String]) -> CommandFailure {
        CommandFailure(.usage, message, advice: advice + ArgumentError.helpHint(path))
    }

    /// What is wrong, without a full stop.
    package var message: String {
        switch self {
        case .missingCommand: "a command is missing"
        case .unknownCommand(let name, _, _): "there is no command '\(name)'"
        case .unknownOption(let name, _): "there is no option \(name)"
        case .missingValue(let option, let valueName):
            "\(option) needs a value: \(option) \(valueName)"
        case .unexpectedValue(let option): "\(option) takes no value"
        case .repeatedOption(let option): "\(option) can be given only once"
        case .badValue(let text, let name, let sentence): "'\(text)' for \(name): \(sentence)"
        case .missingArgument(let name): "\(name) is missing"
        case .extraArgument(let text): "'\(text)' is one argument too many"
        }
    }

    private var advice: String {
        switch self {
        case .missingCommand(let known): "The commands are \(alternatives(known)).\n"
        case .unknownCommand(_, let meant?, _): "Did you mean '\(meant)'?\n"
        case .unknownCommand(_, nil, let known): "The commands are \(alternatives(known)).\n"
        case .unknownOption(_, let meant?): "Did you mean \(meant)?\n"
        default: ""
        }
    }

    static func helpHint(_ path: [String]) -> String {
        "'\(path.joined(separator: " ")) --help' explains how it is used."
    }
}
