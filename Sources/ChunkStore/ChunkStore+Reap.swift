// Giving space back: condemned incarnations are taken apart, holes are punched, packs cut.
//
// The index comes first: a record that no recipe uses is removed there, and its space noted as a
// hole, before a byte of it is given back. What a crash leaves half done is gone on with
// (ChunkStore+Leftovers.swift).

internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// The unit in which a disk takes space back.
    private static let pageByteCount = 4_096

    /// Takes apart all that is condemned.
    func reapCondemned() {
        do throws(DatabaseError) {
            for id in try index.condemned() { reap(id, flatFile: nil) }
        } catch {
            noteFailure(error)
        }
        punchHoles()
    }

    /// Removes all that belongs to a condemned incarnation.
    func reap(_ id: Int64, flatFile: String?) {
        if let flatFile {
            do throws(Errno) { try files.remove(flatFile) } catch {
                if error != .noEntry {
                    counters.diskFailures.add()
                    log.error("a file of the cache cannot be removed", ["error": "\(error)"])
                }
            }
        }
        do throws(DatabaseError) {
            var hasFreed = false
            while let freed = try index.writer.perform({ (connection) throws(DatabaseError) in
                try StoreIndex.releaseRecipeSegment(of: id, connection)
            }) {
                addPacked(-Int64(freed))
                hasFreed = hasFreed || freed > 0
            }
            while try index.writer.perform({ (connection) throws(DatabaseError) in
                try StoreIndex.removeChunkList(of: id, connection)
            }) {}
            let freed = try index.writer.perform { (connection) throws(DatabaseError) in
                try StoreIndex.removeCondemned(id, connection)
            }
            addPacked(-Int64(freed))
            if hasFreed || freed > 0 { punchHoles() }
        } catch {
            noteFailure(error)
        }
    }

    /// Gives the space of dead records back to the disk, and removes packs without living ones.
    func punchHoles() {
        guard holeTurn.receive() != nil else { return }
        defer { holeTurn.send(()) }
        do throws(DatabaseError) {
            while true {
                let holes = try index.holes(settledEnd: { packs.settledEnd($0) })
                if holes.isEmpty { return }
                for hole in holes { punch(hole) }
                // Asked before the index is: a pack that is closed by now gets nothing more.
                let closed = Set(holes.map(\.first.pack)).filter {
                    !packs.isActive($0) && packs.settledEnd($0) != nil
                }
                for pack in try index.removeHoles(holes) where closed.contains(pack) {
                    try? packs.remove(pack)
                }
            }
        } catch {
            noteFailure(error)
        }
    }

    private func punch(_ hole: Hole) {
        let page = ChunkStore.pageByteCount
        let start = (hole.first.offset + page - 1) / page * page
        let end = hole.end.offset / page * page
        guard let pack = try? packs.pack(hole.first.pack) else { return }
        do throws(Errno) {
            if start < end && packs.canPunch {
                try pack.file.punchHole(at: Int64(start), byteCount: Int64(end - start))
            }
            // What shares a page with the living is blanked, so that it does not come back to
            // life when the index is rebuilt.
            let size = Int(try pack.file.size())
            let edge = min(start, hole.end.offset, size)
            if hole.first.offset < edge { try blank(pack, hole.first.offset..<edge) }
            let rest = min(hole.end.offset, size)
            if max(start, end) < rest { try blank(pack, max(start, end)..<rest) }
        } catch {
            counters.diskFailures.add()
            log.warning("the cache disk gave no space back", ["error": "\(error)"])
        }
    }

    private func blank(_ pack: PackFile, _ range: Range<Int>) throws(Errno) {
        let zeros = [UInt8](repeating: 0, count: range.count)
        try unsafe zeros.span.bytes.withUnsafeBytes { (bytes) throws(Errno) in
            try unsafe pack.file.write(bytes, at: Int64(range.lowerBound))
        }
    }
}

extension StoreIndex {
    /// Whether an incarnation that is in use has bytes in a flat file; nil if it is not in use.
    func hasFlat(_ id: Int64) throws(DatabaseError) -> Bool? {
        try readers.withReader { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT flat > 0 FROM content WHERE id = ?", [.integer(id)]
            ) { (row) throws(DatabaseError) in row.integer(0) == 1 }
        }
    }

    /// Where the last record of a pack ends; 0 if it has none, nil if its row is damaged.
    func end(ofPack number: Int) throws(DatabaseError) -> Int? {
        try readers.withReader { (connection) throws(DatabaseError) in
            let end = try connection.first(
                """
                SELECT id + length, tag = (id + length + raw + uses) % 251 FROM record
                WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT 1
                """, [.integer(Int64(number + 1) << 32), .integer(Int64(number) << 32)]
            ) { (row) throws(DatabaseError) in
                row.integer(1) == 1 ? RecordLocation(rawValue: row.integer(0)).offset : nil
            }
            return end ?? 0
        }
    }

    func isPinned(_ key: ContentKey) throws(DatabaseError) -> Bool {
        let pin = key.pinName
        return try readers.withReader { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT 1 FROM metadata WHERE kind = ? AND key = ?",
                [.integer(Int64(ChunkStore.pinKind)), .blob(pin)]
            ) { (_) throws(DatabaseError) in true } ?? false
        }
    }
}
