// A lost index, made anew from what the packs tell.

import ChunkStore
import Database
import Glibc
import Hashing
import Platform
import TestSupport
import Testing

@Suite struct RebuildTests {
    let directory = TemporaryDirectory()

    enum Loss: CaseIterable { case removed, overwritten, emptied, otherVersion }

    private func loseIndex(_ loss: Loss) throws {
        if loss == .otherVersion {
            let connection = try Connection(path: directory.path + "/store.db")
            try connection.execute("ALTER TABLE total RENAME COLUMN negated TO minus")
            return
        }
        for path in filesInTree(directory.path) where path.contains("store.db") {
            switch loss {
            case .removed: unlink(path)
            case .overwritten: try writeFile(path, Array(repeating: 0x5a, count: 20_000))
            case .emptied: try writeFile(path, Array(contentsOfFile(path).prefix(1_000)))
            case .otherVersion: break
            }
        }
    }

    private func isProven(_ store: ChunkStore, _ content: Content) -> Bool {
        if case .proven = store.state(content).verification { return true }
        return false
    }

    @Test(arguments: Loss.allCases) func whatPacksHoldIsThereAgain(loss: Loss) throws {
        let small = (0..<20).map { Content(random: 100 + $0 * 37, seed: UInt64($0 + 1)) }
        // Two segments of a recipe, and data that they share.
        var generator = SeededGenerator(seed: 50)
        let half = generator.bytes(3 << 20)
        let large = Content(half + generator.bytes(62 << 20) + half)
        let partial = Content(random: 30 * block, seed: 51)
        let flat = Content(random: 20 * block + 5, seed: 52)
        let dropped = Content(random: 9 * block, seed: 53)
        var used: Int64 = 0
        do {
            let store = try openStore(directory.path)
            for content in small { try store.writeProven(content.hash, content.bytes) }
            for content in [large, dropped] { try store.write(content) }
            try store.write(partial, 4 * block..<11 * block)
            _ = try store.coolAll()
            try store.write(flat)
            #expect(try store.prove(flat.hash, size: flat.size))
            store.drop(dropped.hash, size: dropped.size)
            try store.keep([
                MetadataItem(kind: 1, key: [1, 2], payload: [3, 4, 5]),
                MetadataItem(kind: 1, key: [9], payload: generator.bytes(1_300_000)),
                MetadataItem(kind: 2, key: [], payload: []),
            ])
            try store.keep([MetadataItem(kind: 1, key: [1, 2], payload: [7])])
            try store.keep([MetadataItem(kind: 1, key: [8], payload: [1])])
            try store.forget(1, key: [8])
            for _ in 0..<100 where store.packedByteCount == used {
                usleep(10_000)
                used = store.packedByteCount
            }
            store.close()
        }
        try loseIndex(loss)
        let store = try openStore(directory.path)
        for content in small {
            #expect(isProven(store, content))
            #expect(try store.read(content) == content.bytes)
        }
        #expect(isProven(store, large))
        #expect(store.state(large).isComplete)
        #expect(try store.read(large) == large.bytes)
        #expect(store.state(partial).cachedByteCount == Int64(7 * block))
        let part = 4 * block..<11 * block
        #expect(try store.read(partial, part) == Array(partial.bytes[part]))
        #expect(store.state(flat).isComplete)
        #expect(try store.read(flat) == flat.bytes)
        #expect(try store.prove(flat.hash, size: flat.size))
        #expect(store.state(dropped).cachedByteCount == 0)
        var items: [MetadataItem] = []
        try store.forEachItem(1) { items.append($0) }
        #expect(items.map(\.key) == [[1, 2], [9]])
        #expect(items.first?.payload == [7])
        #expect(items.last?.payload.count == 1_300_000)
        try store.forEachItem(2) { #expect($0.payload.isEmpty) }
        // All of it goes again, so every use was counted.
        for content in small + [large, partial, flat] {
            store.drop(content.hash, size: content.size)
        }
        for key: [UInt8] in [[1, 2], [9]] { try store.forget(1, key: key) }
        try store.forget(2, key: [])
        #expect(store.usedByteCount == 0)
        store.close()
    }

    @Test func withoutPacksACacheIsNew() throws {
        let content = Content(random: 100, seed: 1)
        let store = try openStore(directory.path)
        #expect(store.usedByteCount == 0)
        try store.writeProven(content.hash, content.bytes)
        store.close()
        for path in filesInTree(directory.path) { unlink(path) }
        let again = try openStore(directory.path)
        #expect(again.usedByteCount == 0)
        #expect(try again.read(content) == nil)
        again.close()
    }

    @Test func metadataIsKeptAndReplaced() throws {
        do {
            let store = try openStore(directory.path)
            for round in 0..<5 {
                try store.keep([
                    MetadataItem(kind: 7, key: [1], payload: [UInt8(round)]),
                    MetadataItem(
                        kind: 7, key: [2],
                        payload: [UInt8](repeating: UInt8(round), count: 600_000 * (5 - round))),
                ])
            }
            #expect(throws: StoreError.invalidRange) {
                let key = [UInt8](repeating: 0, count: 2_000)
                try store.keep([MetadataItem(kind: 7, key: key, payload: [])])
            }
            store.close()
        }
        let store = try openStore(directory.path)
        var items: [MetadataItem] = []
        try store.forEachItem(7) { items.append($0) }
        #expect(items.map(\.payload.count) == [1, 600_000])
        #expect(items.allSatisfy { $0.payload.allSatisfy { $0 == 4 } })
        store.close()
    }
}
