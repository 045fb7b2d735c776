// Fetches that follow each other in a file: the chunk that lies in both comes once, and nobody
// waits in vain for a neighbour that fails.

import HubAPI
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

@testable import Xet

@Suite struct XetSeamTests {
    let file: XetFile
    /// In the middle of a chunk, far from those that terms repeat.
    let seam: Int64

    init() throws {
        let file = try XetFile.shared.get()
        let first = file.chunks.firstIndex { $0.xorb == file.chunks[30].xorb } ?? 0
        seam = file.chunks[..<(first + 20)].reduce(0) { $0 + $1.byteCount } + 1000
        self.file = file
    }

    private func start(
        _ client: TestClient, _ range: Range<Int64>, _ priority: TransferPriority = .prefetch,
        pauseEvery: Int = 0, isExpected: Bool = false
    ) -> (FetchID, XetFetchSink) {
        let sink = XetFetchSink(pauseEvery: pauseEvery)
        let request = ContentRequest(
            id: repository("o/n"), commit: commit, path: "f", expectedSize: file.size,
            range: range, priority: priority, deadline: .now + 20, isExpected: isExpected)
        return (client.hub.fetchXet(request, hash: file.hash, sink: sink), sink)
    }

    /// Whether two requests for data have bytes of a xorb in common.
    private func hasOverlap(_ server: ScriptedServer, _ script: XetScript) -> Bool {
        var asked: [String: RangeSet] = [:]
        for request in server.seen where request.target.hasPrefix("/xorb/") {
            guard let range = script.range(request) else { return true }
            if asked[request.target, default: RangeSet()].intersects(range) { return true }
            asked[request.target, default: RangeSet()].insert(range)
        }
        return false
    }

    private func slice(_ range: Range<Int64>) -> [UInt8] {
        Array(file.content[Int(range.lowerBound)..<Int(range.upperBound)])
    }

    private var parts: (Range<Int64>, Range<Int64>) {
        (seam - 60_000..<seam, seam..<seam + 50_000)
    }

    @Test(arguments: [0, 3])
    func `the chunk over a seam comes once`(pauseEvery: Int) throws {
        let script = XetScript(file)
        try withXet(script) { client, server in
            let (first, second) = parts
            let (one, sink) = start(client, first, pauseEvery: pauseEvery)
            while script.counts.withLock({ $0.plans }) == 0 {
                _ = Mailbox<Bool>().receive(until: .now + 0.01)
            }
            let (two, next) = start(client, second, pauseEvery: pauseEvery)
            let brought = [
                sink.wait { client.hub.resume(one) }, next.wait { client.hub.resume(two) },
            ]
            #expect(brought[0].plain.isSuccess && brought[0].plain.body == slice(first))
            #expect(brought[1].plain.isSuccess && brought[1].plain.body == slice(second))
            #expect(!hasOverlap(server, script))
            #expect(client.hub.counters.xetFallbacks.value == 0)
        }
    }

    @Test func `a reader that comes later finds the rest of the chunk`() throws {
        let script = XetScript(file)
        try withXet(script) { client, server in
            let (first, second) = parts
            #expect(start(client, first).1.wait().plain.body == slice(first))
            #expect(start(client, second, .reader).1.wait().plain.body == slice(second))
            #expect(!hasOverlap(server, script))
            // All of it was in the chunk: nothing at all is asked.
            let before = server.seen.count
            #expect(start(client, seam..<seam + 10).1.wait().plain.body == slice(seam..<seam + 10))
            #expect(server.seen.count == before)
        }
    }

    /// The neighbour ends in one of many ways after it was seen.
    @Test(arguments: ["cancelled", "gone", "unplanned"])
    func `a neighbour that fails costs nothing but its chunk`(how: String) throws {
        let script = XetScript(file) { kind, number, _ in
            switch (kind, how) {
            case (.plan, "unplanned") where number == 1: return [.wait(0.3)] + answer(404)
            case (.data, "gone") where number == 1: return [.wait(0.3)] + answer(404)
            case (.data, "cancelled") where number == 1: return [.gate]
            default: return nil
            }
        }
        try withXet(script) { client, server in
            let (first, second) = parts
            let (one, sink) = start(client, first)
            while script.counts.withLock({ how == "unplanned" ? $0.plans : $0.data }) == 0 {
                _ = Mailbox<Bool>().receive(until: .now + 0.01)
            }
            let (_, next) = start(client, second)
            if how == "cancelled" {
                _ = Mailbox<Bool>().receive(until: .now + 0.2)
                client.hub.cancel(one)
                #expect(sink.wait().plain.error == .cancelled)
                server.openGate()
            } else {
                #expect(sink.wait().plain.body == slice(first))
            }
            let brought = next.wait()
            #expect(brought.plain.isSuccess && brought.plain.body == slice(second))
        }
    }

    @Test func `a reader does not wait for the plan of a prefetch`() throws {
        let script = XetScript(file) { kind, number, _ in
            kind == .plan && number == 1 ? [.gate] : nil
        }
        try withXet(script) { client, server in
            let (first, second) = parts
            let (one, sink) = start(client, first)
            while script.counts.withLock({ $0.plans }) == 0 {
                _ = Mailbox<Bool>().receive(until: .now + 0.01)
            }
            #expect(start(client, second, .reader).1.wait().plain.body == slice(second))
            // Nor does a prefetch whose reader is expected.
            let (_, expected) = start(client, second, isExpected: true)
            #expect(expected.wait().plain.body == slice(second))
            // Nor does one that was a prefetch at first.
            let (two, next) = start(client, second)
            _ = Mailbox<Bool>().receive(until: .now + 0.1)
            client.hub.promote(two, to: .reader)
            #expect(next.wait().plain.body == slice(second))
            client.hub.cancel(one)
            #expect(sink.wait().plain.error == .cancelled)
            server.openGate()
        }
    }
}
