// `modelfs-hub token`: what opens private and gated repositories.

internal import LocalHub
internal import Platform
internal import Settings

/// `token create`, `token list`, `token revoke`.
let tokenCommand: Command = {
    var command = Command("token", purpose: "make, list and revoke tokens")
    command.description = [
        "A token opens private and gated repositories to whoever sends it, as on the Hub: in "
            + "HF_TOKEN, or in the file that HF_TOKEN_PATH names. The root keeps only its hash."
    ]
    command.subcommands = [createCommand, tokensCommand, revokeCommand]
    return command
}()

private let read = Option<TokenScope>(
    "--read", "REPO_ID",
    ValueReader { text throws(ValueProblem) in
        guard let scope = TokenScope(text) else {
            throw ValueProblem("write ORG/NAME, or datasets/ORG/NAME for the data set alone")
        }
        return scope
    }, repeats: true,
    help: "A repository that it opens; may be given several times. Without it the token opens all.")
private let expires = Option<TimeSpan>(
    "--expires", "TIME", .timeSpan, help: "How long it is good, such as 30d; forever if not given.")

private let createCommand: Command = {
    var command = Command("create", purpose: "make a token and print it")
    command.usage = ["--root DIR [--read REPO_ID …] [--expires TIME]"]
    command.description = [
        "Prints the token, once: it cannot be shown again. ORG/NAME opens the model, the data set "
            + "and the space of that name; models/ORG/NAME, datasets/ORG/NAME or spaces/ORG/NAME "
            + "only the one."
    ]
    command.examples = [
        Example(
            "a token for one model, for a month",
            "modelfs-hub token create --root ./hub --read my-org/my-model --expires 30d"),
        Example("use it", "HF_TOKEN=$(modelfs-hub token create --root ./hub) hf auth whoami"),
    ]
    command.options = [OptionGroup([rootOption, read, expires])]
    command.exitCodes = [.success, .failure, .usage, .inUse, .storage]
    command.run = { arguments throws(CommandFailure) in
        let scopes = arguments.all(read)
        let span = arguments[expires] ?? .forever
        let now = WallTime.now
        let expiryDate: WallTime? =
            span == .forever
            ? nil
            : WallTime(secondsSince1970: now.secondsSince1970 + span.milliseconds / 1000)
        let root = try madeRoot(arguments)
        let secret = try reporting { () throws(LocalHubError) in
            try TokenFile(root).create(
                scopes: scopes.isEmpty ? nil : scopes, expiryDate: expiryDate, at: now)
        }
        writeText("\(secret)\n")
        let store = RepositoryStore(root)
        for scope in scopes {
            let known = try reporting { () throws(LocalHubError) in
                try store.holds(scope)
            }
            if !known { writeText("There is no repository \(scope) yet.\n", to: 2) }
        }
        return .success
    }
    return command
}()

private let tokensCommand: Command = {
    var command = Command("list", purpose: "show the tokens, by their ids")
    command.usage = ["--root DIR"]
    command.description = [
        "Prints for each token its id, when it was made, until when it is good, and what it opens. "
            + "The tokens themselves are not kept."
    ]
    command.options = [OptionGroup([rootOption])]
    command.exitCodes = [.success, .failure, .usage, .storage]
    command.run = { arguments throws(CommandFailure) in
        let root = try existingRoot(arguments)
        let tokens = try reporting { () throws(LocalHubError) in try TokenFile(root).all() }
        for token in tokens {
            let expiry = token.expiryDate.map { date in
                token.isExpired(at: .now) ? "expired \(date.iso8601)" : "until \(date.iso8601)"
            }
            let scopes = token.scopes.map { $0.map(\.description).joined(separator: " ") }
            writeText(
                "\(token.id)  made \(token.creationDate.iso8601)  \(expiry ?? "without end")  "
                    + "\(scopes ?? "(all repositories)")\n")
        }
        if tokens.isEmpty { writeText("There are no tokens.\n") }
        return .success
    }
    return command
}()

private let token = Positional<String>("TOKEN", .text, help: "Its id, or the token itself.")

private let revokeCommand: Command = {
    var command = Command("revoke", purpose: "end a token at once")
    command.usage = ["TOKEN --root DIR"]
    command.description = ["A server that is running refuses the token from its next request on."]
    command.examples = [Example("by its id", "modelfs-hub token revoke 1a2b3c4d --root ./hub")]
    command.positionals = [token.specification]
    command.options = [OptionGroup([rootOption])]
    command.exitCodes = [.success, .failure, .usage, .notFound, .inUse, .storage]
    command.run = { arguments throws(CommandFailure) in
        let name = try arguments.required(token)
        let root = try existingRoot(arguments)
        try reporting { () throws(LocalHubError) in try TokenFile(root).revoke(name) }
        return .success
    }
    return command
}()
