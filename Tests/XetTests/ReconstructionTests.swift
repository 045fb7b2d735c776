// Reconstructions: JSON of both versions, checks against the format and the file, plans, and
// downloads decoded into place.

import Platform
import Testing

@testable import Xet

@Suite struct ReconstructionTests {
    let file: TestFile

    init() throws {
        file = try TestFile.make()
    }

    @Test(arguments: ReconstructionVersion.allCases)
    func `what is written as JSON is read again`(version: ReconstructionVersion) throws {
        for range in [
            file.range, 0..<1, 5000..<40_000, file.range.upperBound - 1..<file.range.upperBound,
        ] {
            let made = try file.reconstruction(range)
            let read = try Reconstruction(json: made.json(version), version: version)
            #expect(read.terms == made.terms)
            #expect(read.offsetIntoFirstTerm == made.offsetIntoFirstTerm)
            #expect(Set(read.places) == Set(made.places))
        }
    }

    @Test(arguments: ReconstructionVersion.allCases)
    func `a URL of any characters is the same after it was written`(
        version: ReconstructionVersion
    ) throws {
        let url = "http://h/\"\\\u{1}\n\u{1f}/é\u{301}?a=b&c=%20"
        let xorb = XetHash.zero
        let made = try Reconstruction(
            offsetIntoFirstTerm: 0,
            terms: [ReconstructionTerm(xorb: xorb, chunks: 0..<2, byteCount: 9000)],
            places: [
                ReconstructionPlace(xorb: xorb, chunks: 0..<1, url: url, bytes: 7..<5000),
                ReconstructionPlace(xorb: xorb, chunks: 0..<2, url: url, bytes: 7..<9000),
            ])
        #expect(try Reconstruction(json: made.json(version), version: version) == made)
    }

    @Test func `a xorb with more places than chunks is refused`() throws {
        let place = ReconstructionPlace(xorb: .zero, chunks: 0..<1, url: "http://h", bytes: 0..<99)
        func make(placeCount: Int) throws -> Reconstruction {
            try Reconstruction(
                offsetIntoFirstTerm: 0,
                terms: [ReconstructionTerm(xorb: .zero, chunks: 0..<1, byteCount: 90)],
                places: Array(repeating: place, count: placeCount))
        }
        #expect(try make(placeCount: 8_192).places.count == 8_192)
        #expect(throws: XetError.self) { try make(placeCount: 8_193) }
    }

    @Test func `a documented answer of each version is read`() throws {
        let hash = "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
        let terms = """
            "offset_into_first_range": 7, "unknown": {}, "terms":
            [{"hash": "\(hash)", "range": {"start": 1, "end": 3}, "unpacked_length": 9000}]
            """
        let new = """
            {\(terms), "xorbs": {"\(hash)": [{"url": "http://h/x?s",
            "ranges": [{"chunks": {"start": 0, "end": 4}, "bytes": {"start": 100, "end": 9999}}]}]}}
            """
        let old = """
            {\(terms), "fetch_info": {"\(hash)": [{"range": {"start": 0, "end": 4},
            "url": "http://h/x?s", "url_range": {"start": 100, "end": 9999}}]}}
            """
        for (text, version) in [(new, ReconstructionVersion.two), (old, .one)] {
            let read = try Reconstruction(json: Array(text.utf8), version: version)
            #expect(read.offsetIntoFirstTerm == 7)
            let term = try #require(read.terms.first)
            #expect(term.chunks == 1..<3)
            #expect(term.byteCount == 9000)
            let place = try #require(read.places.first)
            #expect(place.chunks == 0..<4)
            #expect(place.bytes == 100..<10_000)
            #expect(place.url == "http://h/x?s")
        }
        #expect(throws: XetError.malformedAnswer("reconstruction")) {
            try Reconstruction(json: Array(new.utf8), version: .one)
        }
        #expect(throws: XetError.malformedAnswer("reconstruction")) {
            try Reconstruction(json: Array(new.utf8.dropLast()), version: .two)
        }
        let long = [UInt8](repeating: 0x20, count: Reconstruction.mostAnswerBytes + 1)
        #expect(throws: XetError.answerTooLong(long.count)) {
            try Reconstruction(json: long, version: .two)
        }
        for (from, to) in [
            ("\"end\": 3", "\"end\": 1"), ("\"end\": 3", "\"end\": 8193"),
            ("\"end\": 3", "\"end\": 5"), ("9000", "1"), ("9000", "262145"), ("9000", "-1"),
            ("\"start\": 0", "\"start\": -1"), ("9999", "99"), ("9999", "104"),
            ("9999", "9223372036854775807"), ("9999", "2000000"), (": 7", ": 9000"),
            (": 7", ": -1"), ("\(hash)", "12"),
        ] {
            guard let place = new.range(ofFirst: from) else { continue }
            let text = new.replacingCharacters(place, with: to)
            #expect(throws: XetError.self, "\(from) → \(to)") {
                try Reconstruction(json: Array(text.utf8), version: .two)
            }
        }
    }

    @Test func `every range is planned, fetched and put together`() throws {
        var random = SystemRandomNumberGenerator()
        let size = file.range.upperBound
        for _ in 0..<30 {
            let start = Int64.random(in: 0..<size, using: &random)
            let range = start..<Int64.random(in: start + 1...size, using: &random)
            let plan = try DownloadPlan(
                try file.reconstruction(range), range: range, fileByteCount: size,
                isHere: { _, _ in false })
            #expect(plan.fileRange.lowerBound <= start)
            #expect(plan.fileRange.upperBound >= range.upperBound)
            #expect(plan.localUses.isEmpty)
            var target = TestTarget(file)
            for download in plan.downloads {
                let piece = Int.random(in: 1...9000, using: &random)
                try target.take(download, file.data(download), piece: piece)
            }
            for index in Int(range.lowerBound)..<Int(range.upperBound) {
                #expect(target.isFilled[index])
            }
            let wanted = Int(plan.fileRange.lowerBound)..<Int(plan.fileRange.upperBound)
            #expect(target.bytes[wanted] == file.content[wanted])
        }
    }

    @Test func `what is here is not fetched`() throws {
        let whole = try file.reconstruction(file.range)
        let missing = try #require(whole.terms.first { $0.chunks.count == 20 }).xorb
        let plan = try DownloadPlan(
            whole, range: file.range, fileByteCount: file.range.upperBound,
            isHere: { xorb, _ in xorb != missing })
        #expect(plan.downloads.map(\.place.xorb) == [missing])
        #expect(plan.localUses.count == 5)
        let bytes =
            plan.localUses.reduce(0) { $0 + $1.use.byteCount }
            + plan.downloads.flatMap(\.uses).reduce(0) { $0 + $1.byteCount }
        #expect(bytes == file.range.upperBound)
        // One chunk missing of a place is the whole place.
        let nearly = try DownloadPlan(
            whole, range: file.range, fileByteCount: file.range.upperBound,
            isHere: { xorb, index in xorb != missing || index != 19 })
        #expect(nearly.downloads == plan.downloads)
    }

    @Test func `a reconstruction of another file or range is refused`() throws {
        let size = file.range.upperBound
        let whole = try file.reconstruction(file.range)
        func plan(_ range: Range<Int64>, size: Int64) throws(XetError) {
            _ = try DownloadPlan(
                whole, range: range, fileByteCount: size, isHere: { _, _ in false })
        }
        #expect(throws: XetError.self) { try plan(0..<size - 1, size: size - 1) }
        #expect(throws: XetError.self) { try plan(0..<size + 1, size: size + 1) }
        #expect(throws: XetError.self) { try plan(10..<size, size: size) }
        let part = try file.reconstruction(3000..<4000)
        #expect(throws: XetError.self) {
            try DownloadPlan(part, range: 0..<10, fileByteCount: size, isHere: { _, _ in false })
        }
    }

    @Test func `data that is cut, longer, or of another xorb is refused`() throws {
        let plan = try DownloadPlan(
            try file.reconstruction(file.range), range: file.range,
            fileByteCount: file.range.upperBound, isHere: { _, _ in false })
        let download = try #require(plan.downloads.last)
        let data = file.data(download)
        var target = TestTarget(file)
        #expect(throws: XetError.truncated) { try target.take(download, Array(data.dropLast())) }
        #expect(throws: XetError.truncated) { try target.take(download, []) }
        #expect(throws: XetError.trailingBytes) { try target.take(download, data + [0]) }
        let other = try #require(plan.downloads.first)
        #expect(throws: XetError.self) { try target.take(download, file.data(other)) }
        #expect(!target.isFilled.contains(true))
    }

    @Test func `a term of another length than its chunks is refused`() throws {
        let whole = try file.reconstruction(file.range)
        for change in [Int64(1), -1] {
            var terms = whole.terms
            let last = terms.removeLast()
            terms.append(
                ReconstructionTerm(
                    xorb: last.xorb, chunks: last.chunks, byteCount: last.byteCount + change))
            let size = file.range.upperBound + change
            let plan = try DownloadPlan(
                try Reconstruction(offsetIntoFirstTerm: 0, terms: terms, places: whole.places),
                range: 0..<size, fileByteCount: size, isHere: { _, _ in false })
            let lying = try #require(
                plan.downloads.first {
                    $0.place.xorb == last.xorb && $0.uses.contains { $0.chunks == last.chunks }
                })
            var decoder = TestTarget(file)
            #expect(throws: XetError.self) { try decoder.take(lying, file.data(lying)) }
        }
    }

    @Test func `a token is read, and is due before it ends`() throws {
        let json = "{\"casUrl\":\"http://127.0.0.1:1/\",\"exp\":1000,\"accessToken\":\"abc\"}"
        let token = try XetToken(json: Array(json.utf8))
        #expect(token.serverURL == "http://127.0.0.1:1")
        #expect(token.accessToken == "abc")
        #expect(!token.isDue(at: WallTime(secondsSince1970: 939)))
        #expect(token.isDue(at: WallTime(secondsSince1970: 940)))
        #expect(try XetToken(json: token.json) == token)
        for (expiry, isDue) in [(Int64.min, true), (0, true), (Int64.max, false)] {
            let odd = XetToken(
                serverURL: "http://h", accessToken: "x",
                expiry: WallTime(secondsSince1970: expiry))
            #expect(odd.isDue(at: WallTime(secondsSince1970: 1_800_000_000)) == isDue)
        }
        for bad in ["{}", "", "[]", json.replacingCharacters("abc", with: "a\\r\\nb")] {
            #expect(throws: XetError.malformedAnswer("token")) {
                try XetToken(json: Array(bad.utf8))
            }
        }
    }
}

extension String {
    func range(ofFirst text: String) -> Range<Index>? { firstRange(of: text) }

    func replacingCharacters(_ range: Range<Index>, with text: String) -> String {
        var copy = self
        copy.replaceSubrange(range, with: text)
        return copy
    }

    func replacingCharacters(_ part: String, with text: String) -> String {
        firstRange(of: part).map { replacingCharacters($0, with: text) } ?? self
    }
}
