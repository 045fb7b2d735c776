// A directory for one test, removed with everything in it when its owner goes away.

import Glibc

/// An owned directory under the system's folder for temporary files.
package final class TemporaryDirectory {
    /// Its absolute path.
    package let path: String

    /// - Parameter parent: where to make it, such as `/dev/shm` for a tmpfs.
    package init(in parent: String = "/tmp") {
        var template = Array("\(parent)/modelfs-test-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress, let made = mkdtemp(start) else { return "" }
            return String(cString: made)
        }
        precondition(!path.isEmpty, "no directory for temporary files")
    }

    deinit {
        removeTree(path)
    }
}

/// The names in a directory, without `.` and `..`; empty if there is none.
package func namesInDirectory(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

/// Every regular file under a directory, as paths that start with it.
package func filesInTree(_ path: String) -> [String] {
    namesInDirectory(path).sorted().flatMap { name in
        isDirectory("\(path)/\(name)") ? filesInTree("\(path)/\(name)") : ["\(path)/\(name)"]
    }
}

/// Removes a directory and everything in it; links are removed, not followed.
package func removeTree(_ path: String) {
    for name in namesInDirectory(path) {
        let child = "\(path)/\(name)"
        if isDirectory(child) { removeTree(child) } else { unlink(child) }
    }
    rmdir(path)
}

private func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
