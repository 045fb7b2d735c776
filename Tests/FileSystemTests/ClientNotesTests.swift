// What the official client has noted of names and listings: it stands in for a Hub that cannot be
// asked, and never for one that answers.

import Catalog
import Fetching
import Glibc
import Hashing
import HubAPI
import Platform
import ScriptedServer
import TestSupport
import Testing

@Suite struct ClientNotesTests {
    private let id = RepositoryID(kind: .model, name: "org/name")
    private let revision = RevisionName("v1")

    /// A Hub where `v1` is one commit, and a client that has noted another one for it.
    private func bench() throws -> TreeBench {
        let bench = try TreeBench()
        bench.hub.commit("models/org/name", "b", ["config.json": Array("{}".utf8)])
        bench.hub.edit("models/org/name") { $0.tags["v1"] = SmallHub.id("b") }
        let noted = SmallHub.id("a")
        let folder = "\(bench.folder.path)/hub/models--org--name"
        for path in ["\(bench.folder.path)/hub", folder, "\(folder)/refs", "\(folder)/trees"] {
            #expect(mkdir(path, 0o700) == 0)
        }
        try write(noted, to: "\(folder)/refs/v1")
        try write(
            #"{"format_version":1,"files":{"config.json":{"size":2,"blob_id":"\#(noted)"}}}"#,
            to: "\(folder)/trees/\(noted).json")
        bench.options.fetch.clientCache = "\(bench.folder.path)/hub"
        bench.options.fetch.metadataDeadlineSeconds = 2
        return bench
    }

    private func write(_ text: String, to path: String) throws {
        let file = try FileDescriptor.open(path, O_CREAT | O_WRONLY, mode: 0o600)
        try file.writeBytes(Array(text.utf8))
    }

    private func ask(_ stack: TreeStack) throws -> Result<Void, FetchError> {
        let answers = Mailbox<Result<Void, FetchError>>()
        let need = Need.revision(try #require(id), revision)
        _ = stack.fetcher.request(need, withinSeconds: 30) { answers.send($0) }
        return try #require(answers.receive(until: .now + 60))
    }

    private func commit(_ stack: TreeStack) throws -> String? {
        try stack.catalog.resolution(of: revision, in: #require(id))?.commit.hex
    }

    @Test func theyStandInForAHubThatIsAway() throws {
        let bench = try bench()
        let stack = try bench.stack()
        bench.hub.stop()
        try ask(stack).get()
        #expect(try commit(stack) == SmallHub.id("a"))
    }

    /// It is there, and what it said long ago is not what it says.
    @Test(arguments: [true, false])
    func theyDoNotForAHubThatAnswersBadly(isServerError: Bool) throws {
        let bench = try bench()
        bench.hub.change { state in
            state.fault = { request in
                if !request.target.contains("/revision/") { return nil }
                return isServerError ? answer(500) : answer(200, body: "no JSON")
            }
        }
        let stack = try bench.stack()
        guard case .failure(.hub(let error)) = try ask(stack) else {
            Issue.record("it is known what the Hub has not said")
            return
        }
        #expect(isServerError ? error == .server(status: 500) : error.isMalformed, "\(error)")
        #expect(try commit(stack) == nil)
        bench.hub.change { $0.fault = nil }
        try ask(stack).get()
        #expect(try commit(stack) == SmallHub.id("b"))
    }
}

extension HubError {
    fileprivate var isMalformed: Bool { if case .malformed = self { true } else { false } }
}
