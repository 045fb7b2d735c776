// Byte grouping: the first bytes of all numbers, then all second bytes, and so on.
//
// Weights are numbers of two or four bytes whose high bytes are alike and whose low bytes are
// noise. Apart from each other the high bytes compress, mixed they do not.
//
// The layout is Xet's (scheme "byte-grouping 4 with LZ4"), and that with two groups in the place
// of four: of n = w·q + r bytes, group k has q, and one more if k < r; the remainder's bytes lie
// one each at the end of the first groups. Nothing here can fail: every order of bytes has an
// inverse.
//
// The loops are written on whole words, which the compiler turns into vector code.

/// How many groups the bytes of numbers are sorted into.
package enum ByteGroups: Int, Sendable, CaseIterable {
    /// For numbers of 16 bits.
    case two = 2
    /// For numbers of 32 bits.
    case four = 4

    /// Writes the bytes of `source` group by group.
    ///
    /// The buffers have one length and are apart.
    package func group(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) {
        precondition(source.count == destination.count)
        guard let input = source.baseAddress, let output = destination.baseAddress else { return }
        let words = source.count / rawValue
        switch self {
        case .two: unsafe groupByTwo(input, output, words: words, count: source.count)
        case .four: unsafe groupByFour(input, output, words: words, count: source.count)
        }
        for index in (words * rawValue)..<source.count {
            unsafe output.storeBytes(
                of: source[index],
                toByteOffset: start(of: index % rawValue, in: source.count)
                    + words, as: UInt8.self)
        }
    }

    /// Undoes `group`.
    package func ungroup(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) {
        precondition(source.count == destination.count)
        guard let input = source.baseAddress, let output = destination.baseAddress else { return }
        let words = source.count / rawValue
        switch self {
        case .two: unsafe ungroupByTwo(input, output, words: words, count: source.count)
        case .four: unsafe ungroupByFour(input, output, words: words, count: source.count)
        }
        for index in (words * rawValue)..<source.count {
            unsafe output.storeBytes(
                of: source[start(of: index % rawValue, in: source.count) + words],
                toByteOffset: index, as: UInt8.self)
        }
    }

    /// Where a group begins among `count` bytes.
    private func start(of group: Int, in count: Int) -> Int {
        group * (count / rawValue) + min(group, count % rawValue)
    }

    private func groupByTwo(
        _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, words: Int, count: Int
    ) {
        let low = unsafe output.assumingMemoryBound(to: UInt8.self)
        let high = unsafe low + start(of: 1, in: count)
        for index in 0..<words {
            let word = unsafe input.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
            unsafe low[index] = UInt8(truncatingIfNeeded: word)
            unsafe high[index] = UInt8(truncatingIfNeeded: word &>> 8)
        }
    }

    private func groupByFour(
        _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, words: Int, count: Int
    ) {
        let group0 = unsafe output.assumingMemoryBound(to: UInt8.self)
        let group1 = unsafe group0 + start(of: 1, in: count)
        let group2 = unsafe group0 + start(of: 2, in: count)
        let group3 = unsafe group0 + start(of: 3, in: count)
        for index in 0..<words {
            let word = unsafe input.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
            unsafe group0[index] = UInt8(truncatingIfNeeded: word)
            unsafe group1[index] = UInt8(truncatingIfNeeded: word &>> 8)
            unsafe group2[index] = UInt8(truncatingIfNeeded: word &>> 16)
            unsafe group3[index] = UInt8(truncatingIfNeeded: word &>> 24)
        }
    }

    private func ungroupByTwo(
        _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, words: Int, count: Int
    ) {
        let low = unsafe input.assumingMemoryBound(to: UInt8.self)
        let high = unsafe low + start(of: 1, in: count)
        for index in 0..<words {
            let word = unsafe UInt16(low[index]) | UInt16(high[index]) &<< 8
            unsafe output.storeBytes(of: word, toByteOffset: 2 * index, as: UInt16.self)
        }
    }

    private func ungroupByFour(
        _ input: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, words: Int, count: Int
    ) {
        let group0 = unsafe input.assumingMemoryBound(to: UInt8.self)
        let group1 = unsafe group0 + start(of: 1, in: count)
        let group2 = unsafe group0 + start(of: 2, in: count)
        let group3 = unsafe group0 + start(of: 3, in: count)
        for index in 0..<words {
            let low = unsafe UInt32(group0[index]) | UInt32(group1[index]) &<< 8
            let high = unsafe UInt32(group2[index]) &<< 16 | UInt32(group3[index]) &<< 24
            unsafe output.storeBytes(of: low | high, toByteOffset: 4 * index, as: UInt32.self)
        }
    }
}
