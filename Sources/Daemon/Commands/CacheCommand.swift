// `modelfs cache`: the declarations of its commands. How they are carried out is in
// CacheCommand+Running.swift, how their answers look in CachePage.swift.

internal import Settings

extension ModelFSCommand {
    static let cacheJSON = Flag(
        "--json", help: "As JSON, whose names stay the same from version to version.")
    static let repair = Flag(
        "--repair", help: "Fetch from the Hub what was damaged; else that happens when it is read.")
    static let shared = Flag(
        "--shared", help: "Also what other revisions and repositories have as well.")
    static let cacheTarget = Positional(
        "REPO[@REV]", .text, .optional,
        help: """
            A repository or one revision: ORG/NAME, ORG/NAME@REV, datasets/ORG/NAME@REV. Without \
            it, the whole cache.
            """)
    static let neededTarget = Positional(
        "REPO[@REV]", .text,
        help: "A repository or one revision: ORG/NAME, ORG/NAME@REV, datasets/ORG/NAME@REV.")

    static func cache(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = Command("cache", purpose: "shows and changes what is cached")
        command.description = [
            """
            Everything that was read stays in the cache and is checked on every read. What is in \
            use lies there as plain files; the rest is cut into chunks, each of which is kept once \
            and compressed where that pays.
            """,
            "All of it works while a daemon serves the cache, and without one.",
        ]
        command.examples = [
            Example("What is there", "modelfs cache list"),
            Example("What deduplication and compression save", "modelfs cache stats"),
            Example("Check all of it, and mend it", "modelfs cache verify --repair"),
            Example(
                "Keep a revision whatever comes", "modelfs cache pin openai-community/gpt2@main"),
            Example("Make room", "modelfs cache evict openai-community/gpt2"),
        ]
        command.subcommands = [
            list(makeBackend), statistics(makeBackend), verify(makeBackend), pin(makeBackend),
            unpin(makeBackend), evict(makeBackend), cool(makeBackend), collect(makeBackend),
            rebuild(makeBackend),
        ]
        command.exitCodes = [
            .success, .failure, .usage, .cache, .notFound, .daemonSilent, .inUse, .damaged,
        ]
        return command
    }

    /// What all of them have.
    private static func subcommand(
        _ name: String, purpose: String, target: Positional<String>? = nil,
        flags: [Flag] = [], exitCodes: [ExitCode] = [],
        _ makeBackend: @escaping BackendFactory,
        request: @escaping @Sendable (Arguments) throws(CommandFailure) -> CacheRequest
    ) -> Command {
        var command = Command(name, purpose: purpose)
        if let target { command.positionals = [target.specification] }
        command.options = [
            OptionGroup(flags + [cacheJSON] + [cacheOption] as [any OptionDeclaration])
        ]
        command.environment = [cacheVariable]
        let usual: [ExitCode] = [.success, .failure, .usage, .cache]
        command.exitCodes =
            usual + (target == nil ? [] : [.notFound]) + [.daemonSilent, .inUse] + exitCodes
        command.run = { arguments throws(CommandFailure) in
            try runCache(try request(arguments), arguments, makeBackend)
        }
        return command
    }

    private static func list(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "list", purpose: "lists the revisions that the cache knows", target: cacheTarget,
            makeBackend
        ) { arguments throws(CommandFailure) in .list(target: arguments[cacheTarget]) }
        command.description = [
            """
            For each revision: how much of it can be read without the Hub, whether that was \
            proven to be what its hashes say, whether it is pinned, and when it was last used. \
            Revisions share what they have in common, so the sums may be more than the cache takes.
            """
        ]
        command.examples = [
            Example("All of it", "modelfs cache list"),
            Example("One repository, for a script", "modelfs cache list org/name --json"),
        ]
        return command
    }

    private static func statistics(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "stats", purpose: "tells what the cache takes and what it saves", target: cacheTarget,
            makeBackend
        ) { arguments throws(CommandFailure) in .statistics(target: arguments[cacheTarget]) }
        command.description = [
            """
            "Copies" is what plain copies of every revision would take; "logical" counts equal \
            files once, "unique" equal chunks once, and "stored" is what that takes on the disk, \
            compressed. Of a repository it is what it would take alone.
            """
        ]
        command.examples = [Example("Look", "modelfs cache stats")]
        return command
    }

    private static func verify(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "verify", purpose: "reads and checks what is cached", target: cacheTarget,
            flags: [repair], exitCodes: [.damaged], makeBackend
        ) { arguments throws(CommandFailure) in
            .verify(target: arguments[cacheTarget], repairs: arguments[repair])
        }
        command.description = [
            """
            Every chunk is read and compared with its checksum, and every complete file with its \
            hash. What is damaged is dropped, so that no reader gets it, and is fetched again: at \
            once with --repair, else when it is read.
            """
        ]
        command.examples = [
            Example("All of it", "modelfs cache verify"),
            Example("One revision, and mend it", "modelfs cache verify --repair org/name@main"),
        ]
        return command
    }

    private static func pin(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "pin", purpose: "keeps a revision from being evicted", target: neededTarget,
            makeBackend
        ) { arguments throws(CommandFailure) in
            .pin(target: try arguments.required(neededTarget))
        }
        command.description = [
            """
            The files that the revision has now stay in the cache, also those that come later. \
            Without @REV it is the default branch. A branch that moves leaves the pin at the \
            commit that it had.
            """
        ]
        command.examples = [Example("Keep a revision", "modelfs cache pin org/name@v1.0")]
        return command
    }

    private static func unpin(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "unpin", purpose: "lets a revision be evicted again", target: neededTarget,
            makeBackend
        ) { arguments throws(CommandFailure) in
            .unpin(target: try arguments.required(neededTarget))
        }
        command.description = ["Without @REV, all pins of the repository are taken away."]
        command.examples = [Example("Take it back", "modelfs cache unpin org/name@v1.0")]
        return command
    }

    private static func evict(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "evict", purpose: "drops a repository or a revision from the cache",
            target: neededTarget, flags: [shared], makeBackend
        ) { arguments throws(CommandFailure) in
            .evict(
                target: try arguments.required(neededTarget), includesShared: arguments[shared])
        }
        command.description = [
            """
            Its bytes are gone from the disk when this returns; its names stay, and reading \
            fetches again. What other revisions have too stays unless --shared is given, and what \
            is pinned stays in any case.
            """
        ]
        command.examples = [
            Example("Drop a repository", "modelfs cache evict org/name"),
            Example("Drop what v1.0 alone has", "modelfs cache evict org/name@v1.0"),
        ]
        return command
    }

    private static func cool(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "cool", purpose: "packs what lies flat: deduplicated, compressed", target: cacheTarget,
            makeBackend
        ) { arguments throws(CommandFailure) in .cool(target: arguments[cacheTarget]) }
        command.description = [
            """
            That happens by itself when more lies flat than --hot-size of 'modelfs mount' allows. \
            What is used again is made flat again where there is room.
            """
        ]
        command.examples = [
            Example("All of it", "modelfs cache cool"),
            Example("One repository", "modelfs cache cool org/name"),
        ]
        return command
    }

    private static func collect(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "gc", purpose: "gives back to the disk what nothing uses", makeBackend
        ) { _ throws(CommandFailure) in .collectGarbage }
        command.description = [
            "What a crash left behind, and space in packs that nothing uses. It is seldom needed."
        ]
        command.examples = [Example("Clean up", "modelfs cache gc")]
        return command
    }

    private static func rebuild(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = subcommand(
            "rebuild", purpose: "makes the databases anew from the packs", makeBackend
        ) { _ throws(CommandFailure) in .rebuild }
        command.description = [
            """
            That happens by itself when a database is missing or found damaged. What was there \
            stays beside it under the name with .damaged at its end. While a daemon serves the \
            cache it is noted, and done when a daemon starts next.
            """
        ]
        command.examples = [Example("Make them anew", "modelfs cache rebuild")]
        return command
    }
}
