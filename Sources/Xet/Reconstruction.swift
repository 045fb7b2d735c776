// How a file, or a range of it, is put together: the answer of a Xet server, checked.
//
// A reconstruction says which chunks of which xorbs make up the range, as a list of terms, and
// where those chunks can be had, as a list of places: a URL and the bytes behind it. It does not
// say how long or what each chunk is; that shows when it comes. Ranges are trimmed to whole
// chunks, so the first term may begin before the range and the last one end after it.
//
// A value of this type is consistent in itself: every term lies in a place, and all numbers are
// within what the format allows. Whether it fits the file is for `DownloadPlan` to judge.

/// A run of chunks of one xorb that stands in the file.
package struct ReconstructionTerm: Equatable, Hashable, Sendable {
    /// The xorb's name.
    package let xorb: XetHash
    /// The chunks' indices in the xorb; not empty.
    package let chunks: Range<Int>
    /// The chunks' decoded length in bytes, together.
    package let byteCount: Int64

    /// Takes the parts as they are.
    package init(xorb: XetHash, chunks: Range<Int>, byteCount: Int64) {
        self.xorb = xorb
        self.chunks = chunks
        self.byteCount = byteCount
    }
}

/// Where a run of chunks can be had.
package struct ReconstructionPlace: Equatable, Hashable, Sendable {
    /// The xorb's name.
    package let xorb: XetHash
    /// The chunks that lie there, all of them and nothing else; not empty.
    package let chunks: Range<Int>
    /// Signed for exactly `bytes`, for about an hour; asked without any token.
    ///
    /// Not for logs.
    package let url: String
    /// The bytes behind the URL that are those chunks, headers and payloads.
    package let bytes: Range<Int64>

    /// Takes the parts as they are.
    package init(xorb: XetHash, chunks: Range<Int>, url: String, bytes: Range<Int64>) {
        self.xorb = xorb
        self.chunks = chunks
        self.url = url
        self.bytes = bytes
    }
}

/// The parts of a file, or of a range of it, in their order.
package struct Reconstruction: Equatable, Sendable {
    /// The longest answer that is read, in bytes.
    ///
    /// A term and its place take about 700; a range of 1 GiB has some 20 terms, and one cut to
    /// pieces of a chunk each 16,000: 11 MiB.
    package static let mostAnswerBytes = 32 << 20

    /// The bytes of the first term that lie before the range.
    package let offsetIntoFirstTerm: Int64
    /// In the order of the file.
    package let terms: [ReconstructionTerm]
    /// In no order; each term lies in one of them.
    package let places: [ReconstructionPlace]

    /// Checks the parts against each other and against the format's limits.
    ///
    /// - Throws: `inconsistentReconstruction`, `malformedAnswer`.
    package init(
        offsetIntoFirstTerm: Int64, terms: [ReconstructionTerm], places: [ReconstructionPlace]
    ) throws(XetError) {
        self.offsetIntoFirstTerm = offsetIntoFirstTerm
        self.terms = terms
        self.places = places
        var placesByXorb: [XetHash: [Range<Int>]] = [:]
        for place in places {
            try Self.check(place)
            placesByXorb[place.xorb, default: []].append(place.chunks)
        }
        // Each term is looked for in all places of its xorb.
        if placesByXorb.values.contains(where: { $0.count > ChunkStream.mostChunks }) {
            throw .inconsistentReconstruction("more places in a xorb than it has chunks")
        }
        for term in terms {
            try Self.check(term)
            let isThere = placesByXorb[term.xorb]?.contains { $0.holds(term.chunks) } ?? false
            if !isThere {
                throw .inconsistentReconstruction("a term that lies nowhere")
            }
        }
        guard offsetIntoFirstTerm >= 0, offsetIntoFirstTerm < terms.first?.byteCount ?? 1
        else { throw .inconsistentReconstruction("an offset outside the first term") }
    }

    /// The decoded length of all terms in bytes.
    package var byteCount: Int64 { terms.reduce(0) { $0 + $1.byteCount } }

    private static func check(_ term: ReconstructionTerm) throws(XetError) {
        let count = Int64(term.chunks.count)
        guard !term.chunks.isEmpty, term.chunks.upperBound <= ChunkStream.mostChunks,
            (count...count * Int64(GearChunker.maximumByteCount)).contains(term.byteCount)
        else { throw .inconsistentReconstruction("a term of impossible length") }
    }

    private static func check(_ place: ReconstructionPlace) throws(XetError) {
        let count = Int64(place.chunks.count)
        let least = count * Int64(ChunkHeader.byteCount + 1)
        let most = count * Int64(ChunkHeader.byteCount + ChunkHeader.mostPayloadBytes)
        guard !place.chunks.isEmpty, place.chunks.upperBound <= ChunkStream.mostChunks,
            place.bytes.lowerBound >= 0, (least...most).contains(Int64(place.bytes.count))
        else { throw .inconsistentReconstruction("a place of impossible length") }
    }
}

extension Range<Int> {
    /// Whether all of `other` is in here.
    func holds(_ other: Range<Int>) -> Bool {
        lowerBound <= other.lowerBound && other.upperBound <= upperBound
    }
}
