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
            if isFinished || plain != nil { return }
        }
    }

    /// Whether a download brings the next byte for the sink.
    func isNext(_ download: XorbDownload) -> Bool {
        download.uses.contains { $0.fileRange.contains(position) }
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
        started.start(url, priority: priority, deadline: request.deadline)
    }

    /// Takes from each download what has come, as far as there is room for it, and hands on what
    /// is next in the file.
    func pump(_ loop: XetLoop) {
        // What is done here may lead here again; the outermost call goes on until nothing moves.
        if isPumping { return }
        isPumping = true
        defer { isPumping = false }
        var hasMoved = true
        while hasMoved && !isFinished && plain == nil {
            hand(loop)
            if isSinkPaused { return }
            hasMoved = false
            for id in running.keys.sorted() {
                if isFinished || plain != nil { return }
                guard let item = running[id], let attempt = item.attempt else { continue }
                let held = client.xet.aheadByteCount.load(ordering: .relaxed)
                if held >= XetBoard.aheadByteCountMax && !isNext(item.planned) { continue }
                let (pieces, end) = attempt.take()
                if pieces.isEmpty && end == nil { continue }
                hasMoved = true
                if decode(pieces, id, loop), let end { ended(id, end, loop) }
            }
        }
    }

    /// False when it is not what it should be.
    private func decode(_ pieces: [[UInt8]], _ id: Int, _ loop: XetLoop) -> Bool {
        // Taken out, so that what the decoder keeps is not copied with every change.
        guard var item = running.removeValue(forKey: id) else { return false }
        do throws(XetError) {
            for piece in pieces {
                try unsafe piece.span.bytes.withUnsafeBytes { (bytes) throws(XetError) in
                    try unsafe item.decoder.feed(bytes) { (chunk, payload) throws(XetError) in
                        try unsafe keep(chunk, payload, loop)
                    }
                }
            }
            running[id] = item
            return true
        } catch {
            running[id] = item
            invalid(id, error, loop)
            return false
        }
    }

    private func keep(
        _ chunk: ArrivedChunk, _ payload: UnsafeRawBufferPointer, _ loop: XetLoop
    ) throws(XetError) {
        let count = Int64(chunk.header.chunkByteCount)
        let wanted = chunk.fileOffsets.filter {
            $0 + count > position && $0 < segment.upperBound && ahead[$0] == nil
        }
        if wanted.isEmpty { return }
        var bytes = [UInt8](repeating: 0, count: chunk.header.chunkByteCount)
        try unsafe bytes.withUnsafeMutableBufferPointer { (target) throws(XetError) in
            try unsafe chunk.header.decode(
                payload, into: UnsafeMutableRawBufferPointer(target), scratch: loop.scratch)
        }
        let hash = XetHash.chunk(bytes)
        for offset in wanted {
            hold(
                bytes,
                IdentifiedChunk(
                    hash: hash, fileOffset: offset, byteCount: bytes.count, xorb: chunk.xorb,
                    index: chunk.index))
        }
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
        let now = MonotonicInstant.now
        let patience = item.patience ?? self.patience
        item.patience = patience
        switch item.policy.next(after: failure, now: now, deadline: patience) {
        case .giveUp:
            running[id] = nil
            step(loop) { $0.downloadRefused(id: id, status: status) }
        case .retry(let seconds):
            running[id] = item
            client.counters.retries.add()
            let number = segmentNumber
            loop.at(now + seconds) { [self] in
                if isFinished || plain != nil || segmentNumber != number { return }
                attempt(id, loop)
            }
        }
    }

    private func invalid(_ id: Int, _ error: XetError, _ loop: XetLoop) {
        running.removeValue(forKey: id)?.attempt?.cancel()
        step(loop) { $0.downloadInvalid(id: id, error) }
    }
}
