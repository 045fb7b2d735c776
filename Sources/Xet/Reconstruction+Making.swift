// Making a reconstruction, as a server does: from the list of a file's chunks and a range of it.

/// A chunk of a file: where it lies, and how long it is.
package struct FileChunk: Equatable, Hashable, Sendable {
    /// The xorb that holds it.
    package let xorb: XetHash
    /// Its index in that xorb.
    package let index: Int
    /// Its decoded length in bytes.
    package let byteCount: Int64

    /// Takes the parts as they are.
    package init(xorb: XetHash, index: Int, byteCount: Int64) {
        self.xorb = xorb
        self.index = index
        self.byteCount = byteCount
    }
}

extension Reconstruction {
    /// The reconstruction of a range, trimmed to whole chunks.
    ///
    /// Chunks that follow each other in the file and in a xorb become one term; terms of a xorb
    /// that overlap or touch share a place.
    ///
    /// - Parameters:
    ///   - chunks: all chunks of the file.
    ///   - range: bytes of the file, not empty and inside.
    ///   - place: a URL, and the bytes behind it, for chunks of a xorb.
    package init(
        of chunks: some Sequence<FileChunk>, range: Range<Int64>,
        place: (XetHash, Range<Int>) -> (url: String, bytes: Range<Int64>)
    ) throws(XetError) {
        var offset: Int64 = 0
        var offsetIntoFirstTerm: Int64?
        var terms: [ReconstructionTerm] = []
        for chunk in chunks {
            defer { offset += chunk.byteCount }
            if offset >= range.upperBound { break }
            if offset + chunk.byteCount <= range.lowerBound { continue }
            if offsetIntoFirstTerm == nil { offsetIntoFirstTerm = range.lowerBound - offset }
            if let last = terms.last, last.xorb == chunk.xorb,
                last.chunks.upperBound == chunk.index
            {
                terms[terms.count - 1] = ReconstructionTerm(
                    xorb: last.xorb, chunks: last.chunks.lowerBound..<chunk.index + 1,
                    byteCount: last.byteCount + chunk.byteCount)
            } else {
                terms.append(
                    ReconstructionTerm(
                        xorb: chunk.xorb, chunks: chunk.index..<chunk.index + 1,
                        byteCount: chunk.byteCount))
            }
        }
        let places = Self.joined(terms).map { xorb, chunks in
            let (url, bytes) = place(xorb, chunks)
            return ReconstructionPlace(xorb: xorb, chunks: chunks, url: url, bytes: bytes)
        }
        try self.init(
            offsetIntoFirstTerm: offsetIntoFirstTerm ?? 0, terms: terms, places: places)
    }

    /// The runs of chunks that terms use, those of a xorb that overlap or touch made one.
    private static func joined(_ terms: [ReconstructionTerm]) -> [(XetHash, Range<Int>)] {
        var order: [XetHash] = []
        var ranges: [XetHash: [Range<Int>]] = [:]
        for term in terms {
            if ranges[term.xorb] == nil { order.append(term.xorb) }
            ranges[term.xorb, default: []].append(term.chunks)
        }
        return order.flatMap { xorb in
            var runs: [Range<Int>] = []
            for range in (ranges[xorb] ?? []).sorted(by: { $0.lowerBound < $1.lowerBound }) {
                if let last = runs.last, range.lowerBound <= last.upperBound {
                    runs[runs.count - 1] =
                        last.lowerBound..<max(last.upperBound, range.upperBound)
                } else {
                    runs.append(range)
                }
            }
            return runs.map { (xorb, $0) }
        }
    }
}
