// The command line of modelfs-predictor: its options, their limits and their help. It decides
// nothing else; `PredictorProcess` does what it asks for.

internal import HTTPService
internal import Inference
internal import Platform
package import Settings

private let path = Positional<String>(
    "PATH", .path, help: "The folder of a model, such as /models/ORG/NAME@TAG in a mount.")

private let listen = Option<SocketEndpoint>(
    "--listen", "HOST:PORT", .endpoint,
    help: "Where to listen; 127.0.0.1:7860 if not given. 0.0.0.0:7860 is what a Space needs. "
        + "Port 0 takes a free one. A socket that systemd hands over comes first.")
private let task = Option<String>(
    "--task", "TASK", .word(ModelTask.allCases.map(\.rawValue)),
    help: "What the model is to do, where it can do several: "
        + ModelTask.allCases.map(\.rawValue).joined(separator: ", ") + ".")
private let threads = Option<Int>(
    "--threads", "N", .number(1...256), help: "Processors to use; all if not given.")
private let once = Option<String>(
    "--once", "TEXT|JSON", .text,
    help: "Print one prediction and end: of a text, a row, or a list of them.")
private let verbose = Flag("--verbose", help: "A line in the log for each request.")

private let follow = Flag(
    "--follow",
    help: "Exchange the revision when the branch in PATH moves, and it passes its check.")
private let followInterval = Option<TimeSpan>(
    "--follow-interval", "TIME", .timeSpan, help: "How often to look; 5s if not given.")
private let proofWait = Option<TimeSpan>(
    "--proof-wait", "TIME", .timeSpan,
    help: "How long the mount may take to prove the files; 2m if not given.")

private let token = Option<String>(
    "--token", "TOKEN", .text,
    help: "What requests have to show. Others can see a command line: the variable is better.")
private let rate = Option<Double>(
    "--rate", "N/s", .requestRate,
    help: "Predictions each client may ask for, such as 20/s or 600/min; off if not given.")
private let rowsMax = Option<Int>(
    "--rows-max", "N", .number(1...1_000_000),
    help: "Rows of one JSON request; 1000 if not given.")
private let bodyMax = Option<ByteSize>(
    "--body-max", "SIZE", .byteSize, help: "Bytes of one JSON request; 4MiB if not given.")
private let batchRowsMax = Option<Int>(
    "--batch-rows-max", "N", .number(1...1_000_000_000),
    help: "Rows of one CSV table; 1000000 if not given.")
private let batchMax = Option<ByteSize>(
    "--batch-max", "SIZE", .byteSize, help: "Bytes of one CSV table; 256MiB if not given.")
private let history = Option<String>(
    "--history", "FILE|off", .path,
    help: "Where recent predictions are kept; ~/.local/state/modelfs/predictor-PORT.db if not "
        + "given.")
private let historyRows = Option<Int>(
    "--history-rows", "N", .number(1...10_000_000),
    help: "How many of them are kept; 10000 if not given.")

/// The command.
package let predictorCommand: Command = {
    var command = Command(
        "modelfs-predictor", purpose: "serve predictions of a model from its mapped weights")
    command.usage = ["PATH [OPTIONS]"]
    command.description = [
        "Maps the weights that lie in PATH, copies none of them, and answers over HTTP: a page at "
            + "/, predictions at POST /predict (JSON) and POST /predict/batch (CSV), what it is "
            + "at GET /model, the rest at GET /openapi.json. After a restart it serves at once, "
            + "since the weights are still in memory.",
        "What a model takes and gives is found in its folder. Known are: "
            + ModelRecognition.supported.joined(separator: "; ") + ".",
        "It is ready when all pages are in memory, every file is proven by the mount "
            + "(user.modelfs.verified), and a first row was predicted; GET /readyz tells. A row "
            + "and what comes out of it can stand in predictor.json, as \"smoke\".",
        "With --follow the revision is exchanged while requests go on, and POST /rollback goes "
            + "back. SIGTERM lets the requests under way finish.",
    ]
    command.examples = [
        Example(
            "a model in a mount",
            "modelfs-predictor ~/models/sentence-transformers/all-MiniLM-L6-v2@main"),
        Example(
            "ask it",
            "curl -d '{\"inputs\": \"A sentence\"}' http://127.0.0.1:7860/predict"),
        Example(
            "predict a table",
            "curl --data-binary @rows.csv 'http://127.0.0.1:7860/predict/batch?keep=id'"),
        Example(
            "in a Space, behind a token",
            "MODELFS_PREDICTOR_TOKEN=… modelfs-predictor /models/org/name@v1.0.0 "
                + "--listen 0.0.0.0:7860"),
        Example("one prediction", "modelfs-predictor ./model --once 'A sentence'"),
    ]
    command.positionals = [path.specification]
    command.options = [
        OptionGroup([listen, task, threads, once, verbose]),
        OptionGroup([follow, followInterval, proofWait], heading: "Revisions"),
        OptionGroup(
            [token, rate, rowsMax, bodyMax, batchRowsMax, batchMax, history, historyRows],
            heading: "Requests"),
    ]
    command.environment = [
        ("MODELFS_PREDICTOR_TOKEN", "What --token says, without others seeing it."),
        ("XDG_STATE_HOME", "Where the history is, in place of ~/.local/state."),
        ("LISTEN_FDS, NOTIFY_SOCKET", "Set by systemd: a socket, and whom to tell."),
    ]
    command.exitCodes = [
        .success, .failure, .usage, .notFound, .storage, .listen, .unsupportedModel,
        .unreadableModel,
    ]
    command.run = { arguments throws(CommandFailure) in try run(arguments) }
    return command
}()

private func run(_ arguments: Arguments) throws(CommandFailure) -> ExitCode {
    var settings = PredictorSettings(path: try arguments.required(path))
    if let endpoint = arguments[listen] {
        settings.listen = SocketAddress(host: endpoint.host, port: endpoint.port)
    }
    settings.task = arguments[task].flatMap { ModelTask(rawValue: $0) }
    settings.threadCount = arguments[threads] ?? ProcessLimits.processorCount
    settings.isFollowing = arguments[follow]
    if let span = arguments[followInterval] {
        if span < TimeSpan(milliseconds: 50) || span == .forever {
            throw arguments.usageFailure("--follow-interval is from 50ms on, and has an end")
        }
        settings.followSeconds = span.seconds
    }
    if let span = arguments[proofWait] { settings.proofSeconds = span.seconds }
    settings.token = arguments[token] ?? arguments.environment["MODELFS_PREDICTOR_TOKEN"]
    if settings.token?.isEmpty ?? false { throw arguments.usageFailure("the token is empty") }
    settings.requestsPerSecond = arguments[rate].flatMap { $0 == 0 ? nil : $0 }
    settings.rowCountMax = arguments[rowsMax] ?? settings.rowCountMax
    settings.batchRowCountMax = arguments[batchRowsMax] ?? settings.batchRowCountMax
    if let size = arguments[bodyMax] {
        settings.bodyByteCountMax = Int(clamping: min(size.byteCount, 1 << 30))
    }
    if let size = arguments[batchMax] { settings.batchByteCountMax = Int(clamping: size.byteCount) }
    settings.historyRowCountMax = arguments[historyRows] ?? settings.historyRowCountMax
    settings.history =
        switch arguments[history] {
        case nil: .standard
        case "off": .off
        case let file?: .file(file)
        }
    settings.isVerbose = arguments[verbose]
    let process = PredictorProcess(settings, arguments.environment)
    if let input = arguments[once] { return try process.predictOnce(input) }
    return try process.serve()
}

extension ValueReader<Double> {
    /// Requests in a second, such as `20/s`; 0 for `off`.
    fileprivate static let requestRate = ValueReader { text throws(ValueProblem) in
        if text == "off" { return 0 }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let units = ["s": 1.0, "min": 60, "m": 60, "h": 3600]
        guard parts.count == 2, let number = Double(parts[0]),
            let seconds = units[String(parts[1])],
            number > 0, number.isFinite
        else { throw ValueProblem("write a rate such as 20/s or 600/min, or off") }
        return number / seconds
    }
}
