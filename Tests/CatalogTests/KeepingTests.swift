// Records of the catalog: taken when something changed, and put into a catalog that has nothing.

import Catalog
import Hashing
import Platform
import TestSupport
import Testing

@testable import HubAPI

private let tree = [
    file("config.json", "{}"), file("sub/weights.bin", "weights", large: true, xet: "ab"),
    folder("empty"),
]

private func takeAll(_ catalog: Catalog) throws -> [CatalogRecord] {
    var all: [CatalogRecord] = []
    while true {
        let some = try catalog.unkeptRecords(countMax: 2)
        if some.isEmpty { return all }
        all += some.map(\.record)
        try catalog.confirmKept(some)
    }
}

private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

private func kinds(_ records: [CatalogRecord]) -> Set<CatalogRecord.Kind> {
    Set(records.map(\.kind))
}

@Suite struct KeepingTests {
    @Test func onlyWhatChangedIsTaken() throws {
        try withCatalog { catalog, _ in
            let commit = try catalog.learn(revision: "main", tree: tree)
            #expect(kinds(try takeAll(catalog)) == [.repository, .commit])
            // The same answer a minute later tells nothing new.
            try catalog.learn(
                revision: "main", at: WallTime(secondsSince1970: noon.secondsSince1970 + 60))
            #expect(try takeAll(catalog).isEmpty)
            try catalog.setPinned(commit.id, true, at: noon)
            #expect(try takeAll(catalog).map(\.kind) == [.pin])
            try catalog.setPinned(commit.id, false, at: noon)
            let removed = try takeAll(catalog)
            #expect(removed.map(\.kind) == [.pin] && removed.map(\.payload) == [nil])
            try catalog.record(
                listing: [listed("org/name")], of: "org", kind: .model, isTruncated: false,
                at: noon)
            #expect(kinds(try takeAll(catalog)) == [.repository, .organisation])
            try catalog.markAllUnkept()
            #expect(kinds(try takeAll(catalog)) == [.repository, .commit, .organisation])
        }
    }

    @Test func aChangeAfterTheTakingStays() throws {
        try withCatalog { catalog, _ in
            try catalog.learn(revision: "main", tree: tree)
            let taken = try catalog.unkeptRecords(countMax: 10)
            try catalog.record(refs: [ref("v1", "2", .tag)], of: model, at: noon)
            try catalog.confirmKept(taken)
            #expect(try takeAll(catalog).map(\.kind) == [.repository])
        }
    }

    @Test func aCatalogIsMadeAnewFromItsRecords() throws {
        let earlier = WallTime(secondsSince1970: noon.secondsSince1970 - 1_000_000)
        let (records, old) = try withCatalog { catalog, _ in
            try catalog.learn(revision: "old", commit: "2", date: earlier, tree: tree)
            let commit = try catalog.learn(revision: "main", tree: tree)
            try catalog.record(
                refs: [ref("main", "1"), ref("v1", "2", .tag)], of: model, at: noon)
            try catalog.record(
                listing: [listed("org/name"), listed("org/other")], of: "org", kind: .model,
                isTruncated: true, at: noon)
            try catalog.setPinned(commit.id, true, at: noon)
            return (try takeAll(catalog), catalog.epoch)
        }
        try withCatalog { catalog, _ in
            // Commits in the other order: times must not come from who is first.
            for kind in CatalogRecord.Kind.allCases {
                for record in records.filter({ $0.kind == kind }).reversed() {
                    #expect(try catalog.restore(record))
                }
            }
            try catalog.confirmRestored()
            #expect(try takeAll(catalog).isEmpty)
            #expect(catalog.epoch != old)
            let commit = try #require(try catalog.commit(oid("1"), in: model))
            #expect(commit.hasTree && commit.date == noon)
            #expect(try catalog.names(commit) == ["config.json", "empty", "sub"])
            let content = try #require(try catalog.content(commit, "config.json"))
            #expect(content.modified == earlier)
            #expect(try catalog.sources(of: content.id).count == 2)
            #expect(try catalog.resolution(of: revision("v1"), in: model)?.commit == oid("2"))
            #expect(try catalog.refs(of: model)?.refs.count == 2)
            #expect(try catalog.listing(of: "org", kind: .model)?.isTruncated == true)
            #expect(try catalog.listing(of: "org", kind: .model)?.repositories.count == 2)
            #expect(try catalog.repository(model)?.isUsed == true)
            #expect(try catalog.pinnedCommits() == [commit.id])
            // What the Hub tells again changes nothing.
            _ = try catalog.record(tree: tree, of: commit)
        }
    }

    /// The example of docs/FORMATS.md.
    @Test func aPinIsWrittenAsDocumented() throws {
        let id = repository("a/b")
        let made = try #require(GitObjectID(hex: String(repeating: "cd", count: 20)))
        let answer = RevisionInfo(
            canonicalID: id, commit: made, lastModified: noon, isPrivate: false, isGated: false,
            isDisabled: false)
        try withCatalog { catalog, _ in
            try catalog.record(answer, asked: id, revision: nil, at: noon)
            let commit = try #require(try catalog.commit(made, in: id))
            try catalog.setPinned(commit.id, true, at: noon)
            let pin = try #require(try takeAll(catalog).first { $0.kind == .pin })
            #expect(
                hexadecimal(pin.key)
                    == "6d6f64656c2f612f6200cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd")
            #expect(hexadecimal(pin.payload ?? []) == "0100f1536500000000")
        }
    }

    @Test func bentRecordsAreLeftOutOrRead() throws {
        let records = try withCatalog { catalog, _ in
            try catalog.learn(revision: "main", tree: tree)
            return try takeAll(catalog)
        }
        try withCatalog { catalog, _ in
            for record in records {
                let payload = try #require(record.payload)
                for count in 0..<payload.count {
                    let cut = CatalogRecord(
                        kind: record.kind, key: record.key, payload: Array(payload[..<count]))
                    let isRestored = try catalog.restore(cut)
                    #expect(!isRestored)
                }
            }
            // Nothing is left of them that would be in the way.
            for kind in CatalogRecord.Kind.allCases {
                for record in records where record.kind == kind {
                    #expect(try catalog.restore(record))
                }
            }
        }
    }

    @Test func contentsOfCommits() throws {
        try withCatalog { catalog, _ in
            let first = try catalog.learn(revision: "main", tree: tree)
            let second = try catalog.learn(
                revision: "v2", commit: "2", tree: [file("config.json", "{}"), file("new", "n")])
            let contents = try catalog.contents(of: first.id)
            #expect(contents.count == 2)
            let shared = try #require(
                try catalog.contents(of: second.id).intersection(contents).first)
            #expect(try catalog.isShared(shared, besides: [first.id]))
            let isElsewhere = try catalog.isShared(shared, besides: [first.id, second.id])
            #expect(!isElsewhere)
            #expect(try catalog.repositoriesWithTrees() == [model])
            #expect(try catalog.commitsWithTrees(of: model).map(\.id) == [first.id, second.id])
            #expect(try catalog.refNames(of: second) == ["v2"])
            let id = try #require(try catalog.contentID(of: shared))
            #expect(try catalog.contentIDs(of: shared.hash) == [id])
        }
    }
}

extension Catalog {
    @discardableResult
    fileprivate func learn(
        revision name: String, commit: Character = "1", date: WallTime = noon,
        tree: [TreeEntry]? = nil, at now: WallTime = noon
    ) throws -> KnownCommit {
        try learn(model, revision(name), commit, date: date, tree: tree, at: now)
    }
}
