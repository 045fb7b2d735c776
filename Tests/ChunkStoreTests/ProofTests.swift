// Proofs of whole contents, and what a wrong one leaves.

import ChunkStore
import Hashing
import Platform
import Telemetry
import TestSupport
import Testing

@Suite struct ProofTests {
    let directory = TemporaryDirectory()

    @Test func aWrongContentIsDroppedWhole() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 3 * block + 9, seed: 1)
        var wrong = content.bytes
        wrong[2 * block] ^= 1
        try wrong.withUnsafeBytes { try store.write(content.hash, size: content.size, at: 0, $0) }
        #expect(try store.read(content) == wrong)
        #expect(try !store.prove(content.hash, size: content.size))
        #expect(store.state(content).verification == .failed)
        #expect(store.state(content).cachedByteCount == 0)
        #expect(store.usedByteCount == 0)
        #expect(store.counters.proofFailures.value == 1)
        #expect(try store.read(content) == nil)
        // Fetched again, it is as good as new.
        try store.write(content)
        #expect(store.state(content).verification == .none)
        #expect(try store.prove(content.hash, size: content.size))
        #expect(filesInTree(directory.path + "/flat").count == 1)
    }

    @Test func aContentThatIsFoundWrongWhenItCoolsIsLeftToWhoAskedToBeTold() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 3 * block, seed: 8)
        var wrong = content.bytes
        wrong[block] ^= 1
        try wrong.withUnsafeBytes { try store.write(content.hash, size: content.size, at: 0, $0) }
        let told = Mailbox<ContentHash>()
        store.observeWrong { hash, _ in told.send(hash) }
        _ = try store.cool(content.hash, size: content.size)
        #expect(told.receive(until: .now + 30) == content.hash)
        #expect(try store.read(content) == wrong)
        #expect(try !store.prove(content.hash, size: content.size))
    }

    @Test func whatIsCompleteAndNotProvenIsTold() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let whole = Content(random: 2 * block, seed: 11)
        let part = Content(random: 2 * block, seed: 12)
        try store.write(whole)
        try store.write(part, 0..<block)
        store.flush()
        #expect(try store.unprovenContents().map(\.hash) == [whole.hash])
        #expect(try store.prove(whole.hash, size: whole.size))
        store.flush()
        #expect(try store.unprovenContents().isEmpty)
    }

    @Test func anIncompleteContentCannotBeProven() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 2 * block, seed: 2)
        try store.write(content, 0..<block)
        #expect(throws: StoreError.incomplete) {
            try store.prove(content.hash, size: content.size)
        }
    }

    @Test func smallFilesAreStoredOnlyWhenRight() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 100, seed: 3)
        #expect(try !store.writeProven(content.hash, content.bytes.reversed()))
        #expect(store.state(content).cachedByteCount == 0)
        #expect(try store.writeProven(content.hash, content.bytes))
        #expect(try store.read(content) == content.bytes)
    }

    @Test func aProofIsLostWithABlock() throws {
        let store = try openStore(directory.path)
        defer { store.close() }
        let content = Content(random: 2 * block, seed: 4)
        try store.write(content)
        #expect(try store.prove(content.hash, size: content.size))
        let files = filesInTree(directory.path + "/flat")
        #expect(files.count == 1)
        try flipBit(files[0], 8 * block)
        #expect(try store.read(content) == nil)
        #expect(store.state(content).verification == .none)
        #expect(store.missing(content) == [Int64(block)..<Int64(2 * block)])
    }
}
