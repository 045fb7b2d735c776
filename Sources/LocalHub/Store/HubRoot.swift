// The folder of a local Hub: where things lie in it, and who may write.
//
//     FORMAT                              "modelfs-hub 1"
//     lock                                held by the one writer (flock)
//     secret                              32 random bytes in hex: signs data URLs
//     tokens.json aliases.json
//     incoming/                           contents on their way in; emptied by each writer
//     objects/sha256/ab/<64 hex>          large files, by their SHA-256
//     objects/blob/ab/<40 hex>            small files, by their git blob id
//     xet/xorbs/ab/<64 hex>               chunks of large files, each chunk once
//     xet/files/ab/<64 hex>               which chunks a large file is made of
//     repositories/models/org--name/      `--` is not allowed in names, so this is unambiguous
//         repository.json                 private, gated, dates, and all refs
//         commits/<40 hex>                the manifest of a commit, never changed
//
// A commit's contents are durable before its manifest, and the manifest before the ref, so what a
// ref names is always whole. Readers need no lock.

internal import Glibc
internal import Hashing
internal import HubAPI
internal import Platform
internal import Xet

/// The layout of a local Hub's folder.
///
/// Exists on disk once `create` or `open` has returned.
package struct HubRoot: Sendable {
    /// Absolute or relative, as the user gave it, without a final `/`.
    package let path: String

    private static let format = "modelfs-hub 1\n"

    private init(_ path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// Opens the folder of a local Hub, making it if there is none or if it is empty.
    package static func create(_ path: String) throws(LocalHubError) -> HubRoot {
        let root = HubRoot(path)
        if try contents(of: root.formatPath) == nil {
            guard try root.canBeMade() else { throw .notAHub(root: root.path) }
            try makeFolder(root.path)
            let secret = (0..<32).map { _ in UInt8.random(in: 0...255) }
            try replaceFile(root.secretPath, with: Array(hexString(secret).utf8))
            for folder in [root.incomingPath, "\(root.path)/objects", "\(root.path)/repositories"] {
                try makeFolder(folder)
            }
            try replaceFile(root.formatPath, with: Array(format.utf8))
        }
        return try open(path)
    }

    /// Whether the folder is empty, or has what a making that was cut off leaves behind: the secret
    /// comes first, and the format last.
    private func canBeMade() throws(LocalHubError) -> Bool {
        let found = Set(try names(in: path).map { $0 ?? "" })
        if found.isEmpty { return true }
        let own: Set = [
            "secret", "secret.new", "incoming", "objects", "repositories", "FORMAT.new",
        ]
        return found.isSubset(of: own) && !found.isDisjoint(with: ["secret", "secret.new"])
    }

    /// Opens a folder that is a local Hub's already.
    package static func open(_ path: String) throws(LocalHubError) -> HubRoot {
        let root = HubRoot(path)
        guard let found = try contents(of: root.formatPath) else {
            throw .notAHub(root: root.path)
        }
        guard found == Array(format.utf8) else {
            throw .otherVersion(root: root.path, found: String(decoding: found, as: UTF8.self))
        }
        return root
    }

    /// The key that data URLs are signed with.
    func secret() throws(LocalHubError) -> [UInt8] {
        guard let text = try contents(of: secretPath),
            let bytes = hexBytes(String(decoding: text, as: UTF8.self)), bytes.count == 32
        else { throw .damaged(path: secretPath) }
        return bytes
    }

    /// Becomes the one writer.
    ///
    /// - Throws: `locked` when there is another.
    func lockForWriting() throws(LocalHubError) -> WriterLock {
        do throws(Errno) {
            let file = try FileDescriptor.open("\(path)/lock", O_CREAT | O_RDWR)
            let number = file.rawValue
            _ = try retryingOnInterrupt { flock(number, LOCK_EX | LOCK_NB) }
            return WriterLock(file: file)
        } catch {
            if error == .wouldBlock { throw .locked(root: path) }
            throw .file(path: "\(path)/lock", error)
        }
    }

    var tokensPath: String { "\(path)/tokens.json" }
    var aliasesPath: String { "\(path)/aliases.json" }
    var incomingPath: String { "\(path)/incoming" }
    private var formatPath: String { "\(path)/FORMAT" }
    private var secretPath: String { "\(path)/secret" }

    /// Where a content lies.
    func objectPath(_ content: ContentHash) -> String {
        let hex = content.hex
        let kind = hex.utf8.count == 64 ? "sha256" : "blob"
        return "\(path)/objects/\(kind)/\(hex.prefix(2))/\(hex)"
    }

    /// The folder of all xorbs.
    var xorbsPath: String { "\(path)/xet/xorbs" }

    /// The file of a xorb.
    func xorbPath(_ xorb: XetHash) -> String {
        let text = xorb.text
        return "\(xorbsPath)/\(text.prefix(2))/\(text)"
    }

    /// The record of what a file is made of.
    func xetFilePath(_ file: XetHash) -> String {
        let text = file.text
        return "\(path)/xet/files/\(text.prefix(2))/\(text)"
    }

    /// The folder of all repositories of a kind.
    func kindPath(_ kind: RepositoryKind) -> String { "\(path)/repositories/\(kind.plural)" }

    /// The folder of a repository.
    func repositoryPath(_ id: RepositoryID) -> String {
        let name = id.organisation.map { "\($0)--\(id.base)" } ?? id.base
        return "\(kindPath(id.kind))/\(name)"
    }

    /// The file with what may change of a repository.
    func recordPath(_ id: RepositoryID) -> String { "\(repositoryPath(id))/repository.json" }

    /// The manifests of a repository's commits.
    func commitsPath(_ id: RepositoryID) -> String { "\(repositoryPath(id))/commits" }
}

/// The right to write, until it goes away.
struct WriterLock: ~Copyable {
    let file: FileDescriptor
}
