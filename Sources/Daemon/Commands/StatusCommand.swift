// `modelfs status`: what the daemon of a cache does, and what else of ours is mounted here.

internal import FoundationEssentials
internal import Platform
internal import Settings

extension ModelFSCommand {
    private static let json = Flag(
        "--json", help: "As JSON, whose names stay the same from version to version.")

    /// How long the other mounts of the machine may take to show that they live, in seconds.
    private static let livenessSecondsMax = 1.0

    static func status() -> Command {
        var command = Command("status", purpose: "tells what the daemon does")
        command.description = [
            """
            Mounts, cache, Hub, what is being fetched, what the Hub refuses and why, and the last \
            problems of the log.
            """
        ]
        command.examples = [
            Example("Look", "modelfs status"),
            Example("For a script", "modelfs status --json"),
            Example("The daemon of another cache", "modelfs status --cache /mnt/disk/modelfs"),
        ]
        command.options = [OptionGroup([json, cacheOption])]
        command.environment = [cacheVariable]
        command.exitCodes = [.success, .failure, .usage, .cache, .notRunning, .daemonSilent]
        command.run = { arguments throws(CommandFailure) in try runStatus(arguments) }
        return command
    }

    private static func runStatus(_ arguments: Arguments) throws(CommandFailure) -> ExitCode {
        let style = TextStyle(descriptor: 1, environment: arguments.environment)
        let status: DaemonStatus
        do {
            status = try ask(try presentCache(arguments))
        } catch {
            let others = others(besides: [], .plain).map { "\($0.mountpoint): \($0.state)" }
            throw CommandFailure(
                error.code, error.message,
                advice: ([error.advice] + others).joined(separator: "\n"))
        }
        if arguments[json] {
            writeText(try encoded(status))
            return .success
        }
        var page = StatusPage(
            status, style: style, secondsSince1970: WallTime.now.secondsSince1970
        ).rendered()
        let others = others(besides: status.mounts, style)
        if !others.isEmpty { page += "\n" + style.bold("Other mounts of modelfs") + "\n" }
        for other in others { page += "  \(other.mountpoint)  \(other.state)\n" }
        writeText(page)
        return .success
    }

    static func ask(_ cache: CacheDirectory) throws(CommandFailure) -> DaemonStatus {
        let reply: ControlReply
        do {
            let client = try ControlClient(cache)
            reply = try client.ask(.status)
        } catch {
            throw error.failure(cache: cache).commandFailure
        }
        switch reply {
        case .status(let status): return status
        case .failed(let failure): throw failure.commandFailure
        default: throw ControlError.malformed.failure(cache: cache).commandFailure
        }
    }

    private static func encoded(_ status: DaemonStatus) throws(CommandFailure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let json = try? encoder.encode(status) else {
            throw CommandFailure(.failure, "the status cannot be written as JSON")
        }
        return String(decoding: json, as: UTF8.self) + "\n"
    }

    /// Mounts of ours that this daemon does not have: of other daemons, or of dead ones.
    private static func others(
        besides mine: [MountInfo], _ style: TextStyle
    ) -> [(mountpoint: String, state: String)] {
        guard let entries = (try? MountTable.current())?.modelFSEntries else { return [] }
        // What has the device of a mount of this daemon is another view of the same.
        let places = Set(mine.map(\.mountpoint))
        let devices = Set(mine.compactMap(\.deviceID))
        // A whole filesystem that folders are bound from is told by these.
        let bound = Set(entries.filter { $0.root != "/" }.map(\.deviceID))
        return entries.compactMap { entry in
            if places.contains(entry.mountpoint) || devices.contains(entry.deviceID) { return nil }
            if entry.root == "/" && bound.contains(entry.deviceID) { return nil }
            let state =
                switch Liveness.of(entry.mountpoint, secondsMax: livenessSecondsMax) {
                case .alive:
                    MountedPlace.cache(of: entry.mountpoint).map {
                        "served by another daemon: modelfs status --cache \(shellQuoted($0))"
                    } ?? "served by another daemon"
                case .dead: style.error("left by a dead daemon") + "; the next mount cleans it up"
                case .silent: style.error("does not answer")
                }
            return (entry.mountpoint, state)
        }
    }
}
