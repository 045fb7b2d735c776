// Which of the codecs with LZ4, which are those that Xet has, suits a chunk, told from a sample.
//
// The sample, 4 KiB from the first half of the chunk and 4 KiB from the second, is compressed in
// every way that comes into question. That is cheap where it matters: LZ4 passes over what does
// not compress at 8 to 18 GB/s. Measured on 4 MiB each of 24 kinds of data, in chunks of 64 KiB,
// on one core of an AMD EPYC (stored size in thousandths of the original; the best is the best
// of all codecs for each chunk):
//
//     data                        lz4  by 4  by 2  best  predicted   prediction runs at
//     fp32, normal 0.02          1000   943  1000   943        943   7.5 GB/s
//     bf16, normal 0.02          1000   870   871   869        871   2.5 GB/s
//     fp16, int8, int4, fp64     1000  1000  1000  1000       1000   15 GB/s
//     bf16 over nine magnitudes  1000   985   988   983       1000   11 GB/s
//     bf16, half of it zeros      724   796   793   724        724   1.0 GB/s
//     fp32 made from bf16         687   441   813   441        441   1.9 GB/s
//     32-bit integers             939   504   885   504        504   4.2 GB/s
//     Python source               368   644   513   368        368   1.5 GB/s
//     shared libraries            486   555   544   457        464   2.1 GB/s

extension ChunkCodec {
    /// The length of one slice of the sample in bytes.
    ///
    /// A multiple of 8, so that slices do not break numbers that are aligned in the chunk.
    private static let sliceByteCount = 4096

    /// The codec with LZ4 that a sample makes hope most from; `stored` if from none.
    ///
    /// - Parameters:
    ///   - chunk: at most `CodecScratch.mostChunkBytes`.
    ///   - elementByteCount: the width of the tensor's numbers if it is known (1, 2, 4 or 8),
    ///     which leaves fewer codecs to try.
    package static func predicted(
        for chunk: UnsafeRawBufferPointer, elementByteCount: Int? = nil,
        scratch: borrowing CodecScratch
    ) -> ChunkCodec {
        let sample = unsafe sample(of: chunk, scratch: scratch)
        let room = unsafe scratch.second(2 * sample.count)
        let output = unsafe UnsafeMutableRawBufferPointer(rebasing: room[..<sample.count])
        let grouped = unsafe UnsafeMutableRawBufferPointer(rebasing: room[sample.count...])
        var best = (codec: ChunkCodec.stored, byteCount: sample.count)
        for codec in candidates(elementByteCount) {
            var input = unsafe sample
            if let groups = codec.groups {
                unsafe groups.group(sample, into: grouped)
                unsafe input = UnsafeRawBufferPointer(grouped)
            }
            guard let count = unsafe LZ4Block.compress(input, into: output) else { continue }
            // In the order of the candidates decoding gets slower, so a later one has to win
            // by a little.
            if count < best.byteCount - best.byteCount / 64 { best = (codec, count) }
        }
        return best.codec
    }

    /// What to try, the fastest to decode first.
    private static func candidates(_ elementByteCount: Int?) -> [ChunkCodec] {
        switch elementByteCount {
        case 1: [.lz4]
        case 2: [.lz4, .lz4GroupedBy2]
        case 4, 8: [.lz4, .lz4GroupedBy4]
        default: [.lz4, .lz4GroupedBy2, .lz4GroupedBy4]
        }
    }

    /// The slices around a quarter and three quarters of the chunk; short chunks whole.
    private static func sample(
        of chunk: UnsafeRawBufferPointer, scratch: borrowing CodecScratch
    ) -> UnsafeRawBufferPointer {
        if chunk.count <= 2 * sliceByteCount { return unsafe chunk }
        let sample = unsafe scratch.first(2 * sliceByteCount)
        for part in 0..<2 {
            let middle = chunk.count * (2 * part + 1) / 4
            let start = max(0, min(middle - sliceByteCount / 2, chunk.count - sliceByteCount)) & ~7
            let target = unsafe UnsafeMutableRawBufferPointer(
                rebasing: sample[(part * sliceByteCount)...])
            unsafe target.copyMemory(
                from: UnsafeRawBufferPointer(
                    rebasing: chunk[start..<(start + sliceByteCount)]))
        }
        return UnsafeRawBufferPointer(sample)
    }
}
