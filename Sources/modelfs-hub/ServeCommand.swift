// `modelfs-hub serve`: answers until it is told to stop.

internal import Glibc
internal import HTTPService
internal import LocalHub
internal import Settings

private let listen = Option<SocketEndpoint>(
    "--listen", "HOST:PORT", .endpoint,
    help: "Where to listen; 127.0.0.1:8090 if not given. Port 0 takes a free one.")
private let dataListen = Option<SocketEndpoint>(
    "--data-listen", "HOST:PORT", .endpoint,
    help: "Serve the data of large files from an address of its own, as the Hub does.")
private let urlLifetime = Option<TimeSpan>(
    "--url-lifetime", "TIME", .secondsOrTimeSpan,
    help: "How long a data URL is good; 1h if not given. A bare number is seconds.")
private let noXet = Flag(
    "--no-xet", help: "Serve large files over plain HTTP only, as if there were no Xet.")
private let xet = Option<XetService>(
    "--xet", "VERSION",
    ValueReader { text throws(ValueProblem) in
        switch text {
        case "v1": return .version1
        case "v2": return .version2
        default: throw ValueProblem("write v1 or v2")
        }
    }, help: "The newest reconstructions that are answered: v1, or v2 (which v2 includes).")
private let xetTokenLifetime = Option<TimeSpan>(
    "--xet-token-lifetime", "TIME", .secondsOrTimeSpan,
    help: "How long an access token of Xet is good; 15m if not given. A bare number is seconds.")
private let quota = Option<QuotaSettings>(
    "--quota", "QUOTA",
    ValueReader { text throws(ValueProblem) in try QuotaSettings(parsing: text) },
    help: "Requests of each client in a window, such as api=500,resolvers=3000,window=300; "
        + "beyond them the answer is 429. No limit if not given.")
private let latency = Option<TimeSpan>(
    "--latency", "TIME", .timeSpan, help: "Wait before each answer, such as 30ms.")
private let bandwidth = Option<ByteRate>(
    "--bandwidth", "RATE", .byteRate, help: "Of all connections together, such as 50MB/s.")
private let connectionBandwidth = Option<ByteRate>(
    "--connection-bandwidth", "RATE", .byteRate, help: "Of each connection.")
private let fault = Option<FaultRule>(
    "--fault", "SPEC",
    ValueReader { text throws(ValueProblem) in try FaultRule(parsing: text) }, repeats: true,
    help: "A fault on purpose, see above; may be given several times.")
private let seed = Option<Int>(
    "--seed", "N", .number(0...Int.max), help: "Where the random numbers of faults start; 0.")
private let admin = Flag(
    "--admin", help: "Answer /_modelfs/stats, /_modelfs/stats/reset and /_modelfs/faults.")
private let accessLog = Flag("--access-log", help: "A line for each request on standard error.")

/// The command.
let serveCommand: Command = {
    var command = Command("serve", purpose: "serve the repositories over HTTP")
    command.usage = ["--root DIR [OPTIONS]"]
    command.description = [
        "Prints one line, 'listening on http://…', when it is ready, and answers until SIGINT or "
            + "SIGTERM. Set HF_ENDPOINT to that URL. What 'add' and 'token' change meanwhile holds "
            + "from the next request on.",
        "The network can be made worse: with latency, bandwidth and faults. A fault is written "
            + "KIND[,rate=0..1][,count=N][,path=GLOB]: it strikes the share 'rate' of the requests "
            + "whose path fits, among the first N of them. The kinds are "
            + "status=CODE[:RETRY-AFTER], stall=SECONDS, truncate, flip (one bit of the body), "
            + "reset, expire (data URLs), length (half of the body, as if it were all) and "
            + "drip=RATE. Data URLs begin with /_data/, those of xorbs "
            + "with /_xorb/, reconstructions with /v2/, small files with /api/resolve-cache/.",
        "Large files are served over Xet too: their hashes stand in trees, and access tokens, "
            + "reconstructions and xorbs are answered as the Hub answers them.",
        "With --admin, GET /_modelfs/stats counts what was asked, and POST /_modelfs/faults with "
            + "{\"latency\": \"30ms\", \"bandwidth\": \"50MB/s\", "
            + "\"connectionBandwidth\": \"off\", \"faults\": [\"flip,rate=0.01\"], "
            + "\"seed\": 1} changes the network.",
    ]
    command.examples = [
        Example("serve", "modelfs-hub serve --root ./hub --listen 127.0.0.1:8090"),
        Example(
            "over a slow line",
            "modelfs-hub serve --root ./hub --latency 30ms --bandwidth 50MB/s"),
        Example(
            "with failures",
            "modelfs-hub serve --root ./hub --fault 'status=503,rate=0.1,path=/api/*' --seed 7"),
    ]
    command.options = [
        OptionGroup([
            rootOption, listen, dataListen, urlLifetime, xetTokenLifetime, noXet, quota, accessLog,
        ]),
        OptionGroup(
            [latency, bandwidth, connectionBandwidth, fault, seed, xet, admin],
            heading: "For tests and benchmarks"),
    ]
    command.exitCodes = [.success, .failure, .usage, .storage, .listen]
    command.run = { arguments throws(CommandFailure) in try serve(arguments) }
    return command
}()

private func serve(_ arguments: Arguments) throws(CommandFailure) -> ExitCode {
    let root = try existingRoot(arguments)
    let settings = try serviceSettings(arguments)
    // Blocked before any thread starts, so that they all inherit it and the wait below gets them.
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    for number in [SIGINT, SIGTERM] { unsafe sigaddset(&signals, number) }
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    _ = signal(SIGPIPE, SIG_IGN)
    let service: HubService
    do throws(HubServiceError) {
        service = try HubService(root, settings: settings)
    } catch {
        throw CommandFailure(error)
    }
    if let data = service.dataServer { writeText("data at \(data.url)\n", to: 2) }
    writeText("listening on \(service.server.url)\n")
    var received: CInt = 0
    while unsafe sigwait(&signals, &received) != 0 {}
    service.stop()
    return .success
}

private func serviceSettings(
    _ arguments: Arguments
) throws(CommandFailure) -> HubServiceSettings {
    var settings = HubServiceSettings()
    let standard = SocketEndpoint(host: "127.0.0.1", port: 8090)
    settings.listen = SocketAddress(arguments[listen] ?? standard)
    settings.dataListen = arguments[dataListen].map { SocketAddress($0) }
    if let span = arguments[urlLifetime] {
        if span == .forever { throw arguments.usageFailure("a data URL has an end") }
        settings.urlLifetimeSeconds = Int(span.milliseconds / 1000)
    }
    if let span = arguments[xetTokenLifetime] {
        if span == .forever { throw arguments.usageFailure("an access token has an end") }
        settings.xetTokenLifetimeSeconds = Int(span.milliseconds / 1000)
    }
    if arguments[noXet] && arguments[xet] != nil {
        throw arguments.usageFailure("--no-xet contradicts --xet")
    }
    settings.xet = arguments[noXet] ? .off : arguments[xet] ?? .version2
    settings.quota = arguments[quota]
    var weather = WeatherSettings()
    if let span = arguments[latency] {
        if span == .forever { throw arguments.usageFailure("a latency has an end") }
        weather.latencySeconds = span.seconds
    }
    weather.bytesPerSecond = arguments[bandwidth]?.bytesPerSecond
    weather.connectionBytesPerSecond = arguments[connectionBandwidth]?.bytesPerSecond
    weather.faults = arguments.all(fault)
    weather.seed = UInt64(arguments[seed] ?? 0)
    settings.weather = weather
    settings.hasAdmin = arguments[admin]
    if arguments[accessLog] { settings.accessLog = { writeText("\($0)\n", to: 2) } }
    return settings
}

extension ValueReader<TimeSpan> {
    /// A time; a bare number is seconds.
    fileprivate static let secondsOrTimeSpan = ValueReader { text throws(ValueProblem) in
        if let seconds = Int64(text), (0...1_000_000_000).contains(seconds) {
            return TimeSpan(seconds: seconds)
        }
        return try TimeSpan(parsing: text)
    }
}

extension SocketAddress {
    init(_ endpoint: SocketEndpoint) {
        self.init(host: endpoint.host, port: endpoint.port)
    }
}
