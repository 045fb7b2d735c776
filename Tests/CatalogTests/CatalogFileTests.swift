// The catalog's file over its life: reopened, of a newer version, damaged.

import Database
import HubAPI
import Platform
import TestSupport
import Testing

@testable import Catalog

@Suite struct CatalogFileTests {
    @Test func everythingIsThereAfterReopening() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        let first = try Catalog(path: path, log: quietLog)
        let commit = try first.learn(
            model, revision("main"), "1", tree: [file("a", "aa"), file("d/b", "bb")])
        try first.record(refs: [ref("main", "1"), ref("v1", "1", .tag)], of: model, at: noon)
        try first.record(
            listing: [listed("org/name")], of: "org", kind: .model, isTruncated: true, at: noon)
        let content = try #require(try first.content(commit, "a"))
        let changed = try #require(try first.node(2)).changedNanoseconds
        first.close()

        let second = try Catalog(path: path, log: quietLog)
        defer { second.close() }
        let again = try #require(try second.commit(oid("1"), in: model))
        #expect(again.id == commit.id)
        #expect(again.hasTree && again.date == noon)
        #expect(try second.names(again) == ["a", "d"])
        #expect(try second.content(again, "a")?.id == content.id)
        #expect(try second.sources(of: content.id).first?.path == "a")
        #expect(try second.refs(of: model)?.refs.count == 2)
        #expect(try second.resolution(of: revision("main"), in: model)?.commit == oid("1"))
        #expect(try second.listing(of: "org", kind: .model)?.isTruncated == true)
        #expect(try second.usedNames(of: .model).organisations == ["org"])
        #expect(try second.node(2)?.changedNanoseconds == changed)
    }

    @Test func aNewerVersionIsLeftAlone() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        try Catalog(path: path, log: quietLog).close()
        do {
            let connection = try Connection(path: path)
            try connection.execute("PRAGMA user_version = 1000")
        }
        #expect(throws: CatalogError.newerVersion) {
            _ = try Catalog(path: path, log: quietLog)
        }
        let connection = try Connection(path: path)
        #expect(try connection.schemaVersion() == 1000)
    }

    /// A cache that was written with fewer steps of the schema is brought up to date.
    @Test(arguments: 2..<Catalog.schema.count)
    func anOlderVersionIsBroughtUpToDate(stepCount: Int) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        do {
            let connection = try Connection(path: path)
            try connection.migrate(Array(Catalog.schema.prefix(stepCount)))
        }
        let catalog = try Catalog(path: path, log: quietLog)
        defer { catalog.close() }
        let commit = try catalog.learn(tree: [file("a", "aa")])
        #expect(try catalog.names(commit) == ["a"])
        #expect(try catalog.node(NamedNode.rootRow)?.kind == .root)
    }

    @Test func whatIsNoDatabaseIsDamaged() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        var random = SeededGenerator(seed: 1)
        try writeFile(path, random.bytes(40_000))
        #expect(throws: CatalogError.damaged) {
            _ = try Catalog(path: path, log: quietLog)
        }
    }

    @Test func aDatabaseWithoutAnEpochIsDamaged() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        try Catalog(path: path, log: quietLog).close()
        for statement in ["UPDATE meta SET value = 0", "DELETE FROM meta"] {
            do {
                let connection = try Connection(path: path)
                try connection.execute(statement)
            }
            #expect(throws: CatalogError.damaged) {
                _ = try Catalog(path: path, log: quietLog)
            }
        }
    }

    /// Pages of random bytes in the middle: errors, but neither traps nor wrong answers.
    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func damageInTheMiddleIsAnError(seed: UInt64) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        let first = try Catalog(path: path, log: quietLog)
        try first.learn(tree: (0..<2000).map { file("d\($0 % 7)/f\($0)", "\($0)") })
        first.close()
        var random = SeededGenerator(seed: seed)
        var bytes = try contentsOfFile(path)
        for _ in 0..<8 {
            let start = Int.random(in: 1..<bytes.count / 4096, using: &random) * 4096
            bytes.replaceSubrange(start..<start + 4096, with: random.bytes(4096))
        }
        try writeFile(path, bytes)
        guard let catalog = try? Catalog(path: path, log: quietLog) else { return }
        defer { catalog.close() }
        for row in 0..<10 as Range<Int64> {
            _ = try? catalog.node(row)
            _ = try? catalog.content(ContentID(row: row * 100))
        }
        _ = try? catalog.repository(model)
        _ = try? catalog.usedNames(of: .model)
        if let commit = try? catalog.commit(oid("1"), in: model) {
            for index in 0..<7 {
                _ = try? catalog.directory(commit.id, path: Array("d\(index)".utf8))
            }
            _ = try? catalog.record(tree: [file("x")], of: commit)
        }
        _ = try? catalog.child(of: 2, Catalog.Child(name: [0x61], kind: .link(target: [])))
    }

    @Test func aMissingFolderIsAnError() {
        #expect(throws: CatalogError.self) {
            _ = try Catalog(path: "/nonexistent/folder/catalog.db", log: quietLog)
        }
    }

    @Test func afterClosingQuestionsFail() throws {
        let folder = TemporaryDirectory()
        let catalog = try Catalog(path: "\(folder.path)/catalog.db", log: quietLog)
        catalog.close()
        #expect(throws: CatalogError.self) { try catalog.repository(model) }
        #expect(throws: CatalogError.self) { try catalog.learn() }
    }
}
