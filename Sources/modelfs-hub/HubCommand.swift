// The program's commands, and the options that several of them share.

internal import HubAPI
internal import LocalHub
internal import Settings

/// All of the program.
let hubCommand: Command = {
    var command = Command("modelfs-hub", purpose: "a local Hub: folders as repositories")
    command.description = [
        "modelfs-hub turns folders into repositories with revisions, and serves them over the "
            + "HTTP API of the Hugging Face Hub: to modelfs, to the official clients, to anything "
            + "that takes HF_ENDPOINT. It needs no network, so it suits closed sites, "
            + "demonstrations, tests and benchmarks.",
        "All of it lies in one folder, the root, which the first 'add' makes.",
    ]
    command.examples = [
        Example(
            "put a folder into a local Hub as revision v1.0",
            "modelfs-hub add my-org/my-model ./my-model --root ./hub --tag v1.0"),
        Example("serve it", "modelfs-hub serve --root ./hub --listen 127.0.0.1:8090"),
        Example(
            "read it with the official client",
            "HF_ENDPOINT=http://127.0.0.1:8090 hf download my-org/my-model --revision v1.0"),
        Example("mount it", "HF_ENDPOINT=http://127.0.0.1:8090 modelfs mount ./models"),
    ]
    command.exitCodes = [.success, .failure, .usage]
    command.subcommands = [addCommand, listCommand, tokenCommand, aliasCommand, serveCommand]
    return command
}()

/// `--root DIR`.
let rootOption = Option<String>(
    "--root", "DIR", .path,
    help: "The folder that holds the local Hub. Needed; 'add' and 'token create' make it.")

/// `--type TYPE`.
let typeOption = Option<String>(
    "--type", "TYPE", .word(RepositoryKind.allCases.map(\.rawValue)),
    help: "model, dataset or space; model if not given.")

/// A repository's name, possibly with its kind before it.
struct NamedRepository: Sendable {
    let kind: RepositoryKind?
    let name: String

    /// The repository meant, with `--type` for what the name leaves open.
    func id(in arguments: Arguments) throws(CommandFailure) -> RepositoryID {
        let typed = arguments[typeOption].flatMap { RepositoryKind(rawValue: $0) }
        if let typed, let kind, typed != kind {
            throw arguments.usageFailure(
                "--type \(typed.rawValue) does not fit \(kind.plural)/\(name)")
        }
        guard let id = RepositoryID(kind: typed ?? kind ?? .model, name: name) else {
            throw arguments.usageFailure("'\(name)' is not a repository's name")
        }
        return id
    }
}

extension ValueReader where Value == NamedRepository {
    /// Such as `org/name`, `name`, or `datasets/org/name`.
    static var repository: ValueReader<NamedRepository> {
        ValueReader { text throws(ValueProblem) in
            let first = text.prefix { $0 != "/" }
            let rest = text.dropFirst(first.count + 1)
            if let kind = RepositoryKind(plural: first), !rest.isEmpty,
                RepositoryID(kind: kind, name: rest) != nil
            {
                return NamedRepository(kind: kind, name: String(rest))
            }
            guard RepositoryID(kind: .model, name: text) != nil else {
                throw ValueProblem(
                    "a repository is written ORG/NAME or NAME, of letters, digits, '-', '_' and '.'"
                )
            }
            return NamedRepository(kind: nil, name: text)
        }
    }
}

/// The root that must be given and exist.
func existingRoot(_ arguments: Arguments) throws(CommandFailure) -> HubRoot {
    let path = try rootPath(arguments)
    return try reporting { () throws(LocalHubError) in try HubRoot.open(path) }
}

/// The root that must be given, made if there is none.
func madeRoot(_ arguments: Arguments) throws(CommandFailure) -> HubRoot {
    let path = try rootPath(arguments)
    return try reporting { () throws(LocalHubError) in try HubRoot.create(path) }
}

private func rootPath(_ arguments: Arguments) throws(CommandFailure) -> String {
    guard let path = arguments[rootOption] else {
        throw arguments.usageFailure("--root DIR is missing: the folder of the local Hub")
    }
    return path
}
