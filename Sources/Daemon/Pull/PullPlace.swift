// Where the files of a pull go: into folders of their own names, or into the cache of the official
// client, whose blobs have their hashes for names and whose snapshots are links to them.
//
// Owns nothing but the names. No name of a tree can lead out of the destination: the catalog lets
// no `..` and no empty part in. Source of the second layout: the official client's documentation
// of its cache.

internal import Catalog
internal import Glibc
internal import HubAPI
internal import Platform

/// The names of one pull.
struct PullPlace: Sendable {
    /// Where the files are made, below `root`.
    let files: String
    /// Where what is half done lies, on the same filesystem.
    let half: String
    let layout: PullRequest.Layout
    private let snapshot: String
    private let references: String

    init(_ request: PullRequest, _ repository: RepositoryID, commit: String) {
        layout = request.layout
        switch request.layout {
        case .folder:
            files = request.destination
            half = "\(request.destination)/\(PullManifest.folder)"
            snapshot = ""
            references = ""
        case .hubCache:
            let name = repository.name.split(separator: "/").joined(separator: "--")
            let folder = "\(request.destination)/\(repository.kind.plural)--\(name)"
            files = "\(folder)/blobs"
            half = "\(folder)/blobs"
            snapshot = "\(folder)/snapshots/\(commit)"
            references = "\(folder)/refs"
        }
    }

    /// The name of a file, from `files`.
    func name(of path: String, hash: String) -> String {
        layout == .folder ? path : hash
    }

    /// Makes the folders that a pull needs in any case, and keeps other pulls out of them until
    /// what it returns is closed.
    ///
    /// - Throws: `wouldBlock` while another pull is at work there.
    func prepare() throws(Errno) -> FileDescriptor {
        try PullPlace.makeFolders(files)
        try PullPlace.makeFolders(half)
        let lock = try FileDescriptor.open(
            "\(half)/.modelfs-pull.lock", O_RDWR | O_CREAT, mode: 0o644)
        if flock(lock.rawValue, LOCK_EX | LOCK_NB) != 0 { throw .current }
        return lock
    }

    /// Makes the folder in which a file is to stand.
    func makeFolder(of name: String) throws(Errno) {
        guard let slash = name.lastIndex(of: "/") else { return }
        try PullPlace.makeFolders("\(files)/\(name[..<slash])")
    }

    /// Shows a blob under its path in the snapshot of the commit.
    func link(_ path: String, to hash: String) throws(Errno) {
        let place = "\(snapshot)/\(path)"
        let depth = path.utf8.count { $0 == UInt8(ascii: "/") }
        let target = String(repeating: "../", count: depth + 2) + "blobs/\(hash)"
        if let slash = place.lastIndex(of: "/") {
            try PullPlace.makeFolders(String(place[..<slash]))
        }
        if (try? PullPlace.target(of: place)) == target { return }
        let made = "\(place).modelfs-new"
        _ = unsafe unlink(made)
        if unsafe symlink(target, made) != 0 { throw .current }
        if unsafe rename(made, place) != 0 { throw .current }
    }

    /// Notes to which commit a branch or a tag led.
    func note(_ revision: String, commit: String) throws(Errno) {
        let place = "\(references)/\(revision)"
        if let slash = place.lastIndex(of: "/") {
            try PullPlace.makeFolders(String(place[..<slash]))
        }
        let made = try FileDescriptor.open(
            place + ".modelfs-new", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try made.writeBytes(Array(commit.utf8))
        if unsafe rename(place + ".modelfs-new", place) != 0 { throw .current }
    }

    private static func target(of link: String) throws(Errno) -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe bytes.withUnsafeMutableBytes { room in
            guard let start = room.baseAddress else { return 0 }
            return unsafe readlink(link, start, room.count)
        }
        if count < 0 { throw .current }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// As `mkdir -p` does.
    static func makeFolders(_ path: String) throws(Errno) {
        var made = ""
        for part in path.split(separator: "/") {
            made += "/\(part)"
            if unsafe mkdir(made, 0o755) == 0 || Errno.current == .alreadyExists { continue }
            // A folder that may not be written to may be there all the same.
            var status = stat()
            if unsafe stat(made, &status) != 0 { throw .current }
        }
        var status = stat()
        if unsafe stat(path, &status) != 0 { throw .current }
        if status.st_mode & S_IFMT != S_IFDIR { throw .notDirectory }
    }
}
