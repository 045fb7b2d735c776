// A commit as it is served: all its files and folders, each with the commit that last changed it.
// Immutable, shared by all requests, found by path and listed by folder.

package import Hashing
package import Platform
package import Xet

/// A file or a folder of a commit.
package struct CommitEntry: Equatable, Sendable {
    /// Slash-separated, from the root of the repository.
    package let path: String
    /// The git blob of a file (of its pointer, if it is large), the git tree of a folder.
    package let id: GitObjectID
    /// The real size in bytes; 0 for a folder.
    package let byteCount: Int64
    /// Of a large file.
    package let sha256: SHA256Digest?
    package let isFolder: Bool
    /// The newest commit in which this path had other content.
    package let lastCommit: GitObjectID
    /// Of a large file that is in xorbs too.
    package let xetHash: XetHash?

    /// Takes the parts as they are.
    package init(
        path: String, id: GitObjectID, byteCount: Int64, sha256: SHA256Digest?, isFolder: Bool,
        lastCommit: GitObjectID, xetHash: XetHash? = nil
    ) {
        self.path = path
        self.id = id
        self.byteCount = byteCount
        self.sha256 = sha256
        self.isFolder = isFolder
        self.lastCommit = lastCommit
        self.xetHash = xetHash
    }

    /// What the file's bytes are stored under.
    package var content: ContentHash { sha256.map { .sha256($0) } ?? .gitBlob(id) }
}

/// What is known of a commit without its files.
package struct CommitInfo: Equatable, Sendable {
    package let id: GitObjectID
    package let tree: GitObjectID
    package let parent: GitObjectID?
    package let date: WallTime
    package let message: String

    /// The first line of the message.
    package var title: String { String(message.prefix { $0 != "\n" }) }
}

/// A commit with its files.
package final class Commit: Sendable {
    package let info: CommitInfo
    /// Folders first, then files, each sorted by the bytes of their paths.
    package let entries: [CommitEntry]

    /// By the bytes of paths: equal strings may be spelled with different bytes.
    private let positions: [[UInt8]: Int]
    private let children: [[UInt8]: [Int]]
    private let xetHashes: Set<XetHash>

    /// - Parameter entries: in any order; each folder of a file among them.
    package init(info: CommitInfo, entries: [CommitEntry]) {
        self.info = info
        let sorted = entries.sorted { left, right in
            if left.isFolder != right.isFolder { return left.isFolder }
            return left.path.utf8.lexicographicallyPrecedes(right.path.utf8)
        }
        self.entries = sorted
        var positions: [[UInt8]: Int] = [:]
        var children: [[UInt8]: [Int]] = [:]
        for (position, entry) in sorted.enumerated() {
            positions[Array(entry.path.utf8)] = position
            let folder = parentFolder(of: entry.path) ?? ""
            children[Array(folder.utf8), default: []].append(position)
        }
        self.positions = positions
        self.children = children
        xetHashes = Set(sorted.compactMap(\.xetHash))
    }

    /// The file or folder at that path.
    package func entry(at path: String) -> CommitEntry? {
        positions[Array(path.utf8)].map { entries[$0] }
    }

    /// Whether a file of that Xet hash is in it.
    package func holds(_ hash: XetHash) -> Bool { xetHashes.contains(hash) }

    /// All files, sorted.
    package var files: [CommitEntry] { entries.filter { !$0.isFolder } }

    /// What lies in a folder (the root: `""`), directly or at any depth; nil if it is no folder.
    package func listing(of folder: String, isRecursive: Bool) -> [CommitEntry]? {
        if !folder.isEmpty {
            guard let entry = entry(at: folder), entry.isFolder else { return nil }
        }
        if !isRecursive { return (children[Array(folder.utf8)] ?? []).map { entries[$0] } }
        if folder.isEmpty { return entries }
        let prefix = "\(folder)/"
        return entries.filter { $0.path.utf8.starts(with: prefix.utf8) }
    }
}
