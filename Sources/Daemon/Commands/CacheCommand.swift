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
        flags: [Flag] = [], exitCodes: [ExitCode] = [], description: String, examples: [Example],
        _ makeBackend: @escaping BackendFactory,
        request: @escaping @Sendable (Arguments) throws(CommandFailure) -> CacheRequest
    ) -> Command {
        var command = Command(name, purpose: purpose)
        command.description = [description]
        command.examples = examples
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
        subcommand(
            "list", purpose: "lists the revisions that the cache knows", target: cacheTarget,
            description: """
                For each revision: how much of it can be read without the Hub, whether that was \
                proven to be what its hashes say, whether it is pinned, and when it was last used. \
                Revisions share what they have in common, so the sums may be more than the cache \
                takes.
                """,
            examples: [
                Example("All of it", "modelfs cache list"),
                Example("One repository, for a script", "modelfs cache list org/name --json"),
            ],
            makeBackend
        ) { arguments throws(CommandFailure) in .list(target: arguments[cacheTarget]) }
    }

    private static func statistics(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "stats", purpose: "tells what the cache takes and what it saves", target: cacheTarget,
            description: """
                "Copies" is what plain copies of every revision would take; "logical" counts equal \
                files once, "unique" equal chunks once, and "stored" is what that takes on the \
                disk, compressed. Of a repository it is what it would take alone.
                """,
            examples: [Example("Look", "modelfs cache stats")],
            makeBackend
        ) { arguments throws(CommandFailure) in .statistics(target: arguments[cacheTarget]) }
    }

    private static func verify(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "verify", purpose: "reads and checks what is cached", target: cacheTarget,
            flags: [repair], exitCodes: [.damaged],
            description: """
                Every chunk is read and compared with its checksum, and every complete file with \
                its hash. What is damaged is dropped, so that no reader gets it, and is fetched \
                again: at once with --repair, else when it is read.
                """,
            examples: [
                Example("All of it", "modelfs cache verify"),
                Example("One revision, and mend it", "modelfs cache verify --repair org/name@main"),
            ],
            makeBackend
        ) { arguments throws(CommandFailure) in
            .verify(target: arguments[cacheTarget], repairs: arguments[repair])
        }
    }

    private static func pin(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "pin", purpose: "keeps a revision from being evicted", target: neededTarget,
            description: """
                The files that the revision has now stay in the cache, also those that come later. \
                Without @REV it is the default branch. A branch that moves leaves the pin at the \
                commit that it had.
                """,
            examples: [Example("Keep a revision", "modelfs cache pin org/name@v1.0")],
            makeBackend
        ) { arguments throws(CommandFailure) in
            .pin(target: try arguments.required(neededTarget))
        }
    }

    private static func unpin(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "unpin", purpose: "lets a revision be evicted again", target: neededTarget,
            description: "Without @REV, all pins of the repository are taken away.",
            examples: [Example("Take it back", "modelfs cache unpin org/name@v1.0")],
            makeBackend
        ) { arguments throws(CommandFailure) in
            .unpin(target: try arguments.required(neededTarget))
        }
    }

    private static func evict(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "evict", purpose: "drops a repository or a revision from the cache",
            target: neededTarget, flags: [shared],
            description: """
                Its bytes are gone from the disk when this returns; its names stay, and reading \
                fetches again. What other revisions have too stays unless --shared is given, and \
                what is pinned stays in any case.
                """,
            examples: [
                Example("Drop a repository", "modelfs cache evict org/name"),
                Example("Drop what v1.0 alone has", "modelfs cache evict org/name@v1.0"),
            ],
            makeBackend
        ) { arguments throws(CommandFailure) in
            .evict(
                target: try arguments.required(neededTarget), includesShared: arguments[shared])
        }
    }

    private static func cool(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "cool", purpose: "packs what lies flat: deduplicated, compressed", target: cacheTarget,
            description: """
                That happens by itself when more lies flat than --hot-size of 'modelfs mount' \
                allows. What is used again is made flat again where there is room.
                """,
            examples: [
                Example("All of it", "modelfs cache cool"),
                Example("One repository", "modelfs cache cool org/name"),
            ],
            makeBackend
        ) { arguments throws(CommandFailure) in .cool(target: arguments[cacheTarget]) }
    }

    private static func collect(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "gc", purpose: "gives back to the disk what nothing uses",
            description: """
                What a crash left behind, and space in packs that nothing uses. It is seldom needed.
                """,
            examples: [Example("Clean up", "modelfs cache gc")],
            makeBackend
        ) { _ throws(CommandFailure) in .collectGarbage }
    }

    private static func rebuild(_ makeBackend: @escaping BackendFactory) -> Command {
        subcommand(
            "rebuild", purpose: "makes the databases anew from the packs",
            description: """
                That happens by itself when a database is missing or found damaged. What was there \
                stays beside it under the name with .damaged at its end. While a daemon serves the \
                cache it is noted, and done when a daemon starts next.
                """,
            examples: [Example("Make them anew", "modelfs cache rebuild")],
            makeBackend
        ) { _ throws(CommandFailure) in .rebuild }
    }
}
