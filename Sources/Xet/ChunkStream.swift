// Chunks out of a stream of bytes, as they arrive from a server or a file.
//
// A state machine without I/O: it is given bytes in any pieces and hands on each chunk, header
// and payload, as soon as it is whole. What lies whole in one piece is handed on from there; only
// a chunk that spans pieces is copied, so at most one chunk (256 KiB and its header) is kept.

/// Splits bytes into the chunks of a xorb or of a part of it.
package struct ChunkStream {
    /// Chunks of a xorb at most.
    package static let mostChunks = 8192

    private let expectedCount: Int?
    private var pending: [UInt8] = []
    /// The header of the chunk that `pending` begins with, once eight bytes of it are there.
    private var header: ChunkHeader?
    private var footerSeen = false

    /// How many chunks were handed on.
    package private(set) var chunkCount = 0

    /// Begins with a chunk's header.
    ///
    /// - Parameter chunkCount: how many chunks there are, no more and no fewer; nil for a whole
    ///   xorb, which ends with a footer or with its last chunk.
    package init(chunkCount: Int?) {
        expectedCount = chunkCount
    }

    /// Takes the next bytes and hands on what is complete, in order.
    ///
    /// - Parameter chunk: is lent each payload for the time of the call. What it throws ends the
    ///   stream.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        _ chunk: (ChunkHeader, UnsafeRawBufferPointer) throws(XetError) -> Void
    ) throws(XetError) {
        _ = try unsafe take(bytes) { header, payload throws(XetError) in
            try unsafe chunk(header, payload)
            return true
        }
    }

    /// Takes the next bytes until the receiver wants no more for now.
    ///
    /// - Parameter chunk: as above; says whether to go on. What it threw or said is about a chunk
    ///   that counts as handed on.
    /// - Returns: how many bytes were taken; the rest comes again with the next call.
    package mutating func take(
        _ bytes: UnsafeRawBufferPointer,
        _ chunk: (ChunkHeader, UnsafeRawBufferPointer) throws(XetError) -> Bool
    ) throws(XetError) -> Int {
        var rest = unsafe bytes
        if !pending.isEmpty, try unsafe !completePending(&rest, chunk) {
            return bytes.count - rest.count
        }
        while rest.count >= ChunkHeader.byteCount && pending.isEmpty && !footerSeen {
            guard let next = try unsafe nextHeader(rest) else { return bytes.count }
            if rest.count < next.packedByteCount { break }
            let payload = unsafe UnsafeRawBufferPointer(
                rebasing: rest[ChunkHeader.byteCount..<next.packedByteCount])
            chunkCount += 1
            let goesOn = try unsafe chunk(next, payload)
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[next.packedByteCount...])
            if !goesOn { return bytes.count - rest.count }
        }
        if footerSeen || rest.count == 0 { return bytes.count }
        if chunkCount == expectedCount { throw .trailingBytes }
        unsafe pending.append(contentsOf: rest)
        return bytes.count
    }

    /// Says that no more bytes come.
    ///
    /// - Throws: `truncated` if a chunk or a part of one is missing.
    package func finish() throws(XetError) {
        if footerSeen { return }
        guard pending.isEmpty, expectedCount == nil || expectedCount == chunkCount else {
            throw .truncated
        }
    }

    /// Fills `pending` up to the end of its chunk and hands that on; what the receiver said of it,
    /// or true if it is not complete.
    private mutating func completePending(
        _ rest: inout UnsafeRawBufferPointer,
        _ chunk: (ChunkHeader, UnsafeRawBufferPointer) throws(XetError) -> Bool
    ) throws(XetError) -> Bool {
        unsafe Self.take(
            &rest, into: &pending, upTo: header?.packedByteCount ?? ChunkHeader.byteCount)
        // Moved out while it is lent, since lending it must not lend `self`.
        var whole: [UInt8] = []
        swap(&whole, &pending)
        defer { swap(&whole, &pending) }
        if header == nil && whole.count >= ChunkHeader.byteCount {
            header = try unsafe whole.withUnsafeBufferPointer { bytes throws(XetError) in
                try unsafe nextHeader(UnsafeRawBufferPointer(bytes))
            }
            if let header {
                unsafe Self.take(&rest, into: &whole, upTo: header.packedByteCount)
            }
        }
        guard let current = header, whole.count == current.packedByteCount
        else { return true }
        chunkCount += 1
        header = nil
        let goesOn = try unsafe whole.withUnsafeBufferPointer { bytes throws(XetError) in
            try unsafe chunk(
                current,
                UnsafeRawBufferPointer(
                    rebasing: UnsafeRawBufferPointer(bytes)[ChunkHeader.byteCount...]))
        }
        whole.removeAll(keepingCapacity: true)
        return goesOn
    }

    /// Moves bytes from `rest` to `kept`, until that has `count`.
    private static func take(
        _ rest: inout UnsafeRawBufferPointer, into kept: inout [UInt8], upTo count: Int
    ) {
        let step = min(max(0, count - kept.count), rest.count)
        unsafe kept.append(contentsOf: rest[..<step])
        unsafe rest = UnsafeRawBufferPointer(rebasing: rest[step...])
    }

    /// The header of the next chunk; nil if a footer begins here instead.
    private mutating func nextHeader(
        _ bytes: UnsafeRawBufferPointer
    ) throws(XetError) -> ChunkHeader? {
        if chunkCount == expectedCount { throw .trailingBytes }
        if expectedCount == nil, unsafe bytes.starts(with: XorbFooter.identifier) {
            footerSeen = true
            return nil
        }
        if chunkCount == Self.mostChunks { throw .tooManyChunks }
        return try unsafe ChunkHeader(reading: bytes)
    }
}
