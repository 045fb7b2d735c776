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
        let message = unsafe block.loadUnaligned(as: SIMD16<UInt32>.self)
        let start = Start.plain.chain
        var state = Rows(
            a: chain.lowHalf, b: chain.highHalf, c: start.lowHalf,
            d: [
                UInt32(truncatingIfNeeded: counter), UInt32(counter >> 32), UInt32(byteCount), flags,
            ])
        var words = message
        for round in 0..<7 {
            if round > 0 { words = permuted(words) }
            state.round(words)
        }
        return SIMD8(lowHalf: state.a ^ state.c, highHalf: state.b ^ state.d)
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

/// The state of 16 words as four rows; columns are mixed side by side.
private struct Rows {
    var a: SIMD4<UInt32>
    var b: SIMD4<UInt32>
    var c: SIMD4<UInt32>
    var d: SIMD4<UInt32>

    /// Mixes the four columns, then the four diagonals.
    @inline(__always)
    mutating func round(_ words: SIMD16<UInt32>) {
        mix(words.lowHalf.evenHalf, words.lowHalf.oddHalf)
        b = [b[1], b[2], b[3], b[0]]
        c = [c[2], c[3], c[0], c[1]]
        d = [d[3], d[0], d[1], d[2]]
        mix(words.highHalf.evenHalf, words.highHalf.oddHalf)
        b = [b[3], b[0], b[1], b[2]]
        c = [c[2], c[3], c[0], c[1]]
        d = [d[1], d[2], d[3], d[0]]
    }

    @inline(__always)
    private mutating func mix(_ x: SIMD4<UInt32>, _ y: SIMD4<UInt32>) {
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
    private func rotatedRight(_ x: SIMD4<UInt32>, by count: UInt32) -> SIMD4<UInt32> {
        x &>> SIMD4(repeating: count) | x &<< SIMD4(repeating: 32 - count)
    }
}
