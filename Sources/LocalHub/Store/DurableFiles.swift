// Files that are whole or absent, whatever happens: written beside, made durable, renamed.

internal import Glibc
internal import Platform

/// The largest file that is ever read whole: the manifest of a commit of a million files.
private let wholeFileByteCountMax = 512 << 20

/// All bytes of a file; nil if there is none.
func contents(of path: String) throws(LocalHubError) -> [UInt8]? {
    do throws(Errno) {
        let file = try FileDescriptor.open(path, O_RDONLY)
        return try file.readAllBytes(countMax: wholeFileByteCountMax)
    } catch {
        if error == .noEntry { return nil }
        throw .file(path: path, error)
    }
}

/// The first 16 KiB of a file; nil if there is none.
func beginning(of path: String) throws(LocalHubError) -> [UInt8]? {
    do throws(Errno) {
        let file = try FileDescriptor.open(path, O_RDONLY)
        return try file.readBytes(countMax: 16 << 10)
    } catch {
        if error == .noEntry { return nil }
        throw .file(path: path, error)
    }
}

/// Replaces a file in one step that survives a crash: either the old content or the new one.
func replaceFile(
    _ path: String, with bytes: [UInt8], mode: mode_t = 0o600
) throws(LocalHubError) {
    let temporary = "\(path).new"
    do throws(Errno) {
        let file = try FileDescriptor.open(temporary, O_CREAT | O_WRONLY | O_TRUNC, mode: mode)
        try file.writeBytes(bytes)
        try file.synchronizeData()
        try file.close()
        try renameFile(temporary, to: path)
        try synchronizeDirectory(of: path)
    } catch {
        unsafe unlink(temporary)
        throw .file(path: path, error)
    }
}

/// Makes a folder and those above it; one that exists is left as it is.
func makeFolder(_ path: String) throws(LocalHubError) {
    if unsafe mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    let error = Errno.current
    guard error == .noEntry, let parent = parentFolder(of: path), parent != path
    else { throw .file(path: path, error) }
    try makeFolder(parent)
    if unsafe mkdir(path, 0o700) != 0 && errno != EEXIST { throw .file(path: path, .current) }
}

/// The part before the last `/`; nil for a name alone.
func parentFolder(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/") else { return nil }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The corresponding C function is `rename`.
func renameFile(_ path: String, to target: String) throws(Errno) {
    if unsafe rename(path, target) != 0 { throw .current }
}

/// The names in a folder, sorted, without `.` and `..`; nil entries stand for names that are not
/// UTF-8.
///
/// Empty if there is no such folder.
func names(in folder: String) throws(LocalHubError) -> [String?] {
    guard let stream = unsafe opendir(folder) else {
        if errno == ENOENT { return [] }
        throw .file(path: folder, .current)
    }
    defer { unsafe closedir(stream) }
    var names: [String?] = []
    while let entry = unsafe readdir(stream) {
        let name: String? = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            unsafe String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { ($0 ?? "") < ($1 ?? "") }
}

/// What `stat` says of a path, links followed; nil if there is nothing.
func status(of path: String) -> stat? {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? status : nil
}

private func synchronizeDirectory(of path: String) throws(Errno) {
    let folder = try FileDescriptor.open(parentFolder(of: path) ?? ".", O_RDONLY | O_DIRECTORY)
    let number = folder.rawValue
    _ = try retryingOnInterrupt { fsync(number) }
}
