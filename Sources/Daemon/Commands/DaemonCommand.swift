// `modelfs daemon`: how `modelfs mount` starts the process that serves in the background.
//
// Not for people: the order comes, and the report goes, over descriptor 3.

internal import Glibc
internal import Platform
internal import Settings
internal import Telemetry

extension ModelFSCommand {
    private static let fits = Option(
        "--fits", "VERSION", .number(1...1_000_000),
        help: "Serve nothing: say whether this program can go on after another one.")

    static func daemon(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = Command("daemon", purpose: "serves the mounts of a cache")
        command.description = ["Started by 'modelfs mount', which tells it what to do."]
        // Shown by ps; what holds comes with the order.
        command.options = [OptionGroup([cacheOption, fits])]
        command.isInternal = true
        command.run = { arguments throws(CommandFailure) in
            try runDaemon(arguments, makeBackend)
        }
        return command
    }

    private static func runDaemon(
        _ arguments: Arguments, _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        if let version = arguments[fits] {
            do throws(MountFailure) {
                try Upgrade.checkFits(cachePath: chosenCache(arguments), keptVersion: version)
            } catch {
                throw error.commandFailure
            }
            return .success
        }
        let entered = MonotonicInstant.now
        Signals.blockTermination()
        // Started by way of /proc/self/exe, it would be called "exe".
        Thread.nameCurrent("modelfs")
        // The folder that the command was typed in must not be held.
        _ = unsafe chdir("/")
        _ = umask(0o077)
        let keeping = MountKeeping(KeeperProgram.link())
        if keeping.isSuccessor {
            StartStages.current.begin(at: keeping.begin ?? entered)
            StartStages.current.mark("program", at: entered)
            StartStages.current.mark("keeper")
            return try takeOver(keeping, makeBackend)
        }
        let number = DaemonLauncher.orderDescriptor
        guard fcntl(number, F_SETFD, FD_CLOEXEC) == 0 else {
            throw CommandFailure(
                .usage, "this command is for modelfs itself",
                advice: "Start the daemon with 'modelfs mount'.")
        }
        let channel = ControlChannel(socket: FileDescriptor(owning: number))
        let deadline = MonotonicInstant.now + ControlServer.messageSecondsMax
        let order: StartOrder
        do {
            order = try channel.receive(StartOrder.self, until: deadline)
        } catch {
            throw CommandFailure(.failure, "no order was received: \(error)")
        }
        do {
            let cache = try CacheDirectory.open(creating: order.configuration.cachePath)
            let process = DaemonProcess(
                configuration: order.configuration, cache: cache, keeping: keeping,
                makeBackend: makeBackend)
            return process.run(order.mounts) { reply in
                let deadline = MonotonicInstant.now + ControlServer.messageSecondsMax
                return (try? channel.send(reply, until: deadline)) != nil
            }
        } catch {
            try? channel.send(StartReply.failed(error), until: deadline)
            return error.exitCode
        }
    }

    /// Goes on with the mounts of a daemon that died.
    static func takeOver(
        _ keeping: MountKeeping, _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        guard let configuration = keeping.takeConfiguration() else {
            throw CommandFailure(.failure, "the keeper does not know what was mounted")
        }
        do throws(MountFailure) {
            let cache = try CacheDirectory.open(creating: configuration.cachePath)
            let process = DaemonProcess(
                configuration: configuration, cache: cache, keeping: keeping,
                makeBackend: makeBackend)
            return process.takeOver()
        } catch {
            throw error.commandFailure
        }
    }
}
