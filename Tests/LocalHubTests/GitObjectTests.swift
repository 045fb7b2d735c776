// Ids as git gives them: compared with git itself where there is one, and with known ids always.

import Glibc
import Hashing
import HubAPI
import Platform
import TestSupport
import Testing

@testable import LocalHub

@Suite struct GitObjectTests {
    @Test func anEmptyTreeHasGitsWellKnownID() throws {
        #expect(GitTrees([]).root.hex == "4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    }

    // The ids below were printed by git 2.39.5 for the files sub/a, sub.txt and sub-b, each `x`:
    // the folder stands last, because git sorts it as `sub/`.
    private static let blob = GitObjectHasher.id(of: .blob, Array("x".utf8))
    private static let tree = GitTrees(
        ["sub/a", "sub.txt", "sub-b"].map { GitFile(path: $0, blob: blob) })

    @Test func blobsAndTreesHaveTheIDsOfGit() throws {
        #expect(Self.blob.hex == "c1b0730e0133447badcfd47fd144e254807b06e1")
        #expect(Self.tree.root.hex == "2d3c5fbdc7e50c8ae7dde4c5634b127646be9f40")
        #expect(
            Self.tree.folders.mapValues(\.hex)
                == [Array("sub".utf8): "aebda9dc3ba9fcf157d984e4875052d313f51a60"])
    }

    @Test func twoSpellingsOfAnAccentAreTwoFolders() throws {
        let composed = "caf\u{e9}"
        let decomposed = "cafe\u{301}"
        let trees = GitTrees(
            ["\(composed)/a", "\(decomposed)/b"].map { GitFile(path: $0, blob: Self.blob) })
        #expect(Set(trees.folders.keys) == [Array(composed.utf8), Array(decomposed.utf8)])
        #expect(trees.folders[Array(composed.utf8)] != trees.folders[Array(decomposed.utf8)])
    }

    @Test func commitsHaveTheIDsOfGit() throws {
        let first = GitCommit(
            tree: Self.tree.root, parents: [], secondsSince1970: 1_700_000_000,
            message: "First\n\nwords")
        #expect(first.id.hex == "1ec4319e4bccc77ee5efb12233b1d0059d06c735")
        let second = GitCommit(
            tree: Self.tree.root, parents: [first.id], secondsSince1970: 1_700_000_001,
            message: "Second")
        #expect(second.id.hex == "0e439780ec14711369a9ae511d31637effe06423")
    }

    @Test func pointersHaveTheFormOfGitLFS() throws {
        let digest = SHA256Hasher.digest(of: [])
        let text = String(decoding: largeFilePointer(digest, byteCount: 12), as: UTF8.self)
        #expect(
            text == "version https://git-lfs.github.com/spec/v1\n"
                + "oid sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
                + "size 12\n")
    }
}

@Suite struct LargeFileRuleTests {
    private static let cases: [(String, Int64, Bool)] = [
        ("model.safetensors", 1, true), ("sub/x.bin", 5, true), ("x.bin", 0, false),
        ("config.json", 100, false), ("config.json", 10 << 20, true),
        ("config.json", (10 << 20) - 1, false), ("pytorch_model.bin.index.json", 9, true),
        ("saved_model/x", 9, true), ("events.out.tfevents.1", 9, true), ("a.png", 9, false),
        ("safetensors", 9, false),
    ]

    @Test(arguments: cases)
    func ofModels(path: String, byteCount: Int64, isLarge: Bool) {
        #expect(LargeFileRule(.model).isLarge(path: path, byteCount: byteCount) == isLarge)
    }

    @Test func dataSetsKeepPicturesOutsideGit() {
        #expect(LargeFileRule(.dataset).isLarge(path: "a.png", byteCount: 9))
    }
}
