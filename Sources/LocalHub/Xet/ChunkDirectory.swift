// Which chunks the xorbs of a root hold already. It is read from the footers of the xorbs, so there
// is no second truth that could differ from them after a crash: for 100 GB of content they are
// 1,600 files with 40 KB each.

internal import Glibc
internal import Platform
internal import Xet

/// Where a chunk lies: a xorb, by its number in the directory, and the chunk's index in it.
struct ChunkPlace: Equatable {
    let xorb: UInt32
    let index: UInt32
}

/// Chunks by their hashes.
struct ChunkDirectory {
    /// Chunks that are remembered: some 80 bytes each in a dictionary, 160 MB.
    ///
    /// They stand for 128 GB of content; chunks beyond that are packed once more, which costs only
    /// room.
    static let countMax = 2_000_000

    private var places: [XetHash: ChunkPlace] = [:]
    /// Nil for a xorb that is not closed.
    private var xorbs: [XetHash?] = []

    /// Nothing is known.
    init() {}

    /// Reads the footers of all xorbs of a root.
    ///
    /// REQUIRES: the writer lock is held.
    init(_ root: HubRoot) throws(LocalHubError) {
        for case let folder? in try names(in: root.xorbsPath) {
            for case let name? in try names(in: "\(root.xorbsPath)/\(folder)") {
                let footer = try XetStore.footer(of: "\(root.xorbsPath)/\(folder)/\(name)")
                let number = addXorb(footer.hash)
                for (index, hash) in footer.chunkHashes.enumerated() {
                    add(hash, ChunkPlace(xorb: number, index: UInt32(index)))
                }
            }
        }
    }

    /// A number for another xorb.
    mutating func addXorb(_ hash: XetHash?) -> UInt32 {
        xorbs.append(hash)
        return UInt32(xorbs.count - 1)
    }

    /// Gives a xorb its name, which is known when it is closed.
    mutating func name(_ number: UInt32, _ hash: XetHash) {
        xorbs[Int(number)] = hash
    }

    /// The name of a xorb; nil while it is not closed.
    func xorb(_ number: UInt32) -> XetHash? {
        xorbs[Int(number)]
    }

    /// Remembers a chunk, if there is room and it is not known.
    mutating func add(_ hash: XetHash, _ place: ChunkPlace) {
        if places.count >= Self.countMax || places[hash] != nil { return }
        places[hash] = place
    }

    /// Where a chunk lies; nil if that is not known.
    subscript(hash: XetHash) -> ChunkPlace? { places[hash] }
}
