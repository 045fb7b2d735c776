// The threshold: what decoding costs for what is saved, beside a copy of the same bytes.
//
// A chunk that saves the share s and decodes at D bytes a second, where a copy runs at M, is read
// sooner than a stored one from a disk slower than s / (1/D - 1/M): there the bytes that are not
// read weigh more than the decoding. On a faster disk coding buys space and costs time.

import Compression
import TestSupport

/// What one kind of chunks comes to.
struct ThresholdRow: Codable {
    let chunks: String
    /// Share of the bytes that is saved.
    let saving: Double
    let copyBytesPerSecond: Double
    let decodeBytesPerSecond: Double
    /// A disk below this rate is helped by coding.
    let breakEvenBytesPerSecond: Double
}

/// Measures coded chunks of rising savings, and those of weights.
func thresholds(_ elements: [Element], rounds: Int) throws -> [ThresholdRow] {
    var kinds: [(name: String, codec: ChunkCodec, raw: [UInt8])] = []
    for share in [128, 64, 32, 16, 8, 4, 2] {
        kinds.append(("noise, 1/\(share) zeros", .lz4, sparseNoise(zeroShare: share)))
    }
    for element in elements {
        let raw = weights(element, byteCount: 16 << 20, seed: 77)
        let name = element.rawValue
        switch element.groupedCodec {
        case .lz4GroupedBy4: kinds.append(("\(name), LZ4 by 4", .lz4GroupedBy4, raw))
        case .lz4GroupedBy2: kinds.append(("\(name), LZ4 by 2", .lz4GroupedBy2, raw))
        default: kinds.append(("\(name), LZ4", .lz4, raw))
        }
        switch element {
        case .bf16: kinds.append(("\(name), top bytes", .topBytesOf2, raw))
        case .fp32: kinds.append(("\(name), top bytes", .topBytesOf4, raw))
        case .upcast: kinds.append(("\(name), top bytes", .topBytesOf2In4, raw))
        case .fp16, .int8, .json: break
        }
    }
    return try kinds.map { try row($0.name, $0.codec, $0.raw, rounds: rounds) }
}

private func row(
    _ name: String, _ codec: ChunkCodec, _ raw: [UInt8], rounds: Int
) throws -> ThresholdRow {
    let chunk = 65_536
    let scratch = Buffer()
    var coded: [[UInt8]] = []
    raw.withUnsafeBytes { all in
        for start in stride(from: 0, to: all.count, by: chunk) {
            let part = UnsafeRawBufferPointer(
                rebasing: all[start..<min(start + chunk, all.count)])
            var target = [UInt8](repeating: 0, count: LZ4Block.compressBound(part.count))
            let count = target.withUnsafeMutableBytes {
                codec.encode(part, into: $0, scratch: scratch.bytes)
            }
            coded.append(Array(target.prefix(count ?? 0)))
        }
    }
    let buffer = Buffer()
    let room = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<chunk])
    var copies: [Double] = []
    var decodings: [Double] = []
    for _ in 0...rounds {
        copies.append(
            measure {
                raw.withUnsafeBytes { all in
                    for start in stride(from: 0, to: all.count, by: chunk) {
                        room.copyMemory(
                            from: UnsafeRawBufferPointer(rebasing: all[start..<start + chunk]))
                    }
                }
            }.processor)
        decodings.append(
            try measure {
                for payload in coded {
                    try payload.withUnsafeBytes {
                        try codec.decode($0, into: room, scratch: scratch.bytes)
                    }
                }
            }.processor)
    }
    let codedByteCount = coded.reduce(0) { $0 + $1.count }
    let saving = 1 - Double(codedByteCount) / Double(raw.count)
    let copy = median(Array(copies.dropFirst())) / Double(raw.count)
    let decoding = median(Array(decodings.dropFirst())) / Double(raw.count)
    return ThresholdRow(
        chunks: name, saving: saving, copyBytesPerSecond: 1 / copy,
        decodeBytesPerSecond: 1 / decoding,
        breakEvenBytesPerSecond: max(0, saving) / max(1e-12, decoding - copy))
}

/// 16 MiB of noise of which one part in `zeroShare` is zeros, in runs of 1 KiB.
private func sparseNoise(zeroShare: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: UInt64(zeroShare))
    var bytes = generator.bytes(16 << 20)
    let period = 1_024 * zeroShare
    for start in stride(from: 0, to: bytes.count, by: period) {
        for index in start..<min(start + 1_024, bytes.count) { bytes[index] = 0 }
    }
    return bytes
}
