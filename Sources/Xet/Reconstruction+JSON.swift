// Reconstructions as JSON, in the two versions of the protocol, both ways.
//
// Version 2 groups the ranges behind one URL, version 1 has a URL for each range. Chunk ranges
// exclude their end, byte ranges include it. A URL with several ranges is taken apart here: each
// range is asked for by itself, as the official client does.

private struct RangeJSON: Codable {
    let start: Int64
    let end: Int64

    init(chunks: Range<Int>) {
        start = Int64(chunks.lowerBound)
        end = Int64(chunks.upperBound)
    }

    init(bytes: Range<Int64>) {
        start = bytes.lowerBound
        end = bytes.upperBound - 1
    }

    func chunks() throws(XetError) -> Range<Int> {
        guard 0 <= start, start < end, end <= Int64(ChunkStream.mostChunks) else {
            throw .inconsistentReconstruction("an impossible range of chunks")
        }
        return Int(start)..<Int(end)
    }

    func bytes() throws(XetError) -> Range<Int64> {
        guard 0 <= start, start <= end, end < Int64.max else {
            throw .inconsistentReconstruction("an impossible range of bytes")
        }
        return start..<end + 1
    }
}

private struct TermJSON: Codable {
    let hash: String
    let range: RangeJSON
    let unpacked_length: Int64
}

private struct Version2JSON: Codable {
    struct Place: Codable {
        struct Part: Codable {
            let chunks: RangeJSON
            let bytes: RangeJSON
        }

        let url: String
        let ranges: [Part]
    }

    let offset_into_first_range: Int64
    let terms: [TermJSON]
    let xorbs: [String: [Place]]
}

private struct Version1JSON: Codable {
    struct Place: Codable {
        let range: RangeJSON
        let url: String
        let url_range: RangeJSON
    }

    let offset_into_first_range: Int64
    let terms: [TermJSON]
    let fetch_info: [String: [Place]]
}

/// The versions of the reconstruction API.
package enum ReconstructionVersion: Int, Sendable, CaseIterable {
    /// `/v1/reconstructions/`, deprecated.
    case one = 1
    /// `/v2/reconstructions/`.
    case two = 2

    /// The path at the server, to which the file's hash is added.
    package var path: String { "/v\(rawValue)/reconstructions/" }
}

extension Reconstruction {
    /// Reads the answer of `/v2/reconstructions/{hash}` or `/v1/reconstructions/{hash}`.
    package init(json: [UInt8], version: ReconstructionVersion) throws(XetError) {
        switch version {
        case .one: try self.init(version1: json)
        case .two: try self.init(version2: json)
        }
    }

    private init(version2 json: [UInt8]) throws(XetError) {
        let answer = try decodedJSON(
            Version2JSON.self, json, mostBytes: Self.mostAnswerBytes, what: "reconstruction")
        var places: [ReconstructionPlace] = []
        for (name, entries) in answer.xorbs {
            let xorb = try Self.hash(name)
            for entry in entries {
                for part in entry.ranges {
                    places.append(
                        ReconstructionPlace(
                            xorb: xorb, chunks: try part.chunks.chunks(), url: entry.url,
                            bytes: try part.bytes.bytes()))
                }
            }
        }
        try self.init(answer.offset_into_first_range, answer.terms, places)
    }

    private init(version1 json: [UInt8]) throws(XetError) {
        let answer = try decodedJSON(
            Version1JSON.self, json, mostBytes: Self.mostAnswerBytes, what: "reconstruction")
        var places: [ReconstructionPlace] = []
        for (name, entries) in answer.fetch_info {
            let xorb = try Self.hash(name)
            for entry in entries {
                places.append(
                    ReconstructionPlace(
                        xorb: xorb, chunks: try entry.range.chunks(), url: entry.url,
                        bytes: try entry.url_range.bytes()))
            }
        }
        try self.init(answer.offset_into_first_range, answer.terms, places)
    }

    private init(
        _ offset: Int64, _ terms: [TermJSON], _ places: [ReconstructionPlace]
    ) throws(XetError) {
        var checked: [ReconstructionTerm] = []
        checked.reserveCapacity(terms.count)
        for term in terms {
            checked.append(
                ReconstructionTerm(
                    xorb: try Self.hash(term.hash), chunks: try term.range.chunks(),
                    byteCount: term.unpacked_length))
        }
        try self.init(offsetIntoFirstTerm: offset, terms: checked, places: places)
    }

    private static func hash(_ text: String) throws(XetError) -> XetHash {
        guard let hash = XetHash(text: text) else { throw .malformedAnswer("hash") }
        return hash
    }

    /// The answer that `init(json:version:)` reads.
    package func json(_ version: ReconstructionVersion) -> [UInt8] {
        let terms = terms.map {
            TermJSON(
                hash: $0.xorb.text, range: RangeJSON(chunks: $0.chunks),
                unpacked_length: $0.byteCount)
        }
        switch version {
        case .one:
            var info: [String: [Version1JSON.Place]] = [:]
            for place in places {
                info[place.xorb.text, default: []].append(
                    Version1JSON.Place(
                        range: RangeJSON(chunks: place.chunks), url: place.url,
                        url_range: RangeJSON(bytes: place.bytes)))
            }
            return encodedJSON(
                Version1JSON(
                    offset_into_first_range: offsetIntoFirstTerm, terms: terms, fetch_info: info))
        case .two:
            var xorbs: [String: [Version2JSON.Place]] = [:]
            for place in places {
                let part = Version2JSON.Place.Part(
                    chunks: RangeJSON(chunks: place.chunks), bytes: RangeJSON(bytes: place.bytes))
                xorbs[place.xorb.text, default: []].append(
                    Version2JSON.Place(url: place.url, ranges: [part]))
            }
            return encodedJSON(
                Version2JSON(
                    offset_into_first_range: offsetIntoFirstTerm, terms: terms, xorbs: xorbs))
        }
    }
}
