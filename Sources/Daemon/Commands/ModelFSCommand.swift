// The command line of modelfs: its commands, and the options that several of them share.
//
// A program is made of this and a factory for the filesystem, so that tests can run the same
// commands on a filesystem of their own.

internal import HubAPI
package import Settings

/// The command line of modelfs.
package enum ModelFSCommand {
    static let cacheOption = Option(
        "--cache", "DIR", .path,
        help: """
            The cache folder. Else MODELFS_CACHE, else /data/.cache/modelfs where /data can be \
            written, else modelfs in $XDG_CACHE_HOME or ~/.cache. A mount makes it if missing.
            """)

    static let cacheVariable = (
        name: CacheDirectory.variable, help: "The cache folder, when --cache is not given."
    )

    static let endpointOption = Option(
        "--endpoint", "URL", .text, repeats: true,
        help: """
            Where the Hub is: instead of HF_ENDPOINT. Given several times, in order of preference: \
            what one does not answer, the next one is asked. The token goes to the first of them \
            only; MODELFS_ENDPOINT_TOKENS gives others theirs.
            """)
    static let endpointVariable = (
        name: "HF_ENDPOINT", help: "The Hub; https://huggingface.co without it."
    )
    static let endpointsVariable = (
        name: "MODELFS_ENDPOINTS",
        help: "Several of them, separated by commas, like --endpoint."
    )
    static let endpointTokensVariable = (
        name: "MODELFS_ENDPOINT_TOKENS",
        help: "A file with a line 'URL TOKEN' for each that has its own; mode 600."
    )

    static let tokenVariable = (
        name: "HF_TOKEN",
        help: "What opens private and gated repositories, where no daemon is asked."
    )

    /// The endpoints that were named; nil where the environment decides.
    static func chosenEndpoints(_ arguments: Arguments) throws(CommandFailure) -> [String]? {
        let endpoints = arguments.all(endpointOption)
        if endpoints.isEmpty { return nil }
        do throws(HubConfigurationError) {
            _ = try HubConfiguration(
                environment: arguments.environment.values, endpoints: endpoints)
        } catch {
            throw arguments.usageFailure(error.description)
        }
        return endpoints
    }

    /// A daemon keeps the endpoints that it was started with, which must not pass silently.
    static func warnAboutOtherEndpoints(_ endpoints: [String]?, _ cache: CacheDirectory) {
        guard let endpoints, let client = try? ControlClient(cache),
            case .status(let status)? = try? client.ask(.status)
        else { return }
        let served = status.fileSystem.hub.allEndpoints
        let wanted = endpoints.map { HubEndpoint($0)?.text ?? $0 }
        if served == wanted { return }
        tellUnused(["--endpoint (its Hub is \(served.joined(separator: ", ")))"])
    }

    /// Says what was given to a command and is not used by the daemon that is there.
    static func tellUnused(_ names: [String]) {
        if names.isEmpty { return }
        writeText(
            "The daemon that serves this cache keeps what it was started with; not used: "
                + names.joined(separator: ", ") + "\n", to: 2)
    }

    /// The whole program.
    ///
    /// - Parameter makeBackend: makes the filesystem in the process that becomes the daemon.
    package static func root(_ makeBackend: @escaping BackendFactory) -> Command {
        var root = Command(
            "modelfs", purpose: "shows the models of the Hugging Face Hub as folders")
        root.description = [
            """
            A mount shows every repository and every revision as plain files. Nothing is fetched \
            before it is read; what was read stays in the cache, and is there without network.
            """,
            """
            One daemon serves one cache and any number of mounts. It starts with the first mount \
            and ends with the last.
            """,
        ]
        root.examples = [
            Example("Show all models of the Hub below /models", "modelfs mount /models"),
            Example(
                "Look at a revision, which is a folder like any other",
                "ls /models/openai-community/gpt2@main"),
            Example(
                "Show one revision alone", "modelfs mount hf://openai-community/gpt2@main /gpt2"),
            Example("See what it does", "modelfs status"),
            Example("Unmount", "modelfs umount /models"),
        ]
        root.subcommands = [
            mount(makeBackend), unmount(), status(), top(), doctor(), upgrade(),
            prefetch(makeBackend),
            pull(makeBackend), cache(makeBackend), alias(makeBackend),
            daemon(makeBackend),
        ]
        root.exitCodes = ExitCode.allCases.filter { $0 != .listen }
        return root
    }

    static func chosenCache(_ arguments: Arguments) -> String {
        CacheDirectory.choose(
            option: arguments[cacheOption], environment: arguments.environment)
    }

    /// The cache that a daemon is asked about.
    static func presentCache(
        _ arguments: Arguments
    ) throws(CommandFailure) -> CacheDirectory {
        let path = chosenCache(arguments)
        do throws(MountFailure) {
            guard let cache = try CacheDirectory.openIfPresent(path) else {
                throw MountFailure.daemonAbsent(cache: path)
            }
            return cache
        } catch {
            throw error.commandFailure
        }
    }
}
