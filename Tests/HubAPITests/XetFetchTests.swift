import HubAPI
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

@testable import Xet

@Suite struct XetFetchTests {
    let file: XetFile

    init() throws {
        file = try XetFile.shared.get()
    }

    @Test func `a file comes in order, with the names of its chunks`() throws {
        let script = XetScript(file)
        try withXet(script, ["HF_TOKEN": "hf_x"]) { client, server in
            let brought = client.fetchXet(file)
            #expect(brought.plain.isSuccess)
            #expect(brought.plain.body == file.content)
            #expect(brought.chunks.map(\.hash) == file.hashes)
            #expect(brought.chunks.map(\.index) == file.chunks.map(\.index))
            #expect(brought.chunks.map(\.xorb) == file.chunks.map(\.xorb))
            let count = script.counts.withLock { $0 }
            #expect(count.tokens == 1 && count.plans == 1 && count.plain == 0)
            #expect(server.targets[0] == "/api/models/o/n/xet-read-token/\(commitHex)")
            #expect(server.targets[1] == "/v2/reconstructions/\(file.hash)")
            #expect(client.hub.counters.xetFallbacks.value == 0)
        }
    }

    @Test func `each secret goes to its own server only`() throws {
        let cas = try ScriptedServer { [file] request in
            XetScript(file).data(request)
        }
        defer { cas.stop() }
        let away = cas.url
        let plans = try ScriptedServer { [file] request in
            let script = XetScript(file)
            script.address.withLock { $0 = away }
            return script.plan(request)
        }
        defer { plans.stop() }
        let script = XetScript(file)
        try withHub(["HF_TOKEN": "hf_x"], script: { script.reply($0) }) { client, server in
            script.address.withLock { $0 = plans.url }
            #expect(client.fetchXet(file).plain.body == file.content)
            #expect(server.seen.map { $0["authorization"] } == ["Bearer hf_x"])
            #expect(plans.seen.map { $0["authorization"] } == ["Bearer xet-1"])
            #expect(cas.seen.count > 2 && cas.seen.allSatisfy { $0["authorization"] == nil })
            #expect(cas.seen.allSatisfy { $0["range"] != nil })
        }
    }

    @Test func `every range is that of the file`() throws {
        let script = XetScript(file)
        try withXet(script) { client, _ in
            var state: UInt64 = 7
            for _ in 0..<40 {
                state = state &* 6_364_136_223_846_793_005 &+ 1
                let first = Int64(state >> 33) % file.size
                state = state &* 6_364_136_223_846_793_005 &+ 1
                let count = 1 + Int64(state >> 33) % min(60_000, file.size - first)
                let brought = client.fetchXet(file, range: first..<first + count)
                #expect(brought.plain.isSuccess)
                #expect(
                    brought.plain.body == Array(file.content[Int(first)..<Int(first + count)]))
            }
            // One token for all.
            #expect(script.counts.withLock { $0.tokens } == 1)
            #expect(client.hub.counters.xetFallbacks.value == 0)
        }
    }

    @Test func `chunks are handed on while their data is under way`() throws {
        let script = XetScript(file) { [file] kind, number, request in
            guard kind == .data, number == 1 else { return nil }
            let steps = XetScript(file).data(request)
            guard case .bytes(let bytes) = steps[1] else { return nil }
            let half = bytes.count / 2
            return [
                steps[0], .bytes(Array(bytes[..<half])), .gate, .bytes(Array(bytes[half...])),
            ]
        }
        try withXet(script) { client, server in
            let sink = XetFetchSink()
            // The first 16 chunks lie together.
            let range = 0..<file.chunks[..<16].reduce(0) { $0 + $1.byteCount }
            _ = client.hub.fetchXet(
                content("f", size: file.size, range: range, seconds: 20), hash: file.hash,
                sink: sink)
            let deadline = MonotonicInstant.now + 20
            while sink.brought.withLock({ $0.parts.count }) < 5, .now < deadline {
                _ = Mailbox<Bool>().receive(until: .now + 0.01)
            }
            let count = sink.brought.withLock { $0.parts.count }
            #expect((5..<16).contains(count))
            server.openGate()
            #expect(sink.wait().plain.body == Array(file.content[..<Int(range.upperBound)]))
        }
    }

    @Test func `a sink that pauses gets every byte once`() throws {
        try withXet(XetScript(file)) { client, _ in
            let sink = XetFetchSink(pauseEvery: 5)
            let brought = client.fetchXet(file, sink: sink)
            #expect(brought.plain.isSuccess && brought.plain.body == file.content)
            #expect(brought.chunks.map(\.hash) == file.hashes)
        }
    }

    @Test func `chunks that are here are not fetched`() throws {
        var local: [XetHash: [Int: [UInt8]]] = [:]
        var offset = 0
        for chunk in file.chunks {
            let end = offset + Int(chunk.byteCount)
            local[chunk.xorb, default: [:]][chunk.index] = Array(file.content[offset..<end])
            offset = end
        }
        let all = local
        let script = XetScript(file)
        try withXet(script) { client, _ in
            let brought = client.fetchXet(file, sink: XetFetchSink(localChunks: all))
            #expect(brought.plain.body == file.content)
            #expect(script.counts.withLock { $0.data } == 0)
        }
    }

    @Test func `chunks that are gone when they are wanted are fetched`() throws {
        let empty = file.chunks.reduce(into: [XetHash: [Int: [UInt8]]]()) { found, chunk in
            found[chunk.xorb, default: [:]][chunk.index] = []
        }
        let script = XetScript(file)
        try withXet(script) { client, _ in
            let brought = client.fetchXet(file, sink: XetFetchSink(localChunks: empty))
            #expect(brought.plain.isSuccess && brought.plain.body == file.content)
            #expect(brought.chunks.map(\.hash) == file.hashes)
            #expect(client.hub.counters.xetFallbacks.value == 0)
            #expect(script.counts.withLock { $0.plans } == 2)
        }
    }

    @Test func `a token is renewed before it ends, and when it is refused`() throws {
        // Ends within the margin: every fetch asks for another.
        let short = XetScript(file, tokenSeconds: 30)
        try withXet(short) { client, _ in
            #expect(client.fetchXet(file, range: 0..<10).plain.isSuccess)
            #expect(client.fetchXet(file, range: 90_000..<90_020).plain.isSuccess)
            #expect(short.counts.withLock { $0.tokens } == 2)
        }
        let refusing = XetScript(file) { kind, number, request in
            kind == .plan && request["authorization"] == "Bearer xet-1" && number > 1
                ? answer(401) : nil
        }
        try withXet(refusing) { client, _ in
            #expect(client.fetchXet(file, range: 0..<10).plain.isSuccess)
            #expect(client.fetchXet(file).plain.body == file.content)
            #expect(refusing.counts.withLock { $0.tokens } == 2)
            #expect(client.hub.counters.xetFallbacks.value == 0)
        }
    }

    @Test func `another token for the Hub means another token for Xet`() throws {
        let script = XetScript(file)
        try withFolder { folder in
            let path = "\(folder)/token"
            try write("hf_old", to: path)
            try withXet(script, ["HF_TOKEN_PATH": path]) { client, server in
                #expect(client.fetchXet(file, range: 0..<10).plain.isSuccess)
                #expect(client.fetchXet(file, range: 10..<20).plain.isSuccess)
                #expect(script.counts.withLock { $0.tokens } == 1)
                try write("hf_new", to: path)
                let deadline = MonotonicInstant.now + 10
                while script.counts.withLock({ $0.tokens }) == 1, .now < deadline {
                    _ = Mailbox<Bool>().receive(until: .now + 0.2)
                    #expect(client.fetchXet(file, range: 20..<30).plain.isSuccess)
                }
                let asked = server.seen.filter { $0.target.contains("/xet-read-token/") }
                #expect(asked.map { $0["authorization"] } == ["Bearer hf_old", "Bearer hf_new"])
                let used = server.seen.filter { $0.target.contains("/reconstructions/") }
                #expect(used.last?["authorization"] == "Bearer xet-2")
            }
        }
    }

    @Test func `fetches that begin together ask for one token`() throws {
        let script = XetScript(file) { kind, _, _ in
            kind == .token ? [.wait(0.2)] : nil
        }
        let slow = XetScript(file) { kind, _, _ in
            kind == .token ? [.wait(0.2)] + script.token("x") : nil
        }
        try withXet(slow) { client, server in
            script.address.withLock { $0 = server.url }
            let sinks = (0..<8).map { _ in XetFetchSink() }
            for sink in sinks {
                _ = client.hub.fetchXet(
                    content("f", size: file.size, seconds: 20), hash: file.hash, sink: sink)
            }
            for sink in sinks { #expect(sink.wait().plain.body == file.content) }
            #expect(slow.counts.withLock { $0.tokens } == 1)
        }
    }

    @Test func `expired URLs are asked for anew`() throws {
        let script = XetScript(file) { kind, number, _ in
            kind == .data && number == 2 ? answer(403) : nil
        }
        try withXet(script) { client, _ in
            #expect(client.fetchXet(file).plain.body == file.content)
            #expect(script.counts.withLock { $0.plans } == 2)
            #expect(client.hub.counters.xetFallbacks.value == 0)
        }
    }

    @Test func `version 1 serves where version 2 is unknown, and is remembered`() throws {
        let script = XetScript(file) { kind, _, request in
            kind == .plan && request.target.hasPrefix("/v2/") ? answer(404) : nil
        }
        try withXet(script) { client, server in
            #expect(client.fetchXet(file).plain.body == file.content)
            #expect(client.fetchXet(file, range: 5..<500).plain.isSuccess)
            #expect(server.targets.filter { $0.hasPrefix("/v2/") }.count == 1)
            #expect(client.hub.counters.xetFallbacks.value == 0)
        }
    }

    @Test func `passing trouble is borne`() throws {
        let script = XetScript(file) { [file] kind, number, request in
            switch (kind, number) {
            case (.token, 1), (.plan, 1): return answer(503)
            case (.data, 1): return answer(500)
            case (.data, 2):
                return [.text("HTTP/1.1 206 P\r\nContent-Length: 9999999\r\n\r\n"), .close]
            case (.data, 3):
                // Cut in the middle of the body.
                let steps = XetScript(file).data(request)
                guard case .bytes(let bytes) = steps[1] else { return nil }
                return [steps[0], .bytes(Array(bytes.prefix(bytes.count / 2))), .close]
            default: return nil
            }
        }
        try withXet(script) { client, _ in
            let brought = client.fetchXet(file)
            #expect(brought.plain.isSuccess && brought.plain.body == file.content)
            #expect(brought.chunks.map(\.hash) == file.hashes)
        }
    }

    @Test func `the whole behind a URL is cut to the range`() throws {
        let script = XetScript(file)
        let whole = XetScript(file) { kind, _, request in
            kind == .data ? answer(200, bytes: script.xorb(request)) : nil
        }
        try withXet(whole) { client, _ in
            #expect(client.fetchXet(file).plain.body == file.content)
            let part = client.fetchXet(file, range: 150_000..<150_001)
            #expect(part.plain.body == [file.content[150_000]])
            #expect(whole.counts.withLock { $0.plain } == 0)
        }
    }

    @Test func `a fetch stops when told`() throws {
        let script = XetScript(file) { kind, _, _ in kind == .data ? [.gate] : nil }
        try withXet(script) { client, _ in
            let sink = XetFetchSink()
            let id = client.hub.fetchXet(
                content("f", size: file.size, seconds: 20), hash: file.hash, sink: sink)
            while script.counts.withLock({ $0.data }) == 0 {
                _ = Mailbox<Bool>().receive(until: .now + 0.01)
            }
            client.hub.promote(id, to: .prefetch)
            client.hub.cancel(id)
            #expect(sink.wait().plain.error == .cancelled)
            #expect(client.fetchXet(file, seconds: 0.5).plain.error == .deadline)
        }
    }

    @Test func `HF_HUB_DISABLE_XET is obeyed`() throws {
        let script = XetScript(file)
        try withXet(script, ["HF_HUB_DISABLE_XET": "1"]) { client, _ in
            let brought = client.fetchXet(file)
            #expect(brought.plain.body == file.content && brought.chunks.isEmpty)
            let count = script.counts.withLock { $0 }
            #expect(count.plain == 1 && count.tokens == 0)
        }
    }
}
