// Which pages of an earlier run are read next. Pure.
//
// In the order of that run, until a reader has opened the file: the reader goes that way itself,
// and two who read the same pages at once wait for each other. From then on they are read from the
// end, so that the two meet; and not at all where the disk reads far ahead of the reader anyway,
// and each page that somebody else asks for is in its way.
//
// Measured with a plain file of 1 GiB, its page cache dropped, touched in tensor order by one
// thread (medians of five): alone, beside the same order by `sendfile`, and beside the reverse of
// it: 779, 987 and 699 ms where the disk reads 128 KiB ahead, 617, 620 and 586 with 1 MiB, and 626,
// 712 and 715 with 8 MiB.

internal import Catalog

/// What of a trace is still to be read.
struct PageReplay {
    /// One call to the kernel: not longer than 40 ms of a slow disk, after which closing is seen.
    static let stepByteCount: Int64 = 8 << 20
    /// From so much on a disk reads far ahead: between the two that were measured.
    private static let farByteCount: Int64 = 4 << 20

    private var rest: ArraySlice<TouchTrace.Extent>
    private let readsFarAhead: Bool

    /// - Parameter readaheadByteCount: the disk's; nil if it is not known.
    init(_ trace: TouchTrace, readaheadByteCount: Int64?) {
        let steps = trace.extents.flatMap { extent in
            stride(
                from: extent.bytes.lowerBound, to: extent.bytes.upperBound,
                by: Int64.Stride(PageReplay.stepByteCount)
            ).map { start in
                let end = min(start + PageReplay.stepByteCount, extent.bytes.upperBound)
                return TouchTrace.Extent(content: extent.content, bytes: start..<end)
            }
        }
        rest = steps[...]
        readsFarAhead = (readaheadByteCount ?? 0) >= PageReplay.farByteCount
    }

    /// - Parameter hasReader: whether somebody has opened a content since the start.
    mutating func next(hasReader: (ContentID) -> Bool) -> TouchTrace.Extent? {
        while let first = rest.first {
            if !hasReader(first.content) { return rest.removeFirst() }
            if !readsFarAhead { return rest.removeLast() }
            rest.removeFirst()
        }
        return nil
    }
}
