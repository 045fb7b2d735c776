// `modelfs doctor`: looks at this machine, says what is wrong and what to do, and puts what a bug
// report needs into one file, without secrets.

internal import FoundationEssentials
internal import Glibc
internal import HubAPI
internal import Platform
internal import Settings
internal import Telemetry
internal import Transport

extension ModelFSCommand {
    private static let bundle = Option(
        "--bundle", "FILE", .path,
        help: """
            Also write a report for the makers of modelfs: the findings, the daemon's status and \
            the end of its log. Tokens are taken out; names of repositories are in it.
            """)
    /// How long the Hub may take to answer, in seconds.
    private static let answerSecondsMax = 15.0
    /// Of the log, its end.
    private static let logByteCountMax = 256 << 10

    static func doctor() -> Command {
        var command = Command("doctor", purpose: "finds out what is wrong here, and what to do")
        command.description = [
            """
            Looks at FUSE and the rights to it, the kernel, the cache and its disk, the clock, the \
            keeper, the mounts, the daemon of the cache with its Hub and its token, and this \
            command's own where they differ. Nothing is changed.
            """
        ]
        command.examples = [
            Example("Look", "modelfs doctor"),
            Example("For a bug report", "modelfs doctor --bundle modelfs-report.txt"),
        ]
        command.options = [OptionGroup([bundle, endpointOption, cacheJSON, cacheOption])]
        command.environment = [
            cacheVariable, endpointVariable, endpointsVariable, endpointTokensVariable,
        ]
        command.exitCodes = [.success, .failure, .usage, .storage]
        command.run = { arguments throws(CommandFailure) in try runDoctor(arguments) }
        return command
    }

    private static func runDoctor(_ arguments: Arguments) throws(CommandFailure) -> ExitCode {
        let cachePath = chosenCache(arguments)
        let endpoints = try chosenEndpoints(arguments)
        var checkup = Checkup(
            arguments.environment, cachePath: cachePath, endpoints: endpoints ?? [])
        checkup.lookAtMachine()
        let comparison = (try? CacheDirectory.openIfPresent(cachePath)).flatMap { cache in
            cache.flatMap {
                DaemonComparison($0, arguments.environment, endpoints: endpoints ?? [])
            }
        }
        checkup.lookAtDaemon(comparison)
        checkup.lookAtHub(comparison) { configuration in greet(configuration) }
        let results = checkup.results
        if arguments[cacheJSON] {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            guard let json = try? encoder.encode(results) else { return .failure }
            writeText(String(decoding: json, as: UTF8.self) + "\n")
        } else {
            writeText(page(results, TextStyle(descriptor: 1, environment: arguments.environment)))
        }
        if let path = arguments[bundle] {
            try write(report(results, arguments, cachePath), to: path)
            if !arguments[cacheJSON] {
                writeText("\nThe report is in \(path); look through it before you send it.\n")
            }
        }
        return results.contains { $0.verdict == .bad } ? .failure : .success
    }

    private static func page(_ results: [CheckupResult], _ style: TextStyle) -> String {
        let width = results.map(\.subject.count).max() ?? 0
        var text = ""
        for result in results {
            let mark =
                switch result.verdict {
                case .good: style.good("ok    ")
                case .remark: "note  "
                case .bad: style.error("wrong ")
                }
            let padding = String(repeating: " ", count: width - result.subject.count)
            text += "\(mark) \(style.bold(result.subject))\(padding)  \(result.finding)\n"
            for line in (result.advice ?? "").split(separator: "\n") {
                text += String(repeating: " ", count: width + 9) + line + "\n"
            }
        }
        return text
    }

    // MARK: The Hub

    /// Asks who the token belongs to, as the cheapest question that every Hub answers.
    private static func greet(_ configuration: HubConfiguration) -> Result<String, HubError> {
        let log = Log(minimum: .error)
        guard
            let transport = try? Transport(
                TransportConfiguration(environment: Environment.process.values)),
            let hub = try? HubClient(configuration, transport: transport, log: log)
        else { return .failure(.cancelled) }
        defer {
            hub.close()
            transport.shutdown()
        }
        let hasToken = hub.status.hasToken
        let answers = Mailbox<Result<String, HubError>>()
        hub.whoami(deadline: .now + answerSecondsMax) {
            answers.send($0.map { "you are \($0.name)" })
        }
        guard let answer = answers.receive(until: .now + answerSecondsMax + 1)
        else { return .failure(.deadline) }
        // Without a token nobody is greeted, but the Hub has answered.
        if case .failure(.tokenRefused) = answer, !hasToken {
            return .success("there is no token, so private and gated repositories stay closed")
        }
        return answer
    }

    // MARK: The report

    private static func report(
        _ results: [CheckupResult], _ arguments: Arguments, _ cachePath: String
    ) -> String {
        var text = "modelfs \(programVersion), \(WallTime.now.iso8601)\n\n"
        text += page(results, .plain)
        text += "\nVariables that are set (no values): "
        let names = arguments.environment.values.keys.filter {
            $0.hasPrefix("HF_") || $0.hasPrefix("MODELFS_") || $0.uppercased().hasSuffix("_PROXY")
        }
        text += names.sorted().joined(separator: ", ") + "\n\nMounts:\n"
        for entry in (try? MountTable.current())?.modelFSEntries ?? [] {
            text += "  \(entry.source) \(entry.mountpoint) \(entry.root) \(entry.deviceID)\n"
        }
        if let cache = try? CacheDirectory.openIfPresent(cachePath) {
            if let status = try? ask(cache) {
                text += "\nStatus:\n"
                text += StatusPage(
                    status, style: .plain, secondsSince1970: WallTime.now.secondsSince1970
                ).rendered()
            }
            text += "\nThe end of \(cachePath)/\(DaemonLog.name):\n"
            text += endOfLog("\(cachePath)/\(DaemonLog.name)")
        }
        return withoutSecrets(text, arguments.environment)
    }

    private static func endOfLog(_ path: String) -> String {
        guard let file = try? FileDescriptor.open(path, O_RDONLY), let size = try? file.size(),
            let bytes = try? file.readBytes(
                countMax: logByteCountMax, at: max(0, size - Int64(logByteCountMax)))
        else { return "  it cannot be read\n" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Nothing of ours writes a token anywhere; should somebody's have got into a text all the
    /// same, it goes no further.
    static func withoutSecrets(_ text: String, _ environment: Environment) -> String {
        var clean = text
        for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELFS_PREDICTOR_TOKEN"] {
            if let value = environment[name], value.utf8.count >= 4 {
                clean = clean.replacing(value, with: "[token]")
            }
        }
        // The Hub's tokens begin so, whoever's they are.
        var made = ""
        var rest = clean[...]
        while let place = rest.firstRange(of: "hf_") {
            made += rest[..<place.lowerBound]
            let tail = rest[place.upperBound...].prefix { $0.isLetter || $0.isNumber }
            made += tail.count >= 16 ? "[token]" : String(rest[place]) + tail
            rest = rest[tail.endIndex...]
        }
        return made + rest
    }

    private static func write(_ text: String, to path: String) throws(CommandFailure) {
        do throws(Errno) {
            let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
            try file.writeBytes(Array(text.utf8))
        } catch {
            throw CommandFailure(.storage, "\(path) cannot be written: \(error)")
        }
    }
}
