// One read into several buffers: each gets its part, also where the file ends among them.

import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite struct VectorReadTests {
    /// A file that holds the bytes 0, 1, 2 … 255, 0 ….
    private static func file(byteCount: Int) throws -> FileDescriptor {
        let directory = TemporaryDirectory()
        let file = try FileDescriptor.open("\(directory.path)/bytes", O_RDWR | O_CREAT)
        try file.writeBytes((0..<byteCount).map { UInt8(truncatingIfNeeded: $0) })
        return file
    }

    @Test(arguments: [0, 1, 63, 64, 65, 1_000, 1_100])
    func `each buffer gets its part of the file`(byteCount: Int) throws {
        let file = try Self.file(byteCount: byteCount)
        let lengths = [0, 64, 1, 500, 0, 99]
        for offset in [0, 7, 600] {
            var memory = [UInt8](repeating: 0xee, count: lengths.reduce(0, +) + lengths.count)
            let count = try memory.withUnsafeMutableBytes { memory in
                var place = 0
                let buffers = lengths.map { length in
                    // A byte between buffers shows that none is written beyond its end.
                    defer { place += length + 1 }
                    return UnsafeMutableRawBufferPointer(
                        rebasing: memory[place..<place + length])
                }
                return try file.read(into: buffers, at: Int64(offset))
            }
            let expected = (0..<byteCount).dropFirst(offset).prefix(lengths.reduce(0, +))
            #expect(count == expected.count)
            var rest = expected.map { UInt8(truncatingIfNeeded: $0) }[...]
            var place = 0
            for length in lengths {
                let part = rest.prefix(length)
                rest = rest.dropFirst(length)
                #expect(memory[place..<place + part.count] == part)
                #expect(memory[place + length] == 0xee)
                place += length + 1
            }
        }
    }
}
