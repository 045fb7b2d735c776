// Files as arrays of bytes: as much memory as there are bytes, however many are allowed.

import Glibc
import Platform
import TestSupport
import Testing

@Suite struct SmallFileTests {
    private let folder = TemporaryDirectory()

    private func file(_ bytes: [UInt8]) throws -> FileDescriptor {
        let file = try FileDescriptor.open("\(folder.path)/file", O_CREAT | O_RDWR, mode: 0o600)
        try file.writeBytes(bytes)
        return file
    }

    @Test(arguments: [0, 1, 4095, 4096, 4097, 20_000])
    func `a file is read to its end`(byteCount: Int) throws {
        let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let file = try file(bytes)
        // More than any machine has.
        #expect(try file.readBytes(countMax: 1 << 50) == bytes)
        #expect(try file.readBytes(countMax: byteCount) == bytes)
        #expect(try file.readBytes(countMax: byteCount / 2) == Array(bytes[..<(byteCount / 2)]))
        #expect(
            try file.readBytes(countMax: 1 << 50, at: Int64(byteCount / 3))
                == Array(bytes[(byteCount / 3)...]))
        #expect(try file.readBytes(countMax: 8, at: Int64(byteCount) + 9) == [])
        #expect(try file.readBytes(countMax: 0) == [])
    }

    /// As those of the kernel's tables.
    @Test func `a file that does not say how long it is, is read to its end`() throws {
        let file = try FileDescriptor.open("/proc/self/maps", O_RDONLY)
        #expect(try file.size() == 0)
        let bytes = try file.readBytes(countMax: 1 << 50)
        #expect(bytes.count > 10_000)
        #expect(bytes.last == UInt8(ascii: "\n"))
        #expect(try file.readBytes(countMax: 6000).count == 6000)
    }

    @Test func `a file that is longer than it may be is told`() throws {
        let file = try file([1, 2, 3])
        #expect(try file.readAllBytes(countMax: 3) == [1, 2, 3])
        let failure = #expect(throws: Errno.self) { try file.readAllBytes(countMax: 2) }
        #expect(failure == .fileTooLarge)
    }
}
