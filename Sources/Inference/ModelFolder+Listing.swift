// The names in a folder that may hold a model, and which of its files are read whole.
//
// Reads names only, two folders deep; a folder with more of them than any model has is an error.
// Links to folders are followed, since a mount and a cache of downloads both show files by links.

internal import Glibc
internal import Platform

extension ModelFolder {
    /// More files than any folder with one model in it, by far.
    package static let fileCountMax = 10_000
    /// The folder itself, the folds in it, and what lies in those.
    private static let depthMax = 3

    /// Lists a folder.
    ///
    /// - Parameter path: without a `/` at its end.
    package init(listing path: String) throws(InferenceError) {
        var files: [String] = []
        try ModelFolder.list(path, prefix: "", depth: 1, into: &files)
        self.init(path: path, files: files.sorted())
    }

    private static func list(
        _ path: String, prefix: String, depth: Int, into files: inout [String]
    ) throws(InferenceError) {
        guard let stream = unsafe opendir(path) else { throw .file(path: path, .current) }
        defer { unsafe closedir(stream) }
        errno = 0
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(".") { continue }
            let type = unsafe Int(entry.pointee.d_type)
            if isFolder("\(path)/\(name)", type: type) {
                if depth == depthMax { continue }
                try list(
                    "\(path)/\(name)", prefix: "\(prefix)\(name)/", depth: depth + 1, into: &files)
            } else {
                files.append(prefix + name)
            }
            if files.count > fileCountMax {
                throw .malformed(path: path, reason: "more than \(fileCountMax) files")
            }
            errno = 0
        }
        if errno != 0 { throw .file(path: path, .current) }
    }

    private static func isFolder(_ path: String, type: Int) -> Bool {
        if type == Int(DT_DIR) { return true }
        if type == Int(DT_REG) { return false }
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether a file of that name is one of weights, by how it ends.
    package static func isWeightFile(_ name: String) -> Bool {
        let endings = [
            ".safetensors", ".bin", ".pt", ".pth", ".h5", ".hdf5", ".keras", ".npy", ".npz",
            ".ubj", ".xgb", ".pkl", ".joblib",
        ]
        return endings.contains { name.hasSuffix($0) }
    }

    /// Every file at the top that may be read, where a kind does not know better: descriptions
    /// first, then weights, of which one format is enough.
    package static func likelyFiles(_ folder: ModelFolder) -> [String] {
        let weights = folder.files.filter(isWeightFile)
        let safetensors = weights.filter { $0.hasSuffix(".safetensors") }
        let descriptions = folder.files.filter { name in
            [".json", ".txt", ".model"].contains { name.hasSuffix($0) }
        }
        return descriptions + (safetensors.isEmpty ? weights : safetensors)
    }
}
