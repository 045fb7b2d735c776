// One content put into a file: proven by its chunks where these prove it, and hashed where they
// do not, or where something was dropped from the cache meanwhile.

import ChunkStore
import FileSystem
import Glibc
import Hashing
import Platform
import Synchronization
import Telemetry
import Testing

@testable import Catalog
@testable import Daemon

@Suite struct PullCopyTests {
    private let folder: TemporaryFolder
    private let right = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    private var hash: ContentHash { .sha256(SHA256Hasher.digest(of: right)) }
    private var wrong: [UInt8] {
        var bytes = right
        bytes[77_777] ^= 1
        return bytes
    }

    init() throws { folder = try TemporaryFolder() }

    /// Answers with given bytes; something may be lost at each read.
    private final class Reader: ContentReader {
        private let bytes: [UInt8]
        private let losesMeanwhile: Bool
        private let losses = Atomic<Int64>(0)

        init(_ bytes: [UInt8], losesMeanwhile: Bool) {
            self.bytes = bytes
            self.losesMeanwhile = losesMeanwhile
        }

        var lossCount: Int64 { losses.load(ordering: .relaxed) }

        func read(
            _ content: ContentID, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
        ) throws(FileSystemError) -> Int {
            if losesMeanwhile { losses.add(1, ordering: .relaxed) }
            let part = bytes[Int(offset)...].prefix(buffer.count)
            buffer.copyBytes(from: part)
            return part.count
        }
    }

    /// Pulls what a reader says of the content with the hash of `right`.
    private func pull(_ reader: Reader, isCached: Bool) throws -> [UInt8]? {
        // Each in a folder of its own: children of other tests may hold a lock for a moment.
        let cache = try TemporaryFolder()
        let store = try ChunkStore(
            directory: cache.path, sizeLimitBytes: 1 << 30,
            log: Log(minimum: .error, descriptor: -1))
        defer { withExtendedLifetime(cache) { store.close() } }
        if isCached { try store.writeProven(hash, right) }
        let content = Content(
            id: ContentID(row: 1), hash: hash, sizeBytes: Int64(right.count),
            modified: WallTime(secondsSince1970: 1_700_000_000),
            xetHash: String(repeating: "0", count: 64))
        let place = folder.path + "/file"
        unlink(place)
        let copy = PullCopy(store: store, reader: reader)
        do throws(PullError) {
            try copy.copy(content, to: place, through: place + ".half")
        } catch {
            #expect(error == .wrong)
            for path in [place, place + ".half"] {
                #expect(PathState(path) == .nothing, "a wrong file is left")
            }
            return nil
        }
        let file = try FileDescriptor.open(place, O_RDONLY)
        return try file.readBytes(countMax: right.count + 1)
    }

    @Test(arguments: [false, true]) func whatIsRightIsMade(losesMeanwhile: Bool) throws {
        let reader = Reader(right, losesMeanwhile: losesMeanwhile)
        #expect(try pull(reader, isCached: true) == right)
    }

    @Test func whatTheCacheDidNotKeepIsHashed() throws {
        #expect(try pull(Reader(right, losesMeanwhile: false), isCached: false) == right)
        #expect(try pull(Reader(wrong, losesMeanwhile: false), isCached: false) == nil)
    }

    /// What was read before a loss may be something else than what was proven after it.
    @Test func whatMayHaveBeenReplacedIsHashed() throws {
        #expect(try pull(Reader(wrong, losesMeanwhile: true), isCached: true) == nil)
    }
}
