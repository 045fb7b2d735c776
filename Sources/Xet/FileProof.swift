// The proof of a file from the chunks that came: their hashes and lengths, as they were delivered.
//
// Nothing is cut anew: files were uploaded by more than one cutter, so only the boundaries that the
// server delivers give the file's hash. Chunks are told in runs, in the order in which the runs
// begin in the file; a chunk at the end of one transfer and at the beginning of the next comes
// twice, and says the same both times, or one of the two came wrong.
//
// When the hash is wrong, the xorbs tell where: one of which every chunk came must have the hash of
// its chunks for a name. What lies in the others, or came in two forms, is in doubt. Pure; keeps
// the chunks of one run at a time, or all of them where it is asked for those in doubt.

/// What the chunks of a file say about it.
package enum FileVerdict: Equatable, Sendable {
    /// They are those that the file's hash names.
    case right
    /// They are not.
    case wrong
    /// Some of the file came without names.
    case unknown
}

/// A file being proven.
package struct FileProof {
    private let fileByteCount: Int64
    private let keepsChunks: Bool
    private var tree = MerkleTree()
    /// The next byte of which nothing was told.
    private var position: Int64 = 0
    private var hasGap = false
    /// Chunks that a later run may tell again.
    private var recent: [Int64: IdentifiedChunk] = [:]
    private var chunks: [IdentifiedChunk] = []
    /// Where chunks begin that came in two forms.
    private var disputed: Set<Int64> = []

    /// - Parameters:
    ///   - fileByteCount: the file's length.
    ///   - keepsChunks: whether `doubtful` will be asked; some 90 bytes a chunk.
    package init(fileByteCount: Int64, keepsChunks: Bool) {
        self.fileByteCount = fileByteCount
        self.keepsChunks = keepsChunks
    }

    /// Takes the next run; none of those after it begins earlier in the file.
    package mutating func add(_ run: ChunkRun) {
        let start = run.fileRange.lowerBound
        if start > position { hasGap = true }
        if hasGap { return }
        recent = recent.filter { $0.value.fileRange.upperBound > start }
        for chunk in run.chunks {
            if chunk.fileOffset == position {
                tree.add(MerkleNode(hash: chunk.hash, byteCount: UInt64(chunk.byteCount)))
                position = chunk.fileRange.upperBound
                recent[chunk.fileOffset] = chunk
                if keepsChunks { chunks.append(chunk) }
            } else if let known = recent[chunk.fileOffset] {
                let isSame = known.hash == chunk.hash && known.byteCount == chunk.byteCount
                if !isSame { disputed.insert(chunk.fileOffset) }
            } else {
                disputed.formUnion(
                    recent.keys.filter { recent[$0]?.fileRange.overlaps(chunk.fileRange) ?? false })
            }
        }
    }

    /// Bytes came without names.
    package mutating func addUnnamed() {
        hasGap = true
    }

    /// What the chunks say.
    package func verdict(_ hash: XetHash) -> FileVerdict {
        if hasGap || position < fileByteCount { return .unknown }
        guard disputed.isEmpty, position == fileByteCount else { return .wrong }
        return XetHash.file(root: tree.finish()) == hash ? .right : .wrong
    }

    /// The chunks that may have come wrong, in the order of the file.
    ///
    /// None, of a file that is wrong, means that every chunk is what its xorb says: then the
    /// server has put the wrong ones together.
    package var doubtful: [IdentifiedChunk] {
        var byXorb: [XetHash: [Int: MerkleNode]] = [:]
        for chunk in chunks {
            byXorb[chunk.xorb, default: [:]][chunk.index] = MerkleNode(
                hash: chunk.hash, byteCount: UInt64(chunk.byteCount))
        }
        let sound = byXorb.filter { xorb, nodes in
            let list = (0..<nodes.count).compactMap { nodes[$0] }
            return list.count == nodes.count && MerkleTree.root(of: list) == xorb
        }
        return chunks.filter { chunk in
            let isWhole = sound[chunk.xorb]?[chunk.index]?.hash == chunk.hash
            return !isWhole || disputed.contains(chunk.fileOffset)
        }
    }
}
