// What is left with the keeper, and what is said of what cannot be.

import Platform
import Telemetry
import Testing

@testable import Daemon
@testable import Keeping

@Suite struct MountKeepingTests {
    private let options = MountOptions(allowOther: false, userID: 0, groupID: 0)

    /// Over the second socket, to the test, which is a keeper that has kept nothing.
    private func link(_ pair: borrowing MessageSocketPair) throws -> KeeperLink {
        let socket = MessageSocket(owning: try pair.first.duplicate())
        try socket.send(KeepingMessage.begin(workerCount: 0).encoded)
        return try KeeperLink(descriptor: try pair.second.duplicate().release())
    }

    @Test func aMountThatCannotBeLeftIsTold() throws {
        let pair = try MessageSocketPair()
        let log = Log(descriptor: -1)
        let keeping = MountKeeping(try link(pair), log: log)
        let place = "/" + String(repeating: "x", count: MessageSocket.byteCountMax)
        let request = MountRequest(source: "hf://models", mountpoint: place, options: options)
        keeping.keep(MountRecord(request: request, info: nil))
        let line = try #require(log.recentProblems.first)
        #expect(line.message.contains("the next one will not take it over"))
        #expect(line.fields.first?.value == place)
        // One that fits is of no interest to anybody.
        let small = MountRequest(source: "hf://models", mountpoint: "/x", options: options)
        keeping.keep(MountRecord(request: small, info: nil))
        #expect(log.recentProblems.count == 1)
    }

    /// That is noticed, and told once, by who waits for it.
    @Test func aKeeperThatIsGoneIsNoNews() throws {
        let log = Log(descriptor: -1)
        let keeping: MountKeeping
        do {
            let pair = try MessageSocketPair()
            keeping = MountKeeping(try link(pair), log: log)
        }
        keeping.tellReady()
        keeping.dropMount(at: "/x")
        #expect(log.recentProblems.isEmpty)
    }
}
