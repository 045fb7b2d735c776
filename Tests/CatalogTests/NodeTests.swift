// Node ids and the directories that have them: made once, known for ever, never reused.

import Database
import HubAPI
import Platform
import TestSupport
import Testing

@testable import Catalog

@Suite struct NodeTests {
    private func child(_ name: String, _ kind: NamedNode.Kind) -> Catalog.Child {
        Catalog.Child(name: Array(name.utf8), kind: kind)
    }

    @Test func idsSayWhatTheyAre() {
        let rows: [Int64] = [1, 2, 77, (1 << 40) - 1]
        for epoch: UInt32 in [1, 5, NodeID.epochLimit - 1] {
            for row in rows {
                let file = NodeID.file(ContentID(row: row), epoch: epoch)
                let named = NodeID.named(row, epoch: epoch)
                #expect(file.isFile && !named.isFile)
                #expect(file.row == row && named.row == row)
                #expect(file.epoch == epoch && named.epoch == epoch)
                #expect(file != named)
                #expect(file.rawValue > 1 && file.rawValue < 1 << 63, "FUSE's root is 1")
                #expect(named.rawValue > 1 && named.rawValue < 1 << 63)
                #expect(NodeID(rawValue: file.rawValue) == file)
            }
        }
    }

    @Test func everyCatalogHasItsRoots() throws {
        try withCatalog { (catalog, _) throws in
            let root = try #require(try catalog.node(NamedNode.rootRow))
            #expect(root.kind == .root)
            #expect(root.parent == NamedNode.rootRow)
            for kind in RepositoryKind.allCases {
                let row = NamedNode.row(of: kind)
                #expect(try catalog.node(row)?.kind == .repositories(kind))
                #expect(try catalog.name(of: row) == Array(kind.plural.utf8))
                let found = try catalog.child(
                    of: NamedNode.rootRow, child(kind.plural, .repositories(kind)))
                #expect(found.row == row)
            }
            #expect(try catalog.node(99_999) == nil)
            #expect(try catalog.name(of: 99_999) == nil)
        }
    }

    @Test func everyKindComesBackAsItWas() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        let kinds: [NamedNode.Kind] = [
            .organisation(.dataset, "org"), .versions(repository("o/n", .space)),
            .versions(repository("gpt2")), .folder(CommitID(row: 9), path: []),
            .folder(CommitID(row: 9), path: [0xff, 0x2f, 0x00]), .link(target: Array("../x".utf8)),
        ]
        var rows: [Int64] = []
        let first = try Catalog(path: path, log: quietLog)
        for kind in kinds { rows.append(try first.child(of: 2, child("same", kind)).row) }
        #expect(Set(rows).count == kinds.count, "one name, different things, different nodes")
        let epoch = first.epoch
        first.close()

        let second = try Catalog(path: path, log: quietLog)
        defer { second.close() }
        #expect(second.epoch == epoch)
        for (row, kind) in zip(rows, kinds) {
            let node = try #require(try second.node(row))
            #expect(node.kind == kind)
            #expect(node.parent == 2)
            #expect(try second.name(of: row) == Array("same".utf8))
            #expect(try second.child(of: 2, child("same", kind)).row == row)
        }
    }

    @Test func childrenAreMadeOnceAndInOrder() throws {
        try withCatalog { (catalog, _) throws in
            let wanted = (0..<300).map { child("c\($0)", .folder(CommitID(row: 1), path: [])) }
            let made = try catalog.children(of: 2, wanted)
            #expect(made.count == 300)
            #expect(Set(made.map(\.row)).count == 300)
            for (child, node) in zip(wanted, made) {
                #expect(try catalog.name(of: node.row) == child.name)
            }
            // Known and unknown ones mixed, and one twice.
            let mixed = [wanted[7], child("new", .link(target: [1])), wanted[7], wanted[299]]
            let again = try catalog.children(of: 2, mixed)
            #expect(again[0].row == made[7].row && again[2].row == made[7].row)
            #expect(again[3].row == made[299].row)
            #expect(!made.map(\.row).contains(again[1].row))
            #expect(try catalog.children(of: 2, []).isEmpty)
            let twice = try catalog.children(
                of: 3, [child("t", .link(target: [])), child("t", .link(target: []))])
            #expect(twice[0].row == twice[1].row)
        }
    }

    @Test func oneNameBelowTwoParentsIsTwoNodes() throws {
        try withCatalog { (catalog, _) throws in
            let kind = NamedNode.Kind.folder(CommitID(row: 1), path: [])
            let first = try catalog.child(of: 2, child("n@main", kind))
            let second = try catalog.child(of: 2, child("n@v1", kind))
            let third = try catalog.child(of: 3, child("n@main", kind))
            #expect(Set([first.row, second.row, third.row]).count == 3)
        }
    }

    @Test func manyThreadsMakeOneNode() throws {
        try withCatalog { (catalog, _) throws in
            let rows = Lock<[Int64]>([])
            let wanted = (0..<50).map { child("c\($0)", .link(target: [UInt8($0)])) }
            let threads = (0..<4).map { _ in
                OwnedThread {
                    let made = (try? catalog.children(of: 2, wanted)) ?? []
                    rows.withLock { $0 += made.map(\.row) }
                }
            }
            for thread in threads { thread.join() }
            let all = rows.withLock { $0 }
            #expect(all.count == 200)
            #expect(Set(all).count == 50)
        }
    }

    /// Not even when the newest row is deleted by hand: the kernel may still hold its id.
    @Test func rowsAreNeverReused() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        let first = try Catalog(path: path, log: quietLog)
        let node = try first.child(of: 2, child("gone", .link(target: [])))
        let content = try #require(
            try first.content(try first.learn(tree: [file("f")]), "f"))
        first.close()
        do {
            let connection = try Connection(path: path)
            try connection.execute("DELETE FROM node WHERE id > 4; DELETE FROM content")
        }
        let second = try Catalog(path: path, log: quietLog)
        defer { second.close() }
        #expect(try second.node(node.row) == nil)
        #expect(try second.child(of: 2, child("new", .link(target: []))).row > node.row)
        #expect(try second.content(content.id) == nil)
        let other = try #require(
            try second.content(try second.learn(model, nil, "2", tree: [file("f")]), "f"))
        #expect(other.id.row > content.id.row)
    }

    @Test func anotherDatabaseHasAnotherEpoch() throws {
        var epochs: Set<UInt32> = []
        for _ in 0..<5 {
            try withCatalog { (catalog, _) throws in
                #expect(catalog.epoch > 0 && catalog.epoch < NodeID.epochLimit)
                epochs.insert(catalog.epoch)
            }
        }
        #expect(epochs.count > 1)
    }

    @Test func aChangedListingHasALaterTime() throws {
        try withCatalog { (catalog, _) throws in
            let org = try catalog.child(of: 2, child("org", .organisation(.model, "org")))
            var last = org.changedNanoseconds
            for _ in 0..<5 {
                try catalog.markChanged([org.row])
                let changed = try #require(try catalog.node(org.row)).changedNanoseconds
                #expect(changed > last)
                last = changed
                // As a lookup finds it.
                #expect(
                    try catalog.child(of: 2, child("org", .organisation(.model, "org")))
                        .changedNanoseconds == last)
            }
            try catalog.markChanged([])
        }
    }

    @Test func aChangeIsNotLostToAReaderOnItsWay() throws {
        try withCatalog { (catalog, _) throws in
            let kind = NamedNode.Kind.organisation(.model, "org")
            let row = try catalog.child(of: 2, child("org", kind)).row
            let isDone = Lock(false)
            let reader = OwnedThread {
                while !isDone.withLock({ $0 }) {
                    // Forgotten on purpose, so that the row is being read when it changes.
                    catalog.memory.withLock { $0.nodes.removeAll() }
                    _ = try? catalog.node(row)
                    let child = Catalog.Child(name: Array("org".utf8), kind: kind)
                    _ = try? catalog.child(of: 2, child)
                }
            }
            var last: Int64 = 0
            for _ in 0..<3000 {
                try catalog.markChanged([row])
                let seen = try #require(try catalog.node(row)).changedNanoseconds
                #expect(seen > last)
                last = seen
            }
            isDone.withLock { $0 = true }
            reader.join()
        }
    }
}
