// The chunks of one download, each with its places in the file, as its bytes arrive.
//
// Pure: a `ChunkStream` that also knows the uses. At most one chunk is kept. A chunk is handed
// on only if it fits the length that its term announced, so nothing is ever placed beyond a
// term's end; a term that stays shorter is an error at the end.

/// A chunk as it arrived.
package struct ArrivedChunk: Equatable, Sendable {
    /// The xorb that the server knows it by.
    package let xorb: XetHash
    /// Its index in that xorb.
    package let index: Int
    /// Its header: the scheme of the payload, and both lengths.
    package let header: ChunkHeader
    /// Where it stands in the file: more than once if terms repeat it, nowhere if the place is
    /// wider than its terms.
    package let fileOffsets: [Int64]
}

/// The decoder of one download.
package struct DownloadDecoder {
    private let download: XorbDownload
    private var stream: ChunkStream
    /// For each use, how many of its bytes have arrived.
    private var arrivedByteCounts: [Int64]

    /// Begins with the first byte of the place.
    package init(_ download: XorbDownload) {
        self.download = download
        stream = ChunkStream(chunkCount: download.place.chunks.count)
        arrivedByteCounts = download.uses.map { _ in 0 }
    }

    /// Takes the next bytes and hands on the chunks that are complete, in the xorb's order.
    ///
    /// - Parameter chunk: is lent each payload for the time of the call; says whether to go on.
    /// - Returns: how many bytes were taken; the rest comes again with the next call.
    package mutating func take(
        _ bytes: UnsafeRawBufferPointer,
        _ chunk: (ArrivedChunk, UnsafeRawBufferPointer) throws(XetError) -> Bool
    ) throws(XetError) -> Int {
        var index = download.place.chunks.lowerBound + stream.chunkCount
        // Moved out while the stream lends its bytes, since that must not lend `self`.
        var arrived: [Int64] = []
        swap(&arrived, &arrivedByteCounts)
        defer { swap(&arrived, &arrivedByteCounts) }
        return try unsafe stream.take(bytes) { header, payload throws(XetError) in
            let offsets = try Self.place(index, header, in: download.uses, &arrived)
            defer { index += 1 }
            return try unsafe chunk(
                ArrivedChunk(
                    xorb: download.place.xorb, index: index, header: header, fileOffsets: offsets),
                payload)
        }
    }

    /// Says that no more bytes come.
    ///
    /// - Throws: `truncated`, and `termLength` if a term has not the length that was announced.
    package func finish() throws(XetError) {
        try stream.finish()
        for (use, found) in zip(download.uses, arrivedByteCounts) where found != use.byteCount {
            throw .termLength(expected: UInt64(use.byteCount), found: UInt64(found))
        }
    }

    /// Where a chunk stands in the file; counts it as arrived there.
    private static func place(
        _ index: Int, _ header: ChunkHeader, in uses: [ChunkUse], _ arrived: inout [Int64]
    ) throws(XetError) -> [Int64] {
        var offsets: [Int64] = []
        for (number, use) in uses.enumerated() where use.chunks.contains(index) {
            offsets.append(use.fileOffset + arrived[number])
            arrived[number] += Int64(header.chunkByteCount)
            // Every chunk still to come has at least one byte.
            let rest = Int64(use.chunks.upperBound - index - 1)
            if arrived[number] + rest > use.byteCount {
                throw .termLength(
                    expected: UInt64(use.byteCount), found: UInt64(arrived[number] + rest))
            }
        }
        return offsets
    }
}
