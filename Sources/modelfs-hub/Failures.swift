// What goes wrong with a root, in words: what is wrong, and what to do next.

internal import HTTPService
internal import LocalHub
internal import Settings

/// Runs something of the store, and turns its errors into a command's failure.
func reporting<Value>(
    _ work: () throws(LocalHubError) -> Value
) throws(CommandFailure) -> Value {
    do throws(LocalHubError) {
        return try work()
    } catch {
        throw CommandFailure(error)
    }
}

extension CommandFailure {
    init(_ error: LocalHubError) {
        self.init(
            CommandFailure.code(of: error), CommandFailure.message(of: error),
            advice: CommandFailure.advice(on: error))
    }

    private static func code(of error: LocalHubError) -> ExitCode {
        switch error {
        case .file, .notAHub, .otherVersion, .damaged: .storage
        case .locked: .inUse
        case .noRepository, .noToken, .notAFolder: .notFound
        case .badName, .badLink, .notAFile, .changed, .tooMany, .aliasIsRepository: .failure
        case .badRevision: .usage
        }
    }

    private static func message(of error: LocalHubError) -> String {
        switch error {
        case .file(let path, let number): "\(path): \(number)"
        case .notAHub(let root): "\(root) is not the folder of a local Hub"
        case .otherVersion(let root, let found):
            "\(root) has another format: '\(found.prefix(40).filter { $0 != "\n" })'"
        case .locked(let root): "another program is writing to \(root)"
        case .damaged(let path): "\(path) is damaged"
        case .notAFolder(let path): "\(path) is not a folder"
        case .badName(let path, let problem): "\(quoted(path)) \(sentence(problem))"
        case .badLink(let path):
            "the link \(quoted(path)) leads out of the folder, in a circle or to nothing"
        case .notAFile(let path): "\(quoted(path)) is neither a file nor a folder"
        case .changed(let path): "\(quoted(path)) changed while it was read"
        case .tooMany(let what, let limit): "there are more than \(limit) \(what)"
        case .noRepository(let id): "there is no repository \(id)"
        case .aliasIsRepository(let id): "\(id) is a repository, so it cannot be an alias"
        case .badRevision(let name): "'\(name)' cannot be the name of a branch or tag"
        case .noToken(let id): "there is no token '\(id)'"
        }
    }

    private static func advice(on error: LocalHubError) -> String {
        switch error {
        case .file: "Check the rights, the room and the path."
        case .notAHub: "Name an empty or new folder, or make a Hub with 'modelfs-hub add'."
        case .otherVersion: "It was written by another version of modelfs-hub; use that one."
        case .locked: "Wait until it is done, then try again."
        case .damaged: "Restore the file from a copy, or add the folders to a new root."
        case .notAFolder: "Name the folder whose files are to become a revision."
        case .badName: "Rename it: such names cannot be stored in a repository."
        case .badLink: "Replace the link by what it should lead to."
        case .notAFile: "Remove it: a repository holds files and folders only."
        case .changed: "Try again when nothing writes to the folder."
        case .tooMany: "Split the folder into several repositories."
        case .noRepository, .aliasIsRepository:
            "'modelfs-hub list --root DIR' shows the repositories."
        case .badRevision:
            "Use a branch or tag name as git allows it, or refs/pr/NUMBER with --revision."
        case .noToken: "'modelfs-hub token list --root DIR' shows the ids of all tokens."
        }
    }

    init(_ error: HubServiceError) {
        switch error {
        case .store(let error): self.init(error)
        case .http(.unknownHost(let host)):
            self.init(.listen, "there is no address '\(host)'", advice: "Use 127.0.0.1:PORT.")
        case .http(.cannotListen(let address, let number)):
            self.init(
                .listen, "\(address) cannot be listened on: \(number)",
                advice: "Choose another port, or 127.0.0.1:0 for a free one.")
        case .http(.noService):
            self.init(
                .failure, "the HTTP service does not start",
                advice: "The system has no room for another thread; close other programs.")
        }
    }
}

private func sentence(_ problem: LocalHubError.NameProblem) -> String {
    switch problem {
    case .notUTF8: "has an entry whose name is not UTF-8"
    case .controlCharacter: "has a control character in its name"
    case .backslash: "has a backslash in its name"
    }
}

/// A path with its control characters made visible.
private func quoted(_ path: String) -> String {
    var text = ""
    for scalar in path.unicodeScalars {
        let isControl = scalar.value < 0x20 || scalar.value == 0x7f
        text += isControl ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
    return text
}
