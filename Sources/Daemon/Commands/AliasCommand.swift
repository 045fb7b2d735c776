// `modelfs alias`: names of this machine's own for revisions, which a mount shows as `@name`.

internal import Glibc
internal import HubAPI
internal import Settings

extension ModelFSCommand {
    fileprivate static let aliasName = Positional(
        "NAME", .text, help: "Such as prod; datasets/NAME and spaces/NAME for those.")
    private static let optionalAliasName = Positional(
        "NAME", .text, .optional, help: "One alias; without it, all of them.")
    private static let aliasTarget = Positional(
        "REPO@REV", .text,
        help: "What it is to stand for: ORG/NAME@REV, datasets/ORG/NAME@REV, or hf://….")

    static func alias(_ makeBackend: @escaping BackendFactory) -> Command {
        var command = Command("alias", purpose: "gives revisions names of this machine's own")
        command.description = [
            """
            An alias NAME is the link @NAME at the top of a mount of hf://models, and leads to one \
            commit. Setting it fetches and proves all of that commit first; then the name changes, \
            for whoever walks the path a second later. Who has files of the old one open keeps them.
            """,
            """
            What an alias stands for, and what it stood for before, is not evicted, so a rollback \
            needs no network. Every change is noted: who, when, from what, to what.
            """,
        ]
        command.examples = [
            Example("Promote a revision", "modelfs alias set prod org/name@v1.1"),
            Example("Use it", "modelfs-predictor /models/@prod --follow"),
            Example("Take that back", "modelfs alias rollback prod"),
            Example("See who changed what", "modelfs alias history prod"),
        ]
        command.subcommands = [
            setAlias(makeBackend), listAliases(makeBackend), aliasHistory(makeBackend),
            rollbackAlias(makeBackend), removeAlias(makeBackend),
        ]
        command.exitCodes = aliasExitCodes
        return command
    }

    private static let aliasExitCodes: [ExitCode] = [
        .success, .failure, .usage, .cache, .hubUnreachable, .notFound, .accessDenied,
        .daemonSilent, .inUse,
    ]

    private static func aliasSubcommand(
        _ name: String, purpose: String, description: String,
        positionals: [PositionalSpecification], example: Example, asksHub: Bool = false,
        _ makeBackend: @escaping BackendFactory,
        request: @escaping @Sendable (Arguments) throws(CommandFailure) -> AliasRequest
    ) -> Command {
        var command = Command(name, purpose: purpose)
        command.description = [description]
        command.examples = [example]
        command.positionals = positionals
        command.options = [
            OptionGroup((asksHub ? [endpointOption] : []) + [cacheJSON, cacheOption])
        ]
        command.environment = [cacheVariable]
        if asksHub {
            command.environment += [
                endpointVariable, endpointsVariable, endpointTokensVariable, tokenVariable,
            ]
        }
        command.exitCodes = aliasExitCodes
        command.run = { arguments throws(CommandFailure) in
            let endpoints = asksHub ? try chosenEndpoints(arguments) : nil
            return try runAlias(try request(arguments), arguments, endpoints, makeBackend)
        }
        return command
    }

    private static func setAlias(_ makeBackend: @escaping BackendFactory) -> Command {
        aliasSubcommand(
            "set", purpose: "has an alias stand for a revision",
            description: """
                What of the revision is not in the cache is fetched, and all of it is compared \
                with its hashes; only then the alias changes. A branch is looked up once: the \
                alias stays at the commit that it had.
                """,
            positionals: [aliasName.specification, aliasTarget.specification],
            example: Example("Promote a revision", "modelfs alias set prod org/name@v1.1"),
            asksHub: true, makeBackend
        ) { arguments throws(CommandFailure) in
            let word = try arguments.required(aliasTarget)
            do throws(MountFailure) {
                let location = try CacheService.location(word)
                return .set(
                    name: try arguments.checkedAlias(), target: PrefetchTarget(word, location),
                    who: userName(arguments.environment))
            } catch {
                throw error.commandFailure
            }
        }
    }

    private static func rollbackAlias(_ makeBackend: @escaping BackendFactory) -> Command {
        aliasSubcommand(
            "rollback", purpose: "has an alias stand for what it stood for before",
            description: """
                Before its newest change, that is. It needs no network: what an alias stood for \
                before is not evicted. A second rollback takes back the first.
                """,
            positionals: [aliasName.specification],
            example: Example("Take a promotion back", "modelfs alias rollback prod"),
            makeBackend
        ) { arguments throws(CommandFailure) in
            .rollback(
                name: try arguments.requiredAlias(), who: userName(arguments.environment))
        }
    }

    private static func removeAlias(_ makeBackend: @escaping BackendFactory) -> Command {
        aliasSubcommand(
            "remove", purpose: "takes an alias away",
            description: """
                Its history stays. What it stood for may be evicted from then on, unless it is \
                pinned or another alias stands for it.
                """,
            positionals: [aliasName.specification],
            example: Example("Take it away", "modelfs alias remove staging"),
            makeBackend
        ) { arguments throws(CommandFailure) in
            .remove(name: try arguments.requiredAlias(), who: userName(arguments.environment))
        }
    }

    private static func listAliases(_ makeBackend: @escaping BackendFactory) -> Command {
        aliasSubcommand(
            "list", purpose: "lists the aliases and what they stand for",
            description: "With the time of the last change, and who made it.",
            positionals: [optionalAliasName.specification],
            example: Example("For a script", "modelfs alias list prod --json"),
            makeBackend
        ) { arguments throws(CommandFailure) in .list(name: arguments[optionalAliasName]) }
    }

    private static func aliasHistory(_ makeBackend: @escaping BackendFactory) -> Command {
        aliasSubcommand(
            "history", purpose: "lists the changes of aliases",
            description: "The newest first, at most 256 of each alias.",
            positionals: [optionalAliasName.specification],
            example: Example("Who changed what", "modelfs alias history prod"),
            makeBackend
        ) { arguments throws(CommandFailure) in .history(name: arguments[optionalAliasName]) }
    }

    private static func runAlias(
        _ request: AliasRequest, _ arguments: Arguments, _ endpoints: [String]?,
        _ makeBackend: @escaping BackendFactory
    ) throws(CommandFailure) -> ExitCode {
        let answer: CacheAnswer
        do throws(MountFailure) {
            let cache = try CacheDirectory.open(creating: chosenCache(arguments))
            warnAboutOtherEndpoints(endpoints, cache)
            answer = try carryOut(
                .alias(request), cache, arguments, endpoints: endpoints, makeBackend)
        } catch {
            throw error.commandFailure
        }
        try show(answer, arguments)
        guard case .alias(let report) = answer else { return .failure }
        return report.exitCode
    }

    /// Who types: behind sudo, the one who called it.
    private static func userName(_ environment: Environment) -> String {
        if let name = environment["SUDO_USER"], !name.isEmpty, getuid() == 0 { return name }
        guard let entry = unsafe getpwuid(getuid()) else { return "uid \(getuid())" }
        return unsafe String(cString: entry.pointee.pw_name)
    }
}

extension Arguments {
    fileprivate func requiredAlias() throws(CommandFailure) -> String {
        do throws(MountFailure) { return try checkedAlias() } catch { throw error.commandFailure }
    }

    /// What is typed wrong is told before anything is opened.
    fileprivate func checkedAlias() throws(MountFailure) -> String {
        let text = (try? required(ModelFSCommand.aliasName)) ?? ""
        _ = try CacheService.aliasName(text)
        return text
    }
}
