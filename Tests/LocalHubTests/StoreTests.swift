// The store on a real folder: commits, refs, history, what is refused, what a crash leaves.

import Glibc
import Hashing
import HubAPI
import Platform
import TestSupport
import Testing

@testable import LocalHub

/// A root and a source folder, both removed at the end.
private struct Fixture {
    let directory = TemporaryDirectory()
    let store: RepositoryStore
    let id: RepositoryID
    var source: String { "\(directory.path)/source" }
    var root: String { "\(directory.path)/root" }

    init() throws {
        id = try #require(RepositoryID(kind: .model, name: "org/name"))
        store = RepositoryStore(try HubRoot.create("\(directory.path)/root"))
        mkdir(source, 0o700)
    }

    func write(_ path: String, _ text: String) throws {
        let whole = "\(source)/\(path)"
        if let slash = whole.lastIndex(of: "/") { mkdir(String(whole[..<slash]), 0o700) }
        try writeFile(whole, Array(text.utf8))
    }

    func add(
        _ revision: String = "main", tag: String? = nil, at seconds: Int64 = 1_700_000_000
    ) throws -> AddResult {
        var request = AddRequest(id, folder: source)
        request.revision = revision
        request.tag = tag
        request.date = WallTime(secondsSince1970: seconds)
        return try store.add(request)
    }

    func commit(_ name: String) throws -> Commit? {
        let record = try #require(try store.record(of: id))
        let revision = try #require(RevisionName(name))
        guard let found = try store.resolve(revision, in: record) else { return nil }
        return try store.commit(found, of: id)
    }
}

@Suite struct StoreTests {
    @Test func aFolderBecomesACommit() throws {
        let fixture = try Fixture()
        try fixture.write("config.json", "{}")
        try fixture.write("sub/model.bin", "weights")
        let result = try fixture.add(tag: "v1")
        #expect(result.isNew && result.fileCount == 2 && result.byteCount == 9)
        let commit = try #require(try fixture.commit("v1"))
        #expect(commit.info.id == result.commit && commit.info.parent == nil)
        #expect(commit.entries.map(\.path) == ["sub", "config.json", "sub/model.bin"])
        let large = try #require(commit.entry(at: "sub/model.bin"))
        #expect(large.sha256 == SHA256Hasher.digest(of: Array("weights".utf8)))
        let file = try fixture.store.open(large.content)
        #expect(try file.size() == 7)
        #expect(commit.listing(of: "", isRecursive: false)?.map(\.path) == ["sub", "config.json"])
        #expect(commit.listing(of: "sub", isRecursive: true)?.map(\.path) == ["sub/model.bin"])
        #expect(commit.listing(of: "config.json", isRecursive: false) == nil)
    }

    @Test func twoSpellingsOfAnAccentAreTwoFolders() throws {
        let fixture = try Fixture()
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        try fixture.write("\(composed)/a", "a")
        try fixture.write("\(decomposed)/b", "b")
        symlink("\(fixture.source)/\(composed)", "\(fixture.source)/\(decomposed)/link")
        _ = try fixture.add()
        let commit = try #require(try fixture.commit("main"))
        #expect(commit.listing(of: composed, isRecursive: true)?.map(\.path) == ["\(composed)/a"])
        #expect(
            commit.listing(of: decomposed, isRecursive: true)?.map(\.path)
                == ["\(decomposed)/link", "\(decomposed)/b", "\(decomposed)/link/a"])
        // What lies beside the folder is not inside, however alike their names are.
        let beside = "\(fixture.directory.path)/\(decomposed)"
        mkdir(beside, 0o700)
        let folder = "\(fixture.directory.path)/\(composed)"
        mkdir(folder, 0o700)
        try writeFile("\(beside)/secret", [1])
        symlink("\(beside)/secret", "\(folder)/leak")
        #expect(throws: LocalHubError.badLink(path: "\(folder)/leak")) {
            try SourceFolder.files(of: folder)
        }
    }

    @Test func theSameFolderAgainMakesNoCommitButSetsTheTag() throws {
        let fixture = try Fixture()
        try fixture.write("a.txt", "a")
        let first = try fixture.add()
        let second = try fixture.add(tag: "again", at: 1_800_000_000)
        #expect(!second.isNew && second.commit == first.commit)
        #expect(try fixture.commit("again")?.info.id == first.commit)
    }

    @Test func eachPathKnowsTheCommitThatChangedIt() throws {
        let fixture = try Fixture()
        try fixture.write("one/a.txt", "a")
        try fixture.write("two/b.txt", "b")
        let first = try fixture.add()
        try fixture.write("two/b.txt", "changed")
        let second = try fixture.add(at: 1_700_000_001)
        let commit = try #require(try fixture.commit("main"))
        #expect(commit.info.parent == first.commit)
        func lastCommit(_ path: String) -> GitObjectID? { commit.entry(at: path)?.lastCommit }
        #expect(lastCommit("one/a.txt") == first.commit && lastCommit("one") == first.commit)
        #expect(lastCommit("two/b.txt") == second.commit && lastCommit("two") == second.commit)
    }

    @Test func revisionsAreFoundByEveryName() throws {
        let fixture = try Fixture()
        try fixture.write("a.txt", "a")
        let first = try fixture.add(tag: "v1").commit
        try fixture.write("a.txt", "b")
        let second = try fixture.add("refs/pr/7", at: 1_700_000_001).commit
        try fixture.write("a.txt", "c")
        _ = try fixture.add("dev", at: 1_700_000_002)
        for name in ["main", "v1", "refs/heads/main", "refs/tags/v1", first.hex] {
            #expect(try fixture.commit(name)?.info.id == first, "\(name)")
        }
        #expect(try fixture.commit("refs/pr/7")?.info.id == second)
        #expect(try fixture.commit(String(second.hex.prefix(7)))?.info.id == second)
        #expect(try fixture.commit("dev")?.info.parent == first, "a branch starts from main")
        for name in ["v2", String(second.hex.prefix(6)), String(repeating: "0", count: 40)] {
            #expect(try fixture.commit(name) == nil, "\(name)")
        }
    }

    @Test func aTagThatMovesIsTold() throws {
        let fixture = try Fixture()
        try fixture.write("a.txt", "a")
        let first = try fixture.add(tag: "v1")
        #expect(first.formerTagTarget == nil)
        #expect(try fixture.add(tag: "v1").formerTagTarget == nil, "it stays where it was")
        try fixture.write("a.txt", "b")
        let second = try fixture.add(tag: "v1", at: 1_700_000_001)
        #expect(second.formerTagTarget == first.commit)
    }

    @Test(arguments: ["refs/heads/x", "refs/pr/x", "refs/pr/", "a..b", "-x", ""])
    func revisionsThatCannotBeMadeAreRefused(name: String) throws {
        let fixture = try Fixture()
        #expect(throws: LocalHubError.badRevision(name)) { _ = try fixture.add(name) }
    }

    @Test func equalContentsAreStoredOnce() throws {
        let fixture = try Fixture()
        try fixture.write("a.bin", "same")
        try fixture.write("b.bin", "same")
        try fixture.write("c.txt", "same")
        _ = try fixture.add()
        try fixture.write("d.bin", "same")
        _ = try fixture.add()
        #expect(filesInTree("\(fixture.root)/objects").count == 2, "one large and one small")
        #expect(namesInDirectory("\(fixture.root)/incoming").isEmpty)
    }

    @Test func anotherStoreSeesANewCommitAtOnce() throws {
        let fixture = try Fixture()
        let reader = RepositoryStore(try HubRoot.open(fixture.root))
        try fixture.write("a.txt", "a")
        let first = try fixture.add().commit
        #expect(try reader.record(of: fixture.id)?.head == first)
        try fixture.write("a.txt", "b")
        let second = try fixture.add(at: 1_700_000_001).commit
        #expect(try reader.record(of: fixture.id)?.head == second)
        #expect(try reader.records(of: .model).map(\.id) == [fixture.id])
    }

    @Test func aSecondWriterIsRefused() throws {
        let fixture = try Fixture()
        try fixture.write("a.txt", "a")
        let lock = try FileDescriptor.open("\(fixture.root)/lock", O_CREAT | O_RDWR)
        #expect(flock(lock.rawValue, LOCK_EX) == 0)
        #expect(throws: LocalHubError.locked(root: fixture.root)) { _ = try fixture.add() }
        flock(lock.rawValue, LOCK_UN)
        _ = try fixture.add()
    }

    @Test func whatACrashLeftIsRemoved() throws {
        let fixture = try Fixture()
        try writeFile("\(fixture.root)/incoming/1", Array("half".utf8))
        try fixture.write("a.bin", "a")
        _ = try fixture.add()
        #expect(namesInDirectory("\(fixture.root)/incoming").isEmpty)
    }

    @Test func aManifestThatWasCutOffIsDamaged() throws {
        let fixture = try Fixture()
        try fixture.write("a.txt", "a")
        try fixture.write("b.txt", "b")
        let commit = try fixture.add().commit
        let path = "\(fixture.root)/repositories/models/org--name/commits/\(commit)"
        chmod(path, 0o600)
        try writeFile(path, Array(try contentsOfFile(path).dropLast(12)))
        let fresh = RepositoryStore(try HubRoot.open(fixture.root))
        #expect(throws: LocalHubError.damaged(path: path)) {
            _ = try fresh.commit(commit, of: fixture.id)
        }
    }

    @Test func rootsOfOthersAreLeftAlone() throws {
        let directory = TemporaryDirectory()
        try writeFile("\(directory.path)/mine", [1])
        #expect(throws: LocalHubError.notAHub(root: directory.path)) {
            _ = try HubRoot.create(directory.path)
        }
        let other = "\(directory.path)/other"
        _ = try HubRoot.create(other)
        try writeFile("\(other)/FORMAT", Array("modelfs-hub 9\n".utf8))
        #expect(throws: LocalHubError.otherVersion(root: other, found: "modelfs-hub 9\n")) {
            _ = try HubRoot.open(other)
        }
    }
}

@Suite struct SourceTests {
    @Test func linksInsideAreFollowedAndGitIsLeftOut() throws {
        let fixture = try Fixture()
        try fixture.write("real/a.txt", "a")
        try fixture.write(".git/config", "no")
        symlink("real/a.txt", "\(fixture.source)/file")
        symlink("real", "\(fixture.source)/folder")
        _ = try fixture.add()
        let commit = try #require(try fixture.commit("main"))
        #expect(commit.files.map(\.path) == ["file", "folder/a.txt", "real/a.txt"])
    }

    @Test(arguments: ["/etc/hostname", "nowhere", "..", "."])
    func linksThatLeadOutOrRoundAreRefused(target: String) throws {
        let fixture = try Fixture()
        let link = "\(fixture.source)/link"
        symlink(target, link)
        let resolved = try #require(realpath(fixture.source, nil))
        defer { free(resolved) }
        let real = String(cString: resolved)
        #expect(throws: LocalHubError.badLink(path: "\(real)/link")) { _ = try fixture.add() }
    }

    @Test(arguments: ["new\nline", "tab\there", "back\\slash"])
    func oddNamesAreRefused(name: String) throws {
        let fixture = try Fixture()
        try fixture.write(name, "x")
        #expect(throws: LocalHubError.self) { _ = try fixture.add() }
    }

    @Test func namesThatAreNotUTF8AreRefused() throws {
        let fixture = try Fixture()
        let path = Array("\(fixture.source)/x".utf8) + [0xff, 0]
        let bytes = path.map { CChar(bitPattern: $0) }
        close(creat(bytes, 0o600))
        #expect(throws: LocalHubError.self) { _ = try fixture.add() }
    }

    @Test func pipesAndMissingFoldersAreRefused() throws {
        let fixture = try Fixture()
        mkfifo("\(fixture.source)/pipe", 0o600)
        #expect(throws: LocalHubError.self) { _ = try fixture.add() }
        let request = AddRequest(fixture.id, folder: "\(fixture.source)/pipe")
        #expect(throws: LocalHubError.notAFolder(request.folder)) {
            _ = try fixture.store.add(request)
        }
    }
}

@Suite struct AccessTests {
    @Test func tokensOpenWhatTheyAreFor() throws {
        let fixture = try Fixture()
        let tokens = TokenFile(try HubRoot.open(fixture.root))
        let scope = try #require(TokenScope("datasets/org/name"))
        let secret = try tokens.create(
            scopes: [scope], expiryDate: WallTime(secondsSince1970: 2000),
            at: WallTime(secondsSince1970: 1000))
        let token = try #require(try tokens.token(for: secret))
        let dataset = try #require(RepositoryID(kind: .dataset, name: "org/name"))
        #expect(token.opens(dataset) && !token.opens(fixture.id))
        #expect(!token.isExpired(at: WallTime(secondsSince1970: 1999)))
        #expect(token.isExpired(at: WallTime(secondsSince1970: 2000)))
        #expect(try tokens.token(for: secret + "x") == nil)
        let file = try contentsOfFile("\(fixture.root)/tokens.json")
        #expect(!String(decoding: file, as: UTF8.self).contains(secret), "only the hash is kept")
        let reader = TokenFile(try HubRoot.open(fixture.root))
        #expect(try reader.token(for: secret) == token)
        try tokens.revoke(token.id)
        #expect(try reader.token(for: secret) == nil)
        #expect(throws: LocalHubError.noToken(token.id)) { try tokens.revoke(token.id) }
    }

    @Test func aliasesLeadToRepositories() throws {
        let fixture = try Fixture()
        try fixture.write("a.txt", "a")
        _ = try fixture.add()
        let aliases = AliasFile(try HubRoot.open(fixture.root))
        let old = try #require(RepositoryID(kind: .model, name: "old"))
        try aliases.set(old, to: fixture.id, in: fixture.store)
        #expect(try aliases.target(of: old) == fixture.id)
        #expect(try aliases.target(of: fixture.id) == nil)
        #expect(throws: LocalHubError.aliasIsRepository(fixture.id)) {
            try aliases.set(fixture.id, to: fixture.id, in: fixture.store)
        }
        #expect(throws: LocalHubError.noRepository(old)) {
            let other = try #require(RepositoryID(kind: .model, name: "other"))
            try aliases.set(other, to: old, in: fixture.store)
        }
    }
}
