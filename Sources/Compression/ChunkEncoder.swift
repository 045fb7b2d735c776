// Choosing a codec for a chunk, and coding it.
//
// The choice is made by trying all codecs that come into question; the smallest wins, the faster
// to decode if they are nearly equal. Neighbours in a file are alike, so the choice is kept for the
// chunks that follow: for 8 at first, for twice as many each time that it was right, and until one
// of them does not come out as expected, or is known to hold other numbers. A trial of windows of a
// few KiB was cheaper, and wrong about data near the limit.
//
// A chunk is kept coded only if that saves 1/32 of it: LZ4 decodes at 4 to 5 GB/s a core and a
// disk delivers 0.5 to 4 GB/s, so less than that is not worth the work. fp32 weights save 12 %,
// bf16 25 %, and fp16 and quantised ones nothing.

/// What is known about the numbers in a chunk, before it is looked at.
package enum ElementWidth: Sendable {
    /// Single bytes, such as quantised weights or text.
    case one
    /// bf16 or fp16.
    case two
    /// fp32.
    case four

    /// The codecs that suit, the fastest to decode first.
    fileprivate var candidates: [ChunkCodec] {
        switch self {
        case .one: [.lz4]
        case .two: [.topBytesOf2, .lz4, .lz4GroupedBy2]
        case .four: [.topBytesOf2In4, .topBytesOf4, .lz4, .lz4GroupedBy4]
        }
    }
}

/// Codes chunks, one at a time.
///
/// It has buffers, so keep it.
package final class ChunkEncoder {
    /// Coded chunks are this share of the raw ones at most.
    private static let keptNumerator = 31
    private static let keptDenominator = 32
    /// A slower codec has to be better by this part of the chunk.
    private static let advantage = 64
    /// A chunk that is larger than its neighbours by this part of it is unlike them.
    private static let tolerance = 8
    /// Chunks between trials: half a MiB to 4 MiB of the content.
    private static let trialIntervals = 8...64

    /// A codec, and what it makes of a chunk.
    private struct Coding {
        var codec = ChunkCodec.stored
        var byteCount: Int
    }

    private let scratch = CodecScratch()
    private var choice = ChunkCodec.stored
    /// What was known when it was made.
    private var width: ElementWidth?
    /// Coded bytes of the chunk that was tried, and its own.
    private var outcome = (coded: 1, raw: 1)
    private var chunksUntilTrial = 0
    private var trialInterval = trialIntervals.lowerBound

    /// Allocates its buffers, 256 KiB.
    package init() {}

    /// Codes a chunk of up to `CodecScratch.mostChunkBytes`, and lends the result.
    ///
    /// - Parameter width: of the numbers in it, if known.
    package func withEncoded<Result, Failure: Error>(
        _ raw: UnsafeRawBufferPointer, width: ElementWidth?,
        _ body: (ChunkCodec, UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(raw.count <= CodecScratch.mostChunkBytes)
        let limit = raw.count * ChunkEncoder.keptNumerator / ChunkEncoder.keptDenominator
        let coding = unsafe asNeighbours(raw, width, limit) ?? byTrial(raw, width, limit)
        if coding.codec == .stored { return try unsafe body(.stored, raw) }
        return try unsafe body(
            coding.codec, UnsafeRawBufferPointer(scratch.second(coding.byteCount)))
    }

    /// Forgets what the neighbours were like, as at the start of another file.
    package func reset() {
        chunksUntilTrial = 0
        trialInterval = ChunkEncoder.trialIntervals.lowerBound
    }

    /// Codes a chunk as those before it; nil if it is unlike them, or a trial is due.
    private func asNeighbours(
        _ raw: UnsafeRawBufferPointer, _ width: ElementWidth?, _ limit: Int
    ) -> Coding? {
        if chunksUntilTrial == 0 || width != self.width { return nil }
        chunksUntilTrial -= 1
        if choice == .stored { return Coding(byteCount: raw.count) }
        guard let count = unsafe encode(raw, choice, limit),
            count <= raw.count * outcome.coded / outcome.raw + raw.count / ChunkEncoder.tolerance
        else { return nil }
        return Coding(codec: choice, byteCount: count)
    }

    private func byTrial(
        _ raw: UnsafeRawBufferPointer, _ width: ElementWidth?, _ limit: Int
    ) -> Coding {
        // The known widths together, in the order of decoding.
        let all: [ChunkCodec] = [
            .topBytesOf2In4, .topBytesOf2, .topBytesOf4, .lz4, .lz4GroupedBy2, .lz4GroupedBy4,
        ]
        var best = Coding(byteCount: raw.count)
        var mostByteCount = limit
        for codec in width?.candidates ?? all {
            guard let count = unsafe encode(raw, codec, mostByteCount) else { continue }
            best = Coding(codec: codec, byteCount: count)
            mostByteCount = max(0, count - raw.count / ChunkEncoder.advantage)
        }
        let intervals = ChunkEncoder.trialIntervals
        trialInterval =
            best.codec == choice
            ? min(2 * trialInterval, intervals.upperBound) : intervals.lowerBound
        // Nothing shows that chunks that are stored are not like this one.
        if best.codec == .stored { trialInterval = min(trialInterval, 2 * intervals.lowerBound) }
        choice = best.codec
        self.width = width
        outcome = (best.byteCount, max(1, raw.count))
        chunksUntilTrial = trialInterval
        // What the trial has left may be another codec's.
        if best.codec != .stored { _ = unsafe encode(raw, best.codec, limit) }
        return best
    }

    /// Nil if the result would be longer than `limit`.
    private func encode(
        _ raw: UnsafeRawBufferPointer, _ codec: ChunkCodec, _ limit: Int
    ) -> Int? {
        unsafe codec.encode(raw, into: scratch.second(limit), scratch: scratch.first(raw.count))
    }
}
