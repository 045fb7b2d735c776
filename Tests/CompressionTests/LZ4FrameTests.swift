// The frame reader on frames of another implementation, on its own, and on damaged ones.

import Hashing
import Testing

@testable import Compression

/// Decodes into a buffer of exactly `room` bytes.
func decodedFrame(_ frame: [UInt8], room: Int) throws(CompressionError) -> [UInt8] {
    var output = [UInt8](repeating: 0xAA, count: room)
    var count = 0
    var failure: CompressionError?
    frame.withUnsafeBytes { frame in
        output.withUnsafeMutableBytes { output in
            do throws(CompressionError) {
                count = try LZ4Frame.decode(frame, into: output)
            } catch {
                failure = error
            }
        }
    }
    if let failure { throw failure }
    return Array(output[..<count])
}

func encodedFrame(_ bytes: [UInt8], room: Int) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: room)
    let count = bytes.withUnsafeBytes { bytes in
        output.withUnsafeMutableBytes { LZ4Frame.encode(bytes, into: $0) }
    }
    return count.map { Array(output[..<$0]) }
}

@Suite struct LZ4FrameTests {
    @Test(arguments: frameFixtures.indices)
    func `frames of another implementation are read`(index: Int) throws {
        let fixture = frameFixtures[index]
        let frame = try #require(hexBytes(fixture.frame))
        let text = frameText(fixture.textLength)
        #expect(try decodedFrame(frame, room: text.count) == text)
        #expect(try decodedFrame(frame, room: text.count + 100) == text)
    }

    @Test(arguments: frameFixtures.indices)
    func `no prefix of a frame is a frame, nor is a frame with a byte more`(index: Int) throws {
        let fixture = frameFixtures[index]
        let frame = try #require(hexBytes(fixture.frame))
        for count in 0..<frame.count {
            #expect(throws: CompressionError.self) {
                try decodedFrame(Array(frame[..<count]), room: fixture.textLength)
            }
        }
        #expect(throws: CompressionError.trailingBytes) {
            try decodedFrame(frame + [0], room: fixture.textLength)
        }
    }

    @Test(arguments: frameFixtures.indices)
    func `the output limit holds`(index: Int) throws {
        let fixture = frameFixtures[index]
        guard fixture.textLength > 0 else { return }
        let frame = try #require(hexBytes(fixture.frame))
        for room in [0, 1, fixture.textLength / 2, fixture.textLength - 1] {
            #expect(throws: CompressionError.self) { try decodedFrame(frame, room: room) }
        }
    }

    @Test func `a flipped bit is found where there are checksums`() throws {
        let fixture = try #require(frameFixtures.first { $0.name.contains("every checksum") })
        let frame = try #require(hexBytes(fixture.frame))
        for bit in 0..<(frame.count * 8) {
            var damaged = frame
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: CompressionError.self) {
                try decodedFrame(damaged, room: fixture.textLength)
            }
        }
    }

    @Test func `our frames have the header of Xet's and are read again`() throws {
        for count in [1000, 65_536, 65_537, 131_072, 262_144] {
            let text = frameText(count)
            let frame = try #require(encodedFrame(text, room: count))
            let header: [UInt8] =
                count <= 65_536
                ? [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]
                : [0x04, 0x22, 0x4d, 0x18, 0x60, 0x50, 0xfb]
            #expect(Array(frame[..<7]) == header)
            #expect(try decodedFrame(frame, room: count) == text)
            let block = try #require(frame.withUnsafeBytes { LZ4Frame.onlyBlock(of: $0) })
            #expect(block.range == 11..<(frame.count - 4))
            #expect(!block.stored)
        }
    }

    @Test func `what does not shrink gets no frame`() {
        var random = SystemRandomNumberGenerator()
        let noise = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(encodedFrame(noise, room: noise.count) == nil)
        #expect(encodedFrame(noise, room: 2 * noise.count) == nil)
        #expect(encodedFrame(frameText(1000), room: 20) == nil)
    }

    @Test func `a stored block is copied`() throws {
        let frame: [UInt8] =
            [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 3, 0, 0, 0x80, 7, 8, 9, 0, 0, 0, 0]
        #expect(try decodedFrame(frame, room: 3) == [7, 8, 9])
        #expect(throws: CompressionError.outputLimit) { try decodedFrame(frame, room: 2) }
        let block = try #require(frame.withUnsafeBytes { LZ4Frame.onlyBlock(of: $0) })
        #expect(block.range == 11..<14)
        #expect(block.stored)
    }

    @Test func `blocks beyond the frame's limit and odd headers are refused`() {
        let start: [UInt8] = [0x04, 0x22, 0x4d, 0x18]
        let long: [UInt8] = start + [0x60, 0x40, 0x82, 1, 0, 1, 0x80]
        #expect(throws: CompressionError.blockTooLarge) {
            try decodedFrame(long + [UInt8](repeating: 0, count: 65_541), room: 70_000)
        }
        // Version 2, a dictionary id, a reserved flag, a reserved size bit, a size undefined.
        for bytes: [UInt8] in [
            [0xa0, 0x40], [0x61, 0x40], [0x62, 0x40], [0x60, 0x41], [0x60, 0x30],
        ] {
            #expect(throws: CompressionError.unsupportedFrame) {
                try decodedFrame(start + bytes + [0, 0, 0, 0, 0, 0, 0], room: 10)
            }
        }
        #expect(throws: CompressionError.checksumMismatch) {
            try decodedFrame(start + [0x60, 0x40, 0x83, 0, 0, 0, 0], room: 10)
        }
        #expect(throws: CompressionError.notAFrame) {
            try decodedFrame([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], room: 10)
        }
    }

    @Test func `random bytes after a header never write outside the output`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let count = Int.random(in: 1...300, using: &random)
            let block = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let frame: [UInt8] =
                [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, UInt8(count & 255), UInt8(count >> 8)]
                + [0, 0] + block + [0, 0, 0, 0]
            var output = [UInt8](repeating: 0xAA, count: 1024)
            frame.withUnsafeBytes { frame in
                output.withUnsafeMutableBytes { output in
                    let middle = UnsafeMutableRawBufferPointer(rebasing: output[256..<768])
                    _ = try? LZ4Frame.decode(frame, into: middle)
                }
            }
            #expect(output[..<256].allSatisfy { $0 == 0xAA })
            #expect(output[768...].allSatisfy { $0 == 0xAA })
        }
    }
}
