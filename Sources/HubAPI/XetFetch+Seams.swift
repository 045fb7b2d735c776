// The seams of a fetch: the one that it begins at, and the one that it ends at.

internal import Platform
internal import Transport
internal import Xet

/// What a fetch expects of the seam that it begins at.
enum HeadSeam {
    /// Nothing, or no more.
    case none
    /// To hear where the chunk over it ends; nothing is asked of the server before.
    case waiting
    /// The rest of that chunk, up to here.
    case owed(end: Int64)

    /// Where a fetch of these bytes has to ask from.
    func end(after bytes: Range<Int64>) -> Int64 {
        switch self {
        case .none, .waiting: bytes.lowerBound
        case .owed(let end): min(max(end, bytes.lowerBound), bytes.upperBound)
        }
    }
}

extension XetFetch {
    private var headKey: XetSeams.Key {
        XetSeams.Key(file: hash, offset: request.bytes.lowerBound)
    }

    /// Looks for neighbours, then begins; waits for one's plan only if no reader waits for us.
    func start(_ loop: XetLoop) {
        // What a neighbour has may be what is in doubt.
        if sink.wantsFresh { return begin(loop) }
        let end = request.bytes.upperBound
        if end < request.expectedSize {
            let key = XetSeams.Key(file: hash, offset: end)
            if client.xet.seams.open(key, id) { tail = key }
        }
        guard request.bytes.lowerBound > 0 else { return begin(loop) }
        let found = client.xet.seams.join(headKey, id) { [self] news in
            worker.run { [self] loop in
                if !isOver { hear(news, loop) }
            }
        }
        switch found {
        case .nothing: begin(loop)
        case .rest(let rest):
            head = .owed(end: rest.chunk.fileRange.upperBound)
            begin(loop)
            hear(.rest(rest), loop)
        case .open(let end?):
            head = .owed(end: end)
            begin(loop)
        case .open(nil):
            head = .waiting
            if priority != .prefetch || request.isExpected { goWithoutSeam(loop) }
        }
    }

    private func hear(_ news: XetSeams.News, _ loop: XetLoop) {
        if isOver { return }
        switch (head, news) {
        case (.none, _): break
        case (.waiting, .ends(let end)):
            head = .owed(end: end)
            begin(loop)
        case (.owed, .ends): break
        case (_, .rest(let rest)):
            let isWaiting = if case .waiting = head { true } else { false }
            head = .none
            take(rest, at: request.bytes.lowerBound, loop)
            if isOver { return }
            isWaiting ? begin(loop) : endIfComplete(loop)
        case (.waiting, .broken):
            head = .none
            begin(loop)
        case (.owed, .broken):
            head = .none
            endIfComplete(loop)
        }
    }

    /// A reader waits: a plan that is not made yet is not waited for, a chunk on its way is
    /// hurried.
    func hastenSeam(_ loop: XetLoop) {
        if priority == .prefetch { return }
        switch head {
        case .none: break
        case .waiting: goWithoutSeam(loop)
        case .owed:
            if let owner = client.xet.seams.owner(of: headKey) {
                client.promote(owner, to: priority)
            }
        }
    }

    private func goWithoutSeam(_ loop: XetLoop) {
        client.xet.seams.leave(headKey, id)
        head = .none
        begin(loop)
    }

    /// The plan says where the chunk over the seam at the end ends.
    func tellSeam(_ found: Reconstruction, _ range: Range<Int64>) {
        guard let tail, range.upperBound == request.bytes.upperBound else { return }
        let end = range.lowerBound - found.offsetIntoFirstTerm + found.byteCount
        let reach = Int64(GearChunker.maximumByteCount)
        guard end > range.upperBound, end <= request.expectedSize,
            end < range.upperBound + reach
        else {
            self.tail = nil
            return client.xet.seams.close(tail, id)
        }
        client.xet.seams.tell(tail, id, end: end)
    }

    /// Gives the neighbour the rest of a chunk that reaches over the end.
    func fillSeam(_ chunk: IdentifiedChunk, _ bytes: UnsafeRawBufferPointer) {
        let end = request.bytes.upperBound
        guard let tail, chunk.fileOffset < end, chunk.fileOffset + Int64(bytes.count) > end
        else { return }
        self.tail = nil
        let rest = unsafe [UInt8](bytes[Int(end - chunk.fileOffset)...])
        client.xet.seams.fill(tail, id, XetSeams.Rest(chunk: chunk, bytes: rest))
    }

    func leaveSeams() {
        if let tail { client.xet.seams.close(tail, id) }
        tail = nil
        client.xet.seams.leave(headKey, id)
        head = .none
    }
}
