// One content put into one real file: from its flat file where it was proven, else read as a
// reader of a mount would, and proven: by the chunks that it came in, or by its hash on the way.
// The file gets its name when it is right.

internal import CShims
internal import Catalog
internal import ChunkStore
internal import FileSystem
internal import Glibc
internal import Hashing
internal import Platform
internal import Synchronization

/// Why a file could not be made.
enum PullError: Error, Equatable {
    /// The bytes cannot be had.
    case source(FileSystemError)
    /// They are not what their hash says, again and again.
    case wrong
    /// They cannot be written.
    case destination(Errno)
    /// Nobody wants it any more.
    case cancelled
}

/// Copies contents into files, from several threads.
final class PullCopy: Sendable {
    /// What is read and written at once.
    private static let pieceByteCount = 1 << 20
    /// How often a file may turn out wrong.
    private static let tryCountMax = 3
    /// How long the proof of what has come may take, in seconds, and for so many bytes one more:
    /// what a busy machine hashes.
    private static let proofSeconds = 5.0
    private static let hashBytesPerSecond = 200e6
    /// Between two looks whether it is there, in seconds.
    private static let lookSeconds = 0.002
    /// Others may read what is pulled, as with any download.
    private static let mode: mode_t = 0o644

    private let store: ChunkStore
    private let reader: any ContentReader
    private let doneBytes = Atomic<Int64>(0)
    private let isCancelled = Atomic<Bool>(false)

    init(store: ChunkStore, reader: any ContentReader) {
        self.store = store
        self.reader = reader
    }

    /// Bytes written so far.
    var writtenByteCount: Int64 { doneBytes.load(ordering: .relaxed) }

    /// Ends all copies under way.
    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    /// Makes the file of a content.
    ///
    /// - Parameters:
    ///   - content: what it is to hold.
    ///   - path: its name.
    ///   - temporary: where it is made, on the same filesystem.
    func copy(
        _ content: Content, to path: String, through temporary: String
    ) throws(PullError) {
        var error = PullError.wrong
        for _ in 0..<PullCopy.tryCountMax {
            let before = doneBytes.load(ordering: .relaxed)
            do throws(PullError) {
                try make(content, temporary)
                if unsafe rename(temporary, path) == 0 { return }
                error = .destination(.current)
            } catch let found {
                error = found
            }
            _ = unsafe unlink(temporary)
            doneBytes.store(before, ordering: .relaxed)
            if error != .wrong { throw error }
        }
        throw error
    }

    private func make(_ content: Content, _ temporary: String) throws(PullError) {
        let file = try writing { () throws(Errno) in
            try FileDescriptor.open(
                temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: PullCopy.mode)
        }
        // At once, so that a disk without room is known before the bytes are fetched.
        try reserve(file, content.sizeBytes)
        if let source = try? store.provenFile(content.hash, size: content.sizeBytes) {
            try copyWhole(source, file, content.sizeBytes)
        } else if content.xetHash != nil {
            try streamByChunks(content, file, temporary)
        } else {
            try stream(content, file, isHashed: !store.state(of: content).isRight)
        }
        try setTime(file, content.modified)
    }

    private func writing<Result: ~Copyable>(
        _ body: () throws(Errno) -> Result
    ) throws(PullError) -> Result {
        do throws(Errno) { return try body() } catch { throw .destination(error) }
    }

    private func reserve(
        _ file: borrowing FileDescriptor, _ byteCount: Int64
    ) throws(PullError) {
        if byteCount == 0 { return }
        let status = modelfs_reserve(file.rawValue, byteCount)
        // Some filesystems cannot tell; then the writes will.
        if status == 0 || Errno(status) == .notSupported { return }
        throw .destination(Errno(status))
    }

    /// The kernel copies, or shares the blocks where the filesystem can.
    private func copyWhole(
        _ source: borrowing FileDescriptor, _ file: borrowing FileDescriptor, _ byteCount: Int64
    ) throws(PullError) {
        var offset: Int64 = 0
        while offset < byteCount {
            if isCancelled.load(ordering: .relaxed) { throw .cancelled }
            let count = modelfs_copy_range(
                source.rawValue, file.rawValue, offset,
                min(byteCount - offset, Int64(64 * PullCopy.pieceByteCount)))
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { throw .destination(count < 0 ? .current : .inputOutput) }
            offset += count
            doneBytes.add(count, ordering: .relaxed)
        }
    }

    /// Copies what comes in chunks: these prove the content, so that it need not be hashed here.
    ///
    /// What was copied is what was proven if nothing was dropped from the cache in between. Where
    /// something was, or no proof comes, the file itself is hashed.
    private func streamByChunks(
        _ content: Content, _ file: borrowing FileDescriptor, _ path: String
    ) throws(PullError) {
        let lossesBefore = reader.lossCount
        try stream(content, file, isHashed: false)
        if awaitProof(content) && reader.lossCount == lossesBefore { return }
        if isCancelled.load(ordering: .relaxed) { throw .cancelled }
        if !holds(path, content) { throw .wrong }
    }

    /// Waits until a content is proven that has just come; false where no proof is to be had.
    private func awaitProof(_ content: Content) -> Bool {
        let deadline =
            MonotonicInstant.now + PullCopy.proofSeconds
            + Double(content.sizeBytes) / PullCopy.hashBytesPerSecond
        while !isCancelled.load(ordering: .relaxed) {
            let state = store.state(of: content)
            if state.isRight { return true }
            // The cache could not keep all of it.
            if !state.isComplete || MonotonicInstant.now > deadline { return false }
            sleep(seconds: PullCopy.lookSeconds)
        }
        return false
    }

    private func stream(
        _ content: Content, _ file: borrowing FileDescriptor, isHashed: Bool
    ) throws(PullError) {
        var hasher = ContentHasher(like: content.hash, size: content.sizeBytes)
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: PullCopy.pieceByteCount, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var offset: Int64 = 0
        while offset < content.sizeBytes {
            if isCancelled.load(ordering: .relaxed) { throw .cancelled }
            let count: Int
            do throws(FileSystemError) {
                count = try unsafe reader.read(content.id, at: offset, into: buffer)
            } catch {
                throw .source(error)
            }
            if count == 0 { throw .source(.unavailable) }
            let piece = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            if isHashed { unsafe hasher.update(piece) }
            do throws(Errno) { try unsafe file.write(piece, at: offset) } catch {
                throw .destination(error)
            }
            offset += Int64(count)
            doneBytes.add(Int64(count), ordering: .relaxed)
        }
        let hash = hasher.finish()
        if isHashed && hash != content.hash { throw .wrong }
    }

    private func setTime(
        _ file: borrowing FileDescriptor, _ time: WallTime
    ) throws(PullError) {
        let stamp = timespec(tv_sec: time_t(time.secondsSince1970), tv_nsec: 0)
        let times = [stamp, stamp]
        if unsafe futimens(file.rawValue, times) != 0 { throw .destination(.current) }
    }

    // MARK: What is there

    /// Whether a file holds a content.
    func holds(_ path: String, _ content: Content) -> Bool {
        guard let file = try? FileDescriptor.open(path, O_RDONLY),
            (try? file.size()) == content.sizeBytes
        else { return false }
        var hasher = ContentHasher(like: content.hash, size: content.sizeBytes)
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: PullCopy.pieceByteCount, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var offset: Int64 = 0
        while offset < content.sizeBytes {
            guard let count = try? unsafe file.read(into: buffer, at: offset), count > 0,
                !isCancelled.load(ordering: .relaxed)
            else { return false }
            unsafe hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
        }
        return hasher.finish() == content.hash
    }
}

/// Reads bytes of contents, and waits until they are here.
protocol ContentReader: Sendable {
    /// Fills a buffer, unless the content ends before.
    ///
    /// - Returns: how many bytes; 0 at its end.
    func read(
        _ content: ContentID, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(FileSystemError) -> Int

    /// Grows whenever bytes that could be read before may not be those that are read later.
    var lossCount: Int64 { get }
}

extension ChunkStore {
    fileprivate func state(of content: Content) -> ContentState {
        state(of: content.hash, size: content.sizeBytes)
    }
}

extension ContentState {
    /// Whether all of it is here and was proven, by its chunks or as a whole: what is read of it
    /// from now on is checked by its checksums, and needs no hash again.
    fileprivate var isRight: Bool {
        if case .provenByChunks = verification { return isComplete }
        return isProven
    }
}
