// The index: which chunks flat contents have.
//
// A list belongs to an incarnation, and goes with it. `flat_chunk` finds a list by a part of a
// chunk's hash; its rows are hints, believed only when the list says the same: one that a flipped
// bit or a damaged list has left behind names a list that is not there.

internal import Database
internal import Hashing

/// A chunk of a content, wherever that lies.
struct ChunkPlace: Sendable {
    let content: ContentKey
    let chunk: ListedChunk
}

extension StoreIndex {
    /// Lists with one hash that are looked at; the same chunk in more contents is no help.
    private static let hintCountMax: Int64 = 4

    /// One segment of a list; nil if it is damaged or not there.
    func chunkList(_ index: Int, id: Int64) throws(DatabaseError) -> ChunkList? {
        let key = StoreIndex.key(id, index)
        return try readers.withReader { (connection) throws(DatabaseError) in
            try StoreIndex.chunkList(key, connection)
        }
    }

    private static func chunkList(
        _ key: Int64, _ connection: Connection
    ) throws(DatabaseError) -> ChunkList? {
        let index = Int(key % segmentCountMax)
        return try connection.first(
            "SELECT data FROM chunk_list WHERE key = ?", [.integer(key)]
        ) { (row) throws(DatabaseError) in
            ChunkList(blob: row.blob(0), index: index, key: key)
        } ?? nil
    }

    /// Where contents with a list have a chunk.
    func flatPlaces(of hash: Digest256, byteCount: Int) throws(DatabaseError) -> [ChunkPlace] {
        try readers.withReader { (connection) throws(DatabaseError) in
            var keys: [Int64] = []
            try connection.query(
                "SELECT key FROM flat_chunk WHERE hash = ? LIMIT ?",
                [.integer(hash.hint), .integer(StoreIndex.hintCountMax)]
            ) { (row) throws(DatabaseError) in keys.append(row.integer(0)) }
            var places: [ChunkPlace] = []
            for key in keys {
                let content = try StoreIndex.content(
                    key / StoreIndex.segmentCountMax, connection)
                let list = try StoreIndex.chunkList(key, connection)
                let chunk = list?.chunks.first { $0.hash == hash && $0.byteCount == byteCount }
                if let content, let chunk, chunk.end <= content.size {
                    places.append(ChunkPlace(content: content, chunk: chunk))
                }
            }
            return places
        }
    }

    private static func content(
        _ id: Int64, _ connection: Connection
    ) throws(DatabaseError) -> ContentKey? {
        let found = try connection.first(
            "SELECT hash, size FROM content WHERE id = ?", [.integer(id)]
        ) { (row) throws(DatabaseError) in
            (hash: ContentHash(bytes: row.blob(0)), size: row.integer(1))
        }
        guard let found, let hash = found.hash else { return nil }
        return ContentKey(hash: hash, size: found.size)
    }

    // MARK: On the writer's thread

    /// Adds a segment of a list, unless the incarnation is gone.
    static func add(
        _ list: ChunkList, of id: Int64, _ connection: Connection
    ) throws(DatabaseError) {
        let isKnown = try connection.first(
            """
            SELECT 1 FROM content WHERE id = ?1 UNION ALL SELECT 1 FROM condemned WHERE id = ?1
            """, [.integer(id)]
        ) { (_) throws(DatabaseError) in true }
        if isKnown == nil { return }
        let key = key(id, list.index)
        try connection.run(
            "INSERT OR REPLACE INTO chunk_list VALUES (?, ?)",
            [.integer(key), .blob(list.blob(key: key))])
        for chunk in list.chunks {
            try connection.run(
                "INSERT OR IGNORE INTO flat_chunk VALUES (?, ?)",
                [.integer(chunk.hash.hint), .integer(key)])
        }
    }

    /// Removes one segment of a condemned incarnation's list; false when there is none left.
    static func removeChunkList(
        of id: Int64, _ connection: Connection
    ) throws(DatabaseError) -> Bool {
        let found = try connection.first(
            "SELECT key FROM chunk_list WHERE key BETWEEN ? AND ? LIMIT 1", keyRange(id)
        ) { (row) throws(DatabaseError) in row.integer(0) }
        guard let key = found else { return false }
        // Hints of a damaged list stay, until a check of all removes them.
        for chunk in try chunkList(key, connection)?.chunks ?? [] {
            try connection.run(
                "DELETE FROM flat_chunk WHERE hash = ? AND key = ?",
                [.integer(chunk.hash.hint), .integer(key)])
        }
        try connection.run("DELETE FROM chunk_list WHERE key = ?", [.integer(key)])
        return true
    }
}

extension Digest256 {
    /// The 48 bits by which `flat_chunk` finds a chunk: SQLite keeps them in 6 bytes.
    ///
    /// Of 10 million chunks one in 28 million lookups meets another chunk with the same.
    var hint: Int64 { Int64(bitPattern: words.0 << 16) >> 16 }
}
