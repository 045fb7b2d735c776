// The downloads of a plan: begun in the order of the file, decoded as they come, tried again.

internal import Platform
internal import Synchronization
internal import Telemetry
internal import Transport
internal import Xet

extension XetFetch {
    /// Begins what may run beside the rest, and always what comes next in the file.
    func beginDownloads(_ loop: XetLoop) {
        if planned.isEmpty { return }
        planned.sort { $0.download.fileRange.lowerBound < $1.download.fileRange.lowerBound }
        while !planned.isEmpty {
            let hasRoom = running.count < XetFetch.runningCountMax
            let index = hasRoom ? 0 : planned.firstIndex { isNext($0.download) }
            guard let index else { return }
            let next = planned.remove(at: index)
            let seed = client.nextSeed()
            running[next.id] = Running(
                planned: next.download, policy: RetryPolicy(seed: seed),
                decoder: DownloadDecoder(next.download))
            attempt(next.id, loop)
            if isOver { return }
        }
    }

    /// Whether a download brings the next byte for the sink.
    func isNext(_ download: XorbDownload) -> Bool {
        let position = position
        return download.uses.contains { $0.fileRange.contains(position) }
    }

    private func attempt(_ id: Int, _ loop: XetLoop) {
        guard var item = running[id], let token else { return }
        guard let url = HTTPURL(item.planned.place.url),
            url.origin.isSecure || HTTPURL(token.serverURL)?.origin.isSecure != true
        else {
            running[id] = nil
            return step(loop) { $0.downloadInvalid(id: id, .malformedAnswer("data URL")) }
        }
        let started = XetDownload(item.planned.place.bytes, client) { [self] _ in
            worker.run { loop in self.pump(loop) }
        }
        item.attempt = started
        item.decoder = DownloadDecoder(item.planned)
        running[id] = item
        started.start(
            url, priority: priority, slowSeconds: request.slowSeconds, deadline: request.deadline)
    }

    /// Takes from each download what has come, as far as there is room for it.
    func pump(_ loop: XetLoop) {
        // What is done here may lead here again; the outermost call goes on until nothing moves.
        if isPumping { return }
        isPumping = true
        defer { isPumping = false }
        var hasMoved = true
        while hasMoved && !isOver && !isSinkPaused {
            deliverHeld(loop)
            hasMoved = useLocals(loop)
            for id in running.keys.sorted() {
                if isOver || isSinkPaused { return }
                if advance(id, loop) { hasMoved = true }
            }
            if !isOver && !planned.isEmpty { beginDownloads(loop) }
        }
        endIfComplete(loop)
    }

    /// Decodes what a download has brought; false if there was nothing to do.
    private func advance(_ id: Int, _ loop: XetLoop) -> Bool {
        // Taken out, so that what the decoder keeps is not copied with every change.
        guard var item = running.removeValue(forKey: id) else { return false }
        guard let attempt = item.attempt else {
            running[id] = item
            return false
        }
        if item.pieces.isEmpty && item.end == nil {
            let ahead = client.xet.aheadByteCount.load(ordering: .relaxed)
            if ahead < XetBoard.aheadByteCountMax || isNext(item.planned) {
                (item.pieces, item.end) = attempt.take()
            }
            if !hasBegun && !item.pieces.isEmpty {
                hasBegun = true
                sink.contentDidBegin()
            }
            if item.pieces.isEmpty && item.end == nil {
                running[id] = item
                return false
            }
        }
        do throws(XetError) {
            try decode(&item, loop)
        } catch {
            running[id] = item
            invalid(id, error, loop)
            return true
        }
        if isOver {
            drop(item)
            return true
        }
        running[id] = item
        if item.pieces.isEmpty, let end = item.end { ended(id, end, loop) }
        return true
    }

    /// Decodes pieces until there are none, or the sink wants a pause.
    private func decode(_ item: inout Running, _ loop: XetLoop) throws(XetError) {
        while let piece = item.pieces.first, !isSinkPaused, !isOver {
            let offset = item.pieceOffset
            item.pieceOffset += try unsafe item.decoder.take(
                UnsafeRawBufferPointer(rebasing: piece.bytes[offset...])
            ) { (chunk, payload) throws(XetError) in
                try unsafe keep(chunk, payload, loop)
            }
            if item.pieceOffset < piece.byteCount { return }
            item.pieces.removeFirst()
            item.pieceOffset = 0
            client.xet.pieces.give(piece)
        }
    }

    /// Decodes a chunk and hands it on; whether to go on.
    private func keep(
        _ chunk: ArrivedChunk, _ payload: UnsafeRawBufferPointer, _ loop: XetLoop
    ) throws(XetError) -> Bool {
        let count = Int64(chunk.header.chunkByteCount)
        let wanted = chunk.fileOffsets.filter { isWanted($0..<$0 + count) }
        if wanted.isEmpty { return true }
        let target = unsafe loop.chunk.prefix(chunk.header.chunkByteCount)
        try unsafe chunk.header.decode(payload, into: target, scratch: loop.scratch)
        let bytes = UnsafeRawBufferPointer(target)
        let hash = unsafe XetHash.chunk(bytes)
        let chunks = wanted.map { offset in
            IdentifiedChunk(
                hash: hash, fileOffset: offset, byteCount: Int(count), xorb: chunk.xorb,
                index: chunk.index)
        }
        return unsafe deliver(bytes, chunks, loop)
    }

    private func ended(_ id: Int, _ end: XetDownload.End, _ loop: XetLoop) {
        guard var item = running[id] else { return }
        let failure: AttemptFailure
        var status: Int?
        switch end {
        case .complete:
            do throws(XetError) {
                try item.decoder.finish()
            } catch {
                return invalid(id, error, loop)
            }
            running[id] = nil
            return step(loop) { $0.downloadFinished(id: id) }
        case .invalid(let error): return invalid(id, error, loop)
        case .failed(.deadline): return finish(.failure(.deadline))
        case .failed(.cancelled), .failed(.shutDown): return finish(.failure(.cancelled))
        case .failed(let error): failure = .transport(error)
        case .refused(let number, let pause):
            status = number
            failure = .status(number, pauseSeconds: pause)
        }
        item.attempt = nil
        item.end = nil
        let now = client.scheduling.now
        let patience = item.patience ?? self.patience
        item.patience = patience
        switch item.policy.next(after: failure, now: now, deadline: patience) {
        case .giveUp:
            running[id] = nil
            step(loop) { $0.downloadRefused(id: id, status: status) }
        case .retry(let seconds):
            running[id] = item
            client.counters.retries.add()
            let number = roundNumber
            loop.at(now + seconds) { [self] in
                if isOver || roundNumber != number { return }
                goOn(id, loop)
            }
        }
    }

    /// Tries a download again: what has come of it is not asked for anew, as far as a plan can
    /// leave it out.
    private func goOn(_ id: Int, _ loop: XetLoop) {
        guard let item = running[id] else { return }
        // Chunks that are used in several places may be missing in one of them only.
        guard item.planned.uses.count == 1 else { return attempt(id, loop) }
        let range = item.planned.fileRange.clamped(to: request.bytes)
        let gaps = delivered.gaps(in: range)
        guard let first = gaps.first, let last = gaps.last else { return attempt(id, loop) }
        let rest = first.lowerBound..<last.upperBound
        if rest == range { return attempt(id, loop) }
        running[id] = nil
        step(loop) { $0.downloadCut(id: id, rest: rest) }
    }

    private func invalid(_ id: Int, _ error: XetError, _ loop: XetLoop) {
        client.counters.count(.wrongAnswer)
        if let item = running.removeValue(forKey: id) { drop(item) }
        step(loop) { $0.downloadInvalid(id: id, error) }
    }
}
