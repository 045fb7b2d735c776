// `modelfs-hub add`: a folder becomes a revision.

internal import HubAPI
internal import LocalHub
internal import Settings

private let repository = Positional<NamedRepository>(
    "REPO_ID", .repository, help: "The repository, such as my-org/my-model; made if there is none.")
private let folder = Positional<String>(
    "FOLDER", .path, help: "Its files become the whole content of the revision.")
private let revision = Option<String>(
    "--revision", "BRANCH", .text,
    help: "The branch to move, or refs/pr/NUMBER; main if not given. A new branch starts from main."
)
private let tag = Option<String>("--tag", "TAG", .text, help: "A tag to put on the commit.")
private let message = Option<String>(
    "--message", "TEXT", .text, help: "What the commit says; a standing phrase if not given.")
private let isPrivate = Flag(
    "--private", help: "Make the repository private: without a token it seems not to exist.")
private let isPublic = Flag("--public", help: "Make a private or gated repository open again.")
private let hasNoXet = Flag(
    "--no-xet", help: "Do not put large files into xorbs; they are served without Xet.")
private let isGated = Flag(
    "--gated", help: "Make the repository gated: all see it, but files need a token.")

/// The command.
let addCommand: Command = {
    var command = Command("add", purpose: "make a commit of a folder")
    command.usage = ["REPO_ID FOLDER --root DIR [OPTIONS]"]
    command.description = [
        "Makes a commit whose content is the folder's, and moves the branch to it, and the tag if "
            + "one is given. If the branch has that content already, no commit is made.",
        "Commits, trees and files get the ids that git gives them. Large and binary files are kept "
            + "by their SHA-256, as on the Hub; equal files are stored once.",
        "Large files are also cut by content, and each chunk that the root does not have yet is "
            + "compressed and packed into a xorb, so that Xet clients fetch only what has changed. "
            + "That takes about as much room again as the new chunks do.",
        "Links inside the folder are followed. '.git' and '.cache/huggingface' are left out. What "
            + "a repository cannot hold is refused: links that lead out, sockets, names with "
            + "control characters.",
        "A server that is running serves the new commit at once.",
    ]
    command.examples = [
        Example(
            "a first revision, tagged",
            "modelfs-hub add my-org/my-model ./my-model --root ./hub --tag v1.0"),
        Example(
            "a gated data set",
            "modelfs-hub add my-org/texts ./texts --root ./hub --type dataset --gated"),
        Example(
            "a pull request",
            "modelfs-hub add my-org/my-model ./new --root ./hub --revision refs/pr/1"),
    ]
    command.positionals = [repository.specification, folder.specification]
    command.options = [
        OptionGroup([
            rootOption, typeOption, revision, tag, message, isPrivate, isGated, isPublic,
            hasNoXet,
        ])
    ]
    command.exitCodes = [.success, .failure, .usage, .notFound, .inUse, .storage]
    command.run = { arguments throws(CommandFailure) in try add(arguments) }
    return command
}()

private func add(_ arguments: Arguments) throws(CommandFailure) -> ExitCode {
    let id = try arguments.required(repository).id(in: arguments)
    var request = AddRequest(id, folder: try arguments.required(folder))
    if let name = arguments[revision] { request.revision = name }
    request.tag = arguments[tag]
    request.message = arguments[message]
    if arguments[isPublic] {
        if arguments[isPrivate] || arguments[isGated] {
            throw arguments.usageFailure("--public contradicts --private and --gated")
        }
        request.isPrivate = false
        request.isGated = false
    }
    if arguments[isPrivate] { request.isPrivate = true }
    if arguments[isGated] { request.isGated = true }
    request.hasXet = !arguments[hasNoXet]
    let root = try madeRoot(arguments)
    let asked = request
    let result = try reporting { () throws(LocalHubError) in
        try RepositoryStore(root).add(asked)
    }
    let files = result.fileCount == 1 ? "1 file" : "\(result.fileCount) files"
    let size = ByteSize(result.byteCount)
    let news = result.isNew ? "new commit" : "nothing changed"
    let former = result.formerTagTarget.map { " moved from \("\($0)".prefix(12))" } ?? ""
    let tagged = request.tag.map { ", tag \($0)\(former)" } ?? ""
    writeText("\(result.commit) \(id)@\(request.revision): \(news)\(tagged), \(files), \(size)\n")
    return .success
}
