// The files of a folder that is to become a commit.
//
// Links are followed as long as they stay inside the folder. What a repository cannot hold is
// refused, not skipped: a commit that silently lacks files would be found out much later. Two
// things are left out on purpose, as the official client does: `.git`, and the `.cache/huggingface`
// that a download into a folder leaves behind.

internal import Glibc
internal import Platform

/// A file to be read.
struct SourceFile: Equatable {
    /// Slash-separated, from the root of the source: its name in the repository.
    let path: String
    /// Where it is read from.
    let location: String
}

/// Lists a folder.
struct SourceFolder {
    /// More files than the Hub recommends for a repository by far (100,000).
    static let fileCountMax = 1_000_000
    /// Deeper folders are a loop of links in all likelihood.
    static let depthMax = 64

    private let real: String
    private var files: [SourceFile] = []

    /// All files under the folder, sorted by path.
    static func files(of folder: String) throws(LocalHubError) -> [SourceFile] {
        guard let status = status(of: folder), status.st_mode & S_IFMT == S_IFDIR,
            let real = resolvedPath(folder)
        else { throw .notAFolder(folder) }
        var walk = SourceFolder(real: real)
        try walk.add(folder: real, as: "", chain: [real])
        return walk.files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    private init(real: String) {
        self.real = real
    }

    /// - Parameter chain: the real paths of the folders above and of this one.
    private mutating func add(
        folder: String, as prefix: String, chain: [String]
    ) throws(LocalHubError) {
        if chain.count > SourceFolder.depthMax {
            throw .tooMany("nested folders", countMax: SourceFolder.depthMax)
        }
        for name in try names(in: folder) {
            guard let name else { throw .badName(path: folder, .notUTF8) }
            let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
            if name == ".git" || path == ".cache/huggingface" { continue }
            if let problem = SourceFolder.problem(with: name) {
                throw .badName(path: "\(folder)/\(name)", problem)
            }
            try add(entry: "\(folder)/\(name)", as: path, chain: chain)
        }
    }

    private mutating func add(
        entry location: String, as path: String, chain: [String]
    ) throws(LocalHubError) {
        var link = stat()
        guard unsafe lstat(location, &link) == 0 else { throw .file(path: location, .current) }
        var target = location
        if link.st_mode & S_IFMT == S_IFLNK {
            guard let resolved = resolvedPath(location), isInside(resolved) else {
                throw .badLink(path: location)
            }
            target = resolved
        }
        guard let found = status(of: target) else { throw .file(path: location, .current) }
        switch found.st_mode & S_IFMT {
        case S_IFREG:
            if files.count >= SourceFolder.fileCountMax {
                throw .tooMany("files", countMax: SourceFolder.fileCountMax)
            }
            files.append(SourceFile(path: path, location: target))
        case S_IFDIR:
            if chain.contains(where: { $0.utf8.elementsEqual(target.utf8) }) {
                throw .badLink(path: location)
            }
            try add(folder: target, as: path, chain: chain + [target])
        default:
            throw .notAFile(path: location)
        }
    }

    private func isInside(_ path: String) -> Bool {
        // By bytes: a folder whose name is spelled otherwise is another folder.
        path.utf8.elementsEqual(real.utf8)
            || path.utf8.starts(with: (real == "/" ? "/" : "\(real)/").utf8)
    }

    /// Why a name cannot stand in a repository; nil if it can.
    static func problem(with name: String) -> LocalHubError.NameProblem? {
        for byte in name.utf8 {
            if byte < 0x20 || byte == 0x7f { return .controlCharacter }
            if byte == UInt8(ascii: "\\") { return .backslash }
        }
        return nil
    }
}

/// The path without links; nil if it leads nowhere.
///
/// The corresponding C function is `realpath`.
func resolvedPath(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(validatingCString: resolved)
}
