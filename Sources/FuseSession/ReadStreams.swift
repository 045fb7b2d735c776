// Readers that go through a content in order, told by the READs that they cause. Pure.
//
// What is pushed ahead of a reader causes no READ, so the daemon would not see how far it has come.
// Therefore each window has a gap of one block in its middle, which is left to the reader's own
// fault: its READ says that the reader has come so far, and the next window, twice as long, is
// pushed while the reader goes through the rest of this one.

internal import Catalog
internal import Platform

/// Where readers are, content by content.
struct ReadStreams {
    /// In order so far, before anything is pushed: who reads less gains nothing by it.
    static let runByteCountMin: Int64 = 4 << 20
    static let firstWindowByteCount: Int64 = 8 << 20
    static let windowByteCountMax: Int64 = 256 << 20
    /// What the kernel's own readahead has asked for already, on both sides of a READ.
    static let readaheadByteCount: Int64 = 2 << 20
    /// The gap by which a reader shows how far it has come; the store's block.
    static let gapByteCount: Int64 = 128 << 10
    /// Contents that are watched; at some 200 bytes each, 50 KiB.
    static let contentCountMax = 256
    /// Readers of one content that are told apart.
    static let streamCountMax = 8

    private struct Stream {
        /// The end of what was read in order.
        var position: Int64
        var runByteCount: Int64
        /// The end of what was pushed.
        var pushedEnd: Int64 = 0
        /// From this position on the next window is due.
        var resumePosition: Int64 = 0
        var windowByteCount = firstWindowByteCount

        func accepts(_ range: Range<Int64>) -> Bool {
            range.lowerBound + readaheadByteCount >= position
                && range.lowerBound <= max(position, pushedEnd) + readaheadByteCount
        }
    }

    private var contents = RecentCache<NodeID, [Stream]>(costMax: contentCountMax)

    /// A READ was answered from the store.
    ///
    /// - Returns: what to push, in order.
    mutating func read(
        _ node: NodeID, _ range: Range<Int64>, sizeBytes: Int64
    ) -> [Range<Int64>] {
        var streams = contents.value(for: node) ?? []
        var stream: Stream
        if let index = streams.firstIndex(where: { $0.accepts(range) }) {
            stream = streams.remove(at: index)
            stream.runByteCount += Int64(range.count)
            stream.position = max(stream.position, range.upperBound)
        } else {
            stream = Stream(position: range.upperBound, runByteCount: Int64(range.count))
            if streams.count >= ReadStreams.streamCountMax { streams.removeLast() }
        }
        let extents = ReadStreams.advance(&stream, sizeBytes: sizeBytes)
        streams.insert(stream, at: 0)
        contents.insert(streams, for: node)
        return extents
    }

    /// A content changed, or is read another way now.
    mutating func forget(_ node: NodeID) { contents.remove(node) }

    private static func advance(_ stream: inout Stream, sizeBytes: Int64) -> [Range<Int64>] {
        guard stream.runByteCount >= runByteCountMin, stream.position >= stream.resumePosition
        else { return [] }
        let window = stream.windowByteCount
        let start = max(
            stream.pushedEnd, stream.position / gapByteCount * gapByteCount + readaheadByteCount)
        let end = min(sizeBytes, start + window)
        if start >= end { return [] }
        stream.pushedEnd = end
        stream.windowByteCount = min(window * 2, windowByteCountMax)
        let gap = start + window / 2
        stream.resumePosition = end == sizeBytes ? .max : gap
        if end == sizeBytes { return [start..<end] }
        return [start..<gap, gap + gapByteCount..<end]
    }
}
