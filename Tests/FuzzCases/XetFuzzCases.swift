// The formats of Xet and LZ4, fed with what nobody would write.
//
// A case passes when every input is refused or stays within what was declared: no chunk longer
// than its header says, no byte outside the output, nothing placed outside the file, and the
// same outcome however the bytes are cut into pieces.

import Compression
import TestSupport

@testable import Xet

/// A xorb of five short chunks, and a file made of them.
private struct Sample {
    let xorb: [UInt8]
    let footer: [UInt8]
    let reconstruction: Reconstruction
    let file: Range<Int64>

    init() throws {
        let scratch = CodecScratch()
        var random = SeededGenerator(seed: 1)
        var writer = XorbWriter()
        var chunks: [FileChunk] = []
        let contents: [([UInt8], CompressionPolicy)] = [
            (random.bytes(300), .none), ([UInt8](repeating: 7, count: 2000), .lz4),
            (Array(String(repeating: "abcdefg ", count: 90).utf8), .grouped), ([1], .auto),
            (Array(String(repeating: "word ", count: 300).utf8), .auto),
        ]
        for (content, policy) in contents {
            _ = try content.withUnsafeBytes { bytes in
                try writer.add(bytes, hash: .chunk(content), policy: policy, scratch: scratch)
            }
        }
        guard let footer = writer.footer() else {
            throw FuzzFailure(description: "no footer")
        }
        for (index, content) in contents.enumerated() {
            chunks.append(
                FileChunk(xorb: footer.hash, index: index, byteCount: Int64(content.0.count)))
        }
        file = 0..<chunks.reduce(0) { $0 + $1.byteCount }
        xorb = writer.content
        self.footer = footer.bytes
        let size = Int64(writer.content.count)
        reconstruction = try Reconstruction(of: chunks, range: file) { _, _ in
            ("http://127.0.0.1/x?s=1", 0..<size)
        }
    }

    func plan(_ reconstruction: Reconstruction) throws -> DownloadPlan {
        try DownloadPlan(
            reconstruction, range: file, fileByteCount: file.upperBound, isHere: { _, _ in false })
    }
}

package enum XetFuzzCases {
    /// Made once: compressing it takes longer than what is fuzzed.
    private static let madeSample: Sample = {
        guard let sample = try? Sample() else { preconditionFailure("the sample is valid") }
        return sample
    }()

    private static func sample() -> Sample { madeSample }

    package static let cases = [xorbs, footers, frames, payloads, downloads, answers, tokens]

    /// Fails where a sample is not what it should be.
    package static func checkSamples() throws {
        let sample = try Sample()
        let whole = try chunks(sample.xorb + sample.footer, piece: 1000)
        try FuzzFailure.unless(whole.chunks.count == 5 && whole.error == nil, "the xorb")
        let downloads = try sample.plan(sample.reconstruction).downloads
        try FuzzFailure.unless(downloads.count == 1, "the plan")
        for frame in frames.samples {
            var output = [UInt8](repeating: 0, count: 231)
            let count = try frame.withUnsafeBytes { frame in
                try output.withUnsafeMutableBytes { try LZ4Frame.decode(frame, into: $0) }
            }
            try FuzzFailure.unless(count == 231, "a frame")
        }
    }

    /// The chunks of a stream in pieces, as far as they come, and what ended it.
    private static func chunks(
        _ bytes: [UInt8], piece: Int
    ) throws -> (chunks: [[UInt8]], error: XetError?) {
        let scratch = CodecScratch()
        var stream = ChunkStream(chunkCount: nil)
        var found: [[UInt8]] = []
        do throws(XetError) {
            for start in stride(from: 0, to: bytes.count, by: piece) {
                let part = Array(bytes[start..<min(start + piece, bytes.count)])
                try part.withUnsafeBufferPointer { part throws(XetError) in
                    try stream.feed(UnsafeRawBufferPointer(part)) {
                        header, payload throws(XetError) in
                        var chunk = [UInt8](repeating: 0, count: header.chunkByteCount)
                        try chunk.withUnsafeMutableBufferPointer { chunk throws(XetError) in
                            try header.decode(
                                payload, into: UnsafeMutableRawBufferPointer(chunk),
                                scratch: scratch)
                        }
                        found.append(chunk)
                    }
                }
            }
            try stream.finish()
        } catch {
            return (found, error)
        }
        return (found, nil)
    }

    private static let xorbs = FuzzCase(
        "xorb", bytes: [sample().xorb, sample().xorb + sample().footer]
    ) { bytes in
        let whole = try chunks(bytes, piece: 1 << 20)
        let cut = try chunks(bytes, piece: 7)
        try FuzzFailure.unless(whole == cut, "pieces change \(whole.1 as Any) to \(cut.1 as Any)")
    }

    private static let footers = FuzzCase("xorb-footer", bytes: [sample().footer]) { bytes in
        let size = sample().xorb.count
        let footer = try? XorbFooter(tail: bytes, fileByteCount: UInt64(size + bytes.count))
        guard let footer else { return }
        let isWhole =
            footer.packedEnds.count == footer.chunkHashes.count
            && footer.packedEnds.last ?? 0 <= UInt32(size + bytes.count)
        try FuzzFailure.unless(isWhole, "\(footer)")
    }

    /// Runs a decoder on the middle of a buffer and looks at its ends.
    private static func guarded(
        _ decode: (UnsafeMutableRawBufferPointer) throws(CompressionError) -> Int
    ) throws {
        var output = [UInt8](repeating: 0xAA, count: 3000)
        try output.withUnsafeMutableBytes { output in
            let middle = UnsafeMutableRawBufferPointer(rebasing: output[500..<2500])
            let count = try? decode(middle)
            try FuzzFailure.unless(count ?? 0 <= 2000, "\(count ?? 0) bytes")
        }
        let isUntouched = (output[..<500] + output[2500...]).allSatisfy { $0 == 0xAA }
        try FuzzFailure.unless(isUntouched, "bytes outside the output")
    }

    private static func frame(_ flags: UInt8, _ size: UInt8, _ check: UInt8) -> [UInt8] {
        [0x04, 0x22, 0x4d, 0x18, flags, size, check] + [12, 0, 0, 0]
            + [0x1f, 0x61, 1, 0, 200, 0x60, 1, 2, 3, 4, 5, 6]
            + [5, 0, 0, 0x80] + [1, 2, 3, 4, 5] + [0, 0, 0, 0]
    }

    private static let frames = FuzzCase(
        "lz4-frame", bytes: [frame(0x60, 0x40, 0x82), frame(0x40, 0x40, 0xc0)]
    ) { bytes in
        try guarded { output throws(CompressionError) in
            try bytes.withUnsafeBufferPointer { bytes throws(CompressionError) in
                try LZ4Frame.decode(UnsafeRawBufferPointer(bytes), into: output)
            }
        }
    }

    private static let payloads = FuzzCase(
        "chunk-payload",
        bytes: [
            [0x1f, 0x61, 1, 0, 200, 0x60, 1, 2, 3, 4, 5, 6], [0x10, 9], [0],
            // Top bytes of zeros that fill the output, of each kind.
            [UInt8](repeating: 0, count: 20 + 500 + 1_000),
            [UInt8](repeating: 0, count: 20 + 250 + 1_500),
            [UInt8](repeating: 0, count: 20 + 250 + 500),
        ]
    ) { bytes in
        let scratch = CodecScratch()
        for codec in ChunkCodec.allCases {
            try guarded { output throws(CompressionError) in
                try bytes.withUnsafeBufferPointer { bytes throws(CompressionError) in
                    try scratch.withBuffer(output.count) { scratch throws(CompressionError) in
                        try codec.decode(
                            UnsafeRawBufferPointer(bytes), into: output, scratch: scratch)
                    }
                    return output.count
                }
            }
        }
    }

    private static let downloads = FuzzCase("xet-download", bytes: [sample().xorb]) { bytes in
        let sample = sample()
        let plan = try sample.plan(sample.reconstruction)
        guard let download = plan.downloads.first else { return }
        var decoder = DownloadDecoder(download)
        var misplaced: Range<Int64>?
        try? bytes.withUnsafeBytes { bytes in
            _ = try decoder.take(bytes) { arrived, _ in
                for offset in arrived.fileOffsets {
                    let range = offset..<offset + Int64(arrived.header.chunkByteCount)
                    if range.upperBound > sample.file.upperBound { misplaced = range }
                }
                return true
            }
            try decoder.finish()
        }
        try FuzzFailure.unless(misplaced == nil, "a chunk at \(misplaced as Any)")
    }

    private static let answers = FuzzCase(
        "xet-reconstruction",
        bytes: ReconstructionVersion.allCases.map { sample().reconstruction.json($0) }
    ) { bytes in
        let sample = sample()
        for version in ReconstructionVersion.allCases {
            guard let answer = try? Reconstruction(json: bytes, version: version) else { continue }
            let again = try Reconstruction(json: answer.json(version), version: version)
            try FuzzFailure.unless(again.terms == answer.terms, "other terms when written again")
            guard let plan = try? sample.plan(answer) else { continue }
            try FuzzFailure.unless(
                plan.fileRange == sample.file, "a plan for \(plan.fileRange)")
        }
    }

    private static let tokens = FuzzCase(
        "xet-token", [#"{"casUrl":"http://127.0.0.1:1/","exp":1000,"accessToken":"abc"}"#]
    ) { bytes in
        guard let token = try? XetToken(json: bytes) else { return }
        let isHeader = token.accessToken.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
        try FuzzFailure.unless(isHeader && !token.serverURL.hasSuffix("/"), "\(token)")
    }
}
