// Giving space back: condemned incarnations are taken apart, holes are punched, packs cut.
//
// The index comes first: a record that no recipe uses is removed there, and its space noted as a
// hole, before a byte of it is given back. What a crash leaves half done is gone on with.

internal import Database
internal import Hashing
internal import Platform
internal import Telemetry

extension ChunkStore {
    /// The unit in which a disk takes space back.
    private static let pageByteCount = 4_096

    /// Takes apart what an earlier run has left.
    func reapCondemned() {
        do throws(DatabaseError) {
            let ids = try index.condemned()
            if ids.isEmpty {
                punchHoles()
                return
            }
            let stale = Set(ids.map { "\($0)" })
            for path in flatFiles()
            where stale.contains(String(path.split(separator: ".").last ?? "")) {
                try? files.remove(path)
            }
            for id in ids { reap(id, flatFile: nil) }
        } catch {
            noteFailure(error)
        }
    }

    /// Every flat file, by its path.
    func flatFiles() -> [String] {
        let root = "\(directory)/flat"
        guard let folders = try? files.names(in: root) else { return [] }
        return folders.flatMap { folder in
            let names = (try? files.names(in: "\(root)/\(folder)")) ?? []
            return names.map { "\(root)/\(folder)/\($0)" }
        }
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
            try index.writer.perform { (connection) throws(DatabaseError) in
                try StoreIndex.removeCondemned(id, connection)
            }
            if hasFreed { punchHoles() }
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
                for pack in try index.removeHoles(holes)
                where !packs.isActive(pack) && packs.settledEnd(pack) != nil {
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
        guard start < end, let pack = try? packs.pack(hole.first.pack) else { return }
        do throws(Errno) {
            try pack.file.punchHole(at: Int64(start), byteCount: Int64(end - start))
        } catch {
            // The space comes back when the whole pack is dead.
            if error != .notSupported { counters.diskFailures.add() }
            log.warning(
                "the cache disk gives no space back from the middle of a file; it comes back later",
                ["error": "\(error)"])
        }
    }

    /// After a crash: cuts what was appended and is not in the index, and removes empty packs.
    func trimPacks() {
        guard packs.active == nil,
            let numbers = try? PackSet.numbers(in: packs.directory, files)
        else { return }
        for number in numbers {
            guard let end = try? index.end(ofPack: number) else { return }
            if end == 0 {
                try? packs.remove(number)
                continue
            }
            guard let pack = try? packs.pack(number), let size = try? pack.file.size(),
                size > Int64(end)
            else { continue }
            log.info(
                "the end of a pack was not committed before a crash and is cut",
                ["pack": "\(number)", "bytes": "\(size - Int64(end))"])
            try? pack.file.truncate(to: Int64(end))
        }
    }
}

extension StoreIndex {
    /// Where the last record of a pack ends; 0 if it has none.
    func end(ofPack number: Int) throws(DatabaseError) -> Int {
        try readers.withReader { (connection) throws(DatabaseError) in
            let end = try connection.first(
                "SELECT id + length FROM record WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT 1",
                [.integer(Int64(number + 1) << 32), .integer(Int64(number) << 32)]
            ) { (row) throws(DatabaseError) in
                RecordLocation(rawValue: row.integer(0)).offset
            }
            return end ?? 0
        }
    }

    func isPinned(_ key: ContentKey) throws(DatabaseError) -> Bool {
        try readers.withReader { (connection) throws(DatabaseError) in
            try connection.first(
                "SELECT 1 FROM pin WHERE hash = ? AND size = ?",
                [.blob(key.hash.bytes), .integer(key.size)]
            ) { (_) throws(DatabaseError) in true } ?? false
        }
    }
}
