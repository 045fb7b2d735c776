// What the Hub said, recorded and asked for again: repositories, refs, commits, trees, contents.

import Catalog
import Hashing
import HubAPI
import Platform
import TestSupport
import Testing

@Suite struct RevisionRecordTests {
    @Test func whatWasNeverSeenIsNotKnown() throws {
        try withCatalog { (catalog, _) throws in
            #expect(try catalog.repository(model) == nil)
            #expect(try catalog.resolution(of: nil, in: model) == nil)
            #expect(try catalog.refs(of: model) == nil)
            #expect(try catalog.commit(oid("1"), in: model) == nil)
            #expect(try catalog.commit(CommitID(row: 1)) == nil)
            #expect(try catalog.content(ContentID(row: 1)) == nil)
            #expect(try catalog.sources(of: ContentID(row: 1)).isEmpty)
            #expect(try catalog.listing(of: "org", kind: .model) == nil)
            #expect(try !catalog.isOwner("org", kind: .model))
        }
    }

    @Test func aRevisionIsRecordedWithItsTime() throws {
        try withCatalog { (catalog, _) throws in
            try catalog.learn(model, revision("main"), "1")
            let found = try #require(try catalog.resolution(of: revision("main"), in: model))
            #expect(found.commit == oid("1"))
            #expect(found.resolvedAt == noon)
            #expect(try catalog.resolution(of: nil, in: model) == nil, "that may be another")
            let later = WallTime(secondsSince1970: noon.secondsSince1970 + 100)
            try catalog.learn(model, revision("main"), "2", at: later)
            let moved = try #require(try catalog.resolution(of: revision("main"), in: model))
            #expect(moved.commit == oid("2"))
            #expect(moved.resolvedAt == later)
            #expect(try catalog.commit(oid("1"), in: model) != nil, "the old commit stays")
        }
    }

    @Test func theDefaultBranchHasARecordOfItsOwn() throws {
        try withCatalog { (catalog, _) throws in
            try catalog.learn(model, nil, "1")
            try catalog.learn(model, revision("main"), "2")
            #expect(try catalog.resolution(of: nil, in: model)?.commit == oid("1"))
            #expect(try catalog.resolution(of: revision("main"), in: model)?.commit == oid("2"))
        }
    }

    @Test func aDateOnceKnownStays() throws {
        try withCatalog { (catalog, _) throws in
            try catalog.learn(model, nil, "9")
            try catalog.record(refs: [ref("main", "1")], of: model, at: noon)
            let undated = try #require(try catalog.commit(oid("1"), in: model))
            #expect(undated.date == nil)
            try catalog.learn(model, revision("main"), "1", date: noon)
            #expect(try catalog.commit(undated.id)?.date == noon, "also where a copy was kept")
            let other = WallTime(secondsSince1970: 5)
            try catalog.learn(model, revision("main"), "1", date: other)
            #expect(try catalog.commit(undated.id)?.date == noon)
            // Where the Hub gives none, the time at which it was seen has to do.
            #expect(try catalog.learn(model, nil, "3", date: nil, at: other).date == other)
        }
    }

    @Test func refsReplaceRefs() throws {
        try withCatalog { (catalog, _) throws in
            try catalog.learn(model, nil, "1")
            try catalog.learn(model, revision("unlisted"), "7")
            let all = [
                ref("main", "1"), ref("v1", "2", .tag), ref("refs/pr/3", "3", .pullRequest),
                ref("bad name", "4"), ref("", "5"), ref("a..b", "6"),
            ]
            try catalog.record(refs: all, of: model, at: noon)
            var listing = try #require(try catalog.refs(of: model))
            #expect(listing.refs.map(\.name.name) == ["main", "refs/pr/3", "v1"])
            #expect(listing.refs.map(\.kind) == [.branch, .pullRequest, .tag])
            #expect(listing.listedAt == noon)
            #expect(try catalog.resolution(of: revision("v1"), in: model)?.commit == oid("2"))

            let later = WallTime(secondsSince1970: noon.secondsSince1970 + 9)
            try catalog.record(refs: [ref("main", "8")], of: model, at: later)
            listing = try #require(try catalog.refs(of: model))
            #expect(listing.refs.map(\.name.name) == ["main"])
            #expect(listing.refs.first?.commit == oid("8"))
            #expect(listing.listedAt == later)
            #expect(try catalog.resolution(of: revision("v1"), in: model) == nil)
            #expect(try catalog.resolution(of: nil, in: model)?.commit == oid("1"))
            #expect(
                try catalog.resolution(of: revision("unlisted"), in: model)?.commit == oid("7"),
                "what no listing named is not gone because a listing does not name it")
        }
    }

    @Test func refsMoveTheTimesOfWhatListsThem() throws {
        try withCatalog { (catalog, _) throws in
            try catalog.learn(model, nil, "1")
            func node(_ parent: Int64, _ name: String, _ kind: NamedNode.Kind) throws -> NamedNode {
                try catalog.child(of: parent, Catalog.Child(name: Array(name.utf8), kind: kind))
            }
            let org = try node(2, "org", .organisation(.model, "org"))
            let versions = try node(org.row, "name@", .versions(model))
            let other = try node(2, "other", .organisation(.model, "other"))
            func times() throws -> [Int64] {
                try [org, versions, other].map { try catalog.node($0.row)?.changedNanoseconds ?? 0 }
            }
            let before = try times()
            try catalog.record(refs: [ref("main", "1")], of: model, at: noon)
            let after = try times()
            #expect(after[0] > before[0] && after[1] > before[1])
            #expect(after[2] == before[2])
            try catalog.record(refs: [ref("main", "1")], of: model, at: noon)
            #expect(try times() == after, "the same refs change nothing")
            try catalog.record(refs: [ref("main", "2")], of: model, at: noon)
            #expect(try times()[1] > after[1], "a moved ref is another listing")
        }
    }

    @Test func anAliasLeadsToItsCanonicalName() throws {
        try withCatalog { (catalog, _) throws in
            let alias = repository("gpt2")
            let canonical = repository("openai-community/gpt2")
            try catalog.record(info(canonical, "1"), asked: alias, revision: nil, at: noon)
            let found = try #require(try catalog.repository(alias))
            #expect(found.canonical == canonical)
            #expect(try catalog.repository(canonical)?.canonical == canonical)
            for id in [alias, canonical] {
                #expect(try catalog.resolution(of: nil, in: id)?.commit == oid("1"))
                #expect(try catalog.commit(oid("1"), in: id)?.repository == id)
            }
            let used = try catalog.usedNames(of: .model)
            #expect(used.legacy == [alias])
            #expect(used.organisations == ["openai-community"])
            #expect(try catalog.isOwner("openai-community", kind: .model))
            #expect(try !catalog.isOwner("gpt2", kind: .model))
        }
    }

    @Test func equalNamesOfDifferentKindsAreDifferent() throws {
        try withCatalog { (catalog, _) throws in
            try catalog.learn(repository("o/n", .dataset), nil, "1")
            #expect(try catalog.repository(repository("o/n")) == nil)
            #expect(try catalog.repository(repository("o/n", .dataset)) != nil)
            #expect(try catalog.usedNames(of: .model).organisations.isEmpty)
            #expect(try catalog.usedNames(of: .dataset).organisations == ["o"])
            #expect(try !catalog.isOwner("o", kind: .model))
        }
    }

    @Test func accessIsRemembered() throws {
        try withCatalog { (catalog, _) throws in
            try catalog.record(
                info(model, isPrivate: true, isGated: true), asked: model, revision: nil, at: noon)
            var known = try #require(try catalog.repository(model))
            #expect(known.isPrivate && known.isGated && !known.isAccessGranted)
            try catalog.recordAccess(to: model)
            try catalog.record(info(model, isGated: true), asked: model, revision: nil, at: noon)
            known = try #require(try catalog.repository(model))
            #expect(!known.isPrivate && known.isGated && known.isAccessGranted)
        }
    }
}

@Suite struct ListingRecordTests {
    private func record(
        _ catalog: Catalog, _ names: [String], isTruncated: Bool = false, at now: WallTime = noon
    ) throws {
        try catalog.record(
            listing: names.map { listed($0) }, of: "org", kind: .model, isTruncated: isTruncated,
            at: now)
    }

    @Test func anOwnersRepositories() throws {
        try withCatalog { (catalog, _) throws in
            // Another owner's name in the answer is left out.
            try record(catalog, ["org/b", "org/a", "other/x"], isTruncated: true)
            let listing = try #require(try catalog.listing(of: "org", kind: .model))
            #expect(listing.repositories.map(\.base) == ["a", "b"])
            #expect(listing.isTruncated)
            #expect(listing.listedAt == noon)
            #expect(try catalog.isOwner("org", kind: .model))
            for name in ["or", "orga", "other", "org.a", "Org"] {
                #expect(try !catalog.isOwner(name, kind: .model), "\(name)")
            }
            #expect(try catalog.resolution(of: nil, in: repository("org/a"))?.commit == oid("1"))
        }
    }

    @Test func whatIsNoLongerListedIsGoneUnlessUsed() throws {
        try withCatalog { (catalog, _) throws in
            try record(catalog, ["org/a", "org/b"])
            try catalog.learn(repository("org/used"), nil, "2")
            try record(catalog, ["org/b"])
            let listing = try #require(try catalog.listing(of: "org", kind: .model))
            #expect(listing.repositories.map(\.base) == ["b", "used"])
            #expect(try catalog.repository(repository("org/a")) != nil, "its nodes may be held")
        }
    }

    @Test func anOwnerWithoutRepositories() throws {
        try withCatalog { (catalog, _) throws in
            try record(catalog, [])
            #expect(try catalog.listing(of: "org", kind: .model)?.repositories.isEmpty == true)
            #expect(try !catalog.isOwner("org", kind: .model))
            #expect(try catalog.usedNames(of: .model).organisations.isEmpty)
        }
    }

    @Test func aListedOwnerIsUsed() throws {
        try withCatalog { (catalog, _) throws in
            try record(catalog, ["org/a"])
            #expect(try catalog.usedNames(of: .model).organisations == ["org"])
        }
    }

    @Test func timesMoveWithTheListing() throws {
        try withCatalog { (catalog, _) throws in
            let org = try catalog.child(
                of: 2, Catalog.Child(name: Array("org".utf8), kind: .organisation(.model, "org")))
            func times() throws -> [Int64] {
                try [org.row, 2, 3].map { try catalog.node($0)?.changedNanoseconds ?? 0 }
            }
            let before = try times()
            try record(catalog, ["org/a"])
            let after = try times()
            #expect(after[0] > before[0], "the owner's")
            #expect(after[1] > before[1], "the root's")
            #expect(after[2] == before[2], "not that of datasets")
            try record(catalog, ["org/a"])
            #expect(try times() == after)
            try record(catalog, [])
            #expect(try times()[0] > after[0])
        }
    }

    @Test func aFirstUseMovesTheTimes() throws {
        try withCatalog { (catalog, _) throws in
            let before = try #require(try catalog.node(2)).changedNanoseconds
            try catalog.learn(model, nil, "1")
            let after = try #require(try catalog.node(2)).changedNanoseconds
            #expect(after > before)
            try catalog.learn(model, revision("v1"), "2")
            #expect(try catalog.node(2)?.changedNanoseconds == after)
        }
    }
}
