// Weights with the top byte of each number as a code of four bits.
//
// The top byte of a bf16 or fp32 number is its sign and most of its exponent. Weights have so few
// different ones that 16 suffice for all but a number in thousands: four bits in the place of
// eight, and the rest of each number, which is noise, as it is. For numbers from a normal
// distribution that makes 0.750 of bf16 and 0.875 of fp32, where LZ4 of grouped bytes makes 0.862
// and 0.942; and it takes a shuffle, not a search, so that it runs at 15 GB/s there and 50 GB/s
// back (in the cache, one core of an AMD EPYC) where LZ4 does 0.7 and 5.
//
// fp32 that was made from bf16 has zeros in its lower half, which are left out: 0.375 is kept.
//
// A payload, for numbers of w bytes in a chunk of n bytes, n = h + w·q + r, of which the lowest z
// are zero and left out (z is 2 for `twoInFour`, else 0):
//
//     bytes          what
//     16             the top bytes that the codes stand for
//     2              e, the number of exceptions
//     1              h, the bytes of the chunk before its first whole number: less than w
//     1              r, the bytes after its last whole number: less than w
//     ceil(q / 2)    the codes, two a byte, that of an even number in the lower half
//     (w - 1 - z)·q  the lower bytes of the numbers, number by number
//     h + r          the bytes of the chunk before and after its whole numbers
//     3 e            number, as an index in 2 bytes, and top byte of each that has no code
//
// Chunks are cut by content and so begin anywhere in a number, which is what h is for.

internal import CShims
internal import Platform

/// What numbers have top bytes that become codes.
package enum TopBytes: Sendable, CaseIterable {
    /// Two bytes: for bf16.
    case two
    /// Four bytes: for fp32.
    case four
    /// Four bytes with zeros in the lower half: for fp32 made from bf16.
    case twoInFour

    /// Bytes of a number.
    var width: Int { self == .two ? 2 : 4 }

    /// Lowest bytes of a number that are zero.
    var zeroCount: Int { self == .twoInFour ? 2 : 0 }

    /// The table, the number of exceptions, and where the numbers begin.
    private static let headerByteCount = 20
    private static let exceptionByteCount = Int(MODELFS_EXCEPTION_BYTES)
    /// Numbers looked at to choose the table: their shares are known to a few percent.
    private static let sampleCount = 2_048

    /// Where the parts of a payload are.
    private struct Layout {
        let numberCount: Int
        let head: Int
        let tail: Int
        let codes: Int
        let rest: Int
        let edges: Int
        let exceptions: Int

        init(_ kind: TopBytes, chunkByteCount: Int, head: Int) {
            numberCount = (chunkByteCount - head) / kind.width
            self.head = head
            tail = (chunkByteCount - head) % kind.width
            codes = TopBytes.headerByteCount
            rest = codes + (numberCount + 1) / 2
            edges = rest + (kind.width - 1 - kind.zeroCount) * numberCount
            exceptions = edges + head + tail
        }
    }

    /// Encodes a chunk of at most 128 KiB, whose indices fit 16 bits.
    ///
    /// - Returns: the payload's length; nil if it does not fit `destination`.
    func encode(
        _ chunk: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
        isWide: Bool = Processor.hasWideVectors
    ) -> Int? {
        precondition(chunk.count <= CodecScratch.mostChunkBytes)
        if chunk.count < width { return nil }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { table in
            guard let head = unsafe chooseTable(table, for: chunk) else { return nil }
            let layout = Layout(self, chunkByteCount: chunk.count, head: head)
            let room = destination.count - layout.exceptions
            guard room >= 0, let input = chunk.baseAddress, let output = destination.baseAddress,
                let values = table.baseAddress
            else { return nil }
            let bytes = unsafe input.assumingMemoryBound(to: UInt8.self)
            let payload = unsafe output.assumingMemoryBound(to: UInt8.self)
            let count = unsafe modelfs_narrow(
                isWide ? 1 : 0, CInt(width), CInt(zeroCount), values, bytes + head,
                layout.numberCount,
                payload + layout.codes, payload + layout.rest, payload + layout.exceptions,
                min(room / TopBytes.exceptionByteCount, Int(UInt16.max)))
            if count < 0 { return nil }
            unsafe payload.update(from: values, count: 16)
            unsafe output.storeBytes(
                of: UInt16(count).littleEndian, toByteOffset: 16, as: UInt16.self)
            unsafe payload[18] = UInt8(head)
            unsafe payload[19] = UInt8(layout.tail)
            unsafe (payload + layout.edges).update(from: bytes, count: head)
            unsafe (payload + layout.edges + head).update(
                from: bytes + chunk.count - layout.tail, count: layout.tail)
            return layout.exceptions + TopBytes.exceptionByteCount * Int(count)
        }
    }

    /// Decodes a payload that was made of exactly `chunk.count` bytes.
    func decode(
        _ payload: UnsafeRawBufferPointer, into chunk: UnsafeMutableRawBufferPointer,
        isWide: Bool = Processor.hasWideVectors
    ) throws(CompressionError) {
        guard payload.count >= TopBytes.headerByteCount, chunk.count >= width,
            let input = payload.baseAddress, let output = chunk.baseAddress
        else { throw .lengthMismatch }
        let exceptionCount = unsafe Int(
            UInt16(littleEndian: input.loadUnaligned(fromByteOffset: 16, as: UInt16.self)))
        let head = unsafe Int(payload[18])
        guard head < width else { throw .malformedBlock }
        let layout = Layout(self, chunkByteCount: chunk.count, head: head)
        guard unsafe Int(payload[19]) == layout.tail,
            payload.count == layout.exceptions + TopBytes.exceptionByteCount * exceptionCount
        else { throw .lengthMismatch }
        let coded = unsafe input.assumingMemoryBound(to: UInt8.self)
        let bytes = unsafe output.assumingMemoryBound(to: UInt8.self)
        let status = unsafe modelfs_widen(
            isWide ? 1 : 0, CInt(width), CInt(zeroCount), coded, coded + layout.codes,
            coded + layout.rest,
            layout.numberCount, coded + layout.exceptions, exceptionCount, bytes + head)
        if status < 0 { throw .malformedBlock }
        unsafe bytes.update(from: coded + layout.edges, count: head)
        unsafe (bytes + chunk.count - layout.tail).update(
            from: coded + layout.edges + head, count: layout.tail)
    }
}

// MARK: - The choice of codes

extension TopBytes {
    /// Finds out, from a sample, which byte of each number is the top one, and its 16 most frequent
    /// values.
    ///
    /// - Returns: the bytes before the first whole number; nil if there are no such numbers.
    private func chooseTable(
        _ table: UnsafeMutableBufferPointer<UInt8>, for chunk: UnsafeRawBufferPointer
    ) -> Int? {
        let wordCount = chunk.count / width
        // Odd, so that no regular structure of the data hides from it.
        let stride = max(1, wordCount / TopBytes.sampleCount) | 1
        return unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256 * width) {
            counts in
            unsafe counts.initialize(repeating: 0)
            var sampleCount: UInt32 = 0
            for word in Swift.stride(from: 0, to: wordCount, by: stride) {
                for place in 0..<width {
                    unsafe counts[256 * place + Int(chunk[width * word + place])] += 1
                }
                sampleCount += 1
            }
            let top =
                unsafe zeroCount == 0
                ? mostAlike(counts) : beforeZeros(counts, sampleCount: sampleCount)
            guard let top else { return nil }
            unsafe TopBytes.mostFrequent(
                UnsafeMutableBufferPointer(rebasing: counts[256 * top..<256 * (top + 1)]), table)
            return (top + 1) % width
        }
    }

    /// The place in a number whose bytes are equal most often, as noise is not.
    private func mostAlike(_ counts: UnsafeMutableBufferPointer<UInt32>) -> Int? {
        var top = 0
        var most: UInt32 = 0
        for place in 0..<width {
            var meetings: UInt32 = 0
            for value in 0..<256 {
                let count = unsafe counts[256 * place + value]
                meetings += count * count
            }
            if meetings > most { (top, most) = (place, meetings) }
        }
        return top
    }

    /// The place in a number after which, in the next one, all is zero that has to be.
    private func beforeZeros(
        _ counts: UnsafeMutableBufferPointer<UInt32>, sampleCount: UInt32
    ) -> Int? {
        (0..<width).first { place in
            (1...zeroCount).allSatisfy {
                unsafe counts[256 * ((place + $0) % width)] == sampleCount
            }
        }
    }

    /// The 16 values that were counted most often, by falling count.
    private static func mostFrequent(
        _ counts: UnsafeMutableBufferPointer<UInt32>, _ table: UnsafeMutableBufferPointer<UInt8>
    ) {
        unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256) { ranked in
            // Count and value in one number, which sorts as it should.
            var usedCount = 0
            for value in 0..<256 where unsafe counts[value] > 0 {
                unsafe ranked[usedCount] = counts[value] << 8 | UInt32(255 - value)
                usedCount += 1
            }
            var used = unsafe UnsafeMutableBufferPointer(rebasing: ranked[..<usedCount])
            unsafe used.sort(by: >)
            for code in 0..<16 {
                unsafe table[code] =
                    code < usedCount ? 255 - UInt8(truncatingIfNeeded: ranked[code]) : 0
            }
        }
    }
}
