// Caches in unusual places and times: an overlay, a clock that jumped, very many tiny files.
//
// Tiny files are 30,000 here; MODELFS_TINY_FILES=1000000 runs the long form.

import ChunkStore
import Database
import Glibc
import Hashing
import Platform
import Telemetry
import TestSupport
import Testing

@Suite struct PlacesTests {
    let directory = TemporaryDirectory()

    @Test func worksOnAnOverlay() throws {
        // The parts lie on a tmpfs: an overlay cannot lie on an overlay.
        let memory = TemporaryDirectory(in: "/dev/shm")
        let parts = memory.path
        for part in ["lower", "upper", "work"] { mkdir("\(parts)/\(part)", 0o700) }
        let options = "lowerdir=\(parts)/lower,upperdir=\(parts)/upper,workdir=\(parts)/work"
        let place = directory.path + "/overlay"
        mkdir(place, 0o700)
        let isMounted = options.withCString { mount("overlay", place, "overlay", 0, $0) } == 0
        // Needs root, and an overlay in the kernel.
        guard isMounted else { return }
        defer { withExtendedLifetime(memory) { _ = umount2(place, Int32(MNT_DETACH)) } }
        let content = Content(random: 20 * block + 9, seed: 1)
        for round in 0..<3 {
            let store = try openStore(place + "/cache")
            if round > 0 { #expect(try store.read(content) == content.bytes) }
            try store.write(content)
            #expect(try store.prove(content.hash, size: content.size))
            #expect(try store.cool(content.hash, size: content.size))
            #expect(try store.read(content) == content.bytes)
            if round == 1 { #expect(try store.warm(content.hash, size: content.size)) }
            store.close()
        }
    }

    @Test func aClockThatWasSetBackChangesNoOrder() throws {
        let contents = (0..<4).map { Content(random: 3 * block, seed: UInt64($0 + 1)) }
        do {
            let store = try openStore(directory.path)
            for content in contents { try store.write(content) }
            store.close()
            // All were used ten years from now, minutes after one another, the first one last.
            let connection = try Connection(path: directory.path + "/store.db")
            try connection.execute("UPDATE content SET last_use = last_use + 315360000 - 60 * id")
        }
        do {
            let store = try openStore(directory.path)
            try store.forEachContent { content in
                #expect(content.lastUse <= WallTime.now, "a use in years to come is shown")
            }
            // What is used today was used later than all of that.
            for content in contents[1...] { #expect(try store.read(content) == content.bytes) }
            store.close()
        }
        // Nothing counts as used just now any more: what goes is told by the index alone.
        let store = try openStore(directory.path, limit: Int64(13 * block))
        try store.write(Content(random: 3 * block, seed: 9))
        #expect(store.state(contents[0]).cachedByteCount == 0)
        for content in contents[1...] { #expect(try store.read(content) == content.bytes) }
        store.close()
    }

    @Test func veryManyTinyFiles() throws {
        let count = getenv("MODELFS_TINY_FILES").flatMap { Int(String(cString: $0)) } ?? 30_000
        func tiny(_ number: Int) -> Content {
            var generator = SeededGenerator(seed: UInt64(number) + 1)
            return Content(generator.bytes(40 + number % 700))
        }
        var logical: Int64 = 0
        do {
            let store = try openStore(directory.path)
            let start = MonotonicInstant.now
            for number in 0..<count {
                let content = tiny(number)
                logical += content.size
                #expect(try store.writeProven(content.hash, content.bytes))
            }
            store.flush()
            let seconds = MonotonicInstant.now.seconds(since: start)
            print("\(count) tiny files: \(Int(Double(count) / seconds)) a second")
            store.close()
        }
        let start = MonotonicInstant.now
        let store = try openStore(directory.path)
        #expect(MonotonicInstant.now.seconds(since: start) < 1)
        for number in stride(from: 0, to: count, by: max(7, count / 5_000)) {
            let content = tiny(number)
            #expect(try store.read(content) == content.bytes)
        }
        // A head of 64 bytes, and a recipe with one of its own.
        #expect(store.usedByteCount < logical + Int64(count) * 300)
        #expect(try store.statistics().contentCount == count)
        #expect(filesInTree(directory.path + "/packs").count == 1 + Int(store.usedByteCount >> 28))
        store.close()
    }

    @Test func moreContentsThanMemoryHasRoomFor() throws {
        let store = try openStore(directory.path)
        let contents = (0..<3_000).map { Content(random: 30 + $0 % 500, seed: UInt64($0) + 1) }
        let wrong = Counter()
        let lost = Counter()
        let failures = Counter()
        var threads: [OwnedThread] = []
        for number in 0..<6 {
            threads.append(
                OwnedThread {
                    // Each thread has contents of its own, so nothing but memory is contended.
                    let own = contents.enumerated().filter { $0.offset % 6 == number }
                        .map(\.element)
                    var here: Set<Int> = []
                    var generator = SeededGenerator(seed: UInt64(number))
                    for _ in 0..<1_500 {
                        let place = Int.random(in: own.indices, using: &generator)
                        let content = own[place]
                        do {
                            switch generator.next() % 8 {
                            case 0:
                                store.drop(content.hash, size: content.size)
                                here.remove(place)
                            case 1:
                                try store.write(content)
                                here.insert(place)
                            case 2..<5:
                                try store.writeProven(content.hash, content.bytes)
                                here.insert(place)
                            default:
                                let bytes = try store.read(content)
                                if bytes == nil && here.contains(place) { lost.add() }
                                if let bytes, bytes != content.bytes { wrong.add() }
                            }
                        } catch {
                            failures.add()
                        }
                    }
                    for place in here where (try? store.read(own[place])) != own[place].bytes {
                        lost.add()
                    }
                })
        }
        for thread in threads { thread.join() }
        #expect(wrong.value == 0 && lost.value == 0 && failures.value == 0)
        #expect(store.counters.checksumFailures.value == 0)
        #expect(store.counters.diskFailures.value == 0)
        for content in contents { store.drop(content.hash, size: content.size) }
        #expect(store.usedByteCount == 0)
        store.close()
    }
}
