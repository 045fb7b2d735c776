// Choosing a codec for a chunk, coding it, and decoding it.
//
// Weights are numbers whose high bytes are alike: grouped by their width they shrink, as they are
// they do not. The choice is made by trying: every `trialInterval` chunks all ways are tried, and
// the smallest wins. Neighbours in a file are alike, so the choice is kept for the chunks between.
// A trial of windows of a few KiB was cheaper, and wrong about fp32, which is near the limit.
//
// A chunk is kept coded only if that saves 1/32 of it: LZ4 decodes at 4 to 5 GB/s a core and a
// disk delivers 0.5 to 4 GB/s, so less than that is not worth the work. fp32 weights save 5 %,
// bf16 14 %, and fp16 and quantised ones nothing.

internal import Compression
internal import Hashing

/// What is known about the numbers in a chunk, before it is looked at.
package enum ElementWidth: Sendable {
    /// Single bytes, such as quantised weights or text.
    case one
    /// bf16 or fp16.
    case two
    /// fp32.
    case four
}

/// Codes chunks, one at a time.
///
/// It has buffers, so keep it.
@safe
final class ChunkEncoder {
    /// Coded chunks are this share of the raw ones at most.
    static let keptNumerator = 31
    static let keptDenominator = 32
    private static let trialInterval = 16

    private let grouped = BlockBuffer()
    private let coded = BlockBuffer()
    private var choice = ChunkCodec.stored
    private var chunksUntilTrial = 0

    /// Codes a chunk of up to 128 KiB, and lends the result until the next call.
    ///
    /// - Parameter width: of the numbers in it, if known.
    func withEncoded<Result, Failure: Error>(
        _ raw: UnsafeRawBufferPointer, width: ElementWidth?,
        _ body: (ChunkCodec, UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(raw.count <= ChunkStore.blockByteCount)
        let limit = raw.count * ChunkEncoder.keptNumerator / ChunkEncoder.keptDenominator
        if chunksUntilTrial == 0 {
            unsafe choice = trial(raw, width, limit)
            chunksUntilTrial = ChunkEncoder.trialInterval
        }
        chunksUntilTrial -= 1
        guard choice != .stored, let count = unsafe encode(raw, choice, limit) else {
            return try unsafe body(.stored, raw)
        }
        return try unsafe body(choice, UnsafeRawBufferPointer(rebasing: coded.bytes[..<count]))
    }

    /// Forgets what the neighbours were like, as at the start of another file.
    func reset() { chunksUntilTrial = 0 }

    private func trial(
        _ raw: UnsafeRawBufferPointer, _ width: ElementWidth?, _ limit: Int
    ) -> ChunkCodec {
        let candidates: [ChunkCodec] =
            switch width {
            case .one: [.lz4]
            case .two: [.lz4, .groupedByTwo]
            case .four: [.lz4, .groupedByFour]
            case nil: [.lz4, .groupedByTwo, .groupedByFour]
            }
        var best = ChunkCodec.stored
        var bestCount = limit
        for codec in candidates {
            if let count = unsafe encode(raw, codec, bestCount) {
                (best, bestCount) = (codec, count)
            }
        }
        return best
    }

    /// Nil if the result would be longer than `limit`.
    private func encode(
        _ raw: UnsafeRawBufferPointer, _ codec: ChunkCodec, _ limit: Int
    ) -> Int? {
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: coded.bytes[..<limit])
        guard let groups = codec.groups else {
            return unsafe LZ4Block.compress(raw, into: target)
        }
        let sorted = unsafe UnsafeMutableRawBufferPointer(rebasing: grouped.bytes[..<raw.count])
        unsafe groups.group(raw, into: sorted)
        return unsafe LZ4Block.compress(UnsafeRawBufferPointer(sorted), into: target)
    }
}

extension ChunkCodec {
    var groups: ByteGroups? {
        switch self {
        case .stored, .lz4: nil
        case .groupedByTwo: .two
        case .groupedByFour: .four
        }
    }

    /// Decodes a payload that fills `target` exactly; false if it does not.
    ///
    /// - Parameter scratch: of `target`'s length at least.
    func decode(
        _ payload: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer,
        scratch: UnsafeMutableRawBufferPointer
    ) -> Bool {
        switch self {
        case .stored:
            if payload.count != target.count { return false }
            unsafe target.copyMemory(from: payload)
            return true
        case .lz4:
            return unsafe (try? LZ4Block.decompress(payload, into: target)) == target.count
        case .groupedByTwo, .groupedByFour:
            let sorted = unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[..<target.count])
            guard unsafe (try? LZ4Block.decompress(payload, into: sorted)) == target.count,
                let groups
            else { return false }
            unsafe groups.ungroup(UnsafeRawBufferPointer(sorted), into: target)
            return true
        }
    }
}
