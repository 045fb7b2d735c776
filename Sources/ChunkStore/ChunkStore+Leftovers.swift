// What a crash leaves behind: condemned incarnations, files that nothing refers to, ends of packs.
//
// Nobody needs it, so nobody waits until it is gone: after a crash readers hang in the kernel until
// the store is open, and a disk may take a second to remove a large file while it writes. So what
// there is is found when the store is opened, by reading alone, and taken away by the cooler's
// thread, while all else goes on. What was found then is what nothing new has to do with: ids are
// given from above all that is there, and packs that were there are not appended to any more.

internal import Database
internal import Platform
internal import Telemetry

/// What an earlier run has left, as it was found at the start.
struct Leftovers: Sendable {
    /// Incarnations that were condemned and not taken apart.
    var condemned: [Int64] = []
    /// Flat files that no content of the index has.
    var files: [String] = []
    /// Packs that are not appended to any more, which may end in what was never committed.
    var packs: [Int] = []
}

extension ChunkStore {
    /// The flat files on the disk.
    static func flatFiles(
        _ directory: String, _ files: any StoreFiles
    ) -> [(path: String, id: Int64?)] {
        let root = "\(directory)/flat"
        var found: [(path: String, id: Int64?)] = []
        for folder in (try? files.names(in: root)) ?? [] {
            for name in (try? files.names(in: "\(root)/\(folder)")) ?? [] {
                let id = name.split(separator: ".").last.flatMap { Int64($0) }
                found.append((path: "\(root)/\(folder)/\(name)", id: id))
            }
        }
        return found
    }

    /// Finds what an earlier run has left; changes hardly anything.
    ///
    /// - Parameter flat: all flat files that there are.
    func findLeftovers(_ flat: [(path: String, id: Int64?)]) -> Leftovers {
        var found = Leftovers()
        do throws(DatabaseError) { found.condemned = try index.condemned() } catch {
            noteFailure(error)
        }
        for file in flat {
            guard let id = file.id else {
                found.files.append(file.path)
                continue
            }
            guard let hasFlat = try? index.hasFlat(id) as Bool?? else { continue }
            switch hasFlat {
            case true?: continue
            // Its content may be written to under the same name at any time from now on.
            case false?: try? files.remove(file.path)
            case nil: found.files.append(file.path)
            }
        }
        let numbers = (try? PackSet.numbers(in: packs.directory, files)) ?? []
        found.packs = numbers.filter { !packs.isActive($0) }
        return found
    }

    /// Takes away what an earlier run has left; once.
    func removeLeftovers() {
        if leftovers.withLock({ $0 == nil }) { return }
        // Whoever evicts waits for what is about to be free, and drops nothing else for it.
        if evictionTurn.receive() != nil {
            reapLeftovers()
            evictionTurn.send(())
        }
        punchHoles()
        guard let found = leftovers.withLock({ $0.take() }) else { return }
        for path in found.files { try? files.remove(path) }
        for number in found.packs { trim(number) }
    }

    /// Takes apart what was condemned before the start.
    ///
    /// REQUIRES: the turn to evict.
    func reapLeftovers() {
        let condemned = leftovers.withLock { found in
            defer { found?.condemned = [] }
            return found?.condemned ?? []
        }
        for id in condemned { reap(id, flatFile: nil) }
    }

    /// Cuts what was appended to a pack and is not in the index; removes a pack that has nothing.
    private func trim(_ number: Int) {
        guard let end = try? index.end(ofPack: number) else { return }
        guard let pack = try? packs.pack(number) else {
            log.warning(
                "a pack is damaged or of another cache and is left alone",
                ["path": PackSet.path(packs.directory, number)])
            return
        }
        if end == 0 {
            try? packs.remove(number)
            return
        }
        guard let size = try? pack.file.size(), size > Int64(end) else { return }
        log.info(
            "the end of a pack was not committed before a crash and is cut",
            ["pack": "\(number)", "bytes": "\(size - Int64(end))"])
        try? pack.file.truncate(to: Int64(end))
    }
}
