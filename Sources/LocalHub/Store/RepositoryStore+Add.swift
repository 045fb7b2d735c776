// Making commits: a folder becomes the new state of a branch.

package import Hashing
package import HubAPI
package import Platform
internal import Xet

/// What `add` is asked for.
package struct AddRequest: Sendable {
    package var repository: RepositoryID
    package var folder: String
    /// A branch, `refs/pr/N` or `refs/convert/NAME`.
    package var revision = RepositoryRecord.mainBranch
    package var tag: String?
    package var message: String?
    /// Nil leaves it as it is; a new repository is public.
    package var isPrivate: Bool?
    /// Nil leaves it as it is; a new repository is not gated.
    package var isGated: Bool?
    /// Whether large files are put into xorbs too, to be served over Xet.
    package var hasXet = true
    /// The date of the commit.
    package var date = WallTime.now

    /// - Parameters:
    ///   - repository: made if there is none.
    ///   - folder: becomes the whole content of the commit.
    package init(_ repository: RepositoryID, folder: String) {
        self.repository = repository
        self.folder = folder
    }
}

/// What `add` did.
package struct AddResult: Sendable {
    package let commit: GitObjectID
    /// False when the folder was what the branch had already.
    package let isNew: Bool
    /// The commit that the tag stood on before, where it has moved.
    package let formerTagTarget: GitObjectID?
    package let fileCount: Int
    package let byteCount: Int64
}

extension RepositoryStore {
    /// Makes a commit of a folder and moves the branch to it; makes none if nothing changed.
    ///
    /// - Throws: `locked` while another program writes, or what is wrong with the folder.
    package func add(_ request: AddRequest) throws(LocalHubError) -> AddResult {
        guard RepositoryRecord.isMovable(request.revision) else {
            throw .badRevision(request.revision)
        }
        if let tag = request.tag, !RepositoryRecord.isTag(tag) { throw .badRevision(tag) }
        let writer = try root.lockForWriting()
        defer { withExtendedLifetime(writer.file.rawValue) {} }
        var record =
            try record(of: request.repository)
            ?? RepositoryRecord(
                id: request.repository, isPrivate: false, isGated: false,
                creationDate: request.date)
        if let isPrivate = request.isPrivate { record.isPrivate = isPrivate }
        if let isGated = request.isGated { record.isGated = isGated }
        // A new branch starts from the default one, as on the Hub.
        let parentID = record.target(of: request.revision) ?? record.head
        let parent: Commit? =
            if let parentID { try commit(parentID, of: record.id) } else { nil }

        let taken = try take(request, parent: parent)
        var made = RepositoryStore.makeCommit(of: taken, request: request, parent: parent)
        if made.info.id != parent?.info.id && request.hasXet {
            made = try withXet(made, parent: parent)
        }
        try makeFolder(root.commitsPath(record.id))
        if made.info.id != parent?.info.id {
            let path = "\(root.commitsPath(record.id))/\(made.info.id)"
            try replaceFile(path, with: CommitManifest.bytes(of: made), mode: 0o400)
        }
        record.move(request.revision, to: made.info.id)
        let former = request.tag.flatMap { record.tags[$0] }
        if let tag = request.tag { record.tags[tag] = made.info.id }
        try replaceFile(root.recordPath(record.id), with: record.bytes)
        return AddResult(
            commit: made.info.id, isNew: made.info.id != parent?.info.id,
            formerTagTarget: former == made.info.id ? nil : former, fileCount: taken.count,
            byteCount: taken.reduce(0) { $0 + $1.byteCount })
    }

    /// Takes all files of the folder into the store.
    private func take(
        _ request: AddRequest, parent: Commit?
    ) throws(LocalHubError) -> [TakenFile] {
        let files = try SourceFolder.files(of: request.folder)
        var intake = try ContentIntake(
            root: root, rule: LargeFileRule(request.repository.kind))
        var taken: [TakenFile] = []
        taken.reserveCapacity(files.count)
        for file in files {
            taken.append(try intake.take(file, former: parent?.entry(at: file.path)))
        }
        try intake.publish()
        return taken
    }

    /// The commit, with its large files in xorbs too.
    private func withXet(_ commit: Commit, parent: Commit?) throws(LocalHubError) -> Commit {
        var known: [ContentHash: XetHash] = [:]
        for entry in parent?.entries ?? [] where entry.sha256 != nil {
            known[entry.content] = entry.xetHash
        }
        let unknown = commit.entries.filter { $0.sha256 != nil && known[$0.content] == nil }
        if !unknown.isEmpty {
            var intake = try XetIntake(self)
            for entry in unknown where known[entry.content] == nil {
                known[entry.content] = try intake.take(entry.content)
            }
            try intake.publish()
        }
        let entries = commit.entries.map { entry in
            CommitEntry(
                path: entry.path, id: entry.id, byteCount: entry.byteCount, sha256: entry.sha256,
                isFolder: entry.isFolder, lastCommit: entry.lastCommit,
                xetHash: entry.sha256 == nil ? nil : known[entry.content])
        }
        return Commit(info: commit.info, entries: entries)
    }

    /// The commit with these files; the parent itself if they are its files.
    private static func makeCommit(
        of files: [TakenFile], request: AddRequest, parent: Commit?
    ) -> Commit {
        let trees = GitTrees(files.map { GitFile(path: $0.path, blob: $0.blob) })
        if let parent, parent.info.tree == trees.root { return parent }
        let message =
            request.message
            ?? (parent == nil ? "initial commit" : "Upload folder using modelfs-hub")
        let commit = GitCommit(
            tree: trees.root, parents: parent.map { [$0.info.id] } ?? [],
            secondsSince1970: request.date.secondsSince1970, message: message)
        let id = commit.id
        func lastCommit(_ path: String, _ object: GitObjectID) -> GitObjectID {
            guard let former = parent?.entry(at: path), former.id == object else { return id }
            return former.lastCommit
        }
        var entries = files.map { file in
            CommitEntry(
                path: file.path, id: file.blob, byteCount: file.byteCount, sha256: file.sha256,
                isFolder: false, lastCommit: lastCommit(file.path, file.blob))
        }
        for (bytes, tree) in trees.folders {
            let path = String(decoding: bytes, as: UTF8.self)
            entries.append(
                CommitEntry(
                    path: path, id: tree, byteCount: 0, sha256: nil, isFolder: true,
                    lastCommit: lastCommit(path, tree)))
        }
        let info = CommitInfo(
            id: id, tree: trees.root, parent: parent?.info.id, date: request.date,
            message: message)
        return Commit(info: info, entries: entries)
    }
}
