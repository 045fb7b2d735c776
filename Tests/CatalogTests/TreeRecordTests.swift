// Trees and contents: recorded once, shared where they are equal, and where they can be fetched.

import Catalog
import Hashing
import HubAPI
import Platform
import TestSupport
import Testing

@Suite struct TreeRecordTests {
    @Test func aTreeIsFoundAgain() throws {
        try withCatalog { (catalog, _) throws in
            let commit = try catalog.learn(tree: [
                file("a.txt", "aa"), file("d/b.bin", "bbb", large: true), folder("d/empty"),
            ])
            #expect(commit.hasTree)
            #expect(try catalog.names(commit) == ["a.txt", "d"])
            #expect(try catalog.names(commit, "d") == ["b.bin", "empty"])
            #expect(try catalog.names(commit, "d/empty") == [])
            #expect(try catalog.names(commit, "nowhere") == nil)
            let root = try #require(try catalog.directory(commit.id, path: []))
            #expect(root.find(Array("d".utf8)) == .directory(subdirectoryCount: 1))
            let text = try #require(try catalog.content(commit, "a.txt"))
            #expect(text.sizeBytes == 2)
            #expect(text.hash == .gitBlob(GitObjectHasher.id(of: .blob, Array("aa".utf8))))
            #expect(text.modified == noon)
        }
    }

    @Test func aTreeIsRecordedOnce() throws {
        try withCatalog { (catalog, _) throws in
            let commit = try catalog.learn(tree: [file("first")])
            _ = try catalog.record(tree: [file("second")], of: commit)
            #expect(try catalog.names(commit) == ["first"])
        }
    }

    @Test func aCommitWithoutATreeSaysSo() throws {
        try withCatalog { (catalog, _) throws in
            let commit = try catalog.learn()
            #expect(!commit.hasTree)
            #expect(try catalog.directory(commit.id, path: []) == nil)
            _ = try catalog.record(tree: [], of: commit)
            #expect(try catalog.commit(commit.id)?.hasTree == true)
            #expect(try catalog.names(commit) == [])
        }
    }

    @Test func equalBytesAreOneContentWhereverTheyStand() throws {
        try withCatalog { (catalog, _) throws in
            let first = try catalog.learn(tree: [
                file("a", "same"), file("d/b", "same"), file("big", "same", large: true),
            ])
            let later = WallTime(secondsSince1970: noon.secondsSince1970 + 1000)
            let other = try catalog.learn(
                repository("o/other"), nil, "2", date: later, tree: [file("c", "same")])
            let content = try #require(try catalog.content(first, "a"))
            #expect(try catalog.content(other, "c")?.id == content.id)
            #expect(try catalog.content(first, "big")?.id != content.id, "known by another hash")
            #expect(try catalog.content(other, "c")?.modified == noon, "the date never changes")
            guard
                case .file(_, _, let modified)? = try catalog.directory(other.id, path: [])?
                    .find(Array("c".utf8))
            else {
                Issue.record("no file")
                return
            }
            #expect(modified == noon.secondsSince1970)
        }
    }

    @Test func aSizeThatLiesMakesAContentOfItsOwn() throws {
        try withCatalog { (catalog, _) throws in
            let commit = try catalog.learn(tree: [
                file("true", "four"), file("lie", "four", size: 4_000_000),
            ])
            let right = try #require(try catalog.content(commit, "true"))
            let wrong = try #require(try catalog.content(commit, "lie"))
            #expect(right.id != wrong.id)
            #expect(right.sizeBytes == 4)
        }
    }

    @Test func sourcesAreTheNewestFirst() throws {
        try withCatalog { (catalog, _) throws in
            for index in 0..<12 {
                let digit = Character(String(index, radix: 16))
                try catalog.learn(
                    repository("org/r\(index)"), nil, digit, tree: [file("d/f\(index)", "same")])
            }
            let last = try #require(try catalog.commit(oid("b"), in: repository("org/r11")))
            guard
                case .file(let id, _, _)? = try catalog.directory(
                    last.id, path: Array("d".utf8))?.find(Array("f11".utf8))
            else {
                Issue.record("no file")
                return
            }
            let sources = try catalog.sources(of: id)
            #expect(sources.map(\.path) == (4..<12).reversed().map { "d/f\($0)" })
            #expect(sources[0].repository == repository("org/r11"))
            #expect(sources[0].commit == oid("b"))
            #expect(try catalog.sources(of: id, countMax: 2).count == 2)
        }
    }

    @Test func aXetHashThatComesLaterIsKept() throws {
        try withCatalog { (catalog, _) throws in
            let first = try catalog.learn(tree: [file("a", "same", large: true)])
            #expect(try catalog.content(first, "a")?.xetHash == nil)
            let xet = String(repeating: "ab", count: 32)
            let second = try catalog.learn(
                model, nil, "2", tree: [file("a", "same", large: true, xet: xet)])
            #expect(try catalog.content(second, "a")?.xetHash == xet)
            #expect(try catalog.content(first, "a")?.xetHash == xet)
        }
    }

    @Test func hostileNamesNeverGetIn() throws {
        try withCatalog { (catalog, _) throws in
            let commit = try catalog.learn()
            let layout = try catalog.record(
                tree: [file("../up"), file("ok"), file("a//b"), file("ok"), file("n\u{0}l")],
                of: commit)
            #expect(
                layout.rejected
                    == [.dotPart: 1, .emptyPart: 1, .duplicate: 1, .forbiddenByte: 1])
            #expect(try catalog.names(commit) == ["ok"])
        }
    }

    @Test func tenThousandFilesInTime() throws {
        try withCatalog { (catalog, _) throws in
            let entries = (0..<10_000).map { file("d\($0 % 110)/f\($0)", "\($0)", large: true) }
            let start = MonotonicInstant.now
            let commit = try catalog.learn(tree: entries)
            // Under a sanitizer on a busy machine it took 23.
            #expect(MonotonicInstant.now.seconds(since: start) < 120)
            #expect(try catalog.directory(commit.id, path: [])?.subdirectoryCount == 110)
            #expect(try catalog.names(commit, "d0")?.count == 91)
            #expect(try catalog.contentCount() >= 10_000)
        }
    }
}
