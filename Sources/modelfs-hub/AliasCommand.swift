// `modelfs-hub alias`: an old name that leads to a repository.

internal import HubAPI
internal import LocalHub
internal import Settings

private let old = Positional<NamedRepository>(
    "OLD_ID", .repository, help: "The name that leads to the repository, such as gpt2.")
private let new = Positional<NamedRepository>(
    "NEW_ID", .repository, help: "The repository, such as openai-community/gpt2.")

/// The command.
let aliasCommand: Command = {
    var command = Command("alias", purpose: "let an old name lead to a repository")
    command.usage = ["OLD_ID NEW_ID --root DIR [--type TYPE]"]
    command.description = [
        "Whoever asks for the old name is redirected (307) to the repository, as after a renaming "
            + "on the Hub. What an old name leads to can be changed by giving it again."
    ]
    command.examples = [
        Example(
            "a legacy name", "modelfs-hub alias gpt2 openai-community/gpt2 --root ./hub")
    ]
    command.positionals = [old.specification, new.specification]
    command.options = [OptionGroup([rootOption, typeOption])]
    command.exitCodes = [.success, .failure, .usage, .notFound, .inUse, .storage]
    command.run = { arguments throws(CommandFailure) in
        let from = try arguments.required(old).id(in: arguments)
        let target = try arguments.required(new).id(in: arguments)
        if from.kind != target.kind {
            throw arguments.usageFailure("\(from) and \(target) are of different types")
        }
        let root = try existingRoot(arguments)
        try reporting { () throws(LocalHubError) in
            try AliasFile(root).set(from, to: target, in: RepositoryStore(root))
        }
        writeText("\(from) -> \(target)\n")
        return .success
    }
    return command
}()
