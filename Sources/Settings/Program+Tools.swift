// What a program says of itself to tools: to shells that complete words, and to whoever makes its
// man pages. Words that begin with two underscores are no user's, and stand in no help.

extension Program {
    /// Answers a tool; nil when it is none that asks.
    func answerTools(_ words: [String]) -> ExitCode? {
        let rest = Array(words.dropFirst())
        switch words.first {
        case "__complete":
            writeText(Completion(root, rest, values: values).lines)
        case "__pages":
            for path in Program.paths(root, [root.name]) {
                writeText(path.joined(separator: " ") + "\n")
            }
        case "__man":
            guard let command = Program.find(root, rest.dropFirst()), rest.first == root.name
            else { return .usage }
            let parent = rest.count > 1 ? [ManPage.name(of: Array(rest.dropLast()))] : []
            let page = ManPage(command, path: rest, version: version, related: parent)
            writeText(page.rendered())
        default: return nil
        }
        return .success
    }

    private static func paths(_ command: Command, _ path: [String]) -> [[String]] {
        [path]
            + command.subcommands.filter { !$0.isInternal }.flatMap { paths($0, path + [$0.name]) }
    }

    private static func find(_ command: Command, _ path: ArraySlice<String>) -> Command? {
        guard let name = path.first else { return command }
        guard let next = command.subcommands.first(where: { $0.name == name }) else { return nil }
        return find(next, path.dropFirst())
    }
}
