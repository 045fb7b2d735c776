// Contents on their way into the store: read once, hashed while they are copied, made durable all
// together, and only then given the names under which they are found.
//
// An object that is found under its name is therefore whole. What a crash leaves in `incoming` is
// removed by the next writer.

internal import Glibc
internal import Hashing
internal import Platform

/// What became of a source file.
struct TakenFile {
    let path: String
    let blob: GitObjectID
    let byteCount: Int64
    let sha256: SHA256Digest?
}

/// Takes files in; nothing is visible before `publish`.
struct ContentIntake {
    private let root: HubRoot
    private let rule: LargeFileRule
    private var waiting: [ContentHash: String] = [:]
    private var lastNumber = 0

    private static let stepByteCount = 1 << 20

    /// REQUIRES: the writer lock is held.
    init(root: HubRoot, rule: LargeFileRule) throws(LocalHubError) {
        self.root = root
        self.rule = rule
        for case let name? in try names(in: root.incomingPath) {
            unsafe unlink("\(root.incomingPath)/\(name)")
        }
    }

    /// Reads a file, and copies it unless the store has its content.
    ///
    /// - Parameter former: what stood under that path before, which is a good guess at the content.
    mutating func take(
        _ file: SourceFile, former: CommitEntry?
    ) throws(LocalHubError) -> TakenFile {
        do throws(Errno) {
            let source = try FileDescriptor.open(file.location, O_RDONLY)
            let byteCount = try source.size()
            guard rule.isLarge(path: file.path, byteCount: byteCount) else {
                return try takeSmall(file, source, byteCount)
            }
            let digest: SHA256Digest
            if let former, former.byteCount == byteCount, former.sha256 != nil,
                try ContentIntake.digest(of: source, copyingTo: nil) == former.sha256,
                let known = former.sha256
            {
                digest = known
            } else {
                digest = try copyLarge(source)
            }
            if try source.size() != byteCount { throw .stale }
            let pointer = largeFilePointer(digest, byteCount: byteCount)
            return TakenFile(
                path: file.path, blob: GitObjectHasher.id(of: .blob, pointer),
                byteCount: byteCount, sha256: digest)
        } catch {
            if error == .stale { throw .changed(path: file.location) }
            throw .file(path: file.location, error)
        }
    }

    /// Gives everything taken its name, durably.
    mutating func publish() throws(LocalHubError) {
        if waiting.isEmpty { return }
        for content in waiting.keys {
            try makeFolder(parentFolder(of: root.objectPath(content)) ?? root.path)
        }
        do throws(Errno) {
            let folder = try FileDescriptor.open(root.incomingPath, O_RDONLY | O_DIRECTORY)
            try folder.synchronizeFileSystem()
            for (content, path) in waiting {
                try renameFile(path, to: root.objectPath(content))
            }
            try folder.synchronizeFileSystem()
        } catch {
            throw .file(path: root.incomingPath, error)
        }
        waiting = [:]
    }

    private mutating func takeSmall(
        _ file: SourceFile, _ source: borrowing FileDescriptor, _ byteCount: Int64
    ) throws(Errno) -> TakenFile {
        // One byte more than there should be, so that a file that grew is noticed.
        let bytes = try source.readBytes(countMax: Int(byteCount) + 1)
        if bytes.count != Int(byteCount) { throw .stale }
        let blob = GitObjectHasher.id(of: .blob, bytes)
        if !has(.gitBlob(blob)) {
            let path = nextPath()
            let target = try FileDescriptor.open(path, O_CREAT | O_EXCL | O_WRONLY, mode: 0o400)
            try target.writeBytes(bytes)
            try target.close()
            waiting[.gitBlob(blob)] = path
        }
        return TakenFile(path: file.path, blob: blob, byteCount: byteCount, sha256: nil)
    }

    private mutating func copyLarge(
        _ source: borrowing FileDescriptor
    ) throws(Errno) -> SHA256Digest {
        let path = nextPath()
        let target = try FileDescriptor.open(path, O_CREAT | O_EXCL | O_WRONLY, mode: 0o400)
        let number = target.rawValue
        let digest = try ContentIntake.digest(of: source, copyingTo: number)
        try target.close()
        if has(.sha256(digest)) {
            unsafe unlink(path)
        } else {
            waiting[.sha256(digest)] = path
        }
        return digest
    }

    /// Hashes all of a file; copies it too if told where.
    ///
    /// The descriptor stays the caller's.
    private static func digest(
        of source: borrowing FileDescriptor, copyingTo target: CInt?
    ) throws(Errno) -> SHA256Digest {
        var hasher = SHA256Hasher()
        var offset: Int64 = 0
        let step = UnsafeMutableRawBufferPointer.allocate(byteCount: stepByteCount, alignment: 64)
        defer { unsafe step.deallocate() }
        while true {
            let count = unsafe try source.read(into: step, at: offset)
            let piece = unsafe UnsafeRawBufferPointer(rebasing: step[..<count])
            unsafe hasher.update(piece)
            if let target { unsafe try writeAll(piece, to: target, at: offset) }
            offset += Int64(count)
            if count < stepByteCount { return hasher.finish() }
        }
    }

    private mutating func nextPath() -> String {
        lastNumber += 1
        return "\(root.incomingPath)/\(lastNumber)"
    }

    private func has(_ content: ContentHash) -> Bool {
        waiting[content] != nil || status(of: root.objectPath(content)) != nil
    }
}
