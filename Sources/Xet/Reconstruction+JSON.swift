// Reconstructions as JSON, in the two versions of the protocol, both ways.
//
// Version 2 groups the ranges behind one URL, version 1 has a URL for each range. Chunk ranges
// exclude their end, byte ranges include it. A URL with several ranges is taken apart here: each
// range is asked for by itself, as the official client does.

internal import JSON

private struct RangeJSON {
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

private struct TermJSON {
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

private struct Version2JSON {
    struct Place {
        struct Part {
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

private struct Version1JSON {
    struct Place {
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
}

// A server writes one for every range that is read, so it is written byte by byte.
extension Reconstruction {
    /// The answer that `init(json:version:)` reads.
    package func json(_ version: ReconstructionVersion) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(Self.typicalByteCount * (terms.count + places.count + 1))
        out += "{\"offset_into_first_range\":\(offsetIntoFirstTerm),\"terms\":[".utf8
        for (index, term) in terms.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            out += "{\"hash\":\"".utf8
            term.xorb.appendText(to: &out)
            out += "\",\"range\":".utf8
            Self.append(Int64(term.chunks.lowerBound), Int64(term.chunks.upperBound), to: &out)
            out += ",\"unpacked_length\":\(term.byteCount)}".utf8
        }
        out += (version == .one ? "],\"fetch_info\":{" : "],\"xorbs\":{").utf8
        appendPlaces(version, to: &out)
        out += "}}".utf8
        return out
    }

    /// Of a term or a place, without the URL's query, in bytes.
    private static let typicalByteCount = 256

    /// The places, those of one xorb together.
    private func appendPlaces(_ version: ReconstructionVersion, to out: inout [UInt8]) {
        var numbers: [XetHash: [Int]] = [:]
        var order: [XetHash] = []
        for (number, place) in places.enumerated() {
            if numbers[place.xorb] == nil { order.append(place.xorb) }
            numbers[place.xorb, default: []].append(number)
        }
        for (index, xorb) in order.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            out.append(UInt8(ascii: "\""))
            xorb.appendText(to: &out)
            out += "\":[".utf8
            for (index, number) in (numbers[xorb] ?? []).enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                Self.append(places[number], version, to: &out)
            }
            out.append(UInt8(ascii: "]"))
        }
    }

    private static func append(
        _ place: ReconstructionPlace, _ version: ReconstructionVersion, to out: inout [UInt8]
    ) {
        out += "{\"url\":".utf8
        appendJSONText(place.url, to: &out)
        out += (version == .one ? ",\"range\":" : ",\"ranges\":[{\"chunks\":").utf8
        append(Int64(place.chunks.lowerBound), Int64(place.chunks.upperBound), to: &out)
        out += (version == .one ? ",\"url_range\":" : ",\"bytes\":").utf8
        append(place.bytes.lowerBound, place.bytes.upperBound - 1, to: &out)
        out += (version == .one ? "}" : "}]}").utf8
    }

    private static func append(_ start: Int64, _ end: Int64, to out: inout [UInt8]) {
        out += "{\"start\":\(start),\"end\":\(end)}".utf8
    }
}
