// The repositories of a root, for reading: records, revisions, commits, contents.
//
// Reads what is on disk now, so commits that another process adds are served at once; a file is
// read again only when its status has changed. Commits never change and are kept in memory by
// their number of entries.

internal import Glibc
package import Hashing
package import HubAPI
package import Platform

/// A file's identity and age, to tell whether it must be read again.
struct FileStamp: Equatable {
    let inode: UInt64
    let byteCount: Int64
    let seconds: Int
    let nanoseconds: Int

    /// Nil if there is no such file.
    init?(_ path: String) {
        guard let found = status(of: path) else { return nil }
        inode = UInt64(found.st_ino)
        byteCount = Int64(found.st_size)
        seconds = found.st_mtim.tv_sec
        nanoseconds = found.st_mtim.tv_nsec
    }
}

/// Reads repositories.
///
/// Shared by all threads.
package final class RepositoryStore: Sendable {
    /// Entries of commits in memory: at some 300 bytes each, 150 MB.
    private static let entryCountMax = 500_000
    private static let recordCountMax = 20_000

    private struct State {
        var records = RecentCache<RepositoryID, (stamp: FileStamp, record: RepositoryRecord)>(
            costMax: RepositoryStore.recordCountMax)
        var infos = RecentCache<GitObjectID, CommitInfo>(costMax: RepositoryStore.recordCountMax)
        var commits = RecentCache<GitObjectID, Commit>(
            costMax: RepositoryStore.entryCountMax, cost: { $0.entries.count + 10 })
    }

    package let root: HubRoot
    private let state = Lock(State())

    package init(_ root: HubRoot) {
        self.root = root
    }

    /// The repository; nil if there is none.
    package func record(of id: RepositoryID) throws(LocalHubError) -> RepositoryRecord? {
        let path = root.recordPath(id)
        guard let stamp = FileStamp(path) else { return nil }
        let known = state.withLock { $0.records.value(for: id) }
        if let known, known.stamp == stamp { return known.record }
        guard let bytes = try contents(of: path) else { return nil }
        guard let record = RepositoryRecord(bytes: bytes), record.id == id else {
            throw .damaged(path: path)
        }
        state.withLock { $0.records.insert((stamp, record), for: id) }
        return record
    }

    /// Whether there is a repository that a token of that scope opens.
    package func holds(_ scope: TokenScope) throws(LocalHubError) -> Bool {
        for kind in RepositoryKind.allCases where scope.kind == nil || scope.kind == kind {
            guard let id = RepositoryID(kind: kind, name: scope.name) else { continue }
            if try record(of: id) != nil { return true }
        }
        return false
    }

    /// All repositories of a kind, sorted by name.
    package func records(of kind: RepositoryKind) throws(LocalHubError) -> [RepositoryRecord] {
        var records: [RepositoryRecord] = []
        for case let name? in try names(in: root.kindPath(kind)) {
            guard let id = RepositoryStore.id(kind, folder: name),
                let record = try record(of: id)
            else { continue }
            records.append(record)
        }
        return records.sorted { $0.id.name < $1.id.name }
    }

    /// The commit that a revision's name stands for: a ref, a full commit, or the first 7 or more
    /// digits of exactly one.
    package func resolve(
        _ revision: RevisionName, in record: RepositoryRecord
    ) throws(LocalHubError) -> GitObjectID? {
        if let target = record.target(of: revision.name) { return target }
        guard revision.looksLikeCommit else { return nil }
        let folder = root.commitsPath(record.id)
        if let id = GitObjectID(hex: revision.name) {
            return status(of: "\(folder)/\(id)") == nil ? nil : id
        }
        let matches = try names(in: folder).compactMap { $0 }.filter {
            $0.hasPrefix(revision.name) && $0.utf8.count == 40
        }
        return matches.count == 1 ? GitObjectID(hex: matches[0]) : nil
    }

    /// A commit of the repository with all its entries.
    package func commit(
        _ id: GitObjectID, of repository: RepositoryID
    ) throws(LocalHubError) -> Commit? {
        let path = "\(root.commitsPath(repository))/\(id)"
        if let known = state.withLock({ $0.commits.value(for: id) }) {
            // The same commit can be in two repositories, but not be asked of a third.
            return status(of: path) == nil ? nil : known
        }
        guard let bytes = try contents(of: path) else { return nil }
        guard let commit = CommitManifest.commit(bytes), commit.info.id == id else {
            throw .damaged(path: path)
        }
        state.withLock { $0.commits.insert(commit, for: id) }
        return commit
    }

    /// A commit of the repository without its entries: reads no more than the beginning of its
    /// file.
    package func commitInfo(
        _ id: GitObjectID, of repository: RepositoryID
    ) throws(LocalHubError) -> CommitInfo? {
        if let known = state.withLock({ $0.infos.value(for: id) }) { return known }
        let path = "\(root.commitsPath(repository))/\(id)"
        guard let bytes = try beginning(of: path) else { return nil }
        guard let info = CommitManifest.info(bytes), info.id == id else {
            // A message that is longer than the beginning: rare, and no reason to fail.
            return try commit(id, of: repository)?.info
        }
        state.withLock { $0.infos.insert(info, for: id) }
        return info
    }

    /// Opens the bytes of a file.
    package func open(_ content: ContentHash) throws(LocalHubError) -> FileDescriptor {
        let path = root.objectPath(content)
        do throws(Errno) {
            return try FileDescriptor.open(path, O_RDONLY)
        } catch {
            throw .file(path: path, error)
        }
    }

    /// The id that belongs to a folder's name, `org--name` or `name`.
    private static func id(_ kind: RepositoryKind, folder: String) -> RepositoryID? {
        guard let range = folder.firstRange(of: "--") else {
            return RepositoryID(kind: kind, organisation: nil, base: folder)
        }
        return RepositoryID(
            kind: kind, organisation: String(folder[..<range.lowerBound]),
            base: String(folder[range.upperBound...]))
    }
}
