// Reconstructions as JSON, in the two versions of the protocol, both ways.
//
// Version 2 groups the ranges behind one URL, version 1 has a URL for each range. Chunk ranges
// exclude their end, byte ranges include it. A URL with several ranges is taken apart here: each
// range is asked for by itself, as the official client does.

internal import JSON

private struct RangeJSON: Encodable {
    let start: Int64
    let end: Int64

    init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        var (start, end): (Int64?, Int64?)
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "start": start = try reader.integer()
            case "end": end = try reader.integer()
            default: try reader.skip()
            }
        }
        self.start = try reader.needed(start)
        self.end = try reader.needed(end)
    }

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

private struct TermJSON: Encodable {
    let hash: String
    let range: RangeJSON
    let unpacked_length: Int64
}

extension TermJSON {
    init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        var (hash, range, length): (String?, RangeJSON?, Int64?)
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "hash": hash = try reader.string()
            case "range": range = try RangeJSON(&reader)
            case "unpacked_length": length = try reader.integer()
            default: try reader.skip()
            }
        }
        self.init(
            hash: try reader.needed(hash), range: try reader.needed(range),
            unpacked_length: try reader.needed(length))
    }
}

/// What both versions say, each with places of its own.
private struct AnswerJSON<Place> {
    let offset: Int64
    let terms: [TermJSON]
    let places: [String: [Place]]

    /// - Parameter member: under which name the places are.
    init(
        _ reader: inout JSONReader<JSONFault>, placesIn member: String,
        _ place: (inout JSONReader<JSONFault>) throws(JSONFault) -> Place
    ) throws(JSONFault) {
        var (offset, terms, places): (Int64?, [TermJSON]?, [String: [Place]]?)
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "offset_into_first_range": offset = try reader.integer()
            case "terms":
                terms = try reader.list { (reader) throws(JSONFault) in try TermJSON(&reader) }
            case member: places = try reader.lists(place)
            default: try reader.skip()
            }
        }
        self.offset = try reader.needed(offset)
        self.terms = try reader.needed(terms)
        self.places = try reader.needed(places)
    }
}

private struct Version2JSON: Encodable {
    struct Place: Encodable {
        struct Part: Encodable {
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

extension Version2JSON.Place {
    init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        var (url, ranges): (String?, [Part]?)
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "url": url = try reader.string()
            case "ranges":
                ranges = try reader.list { (reader) throws(JSONFault) in try Part(&reader) }
            default: try reader.skip()
            }
        }
        self.init(url: try reader.needed(url), ranges: try reader.needed(ranges))
    }
}

extension Version2JSON.Place.Part {
    init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        var (chunks, bytes): (RangeJSON?, RangeJSON?)
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "chunks": chunks = try RangeJSON(&reader)
            case "bytes": bytes = try RangeJSON(&reader)
            default: try reader.skip()
            }
        }
        self.init(chunks: try reader.needed(chunks), bytes: try reader.needed(bytes))
    }
}

private struct Version1JSON: Encodable {
    struct Place: Encodable {
        let range: RangeJSON
        let url: String
        let url_range: RangeJSON
    }

    let offset_into_first_range: Int64
    let terms: [TermJSON]
    let fetch_info: [String: [Place]]
}

extension Version1JSON.Place {
    init(_ reader: inout JSONReader<JSONFault>) throws(JSONFault) {
        var (range, url, bytes): (RangeJSON?, String?, RangeJSON?)
        try reader.object { (reader, name) throws(JSONFault) in
            switch name {
            case "range": range = try RangeJSON(&reader)
            case "url": url = try reader.string()
            case "url_range": bytes = try RangeJSON(&reader)
            default: try reader.skip()
            }
        }
        self.init(
            range: try reader.needed(range), url: try reader.needed(url),
            url_range: try reader.needed(bytes))
    }
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
        let answer = try readJSON(
            json, mostBytes: Self.mostAnswerBytes, what: "reconstruction"
        ) { (reader) throws(JSONFault) in
            try AnswerJSON(&reader, placesIn: "xorbs") { (reader) throws(JSONFault) in
                try Version2JSON.Place(&reader)
            }
        }
        var places: [ReconstructionPlace] = []
        for (name, entries) in answer.places {
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
        try self.init(answer.offset, answer.terms, places)
    }

    private init(version1 json: [UInt8]) throws(XetError) {
        let answer = try readJSON(
            json, mostBytes: Self.mostAnswerBytes, what: "reconstruction"
        ) { (reader) throws(JSONFault) in
            try AnswerJSON(&reader, placesIn: "fetch_info") { (reader) throws(JSONFault) in
                try Version1JSON.Place(&reader)
            }
        }
        var places: [ReconstructionPlace] = []
        for (name, entries) in answer.places {
            let xorb = try Self.hash(name)
            for entry in entries {
                places.append(
                    ReconstructionPlace(
                        xorb: xorb, chunks: try entry.range.chunks(), url: entry.url,
                        bytes: try entry.url_range.bytes()))
            }
        }
        try self.init(answer.offset, answer.terms, places)
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
