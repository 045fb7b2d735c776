// Decoded chunks on their way to the sink, in the order of the file.

internal import Synchronization
internal import Transport
internal import Xet

extension XetFetch {
    /// Keeps a chunk until everything before it has been handed on.
    func hold(_ bytes: [UInt8], _ identity: IdentifiedChunk) {
        let held = HeldChunk(bytes: bytes, identity: identity)
        guard ahead.updateValue(held, forKey: identity.fileOffset) == nil else { return }
        client.xet.aheadByteCount.add(bytes.count, ordering: .relaxed)
    }

    /// Puts chunks that are here in their places.
    func useLocal(_ uses: [LocalUse], _ loop: XetLoop) {
        for local in uses {
            var offset = local.use.fileOffset
            for index in local.use.chunks {
                guard let bytes = sink.localChunk(local.xorb, index), !bytes.isEmpty,
                    offset + Int64(bytes.count) <= local.use.fileRange.upperBound
                else { return beginWithoutLocal(loop) }
                let end = offset + Int64(bytes.count)
                if end > position && offset < segment.upperBound {
                    hold(
                        bytes,
                        IdentifiedChunk(
                            hash: .chunk(bytes), fileOffset: offset, byteCount: bytes.count,
                            xorb: local.xorb, index: index))
                }
                offset = end
            }
        }
    }

    /// Chunks that were promised are gone: what is missing is planned anew without any.
    private func beginWithoutLocal(_ loop: XetLoop) {
        ignoresLocal = true
        dropSegment()
        begin(loop)
    }

    /// Hands on what is next, until something is missing or the sink wants a pause.
    func hand(_ loop: XetLoop) {
        while !isSinkPaused, !isFinished, plain == nil, position < segment.upperBound {
            guard let held = nextHeld() else {
                if isSegmentRead {
                    fallBack(.invalid(.inconsistentReconstruction("chunks that leave a gap")))
                }
                return
            }
            let offset = held.identity.fileOffset
            if identified != offset {
                identified = offset
                sink.contentDidIdentify(held.identity)
            }
            let end = min(offset + Int64(held.bytes.count), segment.upperBound)
            let part = Int(position - offset)..<Int(end - offset)
            let directive = unsafe held.bytes.span.bytes.withUnsafeBytes { bytes in
                unsafe sink.contentDidReceive(UnsafeRawBufferPointer(rebasing: bytes[part]))
            }
            switch directive {
            case .pause:
                isSinkPaused = true
                return
            case .cancel: return finish(.failure(.cancelled))
            case .proceed:
                position = end
                ahead[offset] = nil
                client.xet.aheadByteCount.subtract(held.bytes.count, ordering: .relaxed)
                if !planned.isEmpty { beginDownloads(loop) }
            }
        }
        if isSegmentRead && position == segment.upperBound { endSegment(loop) }
    }

    /// The chunk that has the next byte: where a segment begins it may begin before that.
    private func nextHeld() -> HeldChunk? {
        if let held = ahead[position] { return held }
        guard position == segment.lowerBound else { return nil }
        return ahead.values.first {
            $0.identity.fileOffset < position
                && $0.identity.fileOffset + Int64($0.bytes.count) > position
        }
    }

    private func endSegment(_ loop: XetLoop) {
        if isFinished || plain != nil { return }
        dropSegment()
        if position == request.bytes.upperBound { return finish(.success(())) }
        begin(loop)
    }
}
