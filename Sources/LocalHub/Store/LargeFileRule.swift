// Which files a repository keeps outside git (LFS), as the Hub decides it for new repositories.

package import HubAPI

/// The rule for one kind of repository.
package struct LargeFileRule: Sendable {
    /// From this size on every file is kept outside git: the Hub's own limit, 10 MiB.
    package static let byteCountMin: Int64 = 10 << 20

    private let endings: [String]

    /// Endings of the `.gitattributes` file that the Hub puts into every new repository.
    private static let common = [
        ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".ftz", ".gguf", ".gz", ".h5", ".joblib", ".lz4",
        ".mlmodel", ".model", ".msgpack", ".npy", ".npz", ".onnx", ".ot", ".parquet", ".pb",
        ".pickle", ".pkl", ".pt", ".pth", ".rar", ".safetensors", ".tar", ".tflite", ".tgz",
        ".wasm", ".xz", ".zip", ".zst",
    ]
    /// What data sets have besides: sound and pictures.
    private static let media = [
        ".aac", ".bmp", ".flac", ".gif", ".jpeg", ".jpg", ".mds", ".mp3", ".mp4", ".ogg", ".pcm",
        ".png", ".raw", ".sam", ".tiff", ".wav", ".webm", ".webp",
    ]

    /// - Parameter kind: data sets keep more kinds of files outside git.
    package init(_ kind: RepositoryKind) {
        endings = LargeFileRule.common + (kind == .dataset ? LargeFileRule.media : [])
    }

    /// Whether a file is kept outside git.
    ///
    /// Empty files never are.
    package func isLarge(path: String, byteCount: Int64) -> Bool {
        if byteCount == 0 { return false }
        if byteCount >= LargeFileRule.byteCountMin { return true }
        let name = path.split(separator: "/").last ?? ""
        if endings.contains(where: { name.hasSuffix($0) }) { return true }
        // The patterns `*.bin.*`, `*.lfs.*`, `*.tar.*`, `*tfevents*` and `saved_model/**/*`.
        return name.contains(".bin.") || name.contains(".lfs.") || name.contains(".tar.")
            || name.contains("tfevents") || path.hasPrefix("saved_model/")
    }
}
