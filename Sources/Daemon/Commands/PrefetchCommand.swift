// `modelfs prefetch`: whole files, folders and revisions, fetched and proven before they are read.
//
// A path in a mount is turned into what it shows by the attributes of its folder, so that it means
// the same to the daemon as hf:// does. The bytes go into the cache; with `--to memory` they are
// then read through the mount, which leaves their pages with the kernel.

internal import Glibc
internal import HubAPI
internal import Platform
internal import Settings

extension ModelFSCommand {
    private static let wanted = Positional(
        "PATH|hf://…", .path, .many(1),
        help: """
            A file or a folder in a mount, or hf://ORG/NAME@REVISION/PATH, where everything after \
            NAME can be left out.
            """)
    private static let destination = Option(
        "--to", "PLACE", .word(["disk", "memory"]),
        help: """
            disk, which it is without this: into the cache. memory: also read it through a mount, \
            so that its first reader finds it in memory.
            """)

    static func prefetch(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = Command(
            "prefetch", purpose: "fetches files, folders or revisions before they are read")
        command.usage = ["[OPTIONS] PATH|hf://…"]
        command.description = [
            """
            All of it is fetched and compared with its hashes. What is there is not fetched again, \
            so a command that was ended goes on where it was. Readers of mounts go first.
            """,
            """
            The daemon of the cache does it; where there is none, this command does, which fills \
            a cache for later.
            """,
        ]
        command.examples = [
            Example("A revision, before a server starts", "modelfs prefetch hf://org/name@v1.0"),
            Example(
                "What a mount shows, also into memory",
                "modelfs prefetch --to memory /models/org/name@v1.0"),
            Example(
                "One file, for a script", "modelfs prefetch --json hf://org/name/weights.gguf"),
        ]
        command.positionals = [wanted.specification]
        command.options = [OptionGroup([destination, endpointOption, cacheJSON, cacheOption])]
        command.environment = [
            cacheVariable,
            endpointVariable, endpointsVariable, endpointTokensVariable, tokenVariable,
        ]
        command.exitCodes = [
            .success, .failure, .usage, .cache, .hubUnreachable, .notFound, .accessDenied,
            .daemonSilent, .inUse,
        ]
        command.run = { arguments throws(CommandFailure) in
            try runPrefetch(arguments, makeBackend)
        }
        return command
    }

    private static func runPrefetch(
        _ arguments: Arguments, _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        let words = arguments.all(wanted)
        var targets: [PrefetchTarget] = []
        if words.count > PrefetchReport.targetCountMax {
            throw arguments.usageFailure("at most \(PrefetchReport.targetCountMax) can be named")
        }
        for word in words { targets.append(try target(word)) }
        let endpoints = try chosenEndpoints(arguments)
        var report: PrefetchReport
        do throws(MountFailure) {
            let cache = try CacheDirectory.open(creating: chosenCache(arguments))
            warnAboutOtherEndpoints(endpoints, cache)
            let answer = try carryOut(
                .prefetch(targets: targets), cache, arguments, endpoints: endpoints, makeBackend)
            guard case .prefetched(let found) = answer else {
                throw .failed(detail: "the daemon's answer was not understood")
            }
            report = found
            if arguments[destination] == "memory" && report.failedCount == 0 {
                let places = try memoryPlaces(words, report, cache)
                var bar = ProgressBar(arguments.environment)
                defer { bar.end() }
                report.inMemoryBytes = try readIntoMemory(
                    places, totalBytes: report.sizeBytes, &bar)
            }
        } catch {
            throw error.commandFailure
        }
        try show(.prefetched(report), arguments)
        return report.exitCode
    }

    // MARK: What is meant

    static func target(_ word: String) throws(CommandFailure) -> PrefetchTarget {
        do throws(MountFailure) {
            if word.hasPrefix(HubURI.scheme) { return try named(word) }
            // ORG/NAME@REV is what other commands take; no path of that name means a slip.
            if unsafe access(word, F_OK) != 0, !word.hasPrefix("/"), !word.hasPrefix("."),
                (try? HubURI(HubURI.scheme + word)) != nil
            {
                throw MountFailure.sourceMalformed(
                    source: word, detail: "there is no such path, and hf:// is missing before it")
            }
            return PrefetchTarget(word, try MountedPlace.location(of: word))
        } catch {
            throw error.commandFailure
        }
    }

    private static func named(_ word: String) throws(MountFailure) -> PrefetchTarget {
        let uri: HubURI
        do throws(HubURIError) { uri = try HubURI(word) } catch {
            throw .sourceMalformed(source: word, detail: error.description)
        }
        guard case .repository(let location) = uri else {
            throw .sourceMalformed(source: word, detail: "it names no repository")
        }
        return PrefetchTarget(word, location)
    }

    // MARK: Into memory

    /// Where a mount shows what was fetched.
    private static func memoryPlaces(
        _ words: [String], _ report: PrefetchReport, _ cache: CacheDirectory
    ) throws(MountFailure) -> [String] {
        var mounts: [MountInfo]?
        var places: [String] = []
        for (word, place) in zip(words, report.places) {
            if !word.hasPrefix(HubURI.scheme) {
                places.append(word)
                continue
            }
            if mounts == nil { mounts = try mountsOfDaemon(cache) }
            guard let path = mounts?.lazy.compactMap({ MountedPlace.path(of: place, in: $0) }).first
            else {
                throw .pathNotShown(
                    path: word, detail: "no mount of this cache shows it, and --to memory needs one"
                )
            }
            places.append(path)
        }
        return places
    }

    private static func mountsOfDaemon(
        _ cache: CacheDirectory
    ) throws(MountFailure) -> [MountInfo] {
        let reply: ControlReply
        do {
            let client = try ControlClient(cache)
            reply = try client.ask(.status)
        } catch {
            if error == .absent || error == .closed { return [] }
            throw error.failure(cache: cache)
        }
        guard case .status(let status) = reply else { return [] }
        return status.mounts
    }

    private static func readIntoMemory(
        _ places: [String], totalBytes: Int64, _ bar: inout ProgressBar
    ) throws(MountFailure) -> Int64 {
        var readBytes: Int64 = 0
        for place in places {
            do throws(Errno) {
                try MountedPlace.read(place) { byteCount in
                    readBytes += byteCount
                    bar.show(
                        CacheProgress(
                            doneBytes: min(readBytes, totalBytes), totalBytes: totalBytes))
                }
            } catch {
                throw .pathNotShown(path: place, detail: "it cannot be read: \(error)")
            }
        }
        return readBytes
    }
}
