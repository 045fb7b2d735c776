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
// The loops are C (CShims, groups.h).

internal import CShims
internal import Platform

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
        unsafe group(source, into: destination, isWide: Processor.hasWideVectors)
    }

    /// Undoes `group`.
    package func ungroup(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer
    ) {
        unsafe ungroup(source, into: destination, isWide: Processor.hasWideVectors)
    }

    /// `group` in one of its two forms; the wide one only where there are wide vectors.
    func group(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
        isWide: Bool
    ) {
        precondition(source.count == destination.count)
        guard let input = source.baseAddress, let output = destination.baseAddress else { return }
        unsafe modelfs_group(
            isWide ? 1 : 0, CInt(rawValue), input.assumingMemoryBound(to: UInt8.self),
            source.count, output.assumingMemoryBound(to: UInt8.self))
    }

    /// `ungroup` in one of its two forms.
    func ungroup(
        _ source: UnsafeRawBufferPointer, into destination: UnsafeMutableRawBufferPointer,
        isWide: Bool
    ) {
        precondition(source.count == destination.count)
        guard let input = source.baseAddress, let output = destination.baseAddress else { return }
        unsafe modelfs_ungroup(
            isWide ? 1 : 0, CInt(rawValue), input.assumingMemoryBound(to: UInt8.self),
            source.count, output.assumingMemoryBound(to: UInt8.self))
    }
}
