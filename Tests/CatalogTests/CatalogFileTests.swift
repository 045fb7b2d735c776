// The catalog's file over its life: reopened, of a newer version, damaged.

import Catalog
import Database
import HubAPI
import Platform
import TestSupport
import Testing

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

    /// The first schema that a cache may have been written with is brought up to date.
    @Test func anOlderVersionIsBroughtUpToDate() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        let first = try Catalog(path: path, log: quietLog)
        let epoch = first.epoch
        try first.learn()
        first.close()
        do {
            let connection = try Connection(path: path)
            try connection.execute(
                """
                DROP INDEX node_changing; DROP INDEX content_source_by_commit; DROP TABLE pin;
                DROP TABLE unkept; DROP TRIGGER repository_made; DROP TRIGGER repository_changed;
                DROP TRIGGER ref_made; DROP TRIGGER ref_changed; DROP TRIGGER refs_listed;
                DROP TRIGGER tree_made; DROP TRIGGER organisation_made;
                DROP TRIGGER organisation_changed;
                ALTER TABLE directory DROP COLUMN checksum;
                ALTER TABLE content DROP COLUMN checksum; PRAGMA user_version = 2
                """)
        }
        let second = try Catalog(path: path, log: quietLog)
        defer { second.close() }
        #expect(second.epoch == epoch)
        #expect(try second.repository(model) != nil)
        // What was there before is to be kept as well.
        #expect(try second.unkeptRecords(countMax: 9).map(\.record.kind) == [.repository])
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

    /// SQLite would not notice.
    @Test(arguments: [
        "UPDATE directory SET entries = replace(entries, x'61', x'62') WHERE path = x''",
        "UPDATE directory SET path = x'65' WHERE path = x'64'",
        "UPDATE content SET size = size + 1", "UPDATE content SET modified = modified + 1",
        "UPDATE content SET hash = substr(hash, 1, 19) || x'00'",
    ])
    func flippedBitsInRowsAreDamage(statement: String) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/catalog.db"
        let first = try Catalog(path: path, log: quietLog)
        let commit = try first.learn(tree: [file("a"), file("d/b", "y")])
        let content = try #require(try first.content(commit, "a")).id
        first.close()
        try Connection(path: path).execute(statement)
        let second = try Catalog(path: path, log: quietLog)
        defer { second.close() }
        var failures: [CatalogError] = []
        for path in ["", "d"] {
            do throws(CatalogError) {
                let found = try second.directory(commit.id, path: Array(path.utf8))
                if found == nil { failures.append(.damaged) }
            } catch {
                failures.append(error)
            }
        }
        do throws(CatalogError) { _ = try second.content(content) } catch {
            failures.append(error)
        }
        #expect(failures == [.damaged])
        let mark = Catalog.damageMark(path)
        #expect(statement.contains("SET path") || isThere(mark))
    }

    private func isThere(_ path: String) -> Bool {
        (try? contentsOfFile(path)) != nil
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
