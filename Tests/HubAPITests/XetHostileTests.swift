// Servers that lie or fail for good: the bytes come all the same, over plain HTTP, and are right.

import HubAPI
import Platform
import ScriptedServer
import Telemetry
import Testing

@testable import Xet

@Suite struct XetHostileTests {
    let file: XetFile

    init() throws {
        file = try XetFile.shared.get()
    }

    /// Reads a file twice: it must come over plain HTTP, the second time without trying Xet.
    private func expectPlain(_ script: XetScript, isRemembered: Bool = true) throws {
        try withXet(script, ["HF_TOKEN": "hf_x"]) { client, server in
            let brought = client.fetchXet(file)
            #expect(brought.plain.isSuccess)
            #expect(brought.plain.body == file.content)
            #expect(script.counts.withLock { $0.plain } == 1)
            #expect(client.hub.counters.xetFallbacks.value == 1)
            // A question that was under way when the second failure came may still be seen.
            _ = Mailbox<Bool>().receive(until: .now + 0.05)
            let before = script.counts.withLock { $0 }
            #expect(client.fetchXet(file, range: 100..<1000).plain.isSuccess)
            let after = script.counts.withLock { $0 }
            #expect(after.plain == 2 && after.plans == before.plans)
            #expect(after.tokens == before.tokens)
            for request in server.seen where request.target.hasPrefix("/xorb/") {
                #expect(request["authorization"] == nil)
            }
        }
    }

    @Test(arguments: [403, 404, 401])
    func `a Hub that gives no token`(status: Int) throws {
        try expectPlain(XetScript(file) { kind, _, _ in kind == .token ? answer(status) : nil })
    }

    @Test(arguments: ["", "{", "{}", "[1]", #"{"casUrl":"ftp://x","exp":9,"accessToken":"t"}"#])
    func `a token that is none`(body: String) throws {
        try expectPlain(
            XetScript(file) { kind, _, _ in kind == .token ? answer(200, body: body) : nil })
    }

    @Test(arguments: [401, 403, 404, 416])
    func `a server that refuses to plan`(status: Int) throws {
        let script = XetScript(file) { kind, _, _ in kind == .plan ? answer(status) : nil }
        try expectPlain(script)
        // A refused token is renewed twice.
        #expect(script.counts.withLock { $0.tokens } == (status == 401 ? 3 : 1))
    }

    @Test(arguments: [
        "", "{", "null", #"{"terms":[]}"#,
        #"{"terms":[],"xorbs":{},"offset_into_first_range":0}"#,
    ])
    func `a plan that is none`(body: String) throws {
        try expectPlain(
            XetScript(file) { kind, _, _ in kind == .plan ? answer(200, body: body) : nil })
    }

    @Test func `a plan without an end`() throws {
        try expectPlain(
            XetScript(file) { kind, _, _ in
                kind == .plan
                    ? [.text("HTTP/1.1 200 OK\r\n\r\n{\"terms\":["), .zeros(20 << 20), .close] : nil
            })
    }

    /// Terms changed in ways that contradict the file or the xorbs.
    @Test(arguments: [
        "short", "long", "swapped", "offset", "lengths", "elsewhere", "wrongBytes", "overlap",
        "wrongXorb",
    ])
    func `a plan that lies`(how: String) throws {
        let honest = XetScript(file)
        let script = XetScript(file) { kind, _, request in
            if kind != .plan { return nil }
            return honest.plan(request) { made in lie(how, made)?.json(.two) }
        }
        try withXet(script) { client, server in
            honest.address.withLock { $0 = server.url }
            let brought = client.fetchXet(file)
            #expect(brought.plain.isSuccess)
            // What is swapped decodes well: only the file's hash can tell.
            let isCaught = brought.plain.body == file.content
            #expect(isCaught == !["swapped", "wrongXorb"].contains(how))
            if !isCaught {
                let nodes = brought.chunks.map {
                    MerkleNode(hash: $0.hash, byteCount: UInt64($0.byteCount))
                }
                #expect(XetHash.file(root: MerkleTree.root(of: nodes)) != file.hash)
            }
        }
    }

    @Test(arguments: [Int64(-1), 1, 70_000])
    func `a file of another size than the tree's`(difference: Int64) throws {
        try withXet(XetScript(file)) { client, _ in
            let size = file.size + difference
            let brought = client.fetchXet(file, size: size)
            // Neither way gives such a file, and nothing beyond it is handed on.
            #expect(!brought.plain.isSuccess)
            #expect(brought.plain.body.count <= Int(size))
            #expect(client.hub.counters.xetFallbacks.value == 1)
        }
    }

    @Test(arguments: [403, 404, 410, 302, 204])
    func `data that is refused at every request`(status: Int) throws {
        let script = XetScript(file) { kind, _, _ in
            kind == .data ? answer(status, ["Location: /elsewhere"]) : nil
        }
        try expectPlain(script)
        #expect(script.counts.withLock { $0.plans } <= 3)
    }

    @Test(arguments: [
        "truncated", "trailing", "scheme", "version", "bomb", "zero", "long", "garbage", "range",
        "multipart", "encoded", "short",
    ])
    func `data that is none`(how: String) throws {
        let honest = XetScript(file)
        try expectPlain(
            XetScript(file) { kind, _, request in
                kind == .data ? damage(how, honest.data(request), request) : nil
            })
    }

    @Test func `a failure in the middle keeps what has come`() throws {
        let script = XetScript(file) { kind, number, _ in
            kind == .data && number > 2 ? answer(404) : nil
        }
        try withXet(script) { client, _ in
            let brought = client.fetchXet(file)
            #expect(brought.plain.isSuccess && brought.plain.body == file.content)
        }
    }

    @Test func `secrets are nowhere`() throws {
        let script = XetScript(file) { kind, _, _ in kind == .data ? answer(404) : nil }
        try withXet(script, ["HF_TOKEN": "hf_s3cret"]) { client, _ in
            _ = client.fetchXet(file)
            var text = "\(client.hub.status)"
            dump(client.hub.status, to: &text)
            #expect(!text.contains("s3cret") && !text.contains("xet-1"))
        }
    }
}

private func lie(_ how: String, _ made: Reconstruction) -> Reconstruction? {
    var terms = made.terms
    var places = made.places
    var offset = made.offsetIntoFirstTerm
    if terms.count < 2 { return nil }
    switch how {
    case "short": terms.removeLast()
    case "long": terms.append(terms[0])
    case "swapped": terms.swapAt(0, terms.count - 1)
    case "overlap":
        // The second term begins again with the last chunk of the first.
        let second = terms[1]
        let chunks = max(0, second.chunks.lowerBound - 1)..<second.chunks.upperBound
        terms[1] = ReconstructionTerm(
            xorb: second.xorb, chunks: chunks, byteCount: second.byteCount + 9000)
        places = places.map {
            ReconstructionPlace(
                xorb: $0.xorb, chunks: 0..<max($0.chunks.upperBound, 1), url: $0.url,
                bytes: 0..<$0.bytes.upperBound)
        }
    case "wrongXorb":
        // The bytes of one xorb under the name of the other.
        let (first, second) = (places[0], places[places.count - 1])
        places[0] = ReconstructionPlace(
            xorb: first.xorb, chunks: first.chunks, url: second.url, bytes: first.bytes)
    case "offset": offset = 1
    case "lengths":
        let (first, second) = (terms[0], terms[1])
        terms[0] = ReconstructionTerm(
            xorb: first.xorb, chunks: first.chunks, byteCount: first.byteCount + 5)
        terms[1] = ReconstructionTerm(
            xorb: second.xorb, chunks: second.chunks, byteCount: second.byteCount - 5)
    case "elsewhere":
        places = places.map {
            ReconstructionPlace(
                xorb: $0.xorb, chunks: $0.chunks, url: "gopher://127.0.0.1/", bytes: $0.bytes)
        }
    default:
        places = places.map {
            ReconstructionPlace(
                xorb: $0.xorb, chunks: $0.chunks, url: $0.url,
                bytes: $0.bytes.lowerBound + 3..<$0.bytes.upperBound + 3)
        }
    }
    return try? Reconstruction(offsetIntoFirstTerm: offset, terms: terms, places: places)
}

private func damage(
    _ how: String, _ steps: [ScriptStep], _ request: SeenRequest
) -> [ScriptStep]? {
    guard case .text(let head) = steps[0], case .bytes(var bytes) = steps[1] else { return nil }
    switch how {
    case "range":
        return [.text(head.replacing("bytes ", with: "bytes 1")), .bytes(bytes)]
    case "multipart":
        return answer(206, ["Content-Type: multipart/byteranges; boundary=x"], bytes: bytes)
    case "encoded":
        let coded = head.replacing("206 Said", with: "206 Said\r\nContent-Encoding: br")
        return [.text(coded), .bytes(bytes)]
    case "short": return answer(200, bytes: Array(bytes.dropLast(20)))
    case "truncated":
        // A chunk that is longer than what is left.
        bytes[bytes.count - 1] ^= 0xFF
        bytes[1] ^= 0x40
    case "trailing": return answer(200, bytes: bytes + [0])
    case "scheme": bytes[4] = 7
    case "version": bytes[0] = 1
    case "bomb":
        bytes[4] = 1
        bytes[5...7] = [0xFF, 0xFF, 0x01]
    case "zero": bytes[5...7] = [0, 0, 0]
    case "long": bytes[5...7] = [0xFF, 0xFF, 0xFF]
    default: bytes = bytes.map { $0 ^ 0x5A }
    }
    return [steps[0], .bytes(bytes)]
}
