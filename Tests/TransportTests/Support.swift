// What the tests of the transport share: a sink that keeps everything, and a way to wait.

import Glibc
import Platform
import ScriptedServer
import Transport

/// Keeps what it is told.
final class RecordingSink: TransferSink, Sendable {
    struct Record {
        var heads: [HTTPHead] = []
        var body: [UInt8] = []
        var results: [Result<TransferSummary, TransportError>] = []
    }

    let record = Lock(Record())
    private let ends = Mailbox<Bool>()
    private let directive: @Sendable (_ receivedByteCount: Int) -> TransferDirective

    init(_ directive: @escaping @Sendable (Int) -> TransferDirective = { _ in .proceed }) {
        self.directive = directive
    }

    func transferDidRespond(_ head: HTTPHead) -> TransferDirective {
        record.withLock { $0.heads.append(head) }
        return directive(-1)
    }

    func transferDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        let answer = directive(record.withLock { $0.body.count })
        if answer == .proceed { record.withLock { $0.body += Array(bytes) } }
        return answer
    }

    func transferDidFinish(_ result: Result<TransferSummary, TransportError>) {
        record.withLock { $0.results.append(result) }
        ends.send(true)
    }

    /// The result; nil when none came in time.
    func wait(seconds: Double = 10) -> Result<TransferSummary, TransportError>? {
        _ = ends.receive(until: .now + seconds)
        return record.withLock { $0.results.first }
    }

    var error: TransportError? {
        if case .failure(let error) = wait() { return error }
        return nil
    }

    /// What the end was like; nil when it was an error or did not come.
    var summary: TransferSummary? {
        if case .success(let summary) = wait() { return summary }
        return nil
    }

    var body: [UInt8] { record.withLock { $0.body } }
}

/// A transport and a server, both stopped at the end.
func withServer<Value>(
    _ configuration: TransportConfiguration = TransportConfiguration(),
    script: @escaping @Sendable (SeenRequest) -> [ScriptStep],
    _ body: (Transport, ScriptedServer) throws -> Value
) throws -> Value {
    let server = try ScriptedServer(script: script)
    defer { server.stop() }
    let transport = try Transport(configuration)
    defer { transport.shutdown() }
    return try body(transport, server)
}

func request(
    _ url: String, deadlineSeconds: Double = 10, stallSeconds: Double = 5,
    priority: TransferPriority = .reader
) -> TransferRequest {
    guard let url = HTTPURL(url) else { preconditionFailure("a test's URL is valid") }
    return TransferRequest(
        url: url, priority: priority, stallTimeoutSeconds: stallSeconds,
        deadline: .now + deadlineSeconds)
}
