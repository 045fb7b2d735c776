// Which cache is meant, and where a mount goes when no mountpoint is given.
//
// A machine with a data disk (a server, a Space) has it at /data, and what lies there survives a
// restart; elsewhere the user's cache folder is the place.

internal import Glibc
internal import Platform
package import Settings

extension CacheDirectory {
    /// The variable that names the cache.
    package static let variable = "MODELFS_CACHE"

    /// The absolute path of the cache that is meant: the option, else the variable, else a place
    /// on the data disk, else the user's cache folder.
    ///
    /// - Parameters:
    ///   - option: the value of `--cache`, possibly relative.
    ///   - dataDisk: where a data disk would be.
    package static func choose(
        option: String?, environment: Environment, dataDisk: String = "/data"
    ) -> String {
        if let option { return absolutePath(option) }
        let folders = StandardFolders(environment)
        if let named = environment[variable] {
            return absolutePath(folders.expandingTilde(named))
        }
        if isWritableFolder(dataDisk) { return "\(dataDisk)/.cache/modelfs" }
        return "\(folders.cache)/modelfs"
    }

    /// The mountpoint when none is given; nil where there is no usual place: without a data disk
    /// only root can make a folder at the top.
    package static func defaultMountpoint(
        dataDisk: String = "/data", userID: UInt32 = geteuid()
    ) -> String? {
        if isWritableFolder(dataDisk) { return "\(dataDisk)/models" }
        return userID == 0 ? "/models" : nil
    }

    private static func isWritableFolder(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            && access(path, W_OK | X_OK) == 0
    }
}

/// The path from the root, without empty and `.` parts.
///
/// Symbolic links and `..` stay, since only the kernel knows where they lead.
package func absolutePath(_ path: String) -> String {
    var whole = path
    if !path.hasPrefix("/") {
        guard let folder = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(folder) }
        whole = unsafe String(cString: folder) + "/" + path
    }
    let parts = whole.split(separator: "/").filter { $0 != "." }
    return "/" + parts.joined(separator: "/")
}
