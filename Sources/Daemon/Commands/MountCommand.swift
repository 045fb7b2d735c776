// `modelfs mount`: from words to mounts that answer.

internal import Fetching
internal import Glibc
internal import HubAPI
internal import Platform
internal import Settings
internal import Telemetry

extension ModelFSCommand {
    private static let places = Positional(
        "SOURCE MOUNTPOINT", .text, .many(0),
        help: """
            What to show, and where. A source is hf://models (which it is when left out), \
            hf://datasets, hf://spaces, hf:// for all three, or one revision or a folder of it: \
            hf://ORG/NAME@REVISION/FOLDER, hf://datasets/ORG/NAME@REVISION. The mountpoint is an \
            empty folder. Without any, hf://models is mounted at /data/models where /data is a \
            folder that you can write to (then /models is made a link to it), else, for root, at \
            /models; that folder is made.
            """)
    private static let cacheSize = Option(
        "--cache-size", "SIZE", .spaceLimit,
        help: """
            How much the cache may hold: 100GB, 2TiB, or a share of its disk such as 80%, which it \
            is without this, or less where the disk has less room. What was not used for longest \
            goes first.
            """)
    private static let hotSize = Option(
        "--hot-size", "SIZE", .spaceLimit,
        help: """
            How much of the cache may be plain files, which are read fastest: a size, or a share \
            of the cache such as 50%, which it is without this. The rest is deduplicated and \
            compressed. 0: all of it is, which takes the least disk.
            """)
    private static let readDeadline = Option(
        "--read-deadline", "TIME", .timeSpan,
        help: """
            How long a reader waits for bytes that do not come before it gets an error: 30s, 2m \
            (which it is without this), forever.
            """)
    private static let proof = Option(
        "--proof", "WHEN", .word(ProofTime.allCases.map(\.rawValue)),
        help: """
            When a large file is proven: complete (which it is without this), when all of it has \
            come, which may be after a part was read; or first, before its first byte is served, \
            so that a reader waits for the whole file. Small files are always proven first.
            """)
    private static let refLifetime = Option(
        "--ref-ttl", "TIME", .timeSpan,
        help: """
            For how long a branch or tag counts as unmoved before the Hub is asked again; 1m \
            without this. A commit never moves.
            """)
    private static let prefetch = Option(
        "--prefetch", "MODE", .word(PrefetchMode.allCases.map(\.rawValue)),
        help: """
            What is fetched before it is asked for. auto, which it is without this: a window ahead \
            of who reads in order, and the rest of a weight file (safetensors, GGUF, PyTorch, \
            HDF5, NumPy) that was touched, in the order of its last use. sequential: the same, in \
            the order of the file. none: nothing.
            """)
    private static let offline = Flag(
        "--offline", help: "Never ask the Hub: show what is cached.")
    private static let checkReads = Flag(
        "--check-reads",
        help: """
            Check the bytes of every read. Without this, as root on Linux 6.9 or later, the kernel \
            reads a file by itself once all of it is cached and proven, as fast as any local file.
            """)
    private static let foreground = Flag(
        "--foreground", short: "-f",
        help: """
            Stay: this process is the daemon, and logs to standard error. It ends with SIGINT or \
            SIGTERM, which unmount, or with its last mount.
            """)
    private static let logLevel = Option(
        "--log-level", "LEVEL", .word(LogLevel.names),
        help: "Log from this level on: debug, info (which it is without this), warning, error.")
    private static let logFormat = Option(
        "--log-format", "FORMAT", .word(Log.Format.allCases.map(\.rawValue)),
        help: "text, which it is without this, or json: an object a line, for programs.")
    private static let metrics = Option(
        "--metrics", "HOST:PORT", .endpoint,
        help: """
            Serve counts and sizes for Prometheus there, at /metrics. Nobody is asked for a \
            password, so name an address that only the right ones reach, such as 127.0.0.1:9464.
            """)
    private static let confine = Option(
        "--confine", "MODE", .word(ConfinementMode.allCases.map(\.rawValue)),
        help: """
            auto, which it is without this: as root, the daemon gives up at its start what it does \
            not need: capabilities, privileges, ports, signals. none: it keeps all that.
            """)
    private static let allowOther = Flag(
        "--allow-other",
        help: "Let all users of the machine look into it; this is so when root mounts.")
    private static let noAllowOther = Flag(
        "--no-allow-other", help: "Let nobody else look into it.")
    private static let userID = Option(
        "--uid", "UID", .identity, help: "The owner that all files show; you without this.")
    private static let groupID = Option(
        "--gid", "GID", .identity, help: "The group that all files show; yours without this.")

    static func mount(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = Command("mount", purpose: "shows the Hub, or one revision, as a folder")
        command.usage = ["[OPTIONS] [SOURCE] MOUNTPOINT [SOURCE MOUNTPOINT]…", "[OPTIONS]"]
        command.description = [
            """
            Returns when the mounts answer; a daemon in the background serves them. When a daemon \
            serves the cache already, it takes the mounts as well, and the options that belong to \
            the daemon stay as they were. Mounts are read-only.
            """
        ]
        command.examples = [
            Example("All models, by name and revision", "modelfs mount /models"),
            Example(
                "One revision, pinned to its commit at this moment",
                "modelfs mount hf://openai-community/gpt2@main /mnt/gpt2"),
            Example(
                "Models and datasets, with at most 200 GB on disk",
                "modelfs mount --cache-size 200GB hf://models /models hf://datasets /datasets"),
            Example(
                "As the main process of a container",
                "modelfs mount --foreground /models"),
        ]
        command.positionals = [places.specification]
        command.options = [
            OptionGroup(
                [
                    cacheOption, cacheSize, hotSize, checkReads, readDeadline, proof, refLifetime,
                    prefetch, endpointOption, offline, foreground, logLevel, logFormat, metrics,
                    confine,
                ], heading: "Options of the daemon"),
            OptionGroup(
                [allowOther, noAllowOther, userID, groupID], heading: "Options of the mounts"),
        ]
        command.environment = [
            cacheVariable,
            endpointVariable, endpointsVariable, endpointTokensVariable,
            ("HF_TOKEN", "What opens private and gated repositories."),
            ("HF_HOME", "Where the token file lies that 'hf auth login' writes."),
            ("HF_HUB_OFFLINE", "1 is like --offline."),
            ("HTTPS_PROXY", "The proxy; NO_PROXY names hosts that need none."),
        ]
        command.exitCodes = [
            .success, .failure, .usage, .fuseUnavailable, .mountpoint, .cache, .hubUnreachable,
            .notFound, .accessDenied, .daemonSilent, .inUse,
        ]
        command.run = { arguments throws(CommandFailure) in
            try runMount(arguments, makeBackend)
        }
        return command
    }

    private static func runMount(
        _ arguments: Arguments, _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        let configuration = try configuration(arguments)
        let requests = try requests(arguments)
        let cache: CacheDirectory
        do {
            cache = try CacheDirectory.open(creating: configuration.cachePath)
        } catch {
            throw error.commandFailure
        }
        if arguments[foreground] {
            return try runForeground(configuration, cache, requests, arguments, makeBackend)
        }
        let launcher = DaemonLauncher(
            cache: cache, configuration: configuration, environment: arguments.environment)
        let outcome: DaemonLauncher.Outcome
        do {
            outcome = try launcher.mount(requests)
        } catch {
            throw failure(error, arguments, cache)
        }
        announce(outcome.mounts, outcome.notices)
        if outcome.isHandedOver { warnAboutUnused(arguments, cache) }
        return .success
    }

    private static func runForeground(
        _ configuration: DaemonConfiguration, _ cache: CacheDirectory,
        _ requests: [MountRequest], _ arguments: Arguments,
        _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        let link = KeeperProgram.link()
        if link == nil, let keeper = KeeperProgram.installed() {
            // Comes back only when that is not possible; then it is done without a keeper.
            _ = ProgramFile.become(
                keeper.path, [keeper.worker] + CommandLine.arguments.dropFirst(),
                name: "modelfs-keeper", environment: arguments.environment.entries)
        }
        let keeping = MountKeeping(link)
        Signals.blockTermination()
        Thread.nameCurrent("modelfs")
        if keeping.isSuccessor { return try takeOver(keeping, makeBackend) }
        var failure: MountFailure?
        let process = DaemonProcess(
            configuration: configuration, cache: cache, keeping: keeping, makeBackend: makeBackend)
        let code = process.run(requests) { reply in
            switch reply {
            case .ready(let mounts, let notices): announce(mounts, notices)
            case .cacheTaken:
                failure = .cacheServed(
                    path: cache.path, processID: cache.notedHolder() ?? 0)
            case .failed(let reason): failure = reason
            }
            return true
        }
        if let failure { throw failure.commandFailure }
        return code
    }

    private static func announce(_ mounts: [MountInfo], _ notices: [String]) {
        for mount in mounts {
            let commit = mount.commit.map { " at commit \($0.prefix(12))" } ?? ""
            writeText("\(mount.source)\(commit) is mounted at \(mount.mountpoint)\n")
        }
        for notice in notices { writeText("\(notice)\n") }
    }

    /// What a daemon takes only when it starts must not be ignored silently.
    private static func warnAboutUnused(_ arguments: Arguments, _ cache: CacheDirectory) {
        var unused: [String] = []
        if arguments[cacheSize] != nil { unused.append("--cache-size") }
        if arguments[hotSize] != nil { unused.append("--hot-size") }
        if arguments[checkReads] { unused.append("--check-reads") }
        if arguments[readDeadline] != nil { unused.append("--read-deadline") }
        if arguments[proof] != nil { unused.append("--proof") }
        if arguments[refLifetime] != nil { unused.append("--ref-ttl") }
        if arguments[prefetch] != nil { unused.append("--prefetch") }
        if arguments[offline] { unused.append("--offline") }
        if arguments[logLevel] != nil { unused.append("--log-level") }
        if arguments[logFormat] != nil { unused.append("--log-format") }
        if arguments[metrics] != nil { unused.append("--metrics") }
        if arguments[confine] != nil { unused.append("--confine") }
        let endpoints = arguments.all(endpointOption)
        let comparison = DaemonComparison(cache, arguments.environment, endpoints: endpoints)
        if let comparison {
            if !endpoints.isEmpty {
                if comparison.hasOtherEndpoints { unused.append("--endpoint") }
            } else if let hub = comparison.otherHub {
                unused.append("HF_ENDPOINT (its Hub is \(hub))")
            }
            if comparison.asksAllTheSame { unused.append("HF_HUB_OFFLINE") }
        }
        tellUnused(unused)
        guard let remark = comparison?.tokenRemark else { return }
        for line in wrap(remark, columns: TextStyle.columns) { writeText("\(line)\n", to: 2) }
    }

    /// What is refused for want of a token is often refused to a daemon that was given none.
    private static func failure(
        _ failure: MountFailure, _ arguments: Arguments, _ cache: CacheDirectory
    ) -> CommandFailure {
        let told = failure.commandFailure
        switch failure {
        case .repositoryNotFound, .gated, .tokenRefused:
            let remark = DaemonComparison(cache, arguments.environment)?.tokenRemark
            guard let remark else { return told }
            return CommandFailure(
                told.code, told.message, advice: "\(told.advice)\n\(remark)")
        default: return told
        }
    }

    private static func configuration(
        _ arguments: Arguments
    ) throws(CommandFailure) -> DaemonConfiguration {
        var configuration = DaemonConfiguration(cachePath: chosenCache(arguments))
        if let limit = arguments[cacheSize] {
            configuration.cacheLimit = limit
            configuration.leavesRoom = false
        }
        if case .bytes(let size) = configuration.cacheLimit, size < cacheSizeMin {
            throw arguments.usageFailure(
                "--cache-size is at least \(cacheSizeMin), or hardly a file would fit")
        }
        if let limit = arguments[hotSize] { configuration.hotLimit = limit }
        configuration.checksReads = arguments[checkReads]
        if let deadline = arguments[readDeadline] { configuration.readDeadline = deadline }
        if let time = arguments[proof].flatMap({ ProofTime(rawValue: $0) }) {
            configuration.proof = time
        }
        if let lifetime = arguments[refLifetime] { configuration.refLifetime = lifetime }
        if let mode = arguments[prefetch] { configuration.prefetch = mode }
        if let level = arguments[logLevel] { configuration.logLevel = level }
        configuration.logFormat = arguments[logFormat]
        configuration.metricsAddress = arguments[metrics]?.description
        configuration.confinement = arguments[confine].flatMap(ConfinementMode.init(rawValue:))
        configuration.endpoints = try chosenEndpoints(arguments)
        configuration.isOffline =
            arguments[offline] || arguments.environment.isTrue("HF_HUB_OFFLINE")
        return configuration
    }

    /// A few of the blocks that are fetched and evicted as one.
    static let cacheSizeMin = ByteSize(64_000_000)

    private static func requests(
        _ arguments: Arguments
    ) throws(CommandFailure) -> [MountRequest] {
        if arguments[allowOther] && arguments[noAllowOther] {
            throw arguments.usageFailure("--allow-other and --no-allow-other exclude each other")
        }
        let isRoot = geteuid() == 0
        let options = MountOptions(
            allowOther: arguments[allowOther] || (isRoot && !arguments[noAllowOther]),
            userID: arguments[userID] ?? geteuid(), groupID: arguments[groupID] ?? getegid())
        var words = arguments.all(places)
        if words.isEmpty { words = [try usualMountpoint(arguments)] }
        if !words.count.isMultiple(of: 2) { words.insert("hf://models", at: 0) }
        return try stride(from: 0, to: words.count, by: 2).map { index throws(CommandFailure) in
            let source = words[index]
            guard source.hasPrefix("hf://") else {
                let detail = "it does not begin with hf://"
                throw MountFailure.sourceMalformed(source: source, detail: detail).commandFailure
            }
            if words[index + 1].isEmpty || words[index + 1].hasPrefix("hf://") {
                throw arguments.usageFailure("the mountpoint of \(source) is missing")
            }
            return MountRequest(
                source: source, mountpoint: absolutePath(words[index + 1]), options: options)
        }
    }

    /// The place for models on this machine, made ready.
    private static func usualMountpoint(_ arguments: Arguments) throws(CommandFailure) -> String {
        guard let path = CacheDirectory.defaultMountpoint() else {
            throw arguments.usageFailure("MOUNTPOINT is missing")
        }
        if unsafe mkdir(path, 0o755) != 0 && Errno.current != .alreadyExists {
            throw MountFailure.mountpointRefused(path: path, Errno.current).commandFailure
        }
        // A short way to the data disk; where something has that name, or it cannot be made, the
        // long way is good enough.
        if path != "/models" { _ = unsafe symlink(path, "/models") }
        return path
    }
}
