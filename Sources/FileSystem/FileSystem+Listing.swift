// Listings: what `ls` sees, a batch at a time, with attributes where they cost no request.
//
// A commit's folder never changes, so an offset is a position in it. A directory that can change
// is listed from a copy made when the reader began, whose number is in the offsets, so that
// readers who began at different times do not disturb each other; its mtime moves with every
// change, which makes the kernel drop what it kept.

package import Catalog
internal import Fetching
internal import HubAPI
package import Platform
internal import Telemetry

extension FileSystem {
    /// How many names one batch may have: some more than fit a kernel buffer of 32 KiB.
    package static let listingBatchCountMax = 256
    /// The offsets before the first name are those of `.` and `..`.
    private static let dotCount: Int64 = 2

    /// The names of a directory from an offset on; empty at its end.
    ///
    /// - Parameter withAttributes: whether entries are wanted with their attributes.
    package func list(
        _ id: NodeID, from offset: Int64, withAttributes: Bool, now: WallTime = .now,
        _ context: AttemptContext
    ) -> Outcome<[ListedEntry]> {
        attempt { () throws(Detour) in
            let directory = try named(id)
            switch directory.kind {
            case .folder(let commit, let path):
                return try FileSystem.dots(from: offset, snapshot: 0)
                    + listFolder(
                        directory, commit, path, from: Int(max(0, offset - FileSystem.dotCount)),
                        withAttributes: withAttributes, context)
            case .root, .repositories, .organisation, .versions:
                return try listChanging(directory, from: offset, now: now, context)
            case .link: throw .failed(.notDirectory)
            }
        }
    }

    private static func dots(from position: Int64, snapshot: Int64) -> [ListedEntry] {
        let dots: [[UInt8]] = [Array(".".utf8), Array("..".utf8)]
        return dots.enumerated().dropFirst(Int(max(0, position))).map { index, name in
            ListedEntry(
                name: name, kind: .directory, entry: nil,
                nextOffset: ListingSnapshots.offset(snapshot, Int64(index) + 1))
        }
    }

    private func listChanging(
        _ directory: NamedNode, from offset: Int64, now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> [ListedEntry] {
        let (number, position) = ListingSnapshots.parts(of: offset)
        let kept = snapshots.withLock { $0.names(of: directory.row, number) }
        let snapshot: (number: Int64, names: [String])
        if let kept {
            snapshot = (number, kept)
        } else {
            // A reader that begins, or one whose copy is gone; then the position has to do.
            let names = try currentNames(of: directory, now: now, context)
            snapshot = (snapshots.withLock { $0.keep(names, of: directory.row) }, names)
        }
        let isVersions: Bool
        if case .versions = directory.kind { isVersions = true } else { isVersions = false }
        var batch = FileSystem.dots(from: position, snapshot: snapshot.number)
        let start = Int(max(0, position - FileSystem.dotCount))
        let names = snapshot.names
        for index in names.indices.dropFirst(start).prefix(FileSystem.listingBatchCountMax) {
            batch.append(
                ListedEntry(
                    name: Array(names[index].utf8),
                    kind: isVersions || names[index].hasPrefix("@") ? .link : .directory,
                    entry: nil,
                    nextOffset: ListingSnapshots.offset(
                        snapshot.number, Int64(index) + FileSystem.dotCount + 1)))
        }
        return batch
    }

    private func listFolder(
        _ directory: NamedNode, _ commitID: CommitID, _ path: [UInt8], from start: Int,
        withAttributes: Bool, _ context: AttemptContext
    ) throws(Detour) -> [ListedEntry] {
        let commit = try commitWithTree(commitID, context)
        let folder = try ask { () throws(CatalogError) in
            try catalog.directory(commitID, path: path)
        }
        guard let folder else { throw .failed(.stale) }
        let end = min(folder.count, start + FileSystem.listingBatchCountMax)
        if start >= end { return [] }
        let entries = (start..<end).map { folder[$0] }
        var subfolders: [NamedNode] = []
        if withAttributes {
            let wanted = entries.compactMap { entry -> Catalog.Child? in
                guard case .directory = entry.target else { return nil }
                let name = Array(entry.name)
                return Catalog.Child(
                    name: name, kind: .folder(commitID, path: join(path, name)))
            }
            subfolders = try ask { () throws(CatalogError) in
                try catalog.children(of: directory.row, wanted)
            }
            subfolders.reverse()
        }
        return zip(start..<end, entries).map { index, entry in
            let kind: Attributes.Kind
            var told: Entry?
            switch entry.target {
            case .file(let content, let size, let modified):
                kind = .file
                told = fileEntry(content, sizeBytes: size, modifiedSeconds: modified)
            case .directory(let count):
                kind = .directory
                if let node = subfolders.popLast() {
                    told = folderEntry(node, commit, subdirectoryCount: count)
                }
            }
            return ListedEntry(
                name: Array(entry.name), kind: kind, entry: told,
                nextOffset: Int64(index) + FileSystem.dotCount + 1)
        }
    }

    /// The names of a directory that can change, but those that no directory can have: of a ref,
    /// whose every `/` takes three bytes here.
    private func currentNames(
        of directory: NamedNode, now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> [String] {
        try allNames(of: directory, now: now, context)
            .filter { $0.utf8.count <= TreeLayout.nameByteCountMax }
    }

    private func allNames(
        of directory: NamedNode, now: WallTime, _ context: AttemptContext
    ) throws(Detour) -> [String] {
        switch directory.kind {
        case .root: return RepositoryKind.allCases.map(\.plural)
        case .repositories(let kind):
            let used = try ask { () throws(CatalogError) in try catalog.usedNames(of: kind) }
            var names = used.organisations
            for id in used.legacy { names += try versionNames(of: id) }
            names += try ask { () throws(CatalogError) in try catalog.aliasNames(of: kind) }
                .map { "@\($0)" }
            return names.sorted()
        case .organisation(let kind, let name):
            let listing = try listing(of: name, kind, now: now, context)
            var names: [String] = []
            for id in listing.repositories.prefix(options.listingCountMax) {
                names += try versionNames(of: id)
            }
            if listing.isProvisional {
                // With another mtime the kernel keeps nothing of this listing, and the next look
                // asks the Hub. Where the cache cannot be written it is shown all the same.
                try? catalog.markChanged([directory.row])
            } else if listing.isTruncated
                || listing.repositories.count > options.listingCountMax
            {
                log.warning(
                    "a listing was cut; names left out are still found",
                    ["owner": name, "shown": "\(options.listingCountMax)"])
            }
            return names
        case .versions(let id):
            let repository = try repository(id, revision: nil, context)
            return try refs(of: repository, now: now, context).map(\.name.pathComponent)
        case .folder, .link: return []
        }
    }

    /// A repository's name, and `name@ref` for every ref that is known without asking.
    private func versionNames(of id: RepositoryID) throws(Detour) -> [String] {
        let refs = try ask { () throws(CatalogError) in try catalog.shownRefs(of: id) }
        return [id.base] + refs.map { "\(id.base)@\($0.pathComponent)" }
    }
}
