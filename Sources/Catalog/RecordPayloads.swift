// The payloads of records, read: all of one before a row of it is written.

internal import Hashing
internal import HubAPI
internal import Platform

/// What a record says of a repository.
struct RepositoryPayload {
    struct Ref {
        let name: String
        let kind: RefInfo.Kind?
        let commit: GitObjectID
        let resolvedAt: Int64
    }

    let canonical: String
    /// From the lowest bit: private, gated, access granted, listed, used.
    let flags: UInt8
    let refsListedAt: Int64?
    let refs: [Ref]

    init(_ payload: [UInt8]) throws(UnreadableRecord) {
        var reader = try RecordReader(payload)
        canonical = try reader.text()
        flags = try reader.byte()
        refsListedAt = try reader.numberOrNone()
        var refs: [Ref] = []
        for _ in 0..<(try reader.count()) {
            let name = try reader.text()
            let kind = RefInfo.Kind(rawValue: try reader.text())
            guard let commit = GitObjectID(bytes: try reader.bytes())
            else { throw UnreadableRecord() }
            refs.append(
                Ref(name: name, kind: kind, commit: commit, resolvedAt: try reader.number()))
        }
        self.refs = refs
    }
}

/// What a record says of a commit.
struct CommitPayload {
    enum Target {
        case file(CatalogContent)
        case folder(subdirectoryCount: Int)
    }

    struct Folder {
        let path: [UInt8]
        let entries: [(name: [UInt8], target: Target)]
    }

    let date: Int64?
    let folders: [Folder]

    init(_ payload: [UInt8]) throws(UnreadableRecord) {
        var reader = try RecordReader(payload)
        date = try reader.numberOrNone()
        var folders: [Folder] = []
        for _ in 0..<(try reader.count()) {
            let path = try reader.bytes()
            var entries: [(name: [UInt8], target: Target)] = []
            for _ in 0..<(try reader.count()) {
                let name = try reader.bytes()
                entries.append((name, try CommitPayload.target(&reader)))
            }
            folders.append(Folder(path: path, entries: entries))
        }
        self.folders = folders
    }

    private static func target(
        _ reader: inout RecordReader
    ) throws(UnreadableRecord) -> Target {
        if try reader.byte() == 1 { return .folder(subdirectoryCount: try reader.count()) }
        guard let hash = ContentHash(bytes: try reader.bytes()) else { throw UnreadableRecord() }
        let size = try reader.number()
        let modified = try reader.number()
        return .file(
            CatalogContent(
                hash: hash, sizeBytes: size, modified: modified, xetHash: try reader.textOrNone()))
    }
}

/// What a record says of an alias: its changes, the oldest first.
func aliasChanges(
    _ payload: [UInt8], _ kind: RepositoryKind
) throws(UnreadableRecord) -> [AliasChange] {
    var reader = try RecordReader(payload)
    var changes: [AliasChange] = []
    for _ in 0..<(try reader.count()) {
        let number = try reader.number()
        let changedAt = WallTime(secondsSince1970: try reader.number())
        let who = try reader.text()
        var target: AliasTarget?
        if try reader.byte() == 1 {
            guard let repository = RepositoryID(kind: kind, name: try reader.text())
            else { throw UnreadableRecord() }
            let revision = try reader.text()
            guard let commit = GitObjectID(bytes: try reader.bytes())
            else { throw UnreadableRecord() }
            target = AliasTarget(repository: repository, revision: revision, commit: commit)
        }
        changes.append(
            AliasChange(number: number, changedAt: changedAt, who: who, target: target))
    }
    return changes
}
