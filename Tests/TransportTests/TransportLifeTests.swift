import Glibc
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

/// Ends of all kinds, lines, pauses: each transfer ends exactly once.
@Suite struct TransportLifeTests {
    private static let held: @Sendable (SeenRequest) -> [ScriptStep] = { _ in
        [.text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), .gate, .text("abc")]
    }

    @Test func cancelsAtOnce() throws {
        try withServer(script: Self.held) { transport, server in
            let sink = RecordingSink()
            let id = transport.start(request(server.url), sink)
            usleep(50_000)
            let start = MonotonicInstant.now
            transport.cancel(id)
            #expect(sink.error == .cancelled)
            #expect(MonotonicInstant.now.seconds(since: start) < 0.1)
            transport.cancel(id)
            usleep(20_000)
            #expect(sink.record.withLock { $0.results.count } == 1)
        }
    }

    @Test func cancelsWhileTheNameIsLookedUp() throws {
        // Whatever the name service does, the thread that all transfers share does not wait for it.
        try withServer(script: { _ in answer(200) }) { transport, server in
            let lost = (0..<8).map { _ in RecordingSink() }
            for (index, sink) in lost.enumerated() {
                let id = transport.start(request("http://host-\(index).invalid/"), sink)
                transport.cancel(id)
            }
            let sink = RecordingSink()
            let start = MonotonicInstant.now
            transport.start(request(server.url), sink)
            #expect(sink.summary?.status == 200)
            #expect(MonotonicInstant.now.seconds(since: start) < 1)
            for sink in lost { #expect(sink.wait() != nil) }
        }
    }

    @Test func endsAllOnShutdown() throws {
        let server = try ScriptedServer(script: Self.held)
        defer { server.stop() }
        var configuration = TransportConfiguration()
        configuration.transfersMax = 2
        let transport = try Transport(configuration)
        let sinks = (0..<5).map { _ in RecordingSink() }
        for sink in sinks { transport.start(request(server.url), sink) }
        usleep(50_000)
        transport.shutdown()
        for sink in sinks {
            #expect(sink.record.withLock { $0.results.count } == 1)
            #expect(sink.error == .shutDown)
        }
        let late = RecordingSink()
        transport.start(request(server.url), late)
        #expect(late.error == .shutDown)
        #expect(!transport.run {})
        transport.shutdown()
    }

    @Test func sinkEndsItsTransfer() throws {
        try withServer(script: { _ in answer(200, body: "abc") }) { transport, server in
            let atHead = RecordingSink { $0 == -1 ? .cancel : .proceed }
            let atBody = RecordingSink { $0 == -1 ? .proceed : .cancel }
            for sink in [atHead, atBody] {
                transport.start(request(server.url), sink)
                #expect(sink.error == .cancelled)
                #expect(sink.body.isEmpty)
            }
        }
    }

    @Test func pausesAndResumes() throws {
        let script: @Sendable (SeenRequest) -> [ScriptStep] = { _ in
            answer(200, bytes: [UInt8](repeating: 7, count: 3 << 20))
        }
        try withServer(script: script) { transport, server in
            final class Gate: Sendable { let isOpen = Lock(false) }
            let gate = Gate()
            let sink = RecordingSink { received in
                received < 100_000 || gate.isOpen.withLock { $0 } ? .proceed : .pause
            }
            let id = transport.start(request(server.url, stallSeconds: 0.2), sink)
            usleep(500_000)
            let held = sink.body.count
            #expect(held >= 100_000 && held < 3 << 20)
            #expect(sink.record.withLock { $0.results.isEmpty })
            gate.isOpen.withLock { $0 = true }
            transport.resume(id)
            #expect(sink.summary?.bodyByteCount == 3 << 20)
            #expect(sink.body.allSatisfy { $0 == 7 } && sink.body.count == 3 << 20)
        }
    }

    @Test func waitingEndsAtTheDeadline() throws {
        var configuration = TransportConfiguration()
        configuration.transfersMax = 1
        try withServer(configuration, script: Self.held) { transport, server in
            let first = RecordingSink()
            let second = RecordingSink()
            transport.start(request(server.url), first)
            transport.start(request(server.url, deadlineSeconds: 0.2), second)
            #expect(second.error == .deadline)
            server.openGate()
            #expect(first.summary?.status == 200)
            #expect(server.seen.count == 1)
        }
    }

    @Test func readersOvertakePrefetch() throws {
        var configuration = TransportConfiguration()
        configuration.transfersMax = 4
        try withServer(configuration, script: Self.held) { transport, server in
            let sinks = (0..<6).map { _ in RecordingSink() }
            for (index, sink) in sinks.enumerated() {
                transport.start(
                    request("\(server.url)/prefetch\(index)", priority: .prefetch), sink)
            }
            usleep(100_000)
            // The fourth slot is not for prefetch.
            #expect(server.seen.count == 3)
            let reader = RecordingSink()
            transport.start(request("\(server.url)/reader", priority: .reader), reader)
            usleep(100_000)
            #expect(server.targets.contains("/reader"))
            server.openGate()
            #expect(reader.summary?.status == 200)
            for sink in sinks { #expect(sink.summary?.status == 200) }
        }
    }

    @Test func manyAtOnce() throws {
        try withServer(script: { request in
            answer(200, body: String(repeating: request.target, count: 100))
        }) { transport, server in
            let sinks = (0..<500).map { _ in RecordingSink() }
            for (index, sink) in sinks.enumerated() {
                transport.start(request("\(server.url)/\(index)"), sink)
            }
            for (index, sink) in sinks.enumerated() {
                #expect(sink.summary?.status == 200)
                #expect(sink.body == Array(String(repeating: "/\(index)", count: 100).utf8))
            }
            #expect(server.connectionCount <= TransportConfiguration().transfersPerHostMax)
            #expect(transport.counters.requests.value == 500)
        }
    }

    @Test func refusesWhenTheLineIsFull() throws {
        var configuration = TransportConfiguration()
        configuration.transfersMax = 1
        configuration.waitingMax = 2
        try withServer(configuration, script: Self.held) { transport, server in
            let sinks = (0..<8).map { _ in RecordingSink() }
            for sink in sinks { transport.start(request(server.url), sink) }
            server.openGate()
            let errors = sinks.compactMap { $0.error }
            #expect(!errors.isEmpty && errors.allSatisfy { $0 == .queueFull })
            #expect(sinks.count - errors.count >= 2)
        }
    }
}
