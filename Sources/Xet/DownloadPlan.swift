// What to download for a range of a file: a reconstruction, less what is already here.
//
// Pure. The plan joins every term to the smallest place that holds it, so each place is asked
// for at most once however many terms need it, and leaves out places of which every needed chunk
// is here. A place is all or nothing: its URL is signed for its bytes, and where chunks begin in
// it is not known before it is read.
//
// What does not fit the file as the tree has it (its size, the range that was asked) is refused.

/// Chunks of a xorb that stand next to each other in the file.
package struct ChunkUse: Equatable, Hashable, Sendable {
    /// The chunks' indices in the xorb.
    package let chunks: Range<Int>
    /// Where the first of them stands in the file.
    package let fileOffset: Int64
    /// Their decoded length in bytes, together.
    package let byteCount: Int64

    /// The bytes of the file that they are.
    package var fileRange: Range<Int64> { fileOffset..<fileOffset + byteCount }
}

/// One request for data, and where in the file its chunks stand.
package struct XorbDownload: Equatable, Sendable {
    /// What to ask for.
    package let place: ReconstructionPlace
    /// In the order of the file.
    ///
    /// Together they need not use every chunk of the place.
    package let uses: [ChunkUse]

    /// The smallest range of the file that has all uses in it.
    package var fileRange: Range<Int64> {
        let start = uses.map(\.fileRange.lowerBound).min() ?? 0
        return start..<max(start, uses.map(\.fileRange.upperBound).max() ?? 0)
    }
}

/// Chunks that are here already, and where in the file they stand.
package struct LocalUse: Equatable, Sendable {
    /// The xorb that the server knows them by.
    package let xorb: XetHash
    /// Which chunks of it, and where.
    package let use: ChunkUse
}

/// The downloads for a range of a file.
package struct DownloadPlan: Equatable, Sendable {
    /// In the order in which the file needs them.
    package let downloads: [XorbDownload]
    /// What needs no download, in the order of the file.
    package let localUses: [LocalUse]
    /// The bytes of the file that downloads and local uses give together: the range that was
    /// asked, widened to whole chunks.
    package let fileRange: Range<Int64>

    /// Plans a range.
    ///
    /// - Parameters:
    ///   - range: the bytes of the file that the reconstruction was asked for; not empty.
    ///   - fileByteCount: the file's length, as the tree has it.
    ///   - isHere: whether a chunk of a xorb, told by its index, is in the store.
    /// - Throws: `inconsistentReconstruction` if it is not that of this range of such a file.
    package init(
        _ reconstruction: Reconstruction, range: Range<Int64>, fileByteCount: Int64,
        isHere: (XetHash, Int) -> Bool
    ) throws(XetError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= fileByteCount)
        let start = range.lowerBound - reconstruction.offsetIntoFirstTerm
        let end = start + reconstruction.byteCount
        guard start >= 0, end >= range.upperBound else {
            throw .inconsistentReconstruction("terms that run short of the range")
        }
        guard end <= fileByteCount else {
            throw .inconsistentReconstruction("terms beyond the end of the file")
        }
        fileRange = start..<end
        let usesByPlace = try Self.uses(of: reconstruction, from: start)
        var downloads: [XorbDownload] = []
        var localUses: [LocalUse] = []
        for (place, uses) in usesByPlace {
            let isLocal = uses.allSatisfy { use in
                use.chunks.allSatisfy { isHere(place.xorb, $0) }
            }
            if isLocal {
                localUses += uses.map { LocalUse(xorb: place.xorb, use: $0) }
            } else {
                downloads.append(XorbDownload(place: place, uses: uses))
            }
        }
        self.downloads = downloads.sorted { $0.fileRange.lowerBound < $1.fileRange.lowerBound }
        self.localUses = localUses.sorted { $0.use.fileOffset < $1.use.fileOffset }
    }

    /// Every place that a term needs, with the uses of its chunks.
    private static func uses(
        of reconstruction: Reconstruction, from start: Int64
    ) throws(XetError) -> [(ReconstructionPlace, [ChunkUse])] {
        var placesByXorb: [XetHash: [Int]] = [:]
        for (index, place) in reconstruction.places.enumerated() {
            placesByXorb[place.xorb, default: []].append(index)
        }
        var uses: [Int: [ChunkUse]] = [:]
        var offset = start
        for term in reconstruction.terms {
            let holders = (placesByXorb[term.xorb] ?? []).filter {
                reconstruction.places[$0].chunks.holds(term.chunks)
            }
            let smallest = holders.min {
                reconstruction.places[$0].bytes.count < reconstruction.places[$1].bytes.count
            }
            guard let smallest else {
                throw .inconsistentReconstruction("a term that lies nowhere")
            }
            uses[smallest, default: []].append(
                ChunkUse(chunks: term.chunks, fileOffset: offset, byteCount: term.byteCount))
            offset += term.byteCount
        }
        return uses.map { (reconstruction.places[$0.key], $0.value) }
    }
}
