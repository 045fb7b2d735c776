// What the tests of the Hub client share: a client on a scripted server, and ways to wait.

import Glibc
import Hashing
import HubAPI
import Platform
import ScriptedServer
import Telemetry
import Testing
import Transport

/// A client with its transport; `stop` has to be called.
struct TestClient {
    let hub: HubClient
    let transport: Transport

    init(_ endpoint: String, _ variables: [String: String] = [:]) throws {
        let environment = variables.merging(
            ["HF_ENDPOINT": endpoint, "HOME": "/nonexistent", "HF_HUB_ETAG_TIMEOUT": "2"],
            uniquingKeysWith: { given, _ in given })
        let configuration = try HubConfiguration(environment: environment, agent: "modelfs/test")
        transport = try Transport(TransportConfiguration())
        hub = try HubClient(configuration, transport: transport, log: Log(minimum: .error))
    }

    func stop() {
        hub.close()
        transport.shutdown()
    }

    /// Waits for one completion; the test's own deadline is an error of its own.
    static func wait<Value: Sendable>(
        _ start: (@escaping @Sendable (Result<Value, HubError>) -> Void) -> Void
    ) -> Result<Value, HubError> {
        let answers = Mailbox<Result<Value, HubError>>()
        start { answers.send($0) }
        let first = answers.receive(until: .now + 30)
        return first ?? .failure(.malformed(reason: "the completion was not called"))
    }

    func revision(
        _ name: String = "o/n", _ revision: String? = nil, seconds: Double = 5
    ) -> Result<RevisionInfo, HubError> {
        TestClient.wait {
            hub.revision(
                repository(name), revision.flatMap { RevisionName($0) }, deadline: .now + seconds,
                completion: $0)
        }
    }

    func tree(seconds: Double = 20) -> Result<TreeListing, HubError> {
        TestClient.wait {
            hub.tree(repository("o/n"), commit, deadline: .now + seconds, completion: $0)
        }
    }

    func fetch(
        _ path: String = "f", size: Int64, range: Range<Int64>? = nil, seconds: Double = 5
    ) -> Fetched {
        let sink = FetchSink()
        _ = hub.fetch(content(path, size: size, range: range, seconds: seconds), sink: sink)
        return sink.wait()
    }
}

func withHub<Value>(
    _ variables: [String: String] = [:],
    script: @escaping @Sendable (SeenRequest) -> [ScriptStep],
    _ body: (TestClient, ScriptedServer) throws -> Value
) throws -> Value {
    let server = try ScriptedServer(script: script)
    defer { server.stop() }
    let client = try TestClient(server.url, variables)
    defer { client.stop() }
    return try body(client, server)
}

func repository(_ name: String, _ kind: RepositoryKind = .model) -> RepositoryID {
    guard let id = RepositoryID(kind: kind, name: name) else { preconditionFailure("a valid name") }
    return id
}

let commitHex = "0123456789abcdef0123456789abcdef01234567"

var commit: GitObjectID {
    guard let id = GitObjectID(hex: commitHex) else { preconditionFailure("40 digits") }
    return id
}

func content(
    _ path: String, size: Int64, range: Range<Int64>? = nil, seconds: Double = 5,
    priority: TransferPriority = .reader
) -> ContentRequest {
    ContentRequest(
        id: repository("o/n"), commit: commit, path: path, expectedSize: size, range: range,
        priority: priority, deadline: .now + seconds)
}

/// What a fetch brought.
struct Fetched {
    var body: [UInt8] = []
    var results: [Result<Void, HubError>] = []

    var text: String { String(decoding: body, as: UTF8.self) }

    /// Nil for success and for no end at all.
    var error: HubError? {
        if case .failure(let error)? = results.first { return error }
        return nil
    }

    var isSuccess: Bool {
        if case .success? = results.first { return results.count == 1 }
        return false
    }
}

final class FetchSink: ContentSink, Sendable {
    let fetched = Lock(Fetched())
    private let ends = Mailbox<Bool>()

    func contentDidReceive(_ bytes: UnsafeRawBufferPointer) -> TransferDirective {
        fetched.withLock { $0.body += Array(bytes) }
        return .proceed
    }

    func contentDidFinish(_ result: Result<Void, HubError>) {
        fetched.withLock { $0.results.append(result) }
        ends.send(true)
    }

    func wait(seconds: Double = 30) -> Fetched {
        _ = ends.receive(until: .now + seconds)
        return fetched.withLock { $0 }
    }
}

extension Result where Failure == HubError {
    var error: HubError? {
        if case .failure(let error) = self { return error }
        return nil
    }

    var value: Success? { try? get() }
}

/// A folder of its own that is gone at the end.
func withFolder<Value>(_ body: (String) throws -> Value) throws -> Value {
    var name = Array("/tmp/modelfs-test-XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw Errno.current }
    let path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        unlink("\(path)/token")
        unlink("\(path)/token.new")
        rmdir(path)
    }
    return try body(path)
}

func write(_ text: String, to path: String) throws {
    let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC)
    let bytes = Array(text.utf8)
    guard pwrite(file.rawValue, bytes, bytes.count, 0) == bytes.count else { throw Errno.current }
}
