// `modelfs top`: a daemon while it works, looked at again and again.

internal import Glibc
internal import Platform
internal import Settings

extension ModelFSCommand {
    private static let interval = Option(
        "--interval", "TIME", .timeSpan, help: "Between two looks; 1s without this.")
    private static let count = Option(
        "--count", "N", .number(1...1_000_000),
        help: "How many looks; until Ctrl-C without this, and 1 where there is no terminal.")

    static func top() -> Command {
        var command = Command("top", purpose: "shows what the daemon does, live")
        command.description = [
            """
            Messages from the kernel, where reads are answered from, rates of disk and network, \
            readers that wait, what is open and what is fetched. What the kernel reads by itself \
            sends no messages, and so shows no rate.
            """
        ]
        command.examples = [
            Example("Watch", "modelfs top"),
            Example("Five looks, for a log", "modelfs top --count 5 --interval 10s"),
        ]
        command.options = [OptionGroup([interval, count, cacheOption])]
        command.environment = [cacheVariable]
        command.exitCodes = [.success, .failure, .usage, .cache, .notRunning, .daemonSilent]
        command.run = { arguments throws(CommandFailure) in try runTop(arguments) }
        return command
    }

    private static func runTop(_ arguments: Arguments) throws(CommandFailure) -> ExitCode {
        let style = TextStyle(descriptor: 1, environment: arguments.environment)
        let isTerminal = isatty(1) == 1 && arguments.environment["TERM"] != "dumb"
        let pauseSeconds = arguments[interval]?.seconds ?? 1
        guard pauseSeconds >= 0.1, pauseSeconds <= 3600 else {
            throw arguments.usageFailure("--interval is from 100ms to 1h")
        }
        let lookCount = arguments[count] ?? (isTerminal ? Int.max : 1)
        let cache = try presentCache(arguments)
        var status = try ask(cache)
        var process = ProcessFigures(processID: status.processID)
        var lookedAt = MonotonicInstant.now
        for _ in 0..<lookCount {
            sleep(seconds: pauseSeconds)
            let next = try ask(cache)
            let figures = ProcessFigures(processID: next.processID)
            let now = MonotonicInstant.now
            let page = TopPage(
                status, next, process: (process, figures), seconds: now.seconds(since: lookedAt),
                style: style, lineCountMax: isTerminal ? terminalLineCount() : 40)
            // Each look begins at the top of a clean screen.
            writeText((isTerminal ? "\u{1b}[H\u{1b}[2J" : "") + page.rendered())
            if !isTerminal { writeText("\n") }
            (status, process, lookedAt) = (next, figures, now)
        }
        return .success
    }

    private static func terminalLineCount() -> Int {
        var size = winsize()
        guard unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return 40 }
        return Int(size.ws_row)
    }
}
