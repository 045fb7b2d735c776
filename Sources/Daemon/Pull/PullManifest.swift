// What an earlier pull has put into a folder, kept in the folder itself, so that a second one
// touches nothing that is right, and takes away nothing that somebody else has made.

internal import FoundationEssentials
internal import Glibc
internal import Platform

/// The record of a folder, at `.modelfs/pull.json` in it.
struct PullManifest: Equatable, Codable, Sendable {
    /// The folder in which it lies, with what is half done.
    static let folder = ".modelfs"
    private static let name = "pull.json"
    /// A million files at 250 bytes.
    private static let byteCountMax = 256 << 20

    /// A file as it was left.
    struct Entry: Equatable, Codable, Sendable {
        /// Its content's hash, in hexadecimal digits.
        var hash: String
        var sizeBytes: Int64
        /// Of its last change, in nanoseconds since 1970; what was changed since is not ours.
        var changedNanoseconds: Int64
    }

    var repository = ""
    var commit = ""
    /// By their paths from the folder.
    var files: [String: Entry] = [:]

    /// That of a folder; empty where there is none, or where it cannot be read.
    static func read(_ destination: String) -> PullManifest {
        let path = "\(destination)/\(folder)/\(name)"
        guard let file = try? FileDescriptor.open(path, O_RDONLY),
            let bytes = try? file.readAllBytes(countMax: byteCountMax),
            let found = try? JSONDecoder().decode(PullManifest.self, from: Data(bytes))
        else { return PullManifest() }
        return found
    }

    /// Leaves it in the folder, whole or as it was before.
    func write(_ destination: String) throws(Errno) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let json = try? encoder.encode(self) else { throw .inputOutput }
        let path = "\(destination)/\(PullManifest.folder)/\(PullManifest.name)"
        let made = try FileDescriptor.open(
            path + ".new", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try made.writeBytes(Array(json))
        if unsafe rename(path + ".new", path) != 0 { throw .current }
    }
}

/// What stands at a path, as far as it matters here.
enum PathState: Equatable, Sendable {
    case nothing
    case file(sizeBytes: Int64, changedNanoseconds: Int64)
    /// A folder, a link, a device.
    case other

    /// The corresponding C function is `lstat`, or `stat` where links are followed.
    init(_ path: String, followsLinks: Bool = false) {
        var status = stat()
        let result = unsafe followsLinks ? stat(path, &status) : lstat(path, &status)
        guard result == 0 else {
            self = .nothing
            return
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            self = .other
            return
        }
        self = .file(
            sizeBytes: Int64(status.st_size),
            changedNanoseconds: Int64(status.st_mtim.tv_sec) * 1_000_000_000
                + Int64(status.st_mtim.tv_nsec))
    }
}
