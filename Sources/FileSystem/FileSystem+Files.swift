// The files of a revision, of one of its folders, or one file: for those who want all of it.

package import Catalog
internal import Fetching
package import Hashing
package import HubAPI
package import Platform

/// A content that stands somewhere below a place of a revision.
package struct RevisionFile: Sendable {
    /// From the root of the repository; one of its places, if there are several.
    package let path: String
    package let content: ContentID
    package let sizeBytes: Int64
}

/// What stands below a place of a revision.
package struct RevisionFiles: Sendable {
    /// By its canonical name.
    package let repository: RepositoryID
    package let commit: GitObjectID
    /// Each content once, or each path, in the order of the paths.
    package let files: [RevisionFile]
}

extension FileSystem {
    /// The files at and below a place of a repository.
    ///
    /// `notFound`: no such repository or revision; `notDirectory`: no such folder or file.
    ///
    /// - Parameter eachPath: whether a content that stands at several paths comes several times.
    package func files(
        below location: HubLocation, eachPath: Bool = false, now: WallTime = .now,
        _ context: AttemptContext
    ) -> Outcome<RevisionFiles> {
        attempt { () throws(Detour) in
            var repository = try repository(location.id, revision: location.revision, context)
            if repository.canonical != repository.id {
                repository = try self.repository(
                    repository.canonical, revision: location.revision, context)
            }
            let resolved = try resolve(repository, location.revision, now: now, context)
            try checkAccess(to: repository, resolved.commit, context)
            let commit = try commitWithTree(resolved.commit.id, context)
            var collected = Collected(eachPath: eachPath)
            try collect(Array(location.path.utf8), of: commit.id, &collected)
            return RevisionFiles(
                repository: repository.id, commit: commit.oid, files: collected.files)
        }
    }

    private struct Collected {
        let eachPath: Bool
        var files: [RevisionFile] = []
        var known: Set<ContentID> = []

        mutating func add(_ content: ContentID, _ sizeBytes: Int64, _ path: [UInt8]) {
            if !known.insert(content).inserted && !eachPath { return }
            files.append(
                RevisionFile(
                    path: String(decoding: path, as: UTF8.self), content: content,
                    sizeBytes: sizeBytes))
        }
    }

    private func collect(
        _ path: [UInt8], of commit: CommitID, _ collected: inout Collected
    ) throws(Detour) {
        // Folders wait in a list: a tree may be deeper than a thread's stack.
        var folders = [path]
        while let path = folders.popLast() {
            let folder = try ask { () throws(CatalogError) in
                try catalog.directory(commit, path: path)
            }
            guard let folder else {
                try collectFile(path, of: commit, &collected)
                continue
            }
            var below: [[UInt8]] = []
            for index in 0..<folder.count {
                let entry = folder[index]
                let place = join(path, Array(entry.name))
                switch entry.target {
                case .directory: below.append(place)
                case .file(let content, let size, _): collected.add(content, size, place)
                }
            }
            folders += below.reversed()
        }
    }

    private func collectFile(
        _ path: [UInt8], of commit: CommitID, _ collected: inout Collected
    ) throws(Detour) {
        let slash = path.lastIndex(of: UInt8(ascii: "/"))
        let parent = slash.map { Array(path[..<$0]) } ?? []
        let name = slash.map { Array(path[($0 + 1)...]) } ?? path
        let folder = try ask { () throws(CatalogError) in
            try catalog.directory(commit, path: parent)
        }
        guard case .file(let content, let size, _)? = folder?.find(name) else {
            throw .failed(.notDirectory)
        }
        collected.add(content, size, path)
    }
}
