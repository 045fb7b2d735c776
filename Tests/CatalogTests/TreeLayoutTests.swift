// Listings become folders; names that could not stand in one never do.

import Catalog
import HubAPI
import TestSupport
import Testing

@Suite struct TreeLayoutTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func names(_ layout: TreeLayout, _ folder: String = "") -> Set<String> {
        Set((layout.folders[bytes(folder)] ?? [:]).keys.map { String(decoding: $0, as: UTF8.self) })
    }

    @Test func foldersAreMadeOfPaths() {
        let layout = TreeLayout([
            file("config.json"), folder("a"), file("a/b/c/deep.bin"), file("a/x"), folder("empty"),
        ])
        #expect(names(layout) == ["config.json", "a", "empty"])
        #expect(names(layout, "a") == ["b", "x"])
        #expect(names(layout, "a/b") == ["c"])
        #expect(names(layout, "a/b/c") == ["deep.bin"])
        #expect(layout.folders[bytes("empty")]?.isEmpty == true)
        #expect(layout.folders.count == 5)
        #expect(layout.rejected.isEmpty)
        #expect(layout.subdirectoryCount(of: bytes("")) == 2)
        #expect(layout.subdirectoryCount(of: bytes("a")) == 1)
        #expect(layout.subdirectoryCount(of: bytes("a/b/c")) == 0)
    }

    @Test func anEmptyListingIsAnEmptyRoot() {
        let layout = TreeLayout([])
        #expect(layout.folders.count == 1)
        #expect(names(layout).isEmpty)
    }

    private static let hostile: [(path: String, reason: TreeLayout.Rejection)] = [
        ("", .emptyPart), ("/", .emptyPart), ("/a", .emptyPart), ("a/", .emptyPart),
        ("a//b", .emptyPart), ("a/b/", .emptyPart), (".", .dotPart), ("..", .dotPart),
        ("../etc/passwd", .dotPart), ("a/../b", .dotPart), ("a/..", .dotPart), ("a/./b", .dotPart),
        ("a\u{0}b", .forbiddenByte), ("a\nb", .forbiddenByte), ("a\tb", .forbiddenByte),
        ("\u{1b}[31mred", .forbiddenByte), ("a\u{7f}", .forbiddenByte),
        ("broken\u{fffd}", .forbiddenByte),
        (String(repeating: "n", count: 256), .tooLong),
        // 128 characters, 256 bytes.
        (String(repeating: "é", count: 128), .tooLong),
        (
            Array(repeating: String(repeating: "p", count: 200), count: 21).joined(separator: "/"),
            .tooLong
        ),
        (Array(repeating: "d", count: 65).joined(separator: "/"), .tooDeep),
    ]

    @Test(arguments: hostile.indices)
    func aHostileNameIsLeftOutAndCounted(index: Int) {
        let (path, reason) = TreeLayoutTests.hostile[index]
        for entry in [file(path), folder(path)] {
            let layout = TreeLayout([file("good"), entry, file("also/good")])
            #expect(layout.rejected == [reason: 1])
            #expect(layout.examples.count == 1)
            #expect(names(layout) == ["good", "also"])
            #expect(layout.folders.count == 2)
        }
    }

    @Test func theLongestNamesStay() {
        let name = String(repeating: "n", count: 255)
        let deep = Array(repeating: "d", count: 63).joined(separator: "/") + "/f"
        let layout = TreeLayout(
            [file(name), file("...hidden"), file("..a"), file("a."), file(deep)])
        #expect(layout.rejected.isEmpty)
        #expect(names(layout) == [name, "...hidden", "..a", "a.", "d"])
    }

    @Test func aNameThatStandsTwiceStandsOnce() {
        let layout = TreeLayout([
            file("f", "first"), file("f", "second"), folder("d"), folder("d"), file("d/f"),
            file("d/f"),
        ])
        #expect(layout.rejected == [.duplicate: 2])
        #expect(names(layout) == ["f", "d"])
        guard case .file(index: 0)? = layout.folders[[]]?[bytes("f")] else {
            Issue.record("the first of the two stays")
            return
        }
    }

    @Test(arguments: [false, true])
    func aFileThatIsAlsoAFolderIsAFolder(fileFirst: Bool) {
        let pair = [file("a"), file("a/b")]
        let layout = TreeLayout(fileFirst ? pair : pair.reversed())
        #expect(layout.rejected == [.fileAndFolder: 1])
        #expect(names(layout, "a") == ["b"])
        let explicit = TreeLayout(fileFirst ? [file("a"), folder("a")] : [folder("a"), file("a")])
        #expect(explicit.rejected == [.fileAndFolder: 1])
        #expect(explicit.folders[bytes("a")]?.isEmpty == true)
    }

    @Test func twoSpellingsOfAnAccentAreTwoNames() {
        let composed = "caf\u{e9}"
        let decomposed = "cafe\u{301}"
        #expect(composed == decomposed)
        let layout = TreeLayout([
            file(composed), file(decomposed), file("\(composed)-d/x"), file("\(decomposed)-d/y"),
        ])
        #expect(layout.rejected.isEmpty)
        #expect(layout.folders[[]]?.count == 4)
        #expect(layout.folders[bytes("\(composed)-d")]?.keys.map { $0 } == [bytes("x")])
        #expect(layout.folders[bytes("\(decomposed)-d")]?.keys.map { $0 } == [bytes("y")])
    }

    @Test(arguments: [-1, .min, (1 << 40) + 1, .max] as [Int64])
    func sizesThatLieAreLeftOut(size: Int64) {
        let layout = TreeLayout(
            [file("a", size: size), file("b", size: 1 << 40), file("c", size: 0)])
        #expect(layout.rejected == [.badSize: 1])
        #expect(names(layout) == ["b", "c"])
    }

    /// Whatever comes in, what comes out is a tree of valid names, and nothing is lost uncounted.
    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func whateverComesInWhatComesOutIsATree(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let parts = ["a", "b", "c.txt", "", ".", "..", "é", "e\u{301}", "x\u{0}", "\n"]
        var entries: [TreeEntry] = []
        for _ in 0..<60 {
            let path = (0..<Int.random(in: 1...4, using: &random))
                .map { _ in
                    // Mostly good ones.
                    parts[min(Int.random(in: 0..<40, using: &random), parts.count) % parts.count]
                }
                .joined(separator: "/")
            entries.append(Bool.random(using: &random) ? file(path) : folder(path))
        }
        let layout = TreeLayout(entries)
        var fileCount = 0
        for (path, names) in layout.folders {
            for (name, node) in names {
                #expect(!name.isEmpty && name.count <= 255)
                #expect(name != bytes(".") && name != bytes(".."))
                #expect(!name.contains { $0 < 0x20 || $0 == 0x2f || $0 == 0x7f })
                let full = path.isEmpty ? name : path + bytes("/") + name
                switch node {
                case .folder: #expect(layout.folders[full] != nil)
                case .file(let index):
                    fileCount += 1
                    #expect(layout.folders[full] == nil)
                    #expect(Array(entries[index].path.utf8) == full)
                }
            }
            if !path.isEmpty {
                let cut = path.lastIndex(of: 0x2f)
                let parent = cut.map { Array(path[..<$0]) } ?? []
                let name = cut.map { Array(path[($0 + 1)...]) } ?? path
                #expect(layout.folders[parent]?[name] != nil, "an orphan")
            }
        }
        let rejectedFolders = entries.count { $0.kind == .directory }
        let rejected = layout.rejected.values.reduce(0, +)
        #expect(fileCount + rejected >= entries.count - rejectedFolders)
        #expect(fileCount <= entries.count { $0.kind == .file })
    }
}
