// A Xet server in memory, with a Hub before it, for the tests of fetches through Xet.

import Compression
import Platform
import ScriptedServer
import Transport

@testable import HubAPI
@testable import Xet

/// A file in xorbs.
struct XetFile: Sendable {
    var content: [UInt8] = []
    var chunks: [FileChunk] = []
    var hashes: [XetHash] = []
    /// What goes over the wire, and where each chunk ends in it.
    var xorbs: [XetHash: (bytes: [UInt8], ends: [UInt32])] = [:]

    /// Made once: every test reads it, none changes it.
    static let shared = Result { try make() }

    /// Xorbs of 40 chunks of some kilobytes; the file takes some runs twice, and some not at all.
    static func make(xorbCount: Int = 3) throws -> XetFile {
        var file = XetFile()
        var names: [(XetHash, [[UInt8]])] = []
        for number in 0..<xorbCount {
            var writer = XorbWriter()
            var chunks: [[UInt8]] = []
            for index in 0..<40 {
                let count = 3000 + 997 * ((index + number) % 7)
                var state = UInt64(number * 100 + index)
                let chunk = (0..<count).map { place -> UInt8 in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return index % 3 == 0 ? UInt8(place / 64 % 8) : UInt8(state >> 56)
                }
                let scratch = CodecScratch()
                _ = try chunk.withUnsafeBytes { bytes throws(XetError) in
                    try writer.add(bytes, hash: .chunk(chunk), policy: .auto, scratch: scratch)
                }
                chunks.append(chunk)
            }
            guard let footer = writer.footer() else { preconditionFailure("chunks") }
            file.xorbs[footer.hash] = (writer.content, footer.packedEnds)
            names.append((footer.hash, chunks))
        }
        let runs: [(Int, Range<Int>)] = [
            (0, 0..<16), (1, 3..<4), (0, 16..<24), (2, 0..<40), (0, 2..<9), (1, 10..<36),
        ]
        for (number, run) in runs where number < xorbCount {
            for index in run {
                let chunk = names[number].1[index]
                file.content += chunk
                file.hashes.append(.chunk(chunk))
                file.chunks.append(
                    FileChunk(xorb: names[number].0, index: index, byteCount: Int64(chunk.count)))
            }
        }
        return file
    }

    var size: Int64 { Int64(content.count) }

    var hash: XetHash {
        .file(
            root: MerkleTree.root(
                of: zip(hashes, chunks).map {
                    MerkleNode(hash: $0, byteCount: UInt64($1.byteCount))
                }))
    }

    func packed(_ xorb: XetHash, _ chunks: Range<Int>) -> Range<Int64> {
        let ends = xorbs[xorb]?.ends ?? []
        let start = chunks.lowerBound == 0 ? 0 : ends[chunks.lowerBound - 1]
        return Int64(start)..<Int64(ends[chunks.upperBound - 1])
    }
}

/// Answers like a Hub and its Xet server at one address, except where a test says otherwise.
final class XetScript: Sendable {
    struct Counts {
        var tokens = 0
        var plans = 0
        var data = 0
        var plain = 0
    }

    let file: XetFile
    let counts = Lock(Counts())
    let address = Lock("")
    /// Seconds that a token is valid for.
    let tokenSeconds: Int64
    /// Another answer, if the test has one; told the kind and its number from 1.
    let other: @Sendable (Kind, Int, SeenRequest) -> [ScriptStep]?

    enum Kind { case token, plan, data, plain }

    init(
        _ file: XetFile, tokenSeconds: Int64 = 3600,
        other: @escaping @Sendable (Kind, Int, SeenRequest) -> [ScriptStep]? = { _, _, _ in nil }
    ) {
        self.file = file
        self.tokenSeconds = tokenSeconds
        self.other = other
    }

    func reply(_ request: SeenRequest) -> [ScriptStep] {
        let target = request.target
        if target.contains("/xet-read-token/") {
            let number = counts.withLock {
                $0.tokens += 1; return $0.tokens
            }
            return other(.token, number, request) ?? token("xet-\(number)")
        }
        if target.contains("/reconstructions/") {
            let number = counts.withLock {
                $0.plans += 1; return $0.plans
            }
            return other(.plan, number, request) ?? plan(request)
        }
        if target.hasPrefix("/xorb/") {
            let number = counts.withLock {
                $0.data += 1; return $0.data
            }
            return other(.data, number, request) ?? data(request)
        }
        let number = counts.withLock {
            $0.plain += 1; return $0.plain
        }
        return other(.plain, number, request) ?? part(file.content, request)
    }

    func token(_ secret: String) -> [ScriptStep] {
        let token = XetToken(
            serverURL: address.withLock { $0 }, accessToken: secret,
            expiry: WallTime(
                secondsSince1970: WallTime.now.secondsSince1970 + tokenSeconds))
        return answer(200, bytes: token.json)
    }

    func reconstruction(_ request: SeenRequest) -> Reconstruction? {
        guard let range = range(request) else { return nil }
        let home = address.withLock { $0 }
        return try? Reconstruction(
            of: file.chunks, range: range.lowerBound..<min(range.upperBound, file.size)
        ) { xorb, chunks in
            ("\(home)/xorb/\(xorb)?Signature=s3cret", file.packed(xorb, chunks))
        }
    }

    func plan(
        _ request: SeenRequest, _ change: (Reconstruction) -> [UInt8]? = { _ in nil }
    ) -> [ScriptStep] {
        let version: ReconstructionVersion = request.target.hasPrefix("/v1/") ? .one : .two
        guard let made = reconstruction(request) else { return answer(416) }
        return answer(200, bytes: change(made) ?? made.json(version))
    }

    func data(_ request: SeenRequest) -> [ScriptStep] {
        part(xorb(request), request)
    }

    /// The whole of what lies behind a data URL.
    func xorb(_ request: SeenRequest) -> [UInt8] {
        let name = request.target.dropFirst("/xorb/".count).prefix(64)
        return XetHash(text: name).flatMap { file.xorbs[$0]?.bytes } ?? []
    }

    func range(_ request: SeenRequest) -> Range<Int64>? {
        guard let ends = request["range"]?.dropFirst("bytes=".count).split(separator: "-"),
            ends.count == 2, let first = Int64(ends[0]), let last = Int64(ends[1])
        else { return nil }
        return first..<last + 1
    }

    func part(_ bytes: [UInt8], _ request: SeenRequest) -> [ScriptStep] {
        guard let range = range(request) else { return answer(200, bytes: bytes) }
        if range.upperBound > bytes.count { return answer(416) }
        return answer(
            206,
            ["Content-Range: bytes \(range.lowerBound)-\(range.upperBound - 1)/\(bytes.count)"],
            bytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    }
}

/// What a fetch through Xet brought.
final class XetFetchSink: XetSink, Sendable {
    struct Brought {
        var plain = Fetched()
        var chunks: [IdentifiedChunk] = []
        /// In the order in which they came.
        var parts: [(offset: Int64, bytes: [UInt8])] = []
    }

    let brought = Lock(Brought())
    private let ends = Mailbox<Bool>()
    private let localChunks: [XetHash: [Int: [UInt8]]]
    /// Every how many-eth call is answered with a pause.
    private let pauseEvery: Int
    private let calls = Lock(0)
    private let pauses = Mailbox<Bool>()

    init(localChunks: [XetHash: [Int: [UInt8]]] = [:], pauseEvery: Int = 0) {
        self.localChunks = localChunks
        self.pauseEvery = pauseEvery
    }

    func contentDidReceive(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, of chunk: IdentifiedChunk?
    ) -> TransferDirective {
        let number = calls.withLock {
            $0 += 1; return $0
        }
        if pauseEvery > 0 && number % pauseEvery == 0 {
            pauses.send(true)
            return .pause
        }
        let copy = Array(bytes)
        brought.withLock { brought in
            brought.parts.append((offset, copy))
            if let chunk, chunk != brought.chunks.last { brought.chunks.append(chunk) }
        }
        return .proceed
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        brought.withLock { $0.plain.results.append(result) }
        ends.send(true)
    }

    func hasChunk(_ xorb: XetHash, _ index: Int) -> Bool { localChunks[xorb]?[index] != nil }
    func localChunk(_ xorb: XetHash, _ index: Int) -> LocalChunk? {
        localChunks[xorb]?[index].map { LocalChunk(hash: .chunk($0), bytes: $0) }
    }

    /// Waits for the end; resumes whenever there was a pause.
    func wait(_ resume: () -> Void = {}) -> Brought {
        for _ in 0..<3000 {
            if ends.receive(until: .now + 0.01) != nil { break }
            while pauses.receive(until: .now) != nil { resume() }
        }
        return brought.withLock { brought in
            // In the order of the file, which is not that of arrival.
            brought.chunks.sort { $0.fileOffset < $1.fileOffset }
            brought.parts.sort { $0.offset < $1.offset }
            brought.plain.body = brought.parts.flatMap(\.bytes)
            return brought
        }
    }
}

func withXet<Value>(
    _ script: XetScript, _ variables: [String: String] = [:],
    _ body: (TestClient, ScriptedServer) throws -> Value
) throws -> Value {
    try withHub(variables, script: { script.reply($0) }) { client, server in
        script.address.withLock { $0 = server.url }
        return try body(client, server)
    }
}

extension TestClient {
    func fetchXet(
        _ file: XetFile, range: Range<Int64>? = nil, size: Int64? = nil, seconds: Double = 20,
        sink: XetFetchSink = XetFetchSink()
    ) -> XetFetchSink.Brought {
        let id = hub.fetchXet(
            content("f", size: size ?? file.size, range: range, seconds: seconds),
            hash: file.hash, sink: sink)
        return sink.wait { hub.resume(id) }
    }
}
