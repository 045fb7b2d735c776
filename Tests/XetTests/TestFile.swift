// A file in xorbs, and a server of it in memory, for tests of plans and reads.

import Compression
import Platform
import Testing

@testable import Xet

struct TestFile {
    var content: [UInt8] = []
    var chunks: [FileChunk] = []
    var xorbs: [XetHash: TestXorb] = [:]

    /// Chunks of a few kilobytes in three xorbs; the file takes them in runs, some of them twice,
    /// some of them not at all.
    static func make() throws -> TestFile {
        var file = TestFile()
        var names: [XetHash] = []
        for number in 0..<3 {
            let chunks = (0..<20).map { index in
                let count = 1000 + 997 * ((index + number) % 7)
                return index % 3 == 0
                    ? [UInt8](repeating: UInt8(index), count: count)
                    : congruence(seed: UInt64(number * 100 + index), count: count)
            }
            let xorb = try makeXorb(chunks, .lz4)
            file.xorbs[xorb.footer.hash] = xorb
            names.append(xorb.footer.hash)
        }
        let runs: [(Int, Range<Int>)] = [
            (0, 0..<8), (1, 3..<4), (0, 8..<12), (2, 0..<20), (0, 2..<5), (1, 10..<18),
        ]
        for (number, run) in runs {
            for index in run {
                let chunk = file.xorbs[names[number]]?.chunks[index] ?? []
                file.content += chunk
                file.chunks.append(
                    FileChunk(
                        xorb: names[number], index: index, byteCount: Int64(chunk.count)))
            }
        }
        return file
    }

    var range: Range<Int64> { 0..<Int64(content.count) }

    /// The bytes of a xorb that chunks take.
    func packedRange(_ xorb: XetHash, _ chunks: Range<Int>) -> Range<Int64> {
        let ends = xorbs[xorb]?.footer.packedEnds ?? []
        let start = chunks.lowerBound == 0 ? 0 : ends[chunks.lowerBound - 1]
        return Int64(start)..<Int64(ends[chunks.upperBound - 1])
    }

    func reconstruction(_ range: Range<Int64>) throws -> Reconstruction {
        try Reconstruction(of: chunks, range: range) { xorb, chunks in
            ("http://127.0.0.1/\(xorb)?\(chunks)", packedRange(xorb, chunks))
        }
    }

    /// The answer of a data URL.
    func data(_ download: XorbDownload) -> [UInt8] {
        let bytes = download.place.bytes
        let content = xorbs[download.place.xorb]?.content ?? []
        return Array(content[Int(bytes.lowerBound)..<Int(bytes.upperBound)])
    }
}

/// A file being put together.
struct TestTarget {
    var bytes: [UInt8]
    var isFilled: [Bool]
    var chunksHere: Set<[Int]> = []

    init(_ file: TestFile) {
        bytes = [UInt8](repeating: 0, count: file.content.count)
        isFilled = bytes.map { _ in false }
    }

    mutating func put(_ chunk: [UInt8], at offset: Int64) {
        for (index, byte) in chunk.enumerated() {
            bytes[Int(offset) + index] = byte
            isFilled[Int(offset) + index] = true
        }
    }

    /// Decodes a download's bytes in pieces and puts its chunks where they belong.
    mutating func take(
        _ download: XorbDownload, _ data: [UInt8], piece: Int = .max
    ) throws(XetError) {
        let scratch = CodecScratch()
        var decoder = DownloadDecoder(download)
        var placed: [([UInt8], Int64)] = []
        try data.withUnsafeBufferPointer { bytes throws(XetError) in
            let bytes = UnsafeRawBufferPointer(bytes)
            var offset = 0
            while offset < bytes.count {
                let end = offset + min(piece, bytes.count - offset)
                let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
                _ = try decoder.take(part) { arrived, payload throws(XetError) in
                    var chunk = [UInt8](repeating: 0, count: arrived.header.chunkByteCount)
                    try chunk.withUnsafeMutableBufferPointer { chunk throws(XetError) in
                        try arrived.header.decode(
                            payload, into: UnsafeMutableRawBufferPointer(chunk), scratch: scratch)
                    }
                    for place in arrived.fileOffsets { placed.append((chunk, place)) }
                    return true
                }
                offset = end
            }
        }
        try decoder.finish()
        for (chunk, offset) in placed { put(chunk, at: offset) }
    }
}
