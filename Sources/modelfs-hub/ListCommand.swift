// `modelfs-hub list`: what a root holds. Reads only, so it needs no lock and may run beside a
// server and a writer.

internal import Hashing
internal import HubAPI
internal import LocalHub
internal import Platform
internal import Settings

/// The command.
let listCommand: Command = {
    var command = Command("list", purpose: "show repositories, revisions and aliases")
    command.usage = ["--root DIR"]
    command.description = [
        "Prints each repository with its branches, tags and pull requests: name, commit, date, "
            + "number of files and size; then the aliases."
    ]
    command.examples = [Example("everything", "modelfs-hub list --root ./hub")]
    command.options = [OptionGroup([rootOption])]
    command.exitCodes = [.success, .failure, .usage, .storage]
    command.run = { arguments throws(CommandFailure) in
        let root = try existingRoot(arguments)
        writeText(try reporting { () throws(LocalHubError) in try listing(root) })
        return .success
    }
    return command
}()

private func listing(_ root: HubRoot) throws(LocalHubError) -> String {
    let store = RepositoryStore(root)
    var text = ""
    for kind in RepositoryKind.allCases {
        for record in try store.records(of: kind) {
            var marks = ""
            if record.isPrivate { marks += " (private)" }
            if record.isGated { marks += " (gated)" }
            text += "\(record.id)\(marks)\n"
            for (name, target) in refs(of: record) {
                text += try line(name, target, record, store)
            }
        }
    }
    for (old, new) in try AliasFile(root).all().sorted(by: { "\($0.key)" < "\($1.key)" }) {
        text += "\(old) -> \(new)\n"
    }
    return text.isEmpty ? "There are no repositories yet.\n" : text
}

private func refs(of record: RepositoryRecord) -> [(String, GitObjectID)] {
    [
        ("branch", record.branches), ("tag", record.tags), ("", record.pullRequests),
        ("", record.converts),
    ].flatMap { word, refs in
        refs.sorted { $0.key < $1.key }.map { name, target in
            (word.isEmpty ? name : "\(word) \(name)", target)
        }
    }
}

private func line(
    _ name: String, _ target: GitObjectID, _ record: RepositoryRecord, _ store: RepositoryStore
) throws(LocalHubError) -> String {
    guard let commit = try store.commit(target, of: record.id) else {
        return "  \(padded(name))  \(target)  (missing)\n"
    }
    let files = commit.files
    let size = ByteSize(files.reduce(0) { $0 + $1.byteCount })
    let count = files.count == 1 ? "1 file" : "\(files.count) files"
    return "  \(padded(name))  \(target)  \(commit.info.date.iso8601)  \(count), \(size)\n"
}

private func padded(_ name: String) -> String {
    name + String(repeating: " ", count: max(0, 16 - name.count))
}
