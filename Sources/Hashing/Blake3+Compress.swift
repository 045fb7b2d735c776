// BLAKE3's compression of one block, and of a single leaf: the parts that no lane can share.

extension Blake3 {
    /// One compression (specification, section 2.2), of which the first half is kept.
    ///
    /// - Parameters:
    ///   - block: 64 bytes, zero after the first `byteCount`.
    ///   - counter: the number of the leaf; 0 in parents.
    static func compress(
        _ chain: SIMD8<UInt32>, _ block: UnsafeRawPointer, byteCount: Int, counter: UInt64,
        flags: UInt32
    ) -> SIMD8<UInt32> {
        var words = unsafe block.loadUnaligned(as: SIMD16<UInt32>.self)
        let start = Start.plain.chain
        var state = State(
            r0: chain[0], r1: chain[1], r2: chain[2], r3: chain[3],
            r4: chain[4], r5: chain[5], r6: chain[6], r7: chain[7],
            r8: start[0], r9: start[1], r10: start[2], r11: start[3],
            r12: UInt32(truncatingIfNeeded: counter), r13: UInt32(counter >> 32),
            r14: UInt32(byteCount), r15: flags)
        for round in 0..<7 {
            if round > 0 { words = permuted(words) }
            state.round(words)
        }
        return [
            state.r0 ^ state.r8, state.r1 ^ state.r9, state.r2 ^ state.r10, state.r3 ^ state.r11,
            state.r4 ^ state.r12, state.r5 ^ state.r13, state.r6 ^ state.r14,
            state.r7 ^ state.r15,
        ]
    }

    /// The chaining value of a leaf of at most 1 KiB, its last block included.
    ///
    /// - Parameter lastFlags: further flags of the last block: `root` if this is the whole input.
    static func leaf(
        _ bytes: UnsafeRawBufferPointer, start: Start, counter: UInt64, lastFlags: UInt32 = 0
    ) -> SIMD8<UInt32> {
        let fullBlocks = max(0, (bytes.count - 1) / blockByteCount)
        var chain = start.chain
        var flags = start.flags | Flags.leafStart
        if let base = bytes.baseAddress {
            for index in 0..<fullBlocks {
                chain = unsafe compress(
                    chain, base + index * blockByteCount, byteCount: blockByteCount,
                    counter: counter, flags: flags)
                flags = start.flags
            }
        }
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[(fullBlocks * blockByteCount)...])
        return unsafe lastBlock(
            rest, chain: chain, counter: counter, flags: flags | Flags.leafEnd | lastFlags)
    }

    /// Compresses a block of at most 64 bytes, filled up with zeros.
    static func lastBlock(
        _ bytes: UnsafeRawBufferPointer, chain: SIMD8<UInt32>, counter: UInt64, flags: UInt32
    ) -> SIMD8<UInt32> {
        var block = SIMD64<UInt8>()
        return unsafe withUnsafeMutableBytes(of: &block) { buffer in
            unsafe buffer.copyMemory(from: bytes)
            guard let base = buffer.baseAddress else { return chain }
            return unsafe compress(
                chain, base, byteCount: bytes.count, counter: counter, flags: flags)
        }
    }

    /// The chaining value of the parent of two nodes; its block is theirs, one after the other.
    static func parent(
        _ left: SIMD8<UInt32>, _ right: SIMD8<UInt32>, start: Start, lastFlags: UInt32 = 0
    ) -> SIMD8<UInt32> {
        var block = SIMD16(lowHalf: left, highHalf: right)
        return unsafe withUnsafeBytes(of: &block) { buffer in
            guard let base = buffer.baseAddress else { return left }
            return unsafe compress(
                start.chain, base, byteCount: blockByteCount, counter: 0,
                flags: start.flags | Flags.parent | lastFlags)
        }
    }

    /// The message words in the order of the next round (specification, table 2).
    @inline(__always)
    private static func permuted(_ words: SIMD16<UInt32>) -> SIMD16<UInt32> {
        SIMD16(
            words[2], words[6], words[3], words[10], words[7], words[0], words[4], words[13],
            words[1], words[11], words[12], words[5], words[9], words[14], words[15], words[8])
    }
}

/// The state of 16 words.
///
/// Scalars, not rows of vectors: at the baseline of x86-64 Swift takes vector rotations apart, and
/// this form was measured at six times the speed (0.95 GB/s).
private struct State {
    var r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15: UInt32

    /// Mixes the four columns, then the four diagonals.
    @inline(__always)
    mutating func round(_ words: SIMD16<UInt32>) {
        mix(&r0, &r4, &r8, &r12, words[0], words[1])
        mix(&r1, &r5, &r9, &r13, words[2], words[3])
        mix(&r2, &r6, &r10, &r14, words[4], words[5])
        mix(&r3, &r7, &r11, &r15, words[6], words[7])
        mix(&r0, &r5, &r10, &r15, words[8], words[9])
        mix(&r1, &r6, &r11, &r12, words[10], words[11])
        mix(&r2, &r7, &r8, &r13, words[12], words[13])
        mix(&r3, &r4, &r9, &r14, words[14], words[15])
    }
}

/// The quarter of a round (specification, section 2.2).
@inline(__always)
private func mix(
    _ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32, _ d: inout UInt32, _ x: UInt32,
    _ y: UInt32
) {
    a = a &+ b &+ x
    d = rotatedRight(d ^ a, by: 16)
    c = c &+ d
    b = rotatedRight(b ^ c, by: 12)
    a = a &+ b &+ y
    d = rotatedRight(d ^ a, by: 8)
    c = c &+ d
    b = rotatedRight(b ^ c, by: 7)
}

@inline(__always)
private func rotatedRight(_ x: UInt32, by count: UInt32) -> UInt32 {
    x &>> count | x &<< (32 - count)
}
