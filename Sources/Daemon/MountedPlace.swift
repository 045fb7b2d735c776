// Places in mounts, as any process sees them: what a path stands for, where something is shown,
// and reading all of it so that the kernel keeps its pages.

internal import Glibc
internal import Hashing
internal import HubAPI
internal import Platform

/// Looks at mounts from the outside.
enum MountedPlace {
    /// What is read at once: the largest request that the kernel sends.
    private static let readByteCount = 1 << 20
    /// Names of one folder: more than any revision has.
    private static let nameCountMax = 5_000_000

    /// What a path in a mount stands for; its commit, so that it cannot move meanwhile.
    static func location(of path: String) throws(MountFailure) -> HubLocation {
        let real = try MountpointCheck.canonical(path)
        var status = stat()
        guard unsafe stat(real, &status) == 0 else {
            throw .pathNotShown(path: path, detail: "\(Errno.current)")
        }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        let slash = real.lastIndex(of: "/") ?? real.startIndex
        let folder = isFolder ? real : String(real[..<slash])
        guard let repository = attribute("repo", of: folder),
            let commit = attribute("commit", of: folder), let below = attribute("path", of: folder),
            case .repository(let found)? = try? HubURI(HubURI.scheme + repository),
            let revision = RevisionName(commit)
        else {
            throw .pathNotShown(path: path, detail: "it lies in no revision")
        }
        let name = isFolder ? "" : String(real[real.index(after: slash)...])
        let parts = [below, name].filter { !$0.isEmpty }
        return HubLocation(
            id: found.id, revision: revision, path: parts.joined(separator: "/"))
    }

    /// The cache whose daemon serves a mount; nil where it does not tell.
    static func cache(of mountpoint: String) -> String? { attribute("cache", of: mountpoint) }

    private static func attribute(_ name: String, of path: String) -> String? {
        let value = try? ExtendedAttribute.value("user.modelfs.\(name)", of: path)
        return value.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Where a mount shows a place; nil when it does not.
    static func path(of place: PrefetchReport.Place, in mount: MountInfo) -> String? {
        guard let source = try? HubURI(mount.source),
            case .repository(let found)? = try? HubURI(HubURI.scheme + place.repository)
        else { return nil }
        let id = found.id
        var path = place.path
        var parts = [mount.mountpoint]
        switch source {
        case .everything: parts += [id.kind.plural, "\(id.name)@\(place.commit)"]
        case .kind(let kind):
            if kind != id.kind { return nil }
            parts.append("\(id.name)@\(place.commit)")
        case .repository(let location):
            let root = location.path
            guard mount.repository == place.repository, mount.commit == place.commit,
                root.isEmpty || path == root || path.hasPrefix(root + "/")
            else { return nil }
            path = String(path.dropFirst(root.utf8.count).drop { $0 == "/" })
        }
        return (parts + (path.isEmpty ? [] : [path])).joined(separator: "/")
    }

    /// Reads a file, or all files below a folder.
    ///
    /// - Parameter progress: told how many bytes more were read.
    static func read(_ path: String, progress: (Int64) -> Void) throws(Errno) {
        var places = [path]
        while let place = places.popLast() {
            var status = stat()
            if unsafe lstat(place, &status) != 0 { throw Errno.current }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                for name in try folderNames(place, countMax: nameCountMax) {
                    places.append("\(place)/\(name)")
                }
            case S_IFREG: try readFile(place, progress)
            default: break
            }
        }
    }

    private static func readFile(_ path: String, _ progress: (Int64) -> Void) throws(Errno) {
        let file = try FileDescriptor.open(path, O_RDONLY)
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: readByteCount, alignment: 4096)
        defer { unsafe room.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = try unsafe file.read(into: room, at: offset)
            if count == 0 { return }
            offset += Int64(count)
            progress(Int64(count))
        }
    }
}
