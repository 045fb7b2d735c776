// `modelfs umount`: through the daemon where there is one, without it where there is none.
//
// A mount can always be taken away, also one of another cache, or of a daemon that died.

internal import Platform
internal import Settings

extension ModelFSCommand {
    private static let mountpoints = Positional(
        "MOUNTPOINT", .path, .many(0), help: "Where a modelfs is mounted.")
    private static let lazy = Flag(
        "--lazy", short: "-l",
        help: "Also while files are in use; who has them open can go on reading.")
    private static let all = Flag(
        "--all", short: "-a", help: "All mounts of the cache's daemon, which then ends.")

    /// How long a daemon may take to end, in seconds.
    private static let stopSecondsMax = 60.0

    static func unmount() -> Command {
        var command = Command("umount", purpose: "takes mounts away")
        command.usage = ["[OPTIONS] MOUNTPOINT…", "[OPTIONS] --all"]
        command.description = [
            "The daemon ends with its last mount. What was fetched stays in the cache."
        ]
        command.examples = [
            Example("Take one mount away", "modelfs umount /models"),
            Example("Take it away though a shell stands in it", "modelfs umount --lazy /models"),
            Example("Stop the daemon with all its mounts", "modelfs umount --all"),
        ]
        command.positionals = [mountpoints.specification]
        command.options = [OptionGroup([lazy, all, cacheOption])]
        command.environment = [cacheVariable]
        command.exitCodes = [
            .success, .failure, .usage, .mountpoint, .notFound, .notRunning, .daemonSilent, .inUse,
        ]
        command.run = { arguments throws(CommandFailure) in try runUnmount(arguments) }
        return command
    }

    private static func runUnmount(_ arguments: Arguments) throws(CommandFailure) -> ExitCode {
        let paths = arguments.all(mountpoints)
        if arguments[all] {
            if !paths.isEmpty {
                throw arguments.usageFailure("--all needs no mountpoint")
            }
            let cache = try presentCache(arguments)
            do {
                try stop(cache)
            } catch {
                throw error.commandFailure
            }
            return .success
        }
        if paths.isEmpty { throw arguments.usageFailure("MOUNTPOINT is missing") }
        let cachePath = chosenCache(arguments)
        for path in paths {
            do throws(MountFailure) {
                try unmount(path, isLazy: arguments[lazy], cachePath: cachePath)
            } catch {
                throw error.commandFailure
            }
        }
        return .success
    }

    private static func unmount(
        _ path: String, isLazy: Bool, cachePath: String
    ) throws(MountFailure) {
        let mountpoint = try MountpointCheck.canonical(path)
        // A daemon that cannot be asked must not keep its mounts from being taken away.
        if let cache = try? CacheDirectory.openIfPresent(cachePath),
            let client = try? ControlClient(cache),
            let reply = try? client.ask(.unmount(mountpoint: mountpoint, isLazy: isLazy))
        {
            switch reply {
            case .unmounted: return
            case .failed(.notMounted): break
            case .failed(let failure): throw failure
            default: break
            }
        }
        guard let entry = (try? MountTable.current())?.topmost(at: mountpoint), entry.isModelFS
        else { throw .notMounted(path: mountpoint) }
        do {
            try StaleMount.unmount(mountpoint, isLazy: isLazy)
        } catch {
            if error == .busy { throw .mountpointInUse(path: mountpoint) }
            throw .mountpointRefused(path: mountpoint, error)
        }
    }

    private static func stop(_ cache: CacheDirectory) throws(MountFailure) {
        let process: Int32
        do {
            let client = try ControlClient(cache)
            process = client.greeting.processID
            _ = try client.ask(.stop)
        } catch {
            throw error.failure(cache: cache)
        }
        // The lock goes with the process, after everything is unmounted and closed.
        let deadline = MonotonicInstant.now + stopSecondsMax
        while cache.isLocked() {
            if MonotonicInstant.now > deadline {
                throw .daemonSilent(cache: cache.path, processID: process)
            }
            sleep(seconds: 0.01)
        }
    }
}
