// Listing the chunks of a content that lies flat, while its bytes pass by for another reason.
//
// The proof of a content reads all of it, and so does making it flat: its chunks are cut and
// hashed then, and the list goes into the index a segment at a time. A list whose last segment is
// there is complete.

internal import Database
internal import Hashing
internal import Platform

/// Lists the chunks of one incarnation of a content.
final class ChunkLister {
    private let index: StoreIndex
    private let key: ContentKey
    private let id: Int64
    private var guide: ChunkGuide
    private let pending = BlockBuffer()
    private var pendingByteCount = 0
    /// Where the chunk under way starts in the content.
    private var position: Int64 = 0
    private var list = ChunkList(index: 0)

    init(_ index: StoreIndex, _ key: ContentKey, id: Int64, known: (any KnownChunks)? = nil) {
        self.index = index
        self.key = key
        self.id = id
        guide = ChunkGuide(known)
    }

    /// Takes the next bytes of the content.
    func feed(_ bytes: UnsafeRawBufferPointer) throws(DatabaseError) {
        var rest = unsafe bytes
        while rest.count > 0 {
            let cut = unsafe guide.cut(rest, of: position)
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest[..<(cut ?? rest.count)])
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[part.count...])
            if cut != nil && pendingByteCount == 0 {
                try unsafe add(part)
                continue
            }
            unsafe UnsafeMutableRawBufferPointer(rebasing: pending.bytes[pendingByteCount...])
                .copyMemory(from: part)
            pendingByteCount += part.count
            if cut != nil { try addPending() }
        }
    }

    /// Ends the content.
    func finish() throws(DatabaseError) {
        try addPending()
        let last = ChunkList.index(of: key.size - 1)
        while list.index < last { try emit() }
        try emit()
    }

    private func addPending() throws(DatabaseError) {
        if pendingByteCount == 0 { return }
        let chunk = unsafe UnsafeRawBufferPointer(rebasing: pending.bytes[..<pendingByteCount])
        pendingByteCount = 0
        try unsafe add(chunk)
    }

    private func add(_ chunk: UnsafeRawBufferPointer) throws(DatabaseError) {
        let hash = unsafe guide.hash(of: chunk, at: position)
        while list.index < ChunkList.index(of: position) { try emit() }
        list.chunks.append(ListedChunk(start: position, byteCount: chunk.count, hash: hash))
        position += Int64(chunk.count)
    }

    private func emit() throws(DatabaseError) {
        let (list, id) = (list, id)
        try index.writer.perform { (connection) throws(DatabaseError) in
            try StoreIndex.add(list, of: id, connection)
        }
        self.list = ChunkList(index: list.index + 1)
    }
}
