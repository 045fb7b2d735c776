// Decoded chunks on their way to the sink, each at its place in the file.

internal import Platform
internal import Synchronization
internal import Transport
internal import Xet

extension XetFetch {
    /// Local chunks that are read in a row before downloads are looked at again: 1 MiB.
    private static let localCountMax = 16

    /// Whether a part of these bytes of the file is to be handed on, and was not yet.
    func isWanted(_ range: Range<Int64>) -> Bool {
        let part = range.clamped(to: request.bytes)
        return !part.isEmpty && !delivered.gaps(in: part).isEmpty
    }

    /// Hands a chunk on at each of its places.
    ///
    /// - Returns: false when the sink wants no more for now; what it did not take is held.
    func deliver(
        _ bytes: UnsafeRawBufferPointer, _ chunks: [IdentifiedChunk], _ loop: XetLoop
    ) -> Bool {
        for (number, chunk) in chunks.enumerated() {
            switch unsafe hand(bytes, at: chunk.fileOffset, of: chunk) {
            case .proceed: unsafe fillSeam(chunk, bytes)
            case .pause:
                isSinkPaused = true
                held = HeldChunk(
                    bytes: unsafe [UInt8](bytes), identities: Array(chunks[number...]))
                return false
            case .cancel:
                finish(.failure(.cancelled))
                return false
            }
        }
        return true
    }

    /// Hands on what is missing of some bytes of the file.
    private func hand(
        _ bytes: UnsafeRawBufferPointer, at offset: Int64, of chunk: IdentifiedChunk
    ) -> TransferDirective {
        let range = (offset..<offset + Int64(bytes.count)).clamped(to: request.bytes)
        for gap in delivered.gaps(in: range) {
            let part = Int(gap.lowerBound - offset)..<Int(gap.upperBound - offset)
            let directive = unsafe sink.contentDidReceive(
                UnsafeRawBufferPointer(rebasing: bytes[part]), at: gap.lowerBound, of: chunk)
            if directive != .proceed { return directive }
            delivered.insert(gap)
        }
        countAhead()
        return .proceed
    }

    /// The rest of a chunk that a neighbour has brought.
    func take(_ rest: XetSeams.Rest, at offset: Int64, _ loop: XetLoop) {
        let directive = unsafe rest.bytes.span.bytes.withUnsafeBytes {
            unsafe hand($0, at: offset, of: rest.chunk)
        }
        switch directive {
        case .proceed: break
        case .cancel: finish(.failure(.cancelled))
        case .pause:
            // Too little to wait for: it is asked for again when the rest of the range is here.
            isSinkPaused = true
        }
    }

    func addLocals(_ uses: [LocalUse]) {
        locals += uses.map {
            LocalRun(use: $0, index: $0.use.chunks.lowerBound, offset: $0.use.fileOffset)
        }
    }

    /// Puts some of the chunks that are here in their places; whether there were any.
    func useLocals(_ loop: XetLoop) -> Bool {
        if locals.isEmpty { return false }
        for _ in 0..<XetFetch.localCountMax {
            guard !isSinkPaused, !isOver, var run = locals.first else { break }
            let (xorb, use) = (run.use.xorb, run.use.use)
            guard let local = sink.localChunk(xorb, run.index), !local.bytes.isEmpty,
                run.offset + Int64(local.bytes.count) <= use.fileRange.upperBound
            else {
                beginWithoutLocal(loop)
                return true
            }
            let bytes = local.bytes
            let chunk = IdentifiedChunk(
                hash: local.hash, fileOffset: run.offset, byteCount: bytes.count, xorb: xorb,
                index: run.index)
            run.offset += Int64(bytes.count)
            run.index += 1
            locals[0] = run
            if run.index == use.chunks.upperBound { locals.removeFirst() }
            if isWanted(chunk.fileOffset..<run.offset) {
                _ = unsafe bytes.span.bytes.withUnsafeBytes { unsafe deliver($0, [chunk], loop) }
            }
        }
        return true
    }

    /// Chunks that were promised are gone: what is missing is planned anew without any.
    private func beginWithoutLocal(_ loop: XetLoop) {
        ignoresLocal = true
        dropPlan()
        begin(loop)
    }

    /// Hands on what the sink did not take before.
    func deliverHeld(_ loop: XetLoop) {
        guard let held else { return }
        self.held = nil
        _ = unsafe held.bytes.span.bytes.withUnsafeBytes {
            unsafe deliver($0, held.identities, loop)
        }
    }

    func endIfComplete(_ loop: XetLoop) {
        if isOver || !isPlanRead || isSinkPaused || held != nil || !locals.isEmpty { return }
        if delivered.gaps(in: request.bytes).isEmpty { return finish(.success(())) }
        if !delivered.gaps(in: asked).isEmpty {
            return fallBack(.invalid(.inconsistentReconstruction("chunks that leave a gap")))
        }
        switch head {
        case .waiting, .owed: return
        // The neighbour has failed, or what it brought was not taken.
        case .none: begin(loop)
        }
    }

    /// The next byte that the plan has to bring.
    var position: Int64 { delivered.gaps(in: asked).first?.lowerBound ?? asked.upperBound }

    /// Tells all fetches how much of this one came before its turn.
    private func countAhead() {
        let come = Int64(asked.count) - delivered.gaps(in: asked).reduce(0) { $0 + Int64($1.count) }
        countAhead(Int(come - (position - asked.lowerBound)))
    }

    func countAhead(_ count: Int) {
        client.xet.aheadByteCount.add(count - aheadByteCount, ordering: .relaxed)
        aheadByteCount = count
    }
}
