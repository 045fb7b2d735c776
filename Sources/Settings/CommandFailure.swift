// What a command says when it does not succeed: what is wrong, what to do next, and a number.
//
// Commands throw this and print nothing themselves, so that all failures look the same.

/// The end of a command that did not do what it was asked.
package struct CommandFailure: Error, Equatable, Sendable {
    /// What the process ends with.
    package let code: ExitCode
    /// What is wrong, in one sentence without a full stop.
    package let message: String
    /// What the user can do about it; empty only where nothing can be done.
    package let advice: String

    /// - Parameters:
    ///   - code: what the process ends with.
    ///   - message: what is wrong, in one sentence without a full stop.
    ///   - advice: what to do next, in whole sentences or commands to type.
    package init(_ code: ExitCode, _ message: String, advice: String = "") {
        self.code = code
        self.message = message
        self.advice = advice
    }

    /// The lines for standard error.
    ///
    /// - Parameter name: the program and command, such as `modelfs mount`.
    package func rendered(for name: String, style: TextStyle) -> String {
        var text = style.error("\(name):") + " \(message)\n"
        for line in advice.split(separator: "\n", omittingEmptySubsequences: false)
        where !line.isEmpty {
            for wrapped in wrap(String(line), columns: TextStyle.columns - 2) {
                text += "  \(wrapped)\n"
            }
        }
        return text
    }
}
