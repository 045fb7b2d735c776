// Listings: what stands in a directory, in batches, while it changes and while others read it.

import Catalog
import Fetching
import FileSystem
import HubAPI
import Platform
import TestSupport
import Testing

@Suite struct ListingTests {
    let bench: TreeBench

    init() throws {
        bench = try TreeBench()
        bench.hub.commit("models/org/a", "a", ["f": [1]])
        bench.hub.commit("models/org/b", "b", ["f": [2]])
    }

    private func text(_ entries: [ListedEntry]) -> [String] {
        entries.map { String(decoding: $0.name, as: UTF8.self) }
    }

    @Test func theRootShowsWhatWasUsed() throws {
        let stack = try bench.stack()
        #expect(try stack.names("models") == [])
        _ = try stack.find("models/nothing")
        #expect(try stack.names("models") == [])
        let before = try stack.attributes(try stack.node("models")).modifiedNanoseconds
        _ = try stack.find("models/org")
        #expect(try stack.names("models") == ["org"])
        let after = try stack.attributes(try stack.node("models")).modifiedNanoseconds
        #expect(after > before, "or the kernel would go on showing the old listing")
        #expect(try stack.names("datasets") == [])
    }

    @Test func anOwnerShowsRepositoriesAndKnownRefs() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        #expect(try stack.names("models/org") == ["a", "b"])
        let before = try stack.attributes(org).modifiedNanoseconds
        bench.hub.edit("models/org/a") { $0.tags["v1"] = SmallHub.id("a") }
        _ = try stack.names("models/org/a@")
        #expect(try stack.names("models/org") == ["a", "a@main", "a@v1", "b"])
        #expect(try stack.attributes(org).modifiedNanoseconds > before)
    }

    @Test func aLongListingIsCutAndSaysSo() throws {
        for index in 0..<30 {
            bench.hub.commit("models/many/r\(index + 10)", "c", ["f": [1]])
        }
        bench.options.fetch.listingCountMax = 20
        bench.options.tree.listingCountMax = 20
        let stack = try bench.stack()
        #expect(try stack.names("models/many").count == 20)
        let org = try stack.node("models/many")
        #expect(try stack.attribute(org, "truncated") == "yes")
        #expect(try stack.read("models/many/r39/f") == [1], "what is left out is found by name")
    }

    @Test func anOldListingIsRenewedByALookAtItsAttributes() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        let versions = try stack.node("models/org/a@")
        #expect(try stack.names("models/org") == ["a", "b"])
        #expect(try stack.names("models/org/a@") == ["main"])
        let before = try [org, versions].map { try stack.attributes($0).modifiedNanoseconds }
        bench.hub.commit("models/org/c", "c", ["f": [3]])
        bench.hub.edit("models/org/a") { $0.tags["v2"] = SmallHub.id("a") }
        let later = WallTime.now + 400
        let after = try [org, versions].map {
            try stack.attributes($0, now: later).modifiedNanoseconds
        }
        #expect(after[0] > before[0] && after[1] > before[1])
        #expect(try stack.names("models/org").contains("c"))
        #expect(try stack.names("models/org/a@") == ["main", "v2"])
    }

    @Test func offsetsStayWhileTheListingChanges() throws {
        for index in 100..<700 { bench.hub.commit("models/many/r\(index)", "c", ["f": [1]]) }
        bench.hub.change { $0.pageEntryCount = 1000 }
        let stack = try bench.stack()
        let org = try stack.node("models/many")
        let first = try stack.list(org, from: 0)
        #expect(first.count > 100 && first.count < 500, "a batch is a part")
        var names = text(first)
        // The listing changes, and another reader begins and gets all of it.
        bench.hub.commit("models/many/aaa", "c", ["f": [1]])
        let later = WallTime.now + 400
        let other = text(try stack.entries(org, now: later))
        #expect(other.first == "aaa" && other.count == 601)
        var offset = try #require(first.last).nextOffset
        while true {
            let batch = try stack.list(org, from: offset, now: later)
            guard let last = batch.last else { break }
            names += text(batch)
            offset = last.nextOffset
        }
        #expect(names == [".", ".."] + (100..<700).map { "r\($0)" })
        // Any entry of the first listing can be gone on from, again and again.
        for index in [0, 1, 2, 50] {
            let batch = try stack.list(org, from: first[index].nextOffset, now: later)
            #expect(text(batch).first == names[index + 1])
        }
    }

    @Test func aReaderGoesOnInTheNextLifeOfTheDaemon() throws {
        for index in 100..<700 { bench.hub.commit("models/many/r\(index)", "c", ["f": [1]]) }
        var stack = try bench.stack()
        let org = try stack.node("models/many")
        let first = try stack.list(org, from: 0)
        let offset = try #require(first.last).nextOffset
        stack = try bench.reopen()
        let names = text(try stack.list(org, from: offset))
        #expect(names.first == "r\(100 + first.count - 2)")
    }

    @Test func offsetsBeyondTheEndListNothing() throws {
        let stack = try bench.stack()
        let org = try stack.node("models/org")
        let folder = try stack.node("models/org/a@main")
        for node in [org, folder] {
            #expect(try stack.list(node, from: 1000).isEmpty)
            #expect(try stack.list(node, from: 1 << 23).isEmpty)
        }
    }

    @Test(arguments: [false, true])
    func aLargeFolderComesInBatches(withAttributes: Bool) throws {
        var files: [String: [UInt8]] = [:]
        for index in 0..<700 { files["f\(index)"] = Array("\(index)".utf8) }
        for index in 0..<50 { files["d\(index)/x"] = [UInt8(index)] }
        bench.hub.commit("models/org/large", "c", files)
        let stack = try bench.stack()
        let folder = try stack.node("models/org/large@main")
        let entries = try stack.entries(folder, withAttributes: withAttributes)
        let names = text(entries)
        let expected = Set(files.keys.map { String($0.split(separator: "/")[0]) })
        #expect(names.count == 750 && Set(names) == expected)
        #expect(names == names.sorted())
        for entry in entries {
            let name = String(decoding: entry.name, as: UTF8.self)
            #expect(entry.kind == (name.hasPrefix("d") ? .directory : .file))
            #expect(withAttributes == false || entry.entry?.attributes != nil)
        }
        for index in [0, 3, 299, 748] {
            let batch = try stack.list(folder, from: entries[index].nextOffset)
            #expect(text(batch).first == names[index + 1])
        }
        for entry in entries where withAttributes {
            let found = try stack.lookup(folder, bytes: entry.name)
            #expect(found == entry.entry, "a listing and a lookup say the same")
        }
        // The names before the first.
        let dots = try stack.list(folder, from: 0)
        #expect(text(dots).prefix(2) == [".", ".."])
        #expect(text(try stack.list(folder, from: 1)).first == "..")
    }

    @Test func manyReadersOfOneFolderCostOneListing() throws {
        let stack = try bench.stack()
        let before = bench.hub.treeRequestCount
        let folder = try stack.node("models/org/a@main")
        let failures = Lock(0)
        do {
            let threads = (0..<8).map { _ in
                OwnedThread {
                    if (try? stack.entries(folder).count) != 1 { failures.withLock { $0 += 1 } }
                }
            }
            for thread in threads { thread.join() }
        }
        #expect(failures.withLock { $0 } == 0)
        #expect(bench.hub.treeRequestCount - before == 1)
    }
}
