// Git's object formats, as far as a repository of plain files needs them: the ids here are the
// ones that git itself gives to the same files.

package import Hashing

/// A file's place in a tree, and its blob.
package struct GitFile: Equatable, Sendable {
    /// Slash-separated, from the root of the repository.
    package let path: String
    package let blob: GitObjectID
}

/// The trees of a set of files, from the root down.
package struct GitTrees: Sendable {
    /// The root's id.
    package let root: GitObjectID
    /// All folders but the root, by the bytes of their paths: equal strings may be spelled with
    /// different ones.
    package let folders: [[UInt8]: GitObjectID]

    /// Makes the trees of files whose paths are distinct and of which none is another's folder.
    package init(_ files: [GitFile]) {
        var folders: [[UInt8]: GitObjectID] = [:]
        let slices = files.map { file in
            (parts: Array(file.path.utf8).split(separator: GitTrees.slash)[...], blob: file.blob)
        }
        root = GitTrees.makeTree(slices, [], &folders)
        self.folders = folders
    }

    private static let slash = UInt8(ascii: "/")
    /// A file by the rest of its path.
    private typealias Place = (parts: ArraySlice<ArraySlice<UInt8>>, blob: GitObjectID)

    /// The id of the tree with these files; their paths are relative to it.
    private static func makeTree(
        _ files: [Place], _ path: [UInt8], _ folders: inout [[UInt8]: GitObjectID]
    ) -> GitObjectID {
        var entries: [(sortName: [UInt8], line: [UInt8])] = []
        var inside: [[UInt8]: [Place]] = [:]
        for file in files {
            guard let name = file.parts.first.map({ Array($0) }) else { continue }
            if file.parts.count == 1 {
                entries.append((name, Array("100644 ".utf8) + name + [0] + file.blob.bytes))
            } else {
                inside[name, default: []].append((file.parts.dropFirst(), file.blob))
            }
        }
        for (name, files) in inside {
            let childPath = path.isEmpty ? name : path + [slash] + name
            let id = makeTree(files, childPath, &folders)
            folders[childPath] = id
            // Git sorts a folder as if its name ended in a slash.
            entries.append(
                (name + [slash], Array("40000 ".utf8) + name + [0] + id.bytes))
        }
        entries.sort { $0.sortName.lexicographicallyPrecedes($1.sortName) }
        return GitObjectHasher.id(of: .tree, entries.flatMap(\.line))
    }
}

/// What stands in a commit object.
package struct GitCommit: Sendable {
    package let tree: GitObjectID
    package let parents: [GitObjectID]
    package let secondsSince1970: Int64
    package let message: String

    /// Author and committer of all commits that a local Hub makes.
    package static let author = "modelfs-hub <modelfs-hub@localhost>"

    /// The id that git gives to it.
    package var id: GitObjectID {
        var text = "tree \(tree)\n"
        for parent in parents { text += "parent \(parent)\n" }
        text += "author \(GitCommit.author) \(secondsSince1970) +0000\n"
        text += "committer \(GitCommit.author) \(secondsSince1970) +0000\n"
        text += "\n\(message)"
        if !message.hasSuffix("\n") { text += "\n" }
        return GitObjectHasher.id(of: .commit, Array(text.utf8))
    }
}

/// The small text that stands in git for a large file.
///
/// Source: the Git LFS specification, version 1.
package func largeFilePointer(_ digest: SHA256Digest, byteCount: Int64) -> [UInt8] {
    let text = """
        version https://git-lfs.github.com/spec/v1
        oid sha256:\(digest.hex)
        size \(byteCount)

        """
    return Array(text.utf8)
}
