// Large files on their way into xorbs: cut by content, each chunk that no xorb holds packed into
// one, and a record for each file of what it is made of.
//
// As with contents, nothing is found under its name before it is whole and durable: xorbs and
// records are written to `incoming` and get their names in `publish`, xorbs first. Memory is that
// of one xorb under way (64 MiB), the directory of chunks, and the terms of the files taken.

internal import Compression
internal import Glibc
internal import Hashing
internal import Platform
internal import Xet

/// A run of chunks, in a xorb that may not have its name yet.
private struct PendingTerm {
    let xorb: UInt32
    var chunks: Range<Int>
    var byteCount: Int64
}

/// Takes files that are in the store; nothing is visible before `publish`.
///
/// Safe: it owns its buffer, and lends parts of it only for the time of a call.
@safe
struct XetIntake: ~Copyable {
    private let root: HubRoot
    private let store: RepositoryStore
    private let scratch = CodecScratch()
    private let buffer: UnsafeMutableRawBufferPointer
    private var directory: ChunkDirectory
    private var writer = XorbWriter()
    /// The number of the xorb under way.
    private var number: UInt32
    private var xorbs: [XetHash: String] = [:]
    private var files: [XetHash: [PendingTerm]] = [:]
    private var lastNumber = 0

    private static let stepByteCount = 1 << 20

    /// REQUIRES: the writer lock is held, and `incoming` has no names of ours.
    init(_ store: RepositoryStore) throws(LocalHubError) {
        self.store = store
        root = store.root
        var directory = try ChunkDirectory(root)
        number = directory.addXorb(nil)
        self.directory = directory
        // A step, and before it the part of a chunk that was left over.
        unsafe buffer = .allocate(
            byteCount: Self.stepByteCount + GearChunker.maximumByteCount, alignment: 64)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    /// Cuts a file of the store, and packs those of its chunks that are new.
    mutating func take(_ content: ContentHash) throws(LocalHubError) -> XetHash {
        let path = root.objectPath(content)
        let file = try store.open(content)
        var chunker = GearChunker()
        var tree = MerkleTree()
        var terms: [PendingTerm] = []
        // The buffer begins with so many bytes of the chunk under way.
        var kept = 0
        var offset: Int64 = 0
        while true {
            let count = try read(file, path, at: offset, behind: kept)
            offset += Int64(count)
            let total = kept + count
            var (start, seen) = (0, kept)
            while seen < total {
                let unseen = unsafe UnsafeRawBufferPointer(rebasing: buffer[seen..<total])
                guard let length = unsafe chunker.cut(unseen) else { break }
                seen += length
                try add(start..<seen, to: &terms, &tree, path)
                start = seen
            }
            kept = total - start
            if count < Self.stepByteCount {
                if kept > 0 { try add(start..<total, to: &terms, &tree, path) }
                let hash = XetHash.file(root: tree.finish())
                if status(of: root.xetFilePath(hash)) == nil { files[hash] = terms }
                return hash
            }
            unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<kept]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: buffer[start..<total]))
        }
    }

    /// Gives everything taken its name, durably.
    mutating func publish() throws(LocalHubError) {
        try closeXorb()
        if xorbs.isEmpty && files.isEmpty { return }
        var records: [(from: String, to: String)] = []
        for (hash, pending) in files {
            let path = nextPath()
            try write(XetFileRecord(named(pending, path)).bytes, [], to: path)
            records.append((path, root.xetFilePath(hash)))
        }
        let moves = [xorbs.map { ($0.value, root.xorbPath($0.key)) }, records]
        for move in moves.joined() { try makeFolder(parentFolder(of: move.1) ?? root.path) }
        do throws(Errno) {
            let folder = try FileDescriptor.open(root.incomingPath, O_RDONLY | O_DIRECTORY)
            try folder.synchronizeFileSystem()
            for step in moves {
                for move in step { try renameFile(move.0, to: move.1) }
                // No record is there before its xorbs are.
                try folder.synchronizeFileSystem()
            }
        } catch {
            throw .file(path: root.incomingPath, error)
        }
        xorbs = [:]
        files = [:]
    }

    /// Reads a step of the file to behind what the buffer has.
    private func read(
        _ file: borrowing FileDescriptor, _ path: String, at offset: Int64, behind kept: Int
    ) throws(LocalHubError) -> Int {
        do throws(Errno) {
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer[kept..<kept + Self.stepByteCount])
            return unsafe try file.read(into: target, at: offset)
        } catch {
            throw .file(path: path, error)
        }
    }

    /// Adds the chunk that stands there in the buffer to a file.
    private mutating func add(
        _ range: Range<Int>, to terms: inout [PendingTerm], _ tree: inout MerkleTree,
        _ path: String
    ) throws(LocalHubError) {
        let chunk = unsafe UnsafeRawBufferPointer(rebasing: buffer[range])
        let hash = unsafe XetHash.chunk(chunk)
        tree.add(MerkleNode(hash: hash, byteCount: UInt64(range.count)))
        let place: ChunkPlace
        if let known = directory[hash] {
            place = known
        } else {
            if !writer.hasRoom(for: range.count) { try closeXorb() }
            do throws(XetError) {
                let index = try unsafe writer.add(
                    chunk, hash: hash, policy: .auto, scratch: scratch)
                place = ChunkPlace(xorb: number, index: UInt32(index))
            } catch {
                throw .damaged(path: path)
            }
            directory.add(hash, place)
        }
        let index = Int(place.index)
        if let last = terms.last, last.xorb == place.xorb, last.chunks.upperBound == index {
            terms[terms.count - 1].chunks = last.chunks.lowerBound..<index + 1
            terms[terms.count - 1].byteCount += Int64(range.count)
        } else {
            terms.append(
                PendingTerm(
                    xorb: place.xorb, chunks: index..<index + 1, byteCount: Int64(range.count)))
        }
    }

    /// Writes the xorb under way out, if there is anything in it, and begins another one.
    private mutating func closeXorb() throws(LocalHubError) {
        guard let footer = writer.footer() else { return }
        let path = nextPath()
        try write(writer.content, footer.bytes, to: path)
        directory.name(number, footer.hash)
        if status(of: root.xorbPath(footer.hash)) == nil {
            xorbs[footer.hash] = path
        } else {
            // Only if the directory was too small for its chunks.
            unsafe unlink(path)
        }
        writer = XorbWriter()
        number = directory.addXorb(nil)
    }

    private func named(
        _ terms: [PendingTerm], _ path: String
    ) throws(LocalHubError) -> [ReconstructionTerm] {
        var named: [ReconstructionTerm] = []
        named.reserveCapacity(terms.count)
        for term in terms {
            guard let xorb = directory.xorb(term.xorb) else { throw .damaged(path: path) }
            named.append(
                ReconstructionTerm(xorb: xorb, chunks: term.chunks, byteCount: term.byteCount))
        }
        return named
    }

    private func write(
        _ bytes: [UInt8], _ more: [UInt8], to path: String
    ) throws(LocalHubError) {
        do throws(Errno) {
            let file = try FileDescriptor.open(path, O_CREAT | O_EXCL | O_WRONLY, mode: 0o400)
            try file.writeBytes(bytes, at: 0)
            try file.writeBytes(more, at: Int64(bytes.count))
            try file.close()
        } catch {
            throw .file(path: path, error)
        }
    }

    private mutating func nextPath() -> String {
        lastNumber += 1
        return "\(root.incomingPath)/xet-\(lastNumber)"
    }
}
