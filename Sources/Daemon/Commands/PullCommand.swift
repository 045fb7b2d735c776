// `modelfs pull`: a revision as plain files in a real folder, for where nothing can be mounted, and
// for programs that know the official client's cache alone.

internal import Glibc
internal import HubAPI
internal import Platform
internal import Settings

extension ModelFSCommand {
    private static let pullSource = Positional(
        "PATH|hf://…", .path,
        help: """
            hf://ORG/NAME@REVISION/PATH, where everything after NAME can be left out, or a folder \
            or a file in a mount.
            """)
    private static let pullDestination = Positional(
        "DEST", .path, .optional,
        help: "The folder; it is made if missing. With --hf-cache there is none.")
    private static let include = Option(
        "--include", "PATTERN", .text, repeats: true,
        help: "Only paths that fit, such as '*.safetensors'; may be given several times.")
    private static let exclude = Option(
        "--exclude", "PATTERN", .text, repeats: true, help: "No paths that fit.")
    private static let force = Flag(
        "--force", help: "Replace files that are there and differ, whoever made them.")
    private static let hubCache = Flag(
        "--hf-cache",
        help: """
            Into the cache of the official client (HF_HUB_CACHE, else hub in HF_HOME), so that \
            from_pretrained finds it with HF_HUB_OFFLINE=1.
            """)

    static func pull(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = Command("pull", purpose: "puts a revision's files into a real folder")
        command.usage = ["[OPTIONS] PATH|hf://… DEST", "[OPTIONS] --hf-cache PATH|hf://…"]
        command.description = [
            """
            What is there and right is not touched; the rest comes through the cache, so what that \
            has is not fetched again, and what is pulled can be mounted without a network. A file \
            gets its name when its hash was proven. A command that was ended goes on where it was.
            """,
            """
            DEST has afterwards what the revision has: what an earlier pull put there and the \
            revision lacks is removed, unless somebody changed it. Files of others are never \
            removed, and replaced with --force alone.
            """,
        ]
        command.examples = [
            Example("A revision", "modelfs pull hf://org/name@v1.0 ./model"),
            Example(
                "Only what a program needs",
                "modelfs pull --include '*.safetensors' --include '*.json' hf://org/name ./model"),
            Example("For from_pretrained, offline", "modelfs pull --hf-cache hf://org/name@main"),
        ]
        command.positionals = [pullSource.specification, pullDestination.specification]
        command.options = [
            OptionGroup([
                include, exclude, force, hubCache, endpointOption, cacheJSON, cacheOption,
            ])
        ]
        command.environment = [
            cacheVariable,
            endpointVariable, endpointsVariable, endpointTokensVariable, tokenVariable,
            ("HF_HUB_CACHE", "The official client's cache, else hub in HF_HOME."),
        ]
        command.exitCodes = [
            .success, .failure, .usage, .cache, .hubUnreachable, .notFound, .accessDenied,
            .daemonSilent, .inUse, .storage,
        ]
        command.run = { arguments throws(CommandFailure) in
            try runPull(arguments, makeBackend)
        }
        return command
    }

    private static func runPull(
        _ arguments: Arguments, _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        let source = try arguments.required(pullSource)
        let isForClient = arguments[hubCache]
        let folder = arguments[pullDestination]
        if isForClient && folder != nil {
            throw arguments.usageFailure("--hf-cache takes no DEST: HF_HUB_CACHE says where")
        }
        if !isForClient && folder == nil { throw arguments.usageFailure("DEST is missing") }
        let target = try target(source)
        if isForClient && !target.path.isEmpty {
            throw arguments.usageFailure(
                "--hf-cache takes a revision; choose its files with --include")
        }
        var destination = folder ?? ""
        if isForClient { destination = try clientCache(arguments) }
        let request = PullRequest(
            target: target, destination: absolute(destination),
            layout: isForClient ? .hubCache : .folder, includes: arguments.all(include),
            excludes: arguments.all(exclude), isForced: arguments[force])
        let endpoints = try chosenEndpoints(arguments)
        let answer: CacheAnswer
        do throws(MountFailure) {
            let cache = try CacheDirectory.open(creating: chosenCache(arguments))
            warnAboutOtherEndpoints(endpoints, cache)
            answer = try carryOut(
                .pull(request), cache, arguments, endpoints: endpoints, makeBackend)
        } catch {
            throw error.commandFailure
        }
        try show(answer, arguments)
        guard case .pulled(let report) = answer else { return .failure }
        return report.exitCode
    }

    /// The daemon has another working folder.
    private static func absolute(_ path: String) -> String {
        var full = path
        if !path.hasPrefix("/") {
            var room = [CChar](repeating: 0, count: 4096)
            let folder = unsafe getcwd(&room, room.count).map { unsafe String(cString: $0) }
            full = "\(folder ?? "")/\(path)"
        }
        while full.count > 1 && full.hasSuffix("/") { full.removeLast() }
        return full
    }

    private static func clientCache(_ arguments: Arguments) throws(CommandFailure) -> String {
        do throws(HubConfigurationError) {
            return try HubConfiguration(environment: arguments.environment.values).clientCachePath
        } catch {
            throw MountFailure.environmentMalformed(detail: error.description).commandFailure
        }
    }
}
