// `modelfs upgrade`: the daemon of a cache ends, and the program installed now goes on.

internal import Platform
internal import Settings

extension ModelFSCommand {
    /// How long the next daemon may take to answer, in seconds.
    private static let successorSecondsMax = 60.0

    static func upgrade() -> Command {
        var command = Command("upgrade", purpose: "has the installed version go on with all mounts")
        command.description = [
            """
            The daemon is replaced by the program that is installed in its place now. Nothing is \
            unmounted: what is open or mapped goes on, and whoever reads waits for a moment.
            """,
            """
            Before anything is touched the new program says whether it can go on with this cache. \
            When it does not work after all, the one before goes on. modelfs-keeper itself is \
            replaced with the next mount of a daemon that has ended.
            """,
        ]
        command.examples = [Example("After an installation", "modelfs upgrade")]
        command.options = [OptionGroup([cacheOption])]
        command.environment = [cacheVariable]
        command.exitCodes = [.success, .failure, .usage, .cache, .notRunning, .daemonSilent]
        command.run = { arguments throws(CommandFailure) in
            let cache = try presentCache(arguments)
            do throws(MountFailure) {
                try upgrade(cache)
            } catch {
                throw error.commandFailure
            }
            return .success
        }
        return command
    }

    private static func upgrade(_ cache: CacheDirectory) throws(MountFailure) {
        let reply: ControlReply
        let earlier: Int32
        do throws(ControlError) {
            let client = try ControlClient(cache)
            earlier = client.greeting.processID
            reply = try client.ask(.upgrade)
        } catch {
            throw error.failure(cache: cache)
        }
        let program: String
        switch reply {
        case .upgrading(let path): program = path
        case .failed(let failure): throw failure
        default: throw ControlError.malformed.failure(cache: cache)
        }
        let successor = try successor(of: earlier, cache)
        guard Upgrade.isSame("/proc/\(successor.processID)/exe", program) else {
            throw .upgradeRefused(
                program: program, detail: "it did not work, and the one before goes on")
        }
        writeText("modelfs \(successor.programVersion) goes on with the mounts\n")
    }

    /// The daemon that answers after that process.
    private static func successor(
        of processID: Int32, _ cache: CacheDirectory
    ) throws(MountFailure) -> ControlGreeting {
        let deadline = MonotonicInstant.now + successorSecondsMax
        while MonotonicInstant.now < deadline {
            if let client = try? ControlClient(cache), client.greeting.processID != processID {
                return client.greeting
            }
            sleep(seconds: 0.02)
        }
        throw .daemonSilent(cache: cache.path, processID: cache.notedHolder())
    }
}
