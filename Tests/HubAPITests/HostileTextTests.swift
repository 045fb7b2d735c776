import Testing
import Transport

@testable import HubAPI

/// Texts from outside, damaged in every way: nothing may crash, and what is read must be sane.
@Suite struct HostileTextTests {
    /// Deterministic, so that a failure can be repeated.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    private static let seeds = [
        "bytes 10-19/100", "<http://h/x?a=b>; rel=\"next\", </y>; rel=prev",
        "\"api\";r=0;t=55", "https://user@[::1]:443/a%2Fb?c#d", "//h/..", "?q",
        "hf://datasets/o/n@refs%2Fpr%2F3/a/b", "hf://gpt2@%",
        "[{\"path\":\"\\ud83d\\ude00\\ud800\"}]",
        "{\"id\":\"o/n\",\"sha\":\"0123456789abcdef0123456789abcdef01234567\"}",
    ]

    /// One seed with some bytes replaced, removed, doubled, and its end cut off.
    private func damaged(_ dice: inout Dice) -> [UInt8] {
        var bytes = Array((Self.seeds.randomElement(using: &dice) ?? "").utf8)
        for _ in 0..<Int.random(in: 0...6, using: &dice) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &dice)
            switch Int.random(in: 0...3, using: &dice) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &dice)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(contentsOf: bytes[index...], at: index)
            default: bytes.removeSubrange(index...)
            }
        }
        return bytes
    }

    @Test(arguments: [UInt64(1), 2, 3])
    func survives(seed: UInt64) throws {
        var dice = Dice(state: seed)
        let base = try #require(HTTPURL("https://hub.example/a/b?c"))
        for _ in 0..<4000 {
            let bytes = damaged(&dice)
            let text = String(decoding: bytes, as: UTF8.self)
            if let range = ContentRange(text) { #expect(range.bytes.upperBound <= range.size) }
            if let url = base.resolving(text) { #expect(HTTPURL(url.text) == url, "\(text)") }
            if let uri = try? HubURI(text) { #expect(try HubURI(uri.text) == uri, "\(text)") }
            if let link = nextLink([text]) { #expect(text.contains(link)) }
            let headers = HTTPHeaders([("RateLimit", text), ("Retry-After", text)])
            #expect(requestedPause(headers, status: 429) ?? 0 >= 0)
            if let repaired = repairedUnicode(bytes) {
                #expect(String(validating: repaired, as: UTF8.self) != nil)
                #expect(repairedUnicode(repaired) == nil, "\(text)")
            }
            _ = try? TreePage(json: bytes)
            _ = try? refInfos(json: bytes)
            _ = try? RevisionInfo(json: bytes, kind: .model)
        }
    }
}
